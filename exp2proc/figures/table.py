"""The numbers of a figure: what is drawn, and what its CSV holds. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from ..exports.score_formats import csv_of


class Table(NamedTuple):
    r"""Rows of plain values.

    Attributes:
        columns: their names.
        rows: each as long as `columns`; str, int, float or None.

    >>> Table(("bin", "y"), [(0, 0.5), (1, None)]).csv()
    'bin,y\n0,0.5\n1,\n'
    """

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]

    def csv(self) -> str:
        """As CSV with a header; floats in full, None as nothing, texts as in those of scores."""
        return csv_of(self.columns, self.records())

    def records(self) -> list[dict[str, Any]]:
        """Each row by the names of the columns."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def grouped(
    records: Iterable[dict[str, Any]], *names: str
) -> Iterator[tuple[tuple[Any, ...], list[dict[str, Any]]]]:
    """Neighbouring records that have the same values in these columns."""
    for key, some in groupby(records, key=lambda one: tuple(one[name] for name in names)):
        yield key, list(some)


def distinct(records: Sequence[dict[str, Any]], name: str) -> list[Any]:
    """The values of a column, each once, in order."""
    return list(dict.fromkeys(one[name] for one in records))
