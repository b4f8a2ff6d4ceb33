"""The scores on screen: a table for each dataset and model."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..exports.against import Against
from ..exports.score_formats import ABSENT, caption, estimate_text
from ..exports.scores import ScoreRow, Spread
from ..exports.wide import WideTable
from ..exports.wide_formats import cell_text, wide_caption
from ..formats.layouts import SCORES
from ..formats.names import UNKNOWN, counted, printable, short_dataset

_METHOD_WIDTH: Final = 18
_METHOD_LEAST: Final = 6
"""Columns that are left for it beside the widest numbers."""
_COUNT_WIDTH: Final = 4
_SCORE_WIDTH: Final = 14


def score_tables(rows: Sequence[ScoreRow], spread: Spread = "sem") -> RenderableType:
    """A table for each dataset and model, best values bold and starred; fits 80 columns."""
    width = max((len(printable(row.label)) for row in rows), default=0)
    parts: list[RenderableType] = []
    for (_, model), group in groupby(rows, key=lambda row: (row.dataset, row.model)):
        some = list(group)
        name = f"{some[0].short_dataset} · {model or UNKNOWN}"
        parts += (Text(printable(name), style="bold cyan"), _table(some, width, spread))
    under = caption(rows, spread).replace(
        "(n)", "over n samples, or (n) where fewer have the score"
    )
    return Group(*parts, Text(under, style="dim"))


def _table(rows: Sequence[ScoreRow], width: int, spread: Spread) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("method", overflow="fold", min_width=min(width, _METHOD_LEAST))
    table.add_column("n", justify="right", no_wrap=True, min_width=_COUNT_WIDTH)
    for score in SCORES.values():
        table.add_column(
            f"{score.label} {score.arrow}", justify="right", no_wrap=True, min_width=_SCORE_WIDTH
        )
    role = rows[0].role
    for row in rows:
        if row.role != role:
            table.add_section()
        role = row.role
        cells = []
        for score in SCORES.values():
            best = score.key in row.best
            found = row.estimates[score.key]
            n = "" if found.n in (0, row.samples) else f" ({found.n})"
            text = estimate_text(found, spread) + n + ("*" if best else " ")
            cells.append(Text(text, style="bold green" if best else ""))
        table.add_row(Text(printable(row.label)), row.count, *cells)
    return table


_WIDE: Final = 80
_STYLES: Final = {0: "", 1: "bold green", 2: "underline"}
_MARKS: Final = {0: " ", 1: "*", 2: "'"}
_MARGIN: Final = 2


def wide_tables(found: WideTable, spread: Spread = "sem") -> RenderableType:
    """Methods as rows, datasets side by side as far as 80 columns allow, a table a model."""
    parts: list[RenderableType] = []
    for one in found.by_model():
        for datasets in _side_by_side(one, spread):
            name = " · ".join([*datasets, one.rows[0].model or UNKNOWN])
            parts += (Text(printable(name), style="bold cyan"), _wide(one, datasets, spread))
        under = wide_caption(one, spread, "* best, ' second of its dataset")
        parts.append(Text(under, style="dim"))
    return Group(*parts)


def _side_by_side(found: WideTable, spread: Spread) -> list[list[str]]:
    rows = found.rows
    names = min(_METHOD_WIDTH, max(len(printable(row.label)) for row in rows)) + 2 * _MARGIN
    blocks: list[list[str]] = [[]]
    used = names
    for dataset, scores in found.datasets.items():
        width = 0
        for score in scores:
            texts = [cell_text(found, row, (dataset, score.key), spread) for row in rows]
            heads = (f"{score.label} {score.arrow}", printable(dataset)[:_METHOD_WIDTH])
            width += max(*(len(text) + 1 for text in texts), *map(len, heads)) + _MARGIN
        if blocks[-1] and used + width > _WIDE:
            blocks.append([])
            used = names
        blocks[-1].append(dataset)
        used += width
    return blocks


def _wide(found: WideTable, datasets: Sequence[str], spread: Spread) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    columns = [column for column in found.columns if column[0] in datasets]
    table.add_column("method", overflow="fold")
    for dataset, key in columns:
        score = SCORES[key]
        name = f"{printable(dataset)[:_METHOD_WIDTH]}\n" if len(datasets) > 1 else ""
        table.add_column(f"{name}{score.label} {score.arrow}", justify="right", no_wrap=True)
    role = found.rows[0].role
    for row in found.rows:
        if row.role != role:
            table.add_section()
        role = row.role
        cells = []
        for column in columns:
            place = row.place.get(column, 0)
            text = cell_text(found, row, column, spread) + _MARKS[place]
            cells.append(Text(text, style=_STYLES[place]))
        table.add_row(Text(printable(row.label)), *cells)
    return table


def beside_table(found: Against) -> RenderableType:
    """Where an export and the CSVs of exp2 differ, and what has no counterpart; fits 80 columns."""
    parts: list[RenderableType] = []
    differing = found.of("differs")
    if differing:
        table = Table(box=box.SIMPLE_HEAD)
        table.add_column("differs", overflow="fold", max_width=34)
        for head in ("score", "here", "exp2"):
            table.add_column(head, justify="right")
        for one in differing:
            name = f"{short_dataset(one.dataset)}/{one.model}/{one.run_tag}"
            mine = _mean_std_n(one.mean, one.std, one.n)
            theirs = _mean_std_n(one.exp2_mean, one.exp2_std, one.exp2_n)
            table.add_row(Text(printable(name)), one.score, mine, theirs, style="red")
        parts.append(table)
    parts += (Text(f"unreadable: {printable(file)}: {why}") for file, why in found.unreadable)
    lone = {f"{short_dataset(o.dataset)}/{o.model}/{o.run_tag}" for o in found.of("no-csv")}
    parts += (Text(f"no CSV of exp2: {printable(name)}", style="dim") for name in sorted(lone))
    parts += (Text(f"no sample here: {printable(file)}", style="dim") for file in found.no_export)
    counts = [
        f"{counted(len(found.of('same')), 'score')} as exp2 wrote them",
        f"{len(differing)} different",
        f"{len(found.of('no-csv'))} without a CSV",
    ]
    if others := found.of("other-run"):
        counts.append(f"{len(others)} whose CSV is of another run of the method")
    parts.append(Text(f"against exp2: {', '.join(counts)}"))
    return Group(*parts)


def _mean_std_n(mean: float | None, std: float | None, n: int | None) -> str:
    numbers = [f"{value:.6g}" for value in (mean, std) if value is not None]
    text = " ± ".join(numbers) or ABSENT
    return text if n is None else f"{text} ({n})"
