"""What a sample holds, as two tables: of scores, and of layouts.

A new score is one entry of `SCORES` (and of the layouts that carry it), a new layout one entry of
`LAYOUTS`: reading, writing, checking, planning and the command line go by the tables, and nobody
else asks for a layout by its name.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

FT_IFR_METHODS: Final = frozenset(
    {"ifr_in_all_gen", "ifr_multi_hop_stop_words", "ifr_multi_hop_both", "ifr_multi_hop_split_hop"}
)
"""The FT-IFR methods: their samples carry `hop` in layout proc (contract of the sample format)."""


MAX_HOPS: Final = 1024
"""More hops than this are a damaged file, not an experiment."""


class Score(NamedTuple):
    """One of the scores that a sample carries.

    Attributes:
        key: of the sample format.
        label: as papers print it.
        higher_is_better: its direction.
        array: key of the trace's array that it stands in.
        shape: of that array.
        at: its place there; the row of the row attribution.

    >>> SCORES["mas"].label, SCORES["mas"].arrow
    ('MAS', '↓')
    """

    key: str
    label: str
    higher_is_better: bool
    array: str
    shape: tuple[int, ...]
    at: tuple[int, ...]

    @property
    def arrow(self) -> str:
        """The direction as a sign."""
        return "↑" if self.higher_is_better else "↓"


def _table(*scores: Score) -> dict[str, Score]:
    return {score.key: score for score in scores}


SCORES: Final = _table(
    Score("rise", "RISE", False, "faithfulness_scores", (3, 3), (1, 0)),
    Score("mas", "MAS", False, "faithfulness_scores", (3, 3), (1, 1)),
    Score("recovery", "Recovery@10%", True, "recovery_scores", (3,), (1,)),
)
"""The scores by key, in the order of tables and files."""


def directions() -> str:
    """Which way each score points, in a clause.

    >>> directions()
    'RISE and MAS: lower is better; Recovery@10%: higher is better'
    """
    lower, higher = (
        " and ".join(score.label for score in SCORES.values() if score.higher_is_better == better)
        for better in (False, True)
    )
    return f"{lower}: lower is better; {higher}: higher is better"


Kind = Literal["vector", "text", "span", "lengths", "score", "hops"]
"""What an array is: float32[L]; str[L]; closed range int64[2]; sizes of the three spans int64[3];
float64 scalar; float32[H, L]."""


class Key(NamedTuple):
    """One array of a sample.

    Attributes:
        name: its key in the npz.
        kind: decides dtype, shape and how it is packed.
        optional: whether a sample may lack it.
    """

    name: str
    kind: Kind
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """One form of sample files.

    Attributes:
        name: as the command line spells it.
        keys: in the order of the file.
        hop_methods: the methods whose samples carry `hop` when the trace has `vh`; None: all.
        hop_required: whether a trace of these methods without `vh` is an error.
        default_root: where outputs go when nothing else is said.

    >>> proc = LAYOUTS["proc"]
    >>> proc.needs_text, proc.wants_hops("ifr_in_all_gen"), proc.wants_hops("attnlrp")
    (True, True, False)
    >>> LAYOUTS["proc_1"].wants_hops("attnlrp")
    True
    """

    name: str
    keys: tuple[Key, ...]
    hop_methods: frozenset[str] | None
    hop_required: bool
    default_root: str

    @property
    def needs_text(self) -> bool:
        """Whether its samples hold token pieces, for which a dataset and a tokenizer are needed."""
        return any(key.kind == "text" for key in self.keys)

    def wants_hops(self, attr_func: str) -> bool:
        """Whether a sample of this method carries `hop` when its trace has `vh`."""
        return self.hop_methods is None or attr_func in self.hop_methods

    def requires_hops(self, attr_func: str) -> bool:
        """Whether a trace of this method without `vh` is an error."""
        return self.hop_required and self.wants_hops(attr_func)

    def fits(self, names: Collection[str]) -> bool:
        """Whether a file with these keys, in their order, is of this layout."""
        return list(names) == [k.name for k in self.keys if not k.optional or k.name in names]


_ATTR: Final = Key("attr", "vector")
_SPANS: Final = (Key("span_in", "span"), Key("span_cot", "span"), Key("span_out", "span"))
_SCORE_KEYS: Final = tuple(Key(key, "score") for key in SCORES)
_HOP: Final = Key("hop", "hops", optional=True)

LAYOUTS: Final[dict[str, Layout]] = {
    layout.name: layout
    for layout in (
        Layout(
            "proc",
            (_ATTR, Key("tok", "text"), *_SPANS, *_SCORE_KEYS, _HOP),
            hop_methods=FT_IFR_METHODS,
            hop_required=True,
            default_root="exp/proc/output",
        ),
        Layout(
            "proc_1",
            (_ATTR, *_SPANS, Key("length", "lengths"), *_SCORE_KEYS, _HOP),
            hop_methods=None,
            hop_required=False,
            default_root="exp/proc_1/output",
        ),
    )
}
"""The layouts by name, the default first."""
