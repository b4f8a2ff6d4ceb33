"""The kinds of figures: a new one is an entry of `KINDS`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from typing import Any, Final, NamedTuple

from ..errors import Exp2procError
from ..exports.measured import measure, scores_of
from ..exports.read import load_source
from ..formats.names import Source, counted
from ..formats.sample import Measured, Sample
from ..formats.shares import PARTS
from . import drawing, fonts, hops, length, scores, shares, tokens
from .arrange import Record, Request
from .table import Table

_ARRANGING: Final = frozenset({"methods", "panels", "groups", "labels", "order"})


class Kind(NamedTuple):
    """One kind of figure.

    Attributes:
        about: what it shows, in a clause.
        columns: of its table of numbers.
        read: what it needs of each sample; importable, for workers.
        numbers: the table, of all that was read.
        draw: the table into a figure: figure, table, request, fonts.
        heeds: fields of the request, besides those that say which samples go together.
        arranged: whether samples go together as the request says.
        font: the first of its fonts.
    """

    about: str
    columns: tuple[str, ...]
    read: Callable[[Source], Any]
    numbers: Callable[[Sequence[Any], Request], Table]
    draw: Callable[[Any, Table, Request, fonts.Fonts], None]
    heeds: frozenset[str] = frozenset()
    arranged: bool = True
    font: str = fonts.SANS

    @property
    def takes(self) -> frozenset[str]:
        """The fields of the request that are of use."""
        return self.heeds | {"width"} | (_ARRANGING if self.arranged else frozenset())


class Weighed(NamedTuple):
    """A sample with where its attribution goes.

    Attributes:
        source: of the sample.
        measured: its sizes and scores.
        shares: of `attr`, in the order of `PARTS`.
        hops: the same of each hop.
    """

    source: Source
    measured: Measured
    shares: list[float]
    hops: list[list[float]]


def weigh(source: Source) -> Weighed:
    """Where the attribution of a sample goes.

    Raises:
        Exp2procError: `sample-invalid`.
    """
    sample = load_source(source)
    measured = Measured(len(sample.attr), sample.spans, dict(sample.scores))
    found = [
        [sample.shares(hop)[part] for part in PARTS]
        for hop in (None, *range(0 if sample.hop is None else len(sample.hop)))
    ]
    return Weighed(source, measured, found[0], found[1:])


def _scored(numbers: Callable[[Sequence[Record], Request], Table]) -> Any:
    return lambda read, request: numbers(scores_of(read).records, request)


def _weighed(numbers: Callable[[Sequence[Record], Request], Table]) -> Any:
    def of(read: Iterable[Weighed], request: Request) -> Table:
        found = list(read)
        records = scores_of((one.source, one.measured) for one in found).records
        more = ({"shares": one.shares, "hops": one.hops} for one in found)
        return numbers([{**a, **b} for a, b in zip(records, more, strict=True)], request)

    return of


def _single(samples: Sequence[Sample], request: Request) -> Table:
    if len(samples) != 1:
        said = f"a figure of one sample was asked for: {counted(len(samples), 'sample')} named"
        raise Exp2procError("usage", said, "Name one npz file.")
    return tokens.numbers(samples[0], request)


KINDS: Final[dict[str, Kind]] = {
    "length": Kind(
        "faithfulness against CoT length",
        length.COLUMNS,
        measure,
        _scored(length.numbers),
        drawing.draw_length,
        frozenset({"score"}),
    ),
    "scores": Kind(
        "each method's distribution of scores",
        scores.COLUMNS,
        measure,
        _scored(scores.numbers),
        drawing.draw_scores,
        frozenset({"score"}),
    ),
    "shares": Kind(
        "where the attribution goes: input, CoT, output",
        shares.COLUMNS,
        weigh,
        _weighed(shares.numbers),
        drawing.draw_shares,
    ),
    "hops": Kind(
        "the same from hop to hop",
        hops.COLUMNS,
        weigh,
        _weighed(hops.numbers),
        drawing.draw_hops,
    ),
    "sample": Kind(
        "one sample, tokens coloured",
        tokens.COLUMNS,
        load_source,
        _single,
        drawing.draw_sample,
        frozenset({"hop", "scale"}),
        arranged=False,
        font=fonts.MONO,
    ),
}
"""The kinds by name."""


def check_heeded(kind: str, request: Request) -> None:
    """Refuse what a kind of figure would pass over.

    Raises:
        Exp2procError: `usage`.

    >>> check_heeded("length", Request(hop=1))
    Traceback (most recent call last):
        ...
    exp2proc.errors.Exp2procError: usage: a figure of the kind length heeds no hop
    """
    plain = Request()
    for field in fields(Request):
        value, usual = getattr(request, field.name), getattr(plain, field.name)
        if field.name not in KINDS[kind].takes and value != usual and value not in ([], ()):
            said = f"a figure of the kind {kind} heeds no {field.name}"
            raise Exp2procError("usage", said, "Leave it out.")
