"""Methods next to ours, on screen: a table for each dataset and model, 80 columns wide."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..exports.compare import Comparison, Paired
from ..exports.compare_formats import caption, cells, left_out, name_of, shown, tables, title
from ..formats.names import printable

_HEADS = ("n", "difference [95 %]", "w/t/l", "p", "corr.", "top")


def comparison_tables(found: Comparison) -> RenderableType:
    """The tables, what was left out of them, and what their columns are."""
    parts: list[RenderableType] = [Text(printable(title(found)))]
    for name, rows in tables(found):
        parts += (Text(f"\n{printable(name)}", style="bold cyan"), _table(rows))
        told = [f"{row.method}: {left_out(row)}" for row in rows if left_out(row)]
        parts += (Text(printable(one), style="yellow") for one in told)
    parts.append(Text(f"\n{caption(found)}", style="dim"))
    return Group(*parts)


def _table(rows: list[Paired]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("with", overflow="fold")
    for head in _HEADS:
        table.add_column(head, justify="right", no_wrap=True)
    for row in shown(rows):
        whole = row.tercile == "all"
        if whole and table.rows:
            table.add_section()
        name = printable(name_of(row))
        style = "" if whole else "dim"
        table.add_row(Text(name if whole else f"  {name}", style=style), *_styled(row, style))
    return table


def _styled(row: Paired, style: str) -> list[Text]:
    sure = row.p_holm is not None and row.p_holm < 0.05 and row.tercile == "all"
    return [Text(text, style="bold" if sure else style) for text in cells(row)]
