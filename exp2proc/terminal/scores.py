"""The table of scores as text: for the screen, CSV, JSON, Markdown, LaTeX."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Final

from ..exports.scores import FIELDS, Estimate, ScoreRow, short_datasets
from ..formats.layouts import DIRECTIONS, SCORES, Score
from ..formats.names import printable

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

ABSENT: Final = "–"


def rich_tables(rows: Sequence[ScoreRow]) -> RenderableType:
    """A table for each dataset and model, best values bold and starred; fits 80 columns."""
    from rich.console import Group
    from rich.text import Text

    short = short_datasets(row.dataset for row in rows)
    width = max((len(printable(row.label)) for row in rows), default=0)
    parts: list[RenderableType] = []
    for (dataset, model), group in groupby(rows, key=lambda row: (row.dataset, row.model)):
        name = " · ".join(filter(None, (short[dataset], model)))
        parts += (Text(printable(name), style="bold cyan"), _rich_table(list(group), width))
    caption = _caption().replace("(n)", "over n samples, or (n) where fewer have the score")
    return Group(*parts, Text(caption, style="dim"))


def _rich_table(rows: Sequence[ScoreRow], width: int) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("method", overflow="fold", min_width=min(width, _METHOD_WIDTH))
    table.add_column("n", justify="right", no_wrap=True, min_width=4)
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
            text = _number(found) + n + ("*" if best else " ")
            cells.append(Text(text, style="bold green" if best else ""))
        table.add_row(Text(printable(row.label)), str(row.samples), *cells)
    return table


_METHOD_WIDTH: Final = 18
_SCORE_WIDTH: Final = 14


def _caption() -> str:
    return (
        f"mean ± standard error (n); * best of its dataset and model. {DIRECTIONS}."
        f" {ABSENT} absent."
    )


def _plain(row: ScoreRow, score: Score) -> str:
    found = row.estimates[score.key]
    return _number(found) if found.mean is None else f"{_number(found)} ({found.n})"


def _number(found: Estimate) -> str:
    if found.mean is None:
        return ABSENT
    return f"{found.mean:.3f}" + ("" if found.sem is None else f" ± {found.sem:.3f}")


def csv_text(rows: Sequence[ScoreRow]) -> str:
    """CSV, one record a row, numbers in full, absent ones empty."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(row.to_dict() for row in rows)
    return stream.getvalue()


def json_text(rows: Sequence[ScoreRow]) -> str:
    """JSON: the direction of each score, and one object a row with absent numbers null."""
    directions = {s.key: "higher" if s.higher_is_better else "lower" for s in SCORES.values()}
    data = {"better": directions, "rows": [row.to_dict() for row in rows]}
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def markdown_text(rows: Sequence[ScoreRow]) -> str:
    """A Markdown table, best values bold."""
    heads = [
        "dataset",
        "model",
        "method",
        "samples",
        *(f"{s.label} {s.arrow}" for s in SCORES.values()),
    ]
    lines = [_pipes(heads), _pipes(["---"] * 3 + ["---:"] * (1 + len(SCORES)))]
    short = short_datasets(row.dataset for row in rows)
    for row in rows:
        cells = [_markdown(name) for name in (short[row.dataset], row.model, row.label)]
        for score in SCORES.values():
            text = _plain(row, score)
            cells.append(f"**{text}**" if score.key in row.best else text)
        lines.append(_pipes([*cells[:3], str(row.samples), *cells[3:]]))
    return "\n".join([*lines, "", f"{_caption().replace('* best', 'bold: best')}", ""])


def _pipes(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _markdown(text: str) -> str:
    for mark in "\\`*_|<>[]":
        text = text.replace(mark, f"\\{mark}")
    return printable(text)


def latex_text(rows: Sequence[ScoreRow]) -> str:
    r"""A LaTeX tabular for booktabs, best values \textbf."""
    arrows = {"↑": r"$\uparrow$", "↓": r"$\downarrow$"}
    heads = ["dataset", "model", "method", "samples"]
    heads += [f"{_latex(score.label)} {arrows[score.arrow]}" for score in SCORES.values()]
    lines = [
        f"% {_caption().replace('* best', 'bold: best').replace('±', '+-').replace(ABSENT, '--')}",
        r"\begin{tabular}{lllr" + "r" * len(SCORES) + "}",
        r"\toprule",
        " & ".join(heads) + r" \\",
    ]
    short = short_datasets(row.dataset for row in rows)
    previous: tuple[str, ...] = ()
    for row in rows:
        if (row.dataset, row.model) != previous:
            lines.append(r"\midrule")
        previous = (row.dataset, row.model)
        names = [_latex(name) for name in (short[row.dataset], row.model, row.label)]
        cells = [_latex_cell(row, score) for score in SCORES.values()]
        lines.append(" & ".join([*names, str(row.samples), *cells]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _latex_cell(row: ScoreRow, score: Score) -> str:
    found = row.estimates[score.key]
    if found.mean is None:
        return "--"
    number = f"{found.mean:.3f}"
    if score.key in row.best:
        number = rf"\textbf{{{number}}}"
    spread = "" if found.sem is None else rf" $\pm$ {found.sem:.3f}"
    return rf"{number}{spread} {{\scriptsize ({found.n})}}"


_LATEX: Final = str.maketrans(
    {
        **{mark: f"\\{mark}" for mark in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
    }
)


def _latex(text: str) -> str:
    return printable(text).translate(_LATEX)


FORMATS: Final[dict[str, Callable[[Sequence[ScoreRow]], str]]] = {
    "csv": csv_text,
    "json": json_text,
    "markdown": markdown_text,
    "latex": latex_text,
}
"""Formats other than the table on screen."""
