"""How an export stands, on screen: for each model a matrix of methods and datasets."""

from __future__ import annotations

from collections import Counter
from typing import Final

from rich import box
from rich.table import Table
from rich.text import Text

from ..conversion.standing import NAMES, Combination, Standing
from ..formats.names import counted, printable, short_datasets
from ..results import Counts
from .console import console, tell
from .errors import print_errors, print_warnings, run_name

_STYLES: Final = {"replaced": "yellow", "failed": "red"}
_NO_RUN: Final = "no run"


def print_standing(found: Standing) -> None:
    """The matrices, why samples are stale, what cannot be made, and the totals."""
    out = console()
    matrix = found.matrix()
    for model in dict.fromkeys(cell.model for cell in matrix):
        out.print(_table(model, {cell: of for cell, of in matrix.items() if cell.model == model}))
    print_errors(out, found.report.errors)
    for reason, count in Counter(one.reason for one in found.report.replaced).most_common():
        tell(out, Text(f"stale: {reason} ({count})", style="yellow"))
    runs = found.report.runs
    print_warnings(out, ((run_name(r.dataset, r.model_tag, r.run_tag), r.warnings) for r in runs))
    counts = found.report.counts
    told = ", ".join(f"{getattr(counts, name)} {word}" for name, word in NAMES.items())
    tell(out, Text(f"{counted(counts.planned, 'row')}: {told}"))


def _table(model: str, matrix: dict[Combination, Counts]) -> Table:
    datasets = list(dict.fromkeys(cell.dataset for cell in matrix))
    methods = list(dict.fromkeys(cell.method for cell in matrix))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(printable(model) or "unknown model", overflow="fold")
    shorts = short_datasets(datasets)
    for dataset in datasets:
        short = shorts[dataset]
        table.add_column(printable(short) or "unknown dataset", justify="right", overflow="fold")
    for method in methods:
        row = [_cell(matrix.get(Combination(dataset, model, method))) for dataset in datasets]
        table.add_row(Text(printable(method)), *row)
    return table


def _cell(counts: Counts | None) -> Text:
    if counts is None:
        return Text(_NO_RUN, style="dim")
    parts = [
        Text(f"{number} {word}", style=_STYLES.get(name, ""))
        for name, word in NAMES.items()
        if (number := getattr(counts, name))
    ]
    return Text("\n").join(parts) if parts else Text("0 rows", style="dim")
