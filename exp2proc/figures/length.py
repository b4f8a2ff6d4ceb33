"""Faithfulness against the length of the CoT. Pure.

The bins are those of the method's published figure: their edges are the percentiles 0, 20, ... 100
of the first method's lengths, cut to whole tokens; a length that lies in two is in the first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import Exp2procError
from ..formats.layouts import SCORES
from .arrange import Record, Request, Series, arrange
from .table import Table

COLUMNS: Final = ("panel", "method", "bin", "low", "high", "n", "y", "err")
BINS: Final = 5
_FEWEST: Final = 2
"""A mean over fewer samples has no error, and is no point."""


class Bin(NamedTuple):
    """Lengths from `low` up to, but not with, `high`."""

    low: int
    high: int


def bins(lengths: Sequence[int]) -> list[Bin]:
    """Five bins, each with about a fifth of these lengths.

    >>> bins([10, 20, 30, 40, 50, 60])[:2]
    [Bin(low=10, high=21), Bin(low=20, high=31)]
    """
    edges = np.percentile(lengths, np.linspace(0, 100, BINS + 1))
    return [Bin(int(low), int(high) + 1) for low, high in pairwise(edges)]


def bin_of(length: int, among: Sequence[Bin]) -> int | None:
    """Which bin a length is in, the first of several; None where it is in none."""
    inside = (at for at, (low, high) in enumerate(among) if low <= length < high)
    return next(inside, None)


def measured(series: Series, key: str) -> tuple[list[int], list[float]]:
    """The CoT's lengths and the scores of the examples that have one; the mean over their runs."""
    lengths: list[int] = []
    values: list[float] = []
    for runs in series.examples:
        have = [one[key] for one in runs if math.isfinite(one[key])]
        if have:
            lengths.append(runs[0]["tokens_cot"])
            values.append(float(np.mean(have)))
    return lengths, values


def numbers(records: Sequence[Record], request: Request) -> Table:
    """A point for each panel, method and bin: 1 / mean MAS, or the mean of another score.

    `err` is the standard error of the mean (deviation with ddof 0), carried over to 1 / mean.

    Raises:
        Exp2procError: `nothing-to-draw`; `usage` as of `arrange`.
    """
    score = SCORES[request.score or "mas"]
    rows: list[tuple[object, ...]] = []
    for panel in arrange(records, request):
        by_method = {one.name: measured(one, score.key) for one in panel.series}
        by_method = {name: found for name, found in by_method.items() if found[0]}
        if not by_method:
            continue
        among = bins(next(iter(by_method.values()))[0])
        for name, (lengths, values) in by_method.items():
            places = [bin_of(length, among) for length in lengths]
            for at, (low, high) in enumerate(among):
                inside = np.array([v for v, p in zip(values, places, strict=True) if p == at])
                if len(inside) >= _FEWEST:
                    y, err = point(inside, inverse=score.key == "mas")
                    rows.append((panel.name, name, at, low, high, len(inside), y, err))
    if not rows:
        what = f"there are no two samples with {score.label} in any bin of CoT lengths"
        raise Exp2procError("nothing-to-draw", what)
    return Table(COLUMNS, rows)


def point(values: npt.NDArray[np.float64], *, inverse: bool) -> tuple[float, float]:
    """The mean and its standard error, or 1 / mean and its."""
    mean = np.mean(values)
    sem = np.std(values) / np.sqrt(len(values))
    if not inverse:
        return float(mean), float(sem)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(1 / mean), float(sem / mean**2)
