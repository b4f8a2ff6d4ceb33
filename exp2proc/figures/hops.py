"""Where the attribution goes from hop to hop. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from ..errors import Exp2procError
from ..formats.shares import PARTS
from .arrange import Record, Request, Series, arrange
from .table import Table

COLUMNS: Final = ("panel", "method", "hop", "part", "n", "mean", "low", "high")
_BAND: Final = (25, 75)


def numbers(records: Sequence[Record], request: Request) -> Table:
    """The share of each part in each hop: the mean over samples, and their quartiles as a band.

    Methods without hops are not shown.

    Args:
        records: with `hops`: for each hop the shares in the order of `PARTS`.
        request: what to show.

    Raises:
        Exp2procError: `nothing-to-draw`; `usage` as of `arrange`.
    """
    rows: list[tuple[object, ...]] = []
    for panel in arrange(records, request):
        for series in panel.series:
            for hop, shares in _by_hop(series):
                low, high = np.percentile(shares, _BAND, axis=0)
                found = zip(PARTS, np.mean(shares, axis=0), low, high, strict=True)
                rows += (
                    (panel.name, series.name, hop, part, len(shares), *map(float, three))
                    for part, *three in found
                )
    if not rows:
        raise Exp2procError("nothing-to-draw", "none of these samples has hops", _HINT)
    return Table(COLUMNS, rows)


_HINT: Final = (
    "Layout proc keeps the hops of FT-IFR methods; --layout proc_1 keeps those of every method."
)


def _by_hop(series: Series) -> list[tuple[int, list[list[float]]]]:
    """Hops, each with the shares of the examples that have mass in it; the mean over their runs."""
    found: dict[int, list[list[float]]] = {}
    for runs in series.examples:
        for hop in range(max(len(one["hops"]) for one in runs)):
            here = [one["hops"][hop] for one in runs if hop < len(one["hops"])]
            here = [shares for shares in here if np.isfinite(shares).all()]
            if here:
                found.setdefault(hop, []).append(np.mean(here, axis=0).tolist())
    return sorted(found.items())
