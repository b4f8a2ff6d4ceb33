"""The table of scores as text: CSV, JSON, Markdown, LaTeX. Pure.

All of it may be printed on a terminal or opened in a spreadsheet, and names are whatever folders
are called: JSON keeps them in ASCII escapes, the others spell out what is not printable.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from typing import Final

from ..formats.layouts import SCORES, Score, directions
from ..formats.names import UNKNOWN, printable
from .scores import Estimate, ScoreRow, record_fields

ABSENT: Final = "–"
"""Stands for a mean of no samples."""


def caption(rows: Sequence[ScoreRow]) -> str:
    """What stands under a table of these rows."""
    partial = any(row.partial for row in rows)
    return (
        "mean ± standard error (n); * best of its dataset and model."
        f" {directions()}. {ABSENT} absent."
    ) + (" Partial runs (4 of 8 samples) are never best." if partial else "")


def estimate_text(found: Estimate) -> str:
    """A mean and its standard error.

    >>> estimate_text(Estimate(n=4, mean=0.25, sem=0.0125)), estimate_text(Estimate(0, None, None))
    ('0.250 ± 0.013', '–')
    """
    if found.mean is None:
        return ABSENT
    return f"{found.mean:.3f}" + ("" if found.sem is None else f" ± {found.sem:.3f}")


def csv_text(rows: Sequence[ScoreRow]) -> str:
    """CSV, one record a row, numbers in full, absent ones empty."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, record_fields(), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        values = row.to_dict().items()
        writer.writerow(
            {k: _csv(value) if isinstance(value, str) else value for k, value in values}
        )
    return stream.getvalue()


_FORMULA: Final = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
"""With these, the wide ones too, spreadsheets let a formula begin."""


def _csv(name: str) -> str:
    text = printable(name)
    return f"'{text}" if text.startswith(_FORMULA) else text


def json_text(rows: Sequence[ScoreRow]) -> str:
    """JSON: the direction of each score, and one object a row with absent numbers null."""
    directions = {s.key: "higher" if s.higher_is_better else "lower" for s in SCORES.values()}
    data = {"better": directions, "rows": [row.to_dict() for row in rows]}
    return json.dumps(data, indent=2, allow_nan=False) + "\n"


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
    for row in rows:
        cells = [_markdown(name) for name in (row.short_dataset, row.model or UNKNOWN, row.label)]
        for score in SCORES.values():
            text = _markdown_cell(row, score)
            cells.append(f"**{text}**" if score.key in row.best else text)
        lines.append(_pipes([*cells[:3], row.count, *cells[3:]]))
    return "\n".join([*lines, "", caption(rows).replace("* best", "bold: best"), ""])


def _markdown_cell(row: ScoreRow, score: Score) -> str:
    found = row.estimates[score.key]
    return estimate_text(found) if found.mean is None else f"{estimate_text(found)} ({found.n})"


def _pipes(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _markdown(text: str) -> str:
    text = printable(text)
    for mark in "\\`*_|<>[]":
        text = text.replace(mark, f"\\{mark}")
    return text


def latex_text(rows: Sequence[ScoreRow]) -> str:
    r"""A LaTeX tabular for booktabs, best values \textbf."""
    arrows = {"↑": r"$\uparrow$", "↓": r"$\downarrow$"}
    heads = ["dataset", "model", "method", "samples"]
    heads += [f"{_latex(score.label)} {arrows[score.arrow]}" for score in SCORES.values()]
    under = caption(rows).replace("* best", "bold: best")
    lines = [
        f"% {under.replace('±', '+-').replace(ABSENT, '--')}",
        r"\begin{tabular}{lllr" + "r" * len(SCORES) + "}",
        r"\toprule",
        " & ".join(heads) + r" \\",
    ]
    previous: tuple[str, ...] = ()
    for row in rows:
        if (row.dataset, row.model) != previous:
            lines.append(r"\midrule")
        previous = (row.dataset, row.model)
        names = [_latex(name) for name in (row.short_dataset, row.model or UNKNOWN, row.label)]
        cells = [_latex_cell(row, score) for score in SCORES.values()]
        lines.append(" & ".join([*names, row.count, *cells]) + r" \\")
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
        **{mark: f"{{{mark}}}" for mark in "[*"},  # behind the end of a line they belong to it
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
"""What `summary --format` may be, other than the table on screen; a new format is an entry here."""
