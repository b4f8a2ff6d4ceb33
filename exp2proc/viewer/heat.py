"""Scores to colour levels: pure arithmetic, shared by the terminal and all heatmaps.

The gallery's script does the same when another hop or scale is chosen (`level` in heat.js); a test
compares the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from ..formats.cells import Cell, sample_cells
from ..formats.shares import PARTS, Part, part_numbers

if TYPE_CHECKING:
    from ..formats.sample import Sample

Scale = Literal["linear", "log", "rank"]
SCALES: Final[tuple[Scale, ...]] = ("linear", "log", "rank")

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


class Shaded(NamedTuple):
    """A cell and how strongly to colour it.

    Attributes:
        cell: its tokens and text.
        level: from -STEPS to STEPS.
        value: the sum of its scores.
    """

    cell: Cell
    level: int
    value: float


class Stretch(NamedTuple):
    """Neighbouring cells of one part.

    Attributes:
        part: input, CoT, output or rest.
        first, last: its tokens, a closed range.
        cells: those that begin in it.
    """

    part: Part
    first: int
    last: int
    cells: list[Shaded]


def stretches(sample: Sample, hop: int | None = None, scale: Scale = "linear") -> list[Stretch]:
    """What there is to draw of a sample, in order.

    Args:
        sample: of either layout.
        hop: colour by this hop instead of `attr`.
        scale: of the colours.

    Raises:
        IndexError: there is no such hop.
    """
    scores = sample.scores_of(hop)
    cells = sample_cells(sample)
    values = cell_scores(scores, cells)
    shaded = map(Shaded, cells, levels(values, scale).tolist(), values.tolist())
    numbers = part_numbers(len(scores), sample.spans)
    found: list[Stretch] = []
    for number, some in groupby(shaded, key=lambda one: int(numbers[one.cell.start])):
        inside = list(some)
        first, last = inside[0].cell.start, inside[-1].cell.stop - 1
        found.append(Stretch(PARTS[number], first, last, inside))
    return found


_PAPER: Final = (255, 255, 255)
_WARM: Final = ((255, 223, 174), (255, 116, 67))
_COOL: Final = ((211, 230, 255), (111, 176, 255))


def colour(level: int) -> str:
    """The colour of a level on white paper, as the heatmaps in HTML have it on a light page.

    >>> colour(STEPS), colour(-STEPS), colour(0)
    ('#ff7443', '#6fb0ff', '#ffffff')
    """
    middle, end = _WARM if level > 0 else _COOL
    share = 2 * abs(level) / STEPS
    low, high = (_PAPER, middle) if share <= 1 else (middle, end)
    share -= share > 1
    mixed = (round(a + (b - a) * share) for a, b in zip(low, high, strict=True))
    return "#" + "".join(f"{one:02x}" for one in mixed)
