"""The scores on screen: a table for each dataset and model."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..exports.score_formats import caption, estimate_text
from ..exports.scores import ScoreRow
from ..formats.layouts import SCORES
from ..formats.names import UNKNOWN, printable

_METHOD_WIDTH: Final = 18
_COUNT_WIDTH: Final = 4
_SCORE_WIDTH: Final = 14


def score_tables(rows: Sequence[ScoreRow]) -> RenderableType:
    """A table for each dataset and model, best values bold and starred; fits 80 columns."""
    width = max((len(printable(row.label)) for row in rows), default=0)
    parts: list[RenderableType] = []
    for (_, model), group in groupby(rows, key=lambda row: (row.dataset, row.model)):
        some = list(group)
        name = f"{some[0].short_dataset} · {model or UNKNOWN}"
        parts += (Text(printable(name), style="bold cyan"), _table(some, width))
    under = caption(rows).replace("(n)", "over n samples, or (n) where fewer have the score")
    return Group(*parts, Text(under, style="dim"))


def _table(rows: Sequence[ScoreRow], width: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    counted = max(_COUNT_WIDTH, *(len(row.count) for row in rows))
    room = _METHOD_WIDTH + _COUNT_WIDTH - counted
    table.add_column("method", overflow="fold", min_width=min(width, room))
    table.add_column("n", justify="right", no_wrap=True, min_width=_COUNT_WIDTH)
    for score in SCORES.values():
        table.add_column(
            f"{score.label} {score.arrow}", justify="right", no_wrap=True, min_width=_SCORE_WIDTH
        )
    for row in rows:
        cells = []
        for score in SCORES.values():
            best = score.key in row.best
            found = row.estimates[score.key]
            n = "" if found.n in (0, row.samples) else f" ({found.n})"
            text = estimate_text(found) + n + ("*" if best else " ")
            cells.append(Text(text, style="bold green" if best else ""))
        table.add_row(Text(printable(row.label)), row.count, *cells)
    return table
