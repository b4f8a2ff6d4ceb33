"""How each method's scores are distributed. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from ..errors import Exp2procError
from ..exports.scores import estimate
from ..formats.layouts import SCORES
from ..system.extras import require
from .arrange import Record, Request, arrange
from .length import measured
from .table import Table

COLUMNS: Final = ("panel", "method", "score", "item", "number", "value")
_REACH: Final = 1.5
"""Whiskers end at the furthest value within so many interquartile ranges of the box."""
_LEVEL: Final = 0.975
"""Of Student's t on either side: an interval of 95 %."""


def numbers(records: Sequence[Record], request: Request) -> Table:
    """What is drawn of each panel, score and method, an item a row.

    Items are `mean`, `low` and `high` (its t-interval of 95 %; `number` is n), `median`, `q1`,
    `q3`, `whisker_low`, `whisker_high`, and each `point` (`number` counts them from 0).

    Raises:
        Exp2procError: `nothing-to-draw`; `usage` as of `arrange`.
    """
    panels = arrange(records, request)
    keys = [request.score] if request.score else list(SCORES)
    rows: list[tuple[object, ...]] = []
    for key in keys:
        for panel in panels:
            for series in panel.series:
                _, values = measured(series, key)
                if values:
                    names = (panel.name, series.name, key)
                    rows += ((*names, *item) for item in items(np.array(values)))
    if not rows:
        what = SCORES[request.score].label if request.score else "a score"
        raise Exp2procError("nothing-to-draw", f"no sample has {what}")
    return Table(COLUMNS, rows)


def items(values: npt.NDArray[np.float64]) -> Iterator[tuple[str, int, float | None]]:
    """Names, numbers and values of what is drawn of some scores."""
    found = estimate(values.tolist())
    mean, n = float(np.mean(values)), len(values)
    half = None if found.sem is None else found.sem * _quantile(n - 1)
    yield "mean", n, mean
    yield "low", n, None if half is None else mean - half
    yield "high", n, None if half is None else mean + half
    q1, median, q3 = np.percentile(values, (25, 50, 75)).tolist()
    yield from (("median", n, median), ("q1", n, q1), ("q3", n, q3))
    reach = _REACH * (q3 - q1)
    inside = values[(values >= q1 - reach) & (values <= q3 + reach)]
    yield "whisker_low", n, min(q1, float(inside.min()))
    yield "whisker_high", n, max(q3, float(inside.max()))
    yield from (("point", at, value) for at, value in enumerate(values.tolist()))


def _quantile(freedom: int) -> float:
    return float(require("scipy.special", "figures").stdtrit(freedom, _LEVEL))
