"""Scores to colour levels: pure arithmetic, shared by the terminal and the heatmaps in HTML.

The gallery's script does the same when another hop or scale is chosen (`level` in heat.js); a test
compares the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from .cells import Cell

Scale = Literal["linear", "log", "rank"]

STEPS: Final = 24
"""Levels above nothing, in either direction."""
DECADES: Final = 3.0
"""The log scale shows scores down to 10**-DECADES of the highest."""


def cell_scores(scores: npt.NDArray[np.float32], cells: Sequence[Cell]) -> npt.NDArray[np.float64]:
    """float64[cells]: the sum over each cell's tokens; NaN and infinite scores count as nothing."""
    if not cells:
        return np.zeros(0)
    plain = np.where(np.isfinite(scores), scores, 0.0).astype(np.float64)
    return np.add.reduceat(plain, [cell.start for cell in cells])


def levels(values: npt.NDArray[np.float64], scale: Scale = "linear") -> npt.NDArray[np.int8]:
    """int8[...] from -STEPS to STEPS: how strongly to colour, the highest |value| most.

    Args:
        values: of cells.
        scale: linear in the value; log over `DECADES`; rank among the |values| above 0.
    """
    size = np.abs(values)
    highest = float(size.max(initial=0.0))
    if highest == 0.0:
        return np.zeros(len(values), np.int8)
    if scale == "linear":
        strength = size / highest
    elif scale == "log":
        with np.errstate(divide="ignore"):
            strength = np.maximum(0.0, 1.0 + np.log10(size / highest) / DECADES)
    else:
        ranked = np.unique(size[size > 0])
        strength = np.searchsorted(ranked, size, side="right") / len(ranked)
    return (np.sign(values) * np.ceil(strength * STEPS - 1e-9)).astype(np.int8)
