"""Where the attribution goes: the share of each part, by method and by the CoT's length. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from ..errors import Exp2procError
from ..formats.shares import PARTS
from .arrange import Panel, Record, Request, Series, arrange
from .length import bin_of, bins
from .table import Table

COLUMNS: Final = ("panel", "method", "bin", "low", "high", "n", "part", "share")


def numbers(records: Sequence[Record], request: Request) -> Table:
    """The mean share of each part over samples: of all (`bin` None), and by bins of CoT lengths.

    A sample counts as one, however long it is; one without any mass does not count. The bins are
    those of `length`.

    Args:
        records: with `shares`: of `attr`, in the order of `PARTS`.
        request: what to show.

    Raises:
        Exp2procError: `nothing-to-draw`; `usage` as of `arrange`.
    """
    rows: list[tuple[object, ...]] = []
    for panel in arrange(records, request):
        rows += _of_panel(panel)
    if not rows:
        raise Exp2procError("nothing-to-draw", "no sample has any attribution")
    return Table(COLUMNS, rows)


def _of_panel(panel: Panel) -> Iterator[tuple[object, ...]]:
    by_method = {one.name: _shares(one) for one in panel.series}
    by_method = {name: found for name, found in by_method.items() if found[0]}
    among = bins(next(iter(by_method.values()))[0]) if by_method else []
    for name, (lengths, shares) in by_method.items():
        names = (panel.name, name)
        yield from ((*names, None, None, None, *one) for one in _means(shares))
        places = [bin_of(length, among) for length in lengths]
        for at, (low, high) in enumerate(among):
            inside = [one for one, place in zip(shares, places, strict=True) if place == at]
            if inside:
                yield from ((*names, at, low, high, *one) for one in _means(inside))


def _shares(series: Series) -> tuple[list[int], list[npt.NDArray[np.float64]]]:
    """Lengths and shares of the examples that have mass; the mean over their runs."""
    lengths: list[int] = []
    shares: list[npt.NDArray[np.float64]] = []
    for runs in series.examples:
        have = [one["shares"] for one in runs if np.isfinite(one["shares"]).all()]
        if have:
            lengths.append(runs[0]["tokens_cot"])
            shares.append(np.mean(have, axis=0))
    return lengths, shares


def _means(shares: Sequence[npt.NDArray[np.float64]]) -> Iterator[tuple[int, str, float]]:
    for part, mean in zip(PARTS, np.mean(shares, axis=0).tolist(), strict=True):
        yield len(shares), part, mean
