"""The exported sample: the schema of each layout, packing, loading, validation.

A sample is one npz. Layout `proc` (with token pieces) and layout `proc_1` (without text) are the
formats that collaborators load with plain `np.load`; keys, order, dtypes and shapes are fixed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from ..errors import Exp2procError
from . import deflate as codec
from . import npz
from . import shares as mass
from .npz import Member, NpzError, NpzReader
from .shares import Part, SpanName, TopToken
from .spans import NONE, SampleSpans, Span, size

if TYPE_CHECKING:
    from .names import Source

Layout = str
LAYOUTS: Final[tuple[Layout, ...]] = ("proc", "proc_1")

KEYS: Final[dict[Layout, tuple[str, ...]]] = {
    "proc": ("attr", "tok", "span_in", "span_cot", "span_out", "rise", "mas", "recovery"),
    "proc_1": ("attr", "span_in", "span_cot", "span_out", "length", "rise", "mas", "recovery"),
}
"""The keys of each layout in the order of the file; `hop` comes last where there is one."""

_MAX_ITEMS: Final = npz.MAX_MEMBER // 16


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One exported sample.

    L is the number of tokens: prompt plus generation without the final EOS. Spans are closed
    ranges over these tokens, (-1, -1) where there is none.

    Attributes:
        attr: float32[L], row attribution.
        span_in, span_cot, span_out: the prompt, the chain of thought, the explained output.
        rise, mas: faithfulness of the attribution (lower is better); NaN when not measured.
        recovery: Recovery@10% (higher is better); NaN when not measured.
        hop: float32[H, L], attribution by hop, or None.
        tok: str[L], token pieces; None in layout proc_1. Pieces may overlap or be empty.
        source: what its path says it is of, when `iter_samples` or a dataset read it.
    """

    attr: npt.NDArray[np.float32]
    span_in: Span
    span_cot: Span
    span_out: Span
    rise: float
    mas: float
    recovery: float
    hop: npt.NDArray[np.float32] | None = None
    tok: npt.NDArray[np.str_] | None = None
    source: Source | None = None

    @property
    def layout(self) -> Layout:
        """`proc` with token pieces, `proc_1` without."""
        return "proc_1" if self.tok is None else "proc"

    @property
    def tokens_in(self) -> list[str]:
        """The token pieces of the prompt."""
        return self._pieces(self.span_in)

    @property
    def tokens_cot(self) -> list[str]:
        """The token pieces of the chain of thought."""
        return self._pieces(self.span_cot)

    @property
    def tokens_out(self) -> list[str]:
        """The token pieces of the explained output."""
        return self._pieces(self.span_out)

    @property
    def spans(self) -> SampleSpans:
        """The three spans together."""
        return SampleSpans(self.span_in, self.span_cot, self.span_out)

    def scores_of(self, hop: int | None = None) -> npt.NDArray[np.float32]:
        """float32[L]: the attribution of one hop, or `attr`.

        Raises:
            IndexError: there is no such hop.
        """
        if hop is None:
            return self.attr
        count = 0 if self.hop is None else len(self.hop)
        if self.hop is None or not 0 <= hop < count:
            raise IndexError(f"hop {hop} of a sample with {count} hops")
        row: npt.NDArray[np.float32] = self.hop[hop]
        return row

    def top_tokens(
        self, k: int = 10, span: SpanName = "in", *, hop: int | None = None
    ) -> list[TopToken]:
        """The k tokens with the highest attribution, highest first.

        Args:
            k: how many at most; NaN never counts.
            span: among which tokens: "in", "cot", "out" or "all".
            hop: rank by this hop instead of `attr`.

        Raises:
            IndexError: there is no such hop.
            ValueError: there is no such span.
        """
        among: dict[str, Span] = {
            "in": self.span_in,
            "cot": self.span_cot,
            "out": self.span_out,
            "all": (0, len(self.attr) - 1) if len(self.attr) else NONE,
        }
        if span not in among:
            raise ValueError(f"span is {span!r}: it may be {', '.join(among)}")
        best = mass.top(self.scores_of(hop), among[span], k)
        tok = self.tok
        return [TopToken(at, None if tok is None else str(tok[at]), score) for at, score in best]

    def shares(self, hop: int | None = None) -> dict[Part, float]:
        """The share of the absolute attribution in "in", "cot", "out" and "rest", together 1.

        A token of both CoT and output counts as output. All NaN when there is no attribution.

        Args:
            hop: of this hop instead of `attr`.

        Raises:
            IndexError: there is no such hop.
        """
        return mass.shares(self.scores_of(hop), self.spans)

    def _repr_html_(self) -> str:
        """The sample as a heatmap, for notebooks."""
        from ..gallery.heatmap import notebook_html

        return notebook_html(self)

    def is_finite(self) -> bool:
        """Whether every number of `attr` and `hop` is finite."""
        hop = self.hop
        return bool(np.isfinite(self.attr).all()) and (hop is None or bool(np.isfinite(hop).all()))

    def _pieces(self, span: Span) -> list[str]:
        if self.tok is None:
            raise Exp2procError(
                "no-tokens",
                "a sample of layout proc_1 has no token pieces",
            )
        return [] if span == NONE else [str(piece) for piece in self.tok[span[0] : span[1] + 1]]


def encode(
    spans: SampleSpans,
    attr: npt.NDArray[np.float32],
    scores: tuple[float, float, float],
    hop: npt.NDArray[np.float32] | None,
    tok: Member | None,
) -> bytes:
    """The bytes of a sample's npz.

    Args:
        spans: in sample indices.
        attr: float32[L].
        scores: RISE, MAS, Recovery@10%; NaN when absent.
        hop: float32[H, L] or None.
        tok: the packed token pieces (layout `proc`), or None (layout `proc_1`).
    """
    span_in, span_cot, span_out = spans
    members = [("attr", npz.pack(attr, codec.VECTOR_LEVEL))]
    if tok is not None:
        members.append(("tok", tok))
    members += (
        ("span_in", npz.pack_ints(span_in)),
        ("span_cot", npz.pack_ints(span_cot)),
        ("span_out", npz.pack_ints(span_out)),
    )
    if tok is None:
        members.append(("length", npz.pack_ints(map(size, spans))))
    members += [(k, npz.pack_float(v)) for k, v in zip(SCORES, scores, strict=True)]
    if hop is not None:
        members.append(("hop", npz.pack(hop, codec.VECTOR_LEVEL)))
    return npz.archive(members)


SCORES: Final = ("rise", "mas", "recovery")
"""The keys of RISE, MAS and Recovery@10%."""


def load_sample(path: str | Path) -> Sample:
    """Load one exported sample of either layout, every array checked against its schema.

    Raises:
        Exp2procError: `sample-invalid` when it cannot be read or is not a sample.
    """
    try:
        with NpzReader(path) as reader:
            layout = _layout(reader)
            arrays: dict[str, npt.NDArray[Any]] = {
                key: reader.array(key, _MAX_ITEMS) for key in reader.keys
            }
    except NpzError as err:
        raise _invalid(path, str(err)) from None
    except OSError as err:
        raise _invalid(path, err.strerror or str(err)) from None
    problem = schema_problem(arrays, layout)
    if problem is not None:
        raise _invalid(path, problem)

    for array in arrays.values():
        array.flags.writeable = False

    def span(key: str) -> Span:
        start, end = arrays[key].tolist()
        return start, end

    fields: dict[str, Any] = {key: float(arrays[key]) for key in SCORES}
    return Sample(
        attr=arrays["attr"],
        span_in=span("span_in"),
        span_cot=span("span_cot"),
        span_out=span("span_out"),
        hop=arrays.get("hop"),
        tok=arrays.get("tok"),
        **fields,
    )


def load_scores(path: str | Path) -> dict[str, float]:
    """RISE, MAS and Recovery@10% of a sample by key, its vectors not read; NaN when absent.

    Raises:
        Exp2procError: `sample-invalid`.
    """
    try:
        with NpzReader(path) as reader:
            _layout(reader)
            values = {key: reader.array(key, 1) for key in SCORES}
    except NpzError as err:
        raise _invalid(path, str(err)) from None
    except OSError as err:
        raise _invalid(path, err.strerror or str(err)) from None
    for key, value in values.items():
        if value.dtype != np.float64 or value.shape != ():
            raise _invalid(path, f"{key} is {_kind(value)}, not a float64 scalar")
    return {key: float(value) for key, value in values.items()}


def _invalid(path: str | Path, why: str) -> Exp2procError:
    return Exp2procError("sample-invalid", f"{os.path.basename(path)}: {why}")


def _layout(reader: NpzReader) -> Layout:
    keys = reader.keys
    for layout in LAYOUTS:
        if keys in (KEYS[layout], (*KEYS[layout], "hop")):
            return layout
    raise NpzError(f"its keys are {', '.join(keys) or 'none'}: not those of a sample")


def schema_problem(arrays: dict[str, npt.NDArray[Any]], layout: Layout) -> str | None:
    """What is wrong with a sample's arrays, or None. Keys and their order are not looked at."""
    attr = arrays["attr"]
    if attr.dtype != np.float32 or attr.ndim != 1:
        return f"attr is {_kind(attr)}, not float32[L]"
    length = len(attr)
    for key in ("span_in", "span_cot", "span_out"):
        span = arrays[key]
        if span.dtype != np.int64 or span.shape != (2,):
            return f"{key} is {_kind(span)}, not int64[2]"
        start, end = span.tolist()
        if (start, end) != NONE and not 0 <= start <= end < length:
            return f"{key} is [{start}, {end}], outside 0..{length - 1}"
    for key in SCORES:
        if arrays[key].dtype != np.float64 or arrays[key].shape != ():
            return f"{key} is {_kind(arrays[key])}, not a float64 scalar"
    if layout == "proc":
        tok = arrays["tok"]
        if tok.dtype.kind != "U" or tok.shape != (length,):
            return f"tok is {_kind(tok)}, not str[{length}]"
    else:
        sizes = arrays["length"]
        wanted = [size((s[0], s[1])) for s in (arrays[k].tolist() for k in KEYS["proc_1"][1:4])]
        if sizes.dtype != np.int64 or sizes.shape != (3,) or sizes.tolist() != wanted:
            return f"length is {_kind(sizes)} {sizes.tolist()}, not int64[3] {wanted}"
    hop = arrays.get("hop")
    if hop is not None and (hop.dtype != np.float32 or hop.ndim != 2 or hop.shape[1] != length):
        return f"hop is {_kind(hop)}, not float32[H, {length}]"
    return None


def _kind(array: npt.NDArray[Any]) -> str:
    return f"{array.dtype.name}{list(array.shape)}"
