"""The table of scores as text: CSV, JSON, Markdown, LaTeX. Pure.

All of it may be printed on a terminal or opened in a spreadsheet, and names are whatever folders
are called: JSON keeps them in ASCII escapes, the others spell out what is not printable.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from ..formats.layouts import SCORES, Score, directions
from ..formats.names import UNKNOWN, printable
from .scores import SPREADS, Estimate, ScoreRow, Spread, record_fields

ABSENT: Final = "–"
"""Stands for a mean of no samples."""


def caption(rows: Sequence[ScoreRow], spread: Spread = "sem") -> str:
    """What stands under a table of these rows."""
    partial = any(row.partial for row in rows)
    return (
        f"{mean_and(spread)} (n); * best of its dataset and model. {directions()}. {ABSENT} absent."
    ) + (" Partial runs (4 of 8 samples) are never best." if partial else "")


def mean_and(spread: Spread) -> str:
    """What the numbers of a table are."""
    return "mean" + (f" ± {SPREADS[spread]}" if SPREADS[spread] else "")


def estimate_text(found: Estimate, spread: Spread = "sem") -> str:
    """A mean and its spread.

    >>> estimate_text(Estimate(n=4, mean=0.25, sem=0.0125)), estimate_text(Estimate(0, None, None))
    ('0.250 ± 0.013', '–')
    """
    if found.mean is None:
        return ABSENT
    width = found.spread(spread)
    return f"{found.mean:.3f}" + ("" if width is None else f" ± {width:.3f}")


def csv_text(rows: Sequence[ScoreRow], spread: Spread = "sem") -> str:
    """CSV, one record a row, numbers in full, absent ones empty."""
    more = [f"{key}_ci95" for key in SCORES] if spread == "ci95" else []
    return csv_of([*record_fields(), *more], records(rows, spread))


def records(rows: Sequence[ScoreRow], spread: Spread) -> list[dict[str, Any]]:
    """The rows for programs; half of the t-interval where it was asked for, which takes scipy."""
    found = [row.to_dict() for row in rows]
    if spread == "ci95":
        for record, row in zip(found, rows, strict=True):
            record |= {f"{key}_ci95": row.estimates[key].ci95 for key in SCORES}
    return found


def csv_of(fields: Sequence[str], records: Iterable[Mapping[str, Any]]) -> str:
    """CSV of records, numbers in full, absent ones empty, texts such that nothing computes them."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fields, lineterminator="\n")
    writer.writeheader()
    for record in records:
        writer.writerow({k: _csv(v) if isinstance(v, str) else v for k, v in record.items()})
    return stream.getvalue()


_FORMULA: Final = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
"""With these, the wide ones too, spreadsheets let a formula begin."""


def _csv(name: str) -> str:
    text = printable(name)
    return f"'{text}" if text.startswith(_FORMULA) else text


def table_data(
    rows: Sequence[ScoreRow], spread: Spread = "sem", more: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Plain data: the direction of each score, and one object a row with absent numbers None."""
    return {"better": better_ways(), "rows": records(rows, spread), **(more or {})}


def better_ways() -> dict[str, str]:
    """Which way each score is better."""
    return {s.key: "higher" if s.higher_is_better else "lower" for s in SCORES.values()}


def json_text(rows: Sequence[ScoreRow], spread: Spread = "sem") -> str:
    """`table_data` as JSON."""
    return json_of(table_data(rows, spread))


def json_of(data: Mapping[str, Any]) -> str:
    """Plain data as JSON."""
    return json.dumps(data, indent=2, allow_nan=False) + "\n"


def markdown_text(rows: Sequence[ScoreRow], spread: Spread = "sem") -> str:
    """A Markdown table, best values bold."""
    heads = [
        "dataset",
        "model",
        "method",
        "samples",
        *(f"{s.label} {s.arrow}" for s in SCORES.values()),
    ]
    lines = [pipes(heads), pipes(["---"] * 3 + ["---:"] * (1 + len(SCORES)))]
    for row in rows:
        cells = [markdown(name) for name in (row.short_dataset, row.model or UNKNOWN, row.label)]
        for score in SCORES.values():
            text = _markdown_cell(row, score, spread)
            cells.append(f"**{text}**" if score.key in row.best else text)
        lines.append(pipes([*cells[:3], row.count, *cells[3:]]))
    return "\n".join([*lines, "", caption(rows, spread).replace("* best", "bold: best"), ""])


def _markdown_cell(row: ScoreRow, score: Score, spread: Spread) -> str:
    found = row.estimates[score.key]
    text = estimate_text(found, spread)
    return text if found.mean is None else f"{text} ({found.n})"


def pipes(cells: Sequence[str]) -> str:
    """A line of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def markdown(text: str) -> str:
    """A name in Markdown."""
    text = printable(text)
    for mark in "\\`*_|<>[]":
        text = text.replace(mark, f"\\{mark}")
    return text


def latex_head(score: Score) -> str:
    """The head of a score's column."""
    arrow = r"$\uparrow$" if score.higher_is_better else r"$\downarrow$"
    return f"{latex(score.label)} {arrow}"


def latex_comment(text: str) -> str:
    """A line of LaTeX that is not set."""
    return f"% {printable(text).replace('±', '+-').replace(ABSENT, '--')}"


def latex_text(rows: Sequence[ScoreRow], spread: Spread = "sem") -> str:
    r"""A LaTeX tabular for booktabs, best values \textbf."""
    heads = ["dataset", "model", "method", "samples", *map(latex_head, SCORES.values())]
    lines = [
        latex_comment(caption(rows, spread).replace("* best", "bold: best")),
        r"\begin{tabular}{lllr" + "r" * len(SCORES) + "}",
        r"\toprule",
        " & ".join(heads) + r" \\",
    ]
    table: tuple[str, ...] = ()
    role = ""
    for row in rows:
        if (row.dataset, row.model) != table:
            lines.append(r"\midrule")
        elif row.role != role:
            lines.append(r"\addlinespace")
        table, role = (row.dataset, row.model), row.role
        names = [latex(name) for name in (row.short_dataset, row.model or UNKNOWN, row.label)]
        cells = [_latex_cell(row, score, spread) for score in SCORES.values()]
        lines.append(" & ".join([*names, row.count, *cells]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _latex_cell(row: ScoreRow, score: Score, spread: Spread) -> str:
    found = row.estimates[score.key]
    if found.mean is None:
        return "--"
    number = f"{found.mean:.3f}"
    if score.key in row.best:
        number = rf"\textbf{{{number}}}"
    width = found.spread(spread)
    behind = "" if width is None else rf" $\pm$ {width:.3f}"
    return rf"{number}{behind} {{\scriptsize ({found.n})}}"


_LATEX: Final = str.maketrans(
    {
        **{mark: f"\\{mark}" for mark in "&%$#_{}"},
        **{mark: f"{{{mark}}}" for mark in "[*"},  # behind the end of a line they belong to it
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
    }
)


def latex(text: str) -> str:
    """A name in LaTeX."""
    return printable(text).translate(_LATEX)


FORMATS: Final[dict[str, Callable[[Sequence[ScoreRow], Spread], str]]] = {
    "csv": csv_text,
    "json": json_text,
    "markdown": markdown_text,
    "latex": latex_text,
}
"""What `summary --format` may be, other than the table on screen; a new format is an entry here."""
