"""One sample, token by token. Pure."""

from __future__ import annotations

from typing import Final

from ..errors import Exp2procError
from ..formats.sample import Sample
from ..viewer.heat import stretches
from .arrange import Request
from .table import Table

COLUMNS: Final = ("first", "last", "part", "text", "value", "level")


def numbers(sample: Sample, request: Request) -> Table:
    """A row for each cell: tokens that are drawn as one, the sum of their scores, its level.

    Raises:
        Exp2procError: `nothing-to-draw`: there is no such hop, or there are no tokens.
    """
    try:
        parts = stretches(sample, request.hop, request.scale)
    except IndexError as err:
        raise Exp2procError("nothing-to-draw", str(err)) from None
    rows: list[tuple[object, ...]] = [
        (cell.start, cell.stop - 1, part.part, cell.text, value, level)
        for part in parts
        for cell, level, value in part.cells
    ]
    if not rows:
        raise Exp2procError("nothing-to-draw", "the sample has no tokens")
    return Table(COLUMNS, rows)
