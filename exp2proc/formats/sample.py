"""The exported sample: packing, loading and validation, by the table of layouts.

A sample is one npz that collaborators load with plain `np.load`; keys, order, dtypes and shapes are
those of its layout.
"""

from __future__ import annotations

import hashlib
import math
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final, Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from .. import formats
from ..errors import Exp2procError
from ..system.extras import require
from ..system.files import given
from . import deflate, npz, shares, zipped
from .held import Place
from .layouts import LAYOUTS, MAX_HOPS, SCORES, Key, Kind, Layout
from .names import Source, counted
from .npz import Digest, Member, NpzReader, Outline, shown
from .recent import Recent, content_key
from .shares import Part, SpanName, TopToken
from .spans import NONE, SampleSpans, Span, clamp, shift, size
from .words import Word
from .words import words as words_of
from .zipped import NpzError

T = TypeVar("T")
Arrays = Mapping[str, npt.NDArray[Any]]
Outlines = Mapping[str, npt.NDArray[Any] | Outline]

MAX_TOKENS: Final = 1 << 22
"""More tokens than this no sample has (texts of a million are the longest that models take)."""
MAX_BYTES: Final = 1 << 29
"""The arrays of no sample inflate to more: a million tokens, one of them of 100 characters, and 16
hops are 476 MB. DEFLATE packs a thousand bytes into one, so what is packed bounds little."""
MAX_NPZ: Final = MAX_BYTES + (1 << 20)
"""More bytes no sample's file has, even if nothing in it is packed."""
_UNASKED: Final = 1 << 24
"""Up to this size arrays are inflated first and looked at then."""
_MAX_ITEMS: Final = MAX_BYTES // 4
_FEW: Final = 16
_MAX_CODE: Final = sys.maxunicode


@dataclass(frozen=True, eq=False, repr=False)
class Sample:
    """One exported sample.

    L is the number of tokens: prompt plus generation without the final EOS. Spans are closed
    ranges over these tokens, (-1, -1) where there is none. Arrays are read-only, also in another
    process.

    Attributes:
        layout: `proc` with token pieces, `proc_1` without.
        attr: float32[L], row attribution.
        spans: the prompt, the chain of thought, the explained output.
        scores: RISE, MAS, Recovery@10% by key; NaN when not measured.
        hop: float32[H, L], attribution by hop, or None.
        tok: str[L], token pieces; None in layout proc_1. Pieces may overlap or be empty.
        source: what its path says it is of, when `iter_samples` or a dataset read it.

    >>> sample = Sample(
    ...     "proc",
    ...     np.array([0.1, 0.6, 0.3], np.float32),
    ...     SampleSpans((0, 1), (-1, -1), (2, 2)),
    ...     {"rise": 0.2, "mas": 0.3, "recovery": float("nan")},
    ...     tok=np.array([" Two", " plus", " two"]),
    ... )
    >>> sample.tokens_in, sample.mas
    ([' Two', ' plus'], 0.3)
    >>> sample.top_tokens(1)[0].token
    ' plus'
    """

    layout: str
    attr: npt.NDArray[np.float32]
    spans: SampleSpans
    scores: Mapping[str, float]
    hop: npt.NDArray[np.float32] | None = None
    tok: npt.NDArray[np.str_] | None = None
    source: Source | None = None

    def __post_init__(self) -> None:
        for name in ("attr", "hop", "tok"):
            if (array := getattr(self, name)) is not None:
                frozen = array.view()
                frozen.flags.writeable = False
                object.__setattr__(self, name, frozen)

    def __repr__(self) -> str:
        """Two lines at most: its sizes and spans, and what is known of its scores and source."""
        hops = 0 if self.hop is None else len(self.hop)
        sizes = [self.layout, counted(len(self.attr), "token"), counted(hops, "hop")]
        named = zip(("in", "cot", "out"), self.spans, strict=True)
        sizes += (f"{name} {span}" for name, span in named if span != NONE)
        known = [f"{key} {score:.3f}" for key, score in self.scores.items() if score == score]
        if self.source is not None:
            known.append(repr(self.source.short_name))
        lines = filter(None, (", ".join(sizes), ", ".join(known)))
        between = ",\n" + " " * len("Sample(")
        return f"Sample({between.join(lines)})"

    def __reduce__(self) -> tuple[type[Sample], tuple[Any, ...]]:
        # numpy forgets on the way that an array was read-only; made anew, it is again.
        return type(self), tuple(getattr(self, one.name) for one in fields(self))

    @property
    def span_in(self) -> Span:
        """The prompt."""
        return self.spans.span_in

    @property
    def span_cot(self) -> Span:
        """The chain of thought."""
        return self.spans.span_cot

    @property
    def span_out(self) -> Span:
        """The explained output."""
        return self.spans.span_out

    @property
    def rise(self) -> float:
        """RISE of the row attribution (lower is better); NaN when not measured."""
        return self.scores["rise"]

    @property
    def mas(self) -> float:
        """MAS of the row attribution (lower is better); NaN when not measured."""
        return self.scores["mas"]

    @property
    def recovery(self) -> float:
        """Recovery@10% of the row attribution (higher is better); NaN when not measured."""
        return self.scores["recovery"]

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

    def scores_of(self, hop: int | None = None) -> npt.NDArray[np.float32]:
        """float32[L]: the attribution of one hop, or `attr`.

        Raises:
            IndexError: there is no such hop.
        """
        if hop is None:
            return self.attr
        count = 0 if self.hop is None else len(self.hop)
        if self.hop is None or not 0 <= hop < count:
            raise IndexError(f"hop {hop} of a sample with {counted(count, 'hop')}")
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
        best = shares.top(self.scores_of(hop), among[span], k)
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
        return shares.shares(self.scores_of(hop), self.spans)

    def words(self, *, hop: int | None = None) -> list[Word]:
        """The words, each with its tokens, text, part and summed attribution.

        A word is whole tokens of one part; it ends before white space, after a line break, and
        before and after each character of Chinese or Japanese. Scripts without spaces that have
        other characters (Thai, Khmer, Lao) are not divided: Python has no segmenter for them.

        Args:
            hop: sum up this hop instead of `attr`.

        Raises:
            IndexError: there is no such hop.
            Exp2procError: `no-tokens` in layout proc_1.

        >>> sample = next(exp2proc.iter_samples(demo.out, dataset="arithmetic"))
        >>> [word.text for word in sample.words()[1:4]]
        [' has', ' 7', ' postcards,']
        """
        return words_of(self._all_pieces(), self.spans, self.scores_of(hop))

    def __getitem__(self, tokens: slice) -> Sample:
        """A sample of some of the tokens: `sample[10:20]`, also with negative ends.

        Spans are cut to these tokens and counted from the first of them; one that lies elsewhere is
        (-1, -1). The scores are NaN: they are of the whole text. Arrays are views.

        Raises:
            TypeError: it is no slice; `sample.attr[3]` is one token's attribution.
            ValueError: the slice has a step.

        >>> first = next(exp2proc.iter_samples(demo.out))
        >>> some = first[first.span_cot[0] - 1 : first.span_cot[0] + 3]
        >>> some.span_in, some.span_cot, some.span_out
        ((0, 0), (1, 3), (-1, -1))
        """
        if not isinstance(tokens, slice):
            raise TypeError(f"a sample is cut by slices, such as sample[10:20], not by {tokens!r}")
        start, stop, step = tokens.indices(len(self.attr))
        if step != 1:
            raise ValueError("a slice of a sample has no step")
        length = max(0, stop - start)

        def cut(span: Span) -> Span:
            if span == NONE:
                return NONE
            moved = (span[0] - start, span[1] - start)
            return shift(clamp(moved, length - 1), 0)

        return replace(
            self,
            attr=self.attr[start : start + length],
            spans=SampleSpans(*map(cut, self.spans)),
            scores=dict.fromkeys(self.scores, math.nan),
            hop=None if self.hop is None else self.hop[:, start : start + length],
            tok=None if self.tok is None else self.tok[start : start + length],
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data for JSON: lists, numbers, texts; what is not finite is None.

        Keys are those of the layout's file, `hop` and `tok` None where there are none; and
        `layout` and, where it is known, `source`: dataset, model, method, run_tag, file, example.
        """
        source = self.source
        return {
            "layout": self.layout,
            "source": None if source is None else source.to_dict(),
            "attr": _plain(self.attr.tolist()),
            "tok": None if self.tok is None else self.tok.tolist(),
            **{name: list(span) for name, span in self.spans._asdict().items()},
            **{key: _plain(score) for key, score in self.scores.items()},
            "hop": None if self.hop is None else [_plain(row) for row in self.hop.tolist()],
        }

    def to_frame(self) -> Any:
        """A `pandas.DataFrame`, a row a token: token (None in layout proc_1), part, attr, hop_0...

        `part` is "in", "cot", "out" or "rest"; a token of both CoT and output is output.

        Raises:
            Exp2procError: `missing-extra`, when pandas is not installed.

        >>> frame = next(exp2proc.iter_samples(demo.out, method="ifr_multi_hop_both")).to_frame()
        >>> list(frame.columns)
        ['token', 'part', 'attr', 'hop_0', 'hop_1']
        """
        pandas = require("pandas", "frames")
        numbers = shares.part_numbers(len(self.attr), self.spans)
        columns: dict[str, Any] = {
            "token": [None] * len(self.attr) if self.tok is None else self.tok.tolist(),
            "part": [shares.PARTS[number] for number in numbers],
            "attr": self.attr,
        }
        hops = () if self.hop is None else self.hop
        columns |= {f"hop_{number}": row for number, row in enumerate(hops)}
        return pandas.DataFrame(columns)

    def _repr_html_(self) -> str | None:
        """The sample as a heatmap, for notebooks."""
        return None if formats.notebook_drawer is None else formats.notebook_drawer(self)

    def view(self, *, hop: int | None = None, scale: str = "linear", height: int = 760) -> Any:
        """The sample in the viewer, for a notebook: the last value of a cell shows it.

        Args:
            hop: shown first; None is the row attribution.
            scale: of the colours: linear, log, rank or p99.5.
            height: of the frame, in pixels.

        Raises:
            IndexError: there is no such hop.
        """
        assert formats.notebook_viewer is not None  # the package's root sets it
        return formats.notebook_viewer(self, hop=hop, scale=scale, height=height)

    def is_finite(self) -> bool:
        """Whether every number of `attr` and `hop` is finite."""
        hop = self.hop
        return bool(np.isfinite(self.attr).all()) and (hop is None or bool(np.isfinite(hop).all()))

    def _pieces(self, span: Span) -> list[str]:
        pieces = self._all_pieces()
        return [] if span == NONE else pieces[span[0] : span[1] + 1]

    def _all_pieces(self) -> list[str]:
        if self.tok is None:
            raise Exp2procError(
                "no-tokens", f"a sample of layout {self.layout} has no token pieces"
            )
        pieces: list[str] = self.tok.tolist()
        return pieces


def _plain(value: Any) -> Any:
    """Numbers as JSON may hold them."""
    if isinstance(value, list):
        return [one if math.isfinite(one) else None for one in value]
    return value if math.isfinite(value) else None


def _pack_vector(array: npt.NDArray[np.float32]) -> Member:
    return npz.pack(array, deflate.compress_numbers)


def _packed_already(member: Member) -> Member:
    return member


_PACK: Final[dict[Kind, Callable[[Any], Member]]] = {
    "vector": _pack_vector,
    "hops": _pack_vector,
    "text": _packed_already,
    "span": npz.pack_ints,
    "lengths": npz.pack_ints,
    "score": npz.pack_float,
}


def pack_text(tok: npt.NDArray[np.str_]) -> Member:
    """Token pieces as `encode` takes them: they are packed once a text, not once a sample."""
    return npz.pack(tok, deflate.compress_text)


def encode(layout: Layout, values: Mapping[str, Any]) -> bytes:
    """The bytes of a sample's npz; arguments as of `pack_members`."""
    return npz.archive(pack_members(layout, values).items())


def pack_members(layout: Layout, values: Mapping[str, Any]) -> dict[str, Member]:
    """The arrays of a sample, packed, in the order of its file.

    Args:
        layout: which keys, in which order.
        values: by key: float32 arrays for `attr` and `hop` (left out where there is none), the
            packed pieces (`pack_text`) for `tok`, numbers for scores, spans and `length`. What the
            layout has no key for is not written.

    Raises:
        ValueError: the sample is larger than any that `load_sample` would read.
    """
    if len(values["attr"]) > MAX_TOKENS:
        raise ValueError(_too_many(len(values["attr"])))
    members = {
        key.name: _PACK[key.kind](values[key.name])
        for key in layout.keys
        if not key.optional or key.name in values
    }
    size = sum(member.size for member in members.values())
    if size > MAX_BYTES:
        raise ValueError(_too_large(size))
    return members


def digests(layout: Layout, values: Mapping[str, Any]) -> dict[str, Digest]:
    """What `encode` would write, as the digest of each array, in order.

    Args:
        layout: which keys, in which order.
        values: as of `encode`; `tok` may be an array, too, or a digest. What is not there is left
            out.
    """
    found: dict[str, Digest] = {}
    for key in layout.keys:
        value = values.get(key.name)
        if isinstance(value, np.ndarray):
            found[key.name] = npz.digest(value)
        elif isinstance(value, Digest):
            found[key.name] = value
        elif value is not None:
            found[key.name] = _PACK[key.kind](value).digest
    return found


def sample_digest(name: str, found: Mapping[str, Digest]) -> str:
    """What a sample amounts to, as hex: SHA-256 over its file name and the digests of its arrays.

    >>> sample_digest("ex_000000.npz", {"attr": npz.Digest(140, 0x1234)})[:16]
    'c05d2b7e7175eab4'
    """
    lines = [name, *(f"{key} {size} {crc:08x}" for key, (size, crc) in found.items())]
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


@dataclass(slots=True)
class DigestSum:
    """What many samples amount to, in whatever order: the sum of their digests modulo 2^256.

    >>> both = DigestSum()
    >>> both.add("f" * 64)
    >>> both.add(f"{2:064x}")
    >>> both.count, both.hexdigest()[-4:]
    (2, '0001')
    """

    count: int = 0
    total: int = 0

    def add(self, digest: str) -> None:
        """Count one more sample, by what `sample_digest` gives."""
        self.count += 1
        self.total = (self.total + int(digest, 16)) % (1 << 256)

    def hexdigest(self) -> str:
        """The sum, as 64 hex digits."""
        return f"{self.total:064x}"


def values_of(sample: Sample) -> dict[str, Any]:
    """What `digests` takes: everything that a sample holds, by key."""
    values = sample_values(sample.attr, sample.spans, sample.scores, sample.hop)
    return values if sample.tok is None else {**values, "tok": sample.tok}


def sample_values(
    attr: npt.NDArray[np.float32],
    spans: SampleSpans,
    scores: Mapping[str, float],
    hop: npt.NDArray[np.float32] | None = None,
) -> dict[str, Any]:
    """What `encode` needs of a sample, the token pieces excepted.

    Args:
        attr: float32[L].
        spans: in sample indices.
        scores: by key; NaN when absent.
        hop: float32[H, L] or None.
    """
    values = {"attr": attr, **spans._asdict(), "length": [*map(size, spans)], **scores}
    return values if hop is None else {**values, "hop": hop}


def load_sample(path: Place) -> Sample:
    """Load one exported sample of either layout, every array checked against its schema.

    >>> sample = load_sample(next(demo.out.rglob("ifr_multi_hop_both*/ex_000000.npz")))
    >>> sample.layout, sample.hop.shape[0], len(sample.tok) == len(sample.attr)
    ('proc', 2, True)

    Raises:
        Exp2procError: `sample-invalid` when it cannot be read or is not a sample; `usage` when
            `path` is no path.
    """
    with _reading(path) as reader:
        layout = _layout(reader)
        arrays = {key.name: _array(reader, key) for key in layout.keys if key.name in reader}
        if problem := schema_problem(arrays, layout):
            raise NpzError(problem)
    return _sample(layout, arrays)


def _array(reader: NpzReader, key: Key) -> npt.NDArray[np.generic]:
    return reader.array(key.name, _MAX_ITEMS if key.kind in _BY_TOKEN else _FEW)


def _sample(layout: Layout, arrays: Arrays) -> Sample:
    spans = {name: tuple(arrays[name].tolist()) for name in SampleSpans._fields}
    scores = {key: float(arrays[key]) if key in arrays else math.nan for key in SCORES}
    return Sample(
        layout.name,
        arrays["attr"],
        SampleSpans(**spans),
        scores,
        arrays.get("hop"),
        arrays.get("tok"),
    )


@dataclass(frozen=True, slots=True)
class Loaded(Generic[T]):
    """A sample whose token pieces were looked at, but are not kept.

    Attributes:
        sample: without `tok`, which it may have all the same.
        digests: of all its arrays, as `digests` gives them.
        learned: what was to be learned of its token pieces; None where it has none.
    """

    sample: Sample
    digests: dict[str, Digest]
    learned: T | None


@dataclass(frozen=True, slots=True)
class _Known(Generic[T]):
    outline: Outline
    digest: Digest
    learned: T


class Loader(Generic[T]):
    """Loads samples as `load_sample` does, but their token pieces once a text.

    A text's pieces lie in a sample of every method, packed into the same bytes, and are most of it:
    what was learned of these bytes is remembered. Safe for threads.

    >>> loader = Loader(learn=len, limit=1 << 20)
    >>> loaded = loader.load(next(demo.out.rglob("ifr_multi_hop_both*/ex_000000.npz")))
    >>> loaded.learned == len(loaded.sample.attr), list(loaded.digests)[:2]
    (True, ['attr', 'tok'])

    Args:
        learn: makes of str[L] what is wanted of it.
        limit: bytes of memory for what was learned.
        size: the bytes of something learned.
    """

    def __init__(
        self,
        learn: Callable[[npt.NDArray[np.str_]], T],
        limit: int,
        size: Callable[[T], int] = lambda _: 0,
    ) -> None:
        self._learn = learn
        self._recent: Recent[_Known[T]] = Recent(limit, lambda known: size(known.learned))

    def load(self, path: Place) -> Loaded[T]:
        """Load a sample.

        Raises:
            Exp2procError: as `load_sample`.
        """
        identity = known = None
        arrays: dict[str, Any] = {}
        with _reading(path) as reader:
            layout = _layout(reader)
            for key in layout.keys:
                if key.kind == "text":
                    identity = _identity(reader, key.name)
                    known = None if identity is None else self._recent.get(identity)
                if key.name in reader:
                    told = None if key.kind != "text" else known
                    arrays[key.name] = _array(reader, key) if told is None else told.outline
            if problem := schema_problem(arrays, layout):
                raise NpzError(problem)
        tok = arrays.pop("tok", None)
        if isinstance(tok, np.ndarray):
            known = _Known(Outline(tok.dtype, tok.shape), npz.digest(tok), self._learn(tok))
            if identity is not None:
                self._recent.put(identity, known)
        sample = _sample(layout, arrays)
        values = values_of(sample)
        if known is None:
            return Loaded(sample, digests(layout, values), None)
        return Loaded(sample, digests(layout, {**values, "tok": known.digest}), known.learned)


def _identity(reader: NpzReader, key: str) -> bytes | None:
    """Names what a member inflates to, by its packed bytes; None where these do not tell."""
    try:
        packed = reader.packed(key)
    except NpzError:
        return None  # to read it is to be told
    return content_key(packed, *reader.digests()[key]) if packed else None


def load_scores(path: Place) -> dict[str, float]:
    """The scores of a sample by key, its vectors not read; NaN when absent.

    Raises:
        Exp2procError: `sample-invalid`.
    """
    with _reading(path) as reader:
        return _scores(reader, _layout(reader))


class Measured(NamedTuple):
    """What there is to know of a sample without its vectors.

    Attributes:
        tokens: L, how many it has.
        spans: in sample indices.
        scores: by key; NaN when absent.
    """

    tokens: int
    spans: SampleSpans
    scores: dict[str, float]


def load_measured(path: Place) -> Measured:
    """Length, spans and scores of a sample; of its vectors no more than a header is read.

    >>> found = load_measured(next(demo.out.glob("needles/*/attnlrp*/ex_000000.npz")))
    >>> found.tokens > found.spans.span_cot[0] > 0, 0 < found.scores["rise"] < 1
    (True, True)

    Raises:
        Exp2procError: `sample-invalid`.
    """
    with _reading(path) as reader:
        layout = _layout(reader)
        arrays: dict[str, Any] = {"attr": reader.outline("attr")}
        arrays |= {name: reader.array(name, _FEW) for name in SampleSpans._fields}
        if problem := schema_problem(arrays, layout):
            raise NpzError(problem)
        spans = SampleSpans(*(tuple(arrays[name].tolist()) for name in SampleSpans._fields))
        return Measured(arrays["attr"].shape[0], spans, _scores(reader, layout))


def _scores(reader: NpzReader, layout: Layout) -> dict[str, float]:
    scores = dict.fromkeys(SCORES, math.nan)
    for key in layout.keys:
        if key.kind == "score":
            array = reader.array(key.name, 1)
            if problem := _score_problem(key.name, array):
                raise NpzError(problem)
            scores[key.name] = float(array)
    return scores


@contextmanager
def _reading(place: Place) -> Iterator[NpzReader]:
    """An open npz; whatever is wrong with it is `sample-invalid`."""
    if not hasattr(place, "read"):
        place = given(place, "path")
    with _told(place), NpzReader(place) as reader:
        yield reader


@contextmanager
def _told(place: Place) -> Iterator[None]:
    try:
        yield
    except NpzError as err:
        why = str(err)
    except OSError as err:
        why = err.strerror or str(err)
    else:
        return
    hint = None
    if not isinstance(place, str | Path):
        hint = "It lies in another file: get that again, or make it again from its samples."
    elif why == _A_TRACE:
        folder = shlex.quote(os.path.dirname(os.path.abspath(place)))
        hint = (
            f"Convert it first: exp2proc convert --trace_dir {folder} (exp2proc doctor says how)."
        )
    raise Exp2procError("sample-invalid", f"{place}: {why}", hint)


def whole(path: Place, most: int) -> bytes | bytearray:
    """A sample's file as it lies there, or a little more than `most` bytes of it.

    Raises:
        Exp2procError: `sample-invalid`.
    """
    with _told(path):
        return zipped.content(path, most)


_A_TRACE: Final = "it is a trace of exp2, not an exported sample"


def _layout(reader: NpzReader) -> Layout:
    keys = reader.keys
    if "v_row_all" in keys:
        raise NpzError(_A_TRACE)
    if reader.others:
        raise NpzError(f"it holds {shown(reader.others)}, which is no array of a sample")
    layout = next((layout for layout in LAYOUTS.values() if layout.fits(keys)), None)
    if layout is None:
        raise NpzError(f"its keys are {shown(keys)}: not those of a sample")
    if problem := _claims_problem(reader, layout):
        raise NpzError(problem)
    return layout


def _claims_problem(reader: NpzReader, layout: Layout) -> str | None:
    """Why so much is not to be inflated, or None: by the directory and the headers alone."""
    if reader.claimed <= _UNASKED:
        return None
    if reader.claimed > MAX_BYTES:
        return _too_large(reader.claimed)
    large = [key.name for key in layout.keys if key.kind in _BY_TOKEN and key.name in reader]
    return schema_problem({name: reader.outline(name) for name in large}, layout)


def _too_large(size: int) -> str:
    return f"its arrays claim {size} bytes, those of a sample have at most {MAX_BYTES}"


def _too_many(tokens: int) -> str:
    return f"attr has {tokens} tokens, at most {MAX_TOKENS} are read"


_BY_TOKEN: Final[frozenset[Kind]] = frozenset({"vector", "text", "hops"})
"""The kinds whose arrays grow with the sample."""


def schema_problem(arrays: Outlines, layout: Layout) -> str | None:
    """What is wrong with the arrays of a sample, or None. Keys are not looked at.

    Args:
        arrays: by key; of those of `_BY_TOKEN` outlines are enough.
        layout: of the sample.
    """
    attr = arrays["attr"]
    if attr.dtype != np.float32 or attr.ndim != 1:
        return f"attr is {_kind(attr)}, not float32[L]"
    if attr.shape[0] > MAX_TOKENS:
        return _too_many(attr.shape[0])
    for key in layout.keys:
        if key.name in arrays and (problem := _CHECK[key.kind](key.name, arrays)):
            return problem
    return None


def _vector_problem(name: str, arrays: Outlines) -> str | None:
    array, length = arrays[name], arrays["attr"].shape[0]
    fits = array.dtype == np.float32 and array.shape == (length,)
    return None if fits else f"{name} is {_kind(array)}, not float32[{length}]"


def _hops_problem(name: str, arrays: Outlines) -> str | None:
    array, length = arrays[name], arrays["attr"].shape[0]
    if array.dtype != np.float32 or array.ndim != 2 or array.shape[1] != length:
        return f"{name} is {_kind(array)}, not float32[H, {length}]"
    hops = array.shape[0]
    return f"{name} has {hops} hops, at most {MAX_HOPS}" if hops > MAX_HOPS else None


def _text_problem(name: str, arrays: Outlines) -> str | None:
    array, length = arrays[name], arrays["attr"].shape[0]
    if array.dtype.kind != "U" or array.shape != (length,):
        return f"{name} is {_kind(array)}, not str[{length}]"
    if isinstance(array, Outline) or not array.nbytes:
        return None
    codes = array.view(np.dtype(np.uint32).newbyteorder(array.dtype.byteorder))
    highest = int(codes.max())
    return f"{name} holds {highest:#x}, which is no character" if highest > _MAX_CODE else None


def _span_problem(name: str, arrays: Arrays) -> str | None:
    array, length = arrays[name], arrays["attr"].shape[0]
    if array.dtype != np.int64 or array.shape != (2,):
        return f"{name} is {_kind(array)}, not int64[2]"
    start, end = array.tolist()
    if (start, end) != NONE and not 0 <= start <= end < length:
        return f"{name} is [{start}, {end}], outside 0..{length - 1}"
    return None


def _lengths_problem(name: str, arrays: Arrays) -> str | None:
    array = arrays[name]
    wanted = [size((s[0], s[1])) for s in (arrays[k].tolist() for k in SampleSpans._fields)]
    if array.dtype != np.int64 or array.shape != (3,) or array.tolist() != wanted:
        return f"{name} is {_kind(array)} {shown(array.tolist())}, not int64[3] {wanted}"
    return None


def _score_problem(name: str, array: npt.NDArray[Any]) -> str | None:
    fits = array.dtype == np.float64 and array.shape == ()
    return None if fits else f"{name} is {_kind(array)}, not a float64 scalar"


_CHECK: Final[dict[Kind, Callable[[str, Any], str | None]]] = {
    "vector": _vector_problem,
    "hops": _hops_problem,
    "text": _text_problem,
    "span": _span_problem,
    "lengths": _lengths_problem,
    "score": lambda name, arrays: _score_problem(name, arrays[name]),
}


def _kind(array: npt.NDArray[Any] | Outline) -> str:
    native = array.dtype.isnative or array.dtype.itemsize < 2
    return f"{array.dtype.name if native else array.dtype.str}{shown(array.shape)}"
