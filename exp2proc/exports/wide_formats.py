"""The table of papers as text: CSV, JSON, Markdown, LaTeX. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ..formats.layouts import SCORES, Score, directions
from ..formats.names import UNKNOWN, printable
from .score_formats import (
    ABSENT,
    better_ways,
    csv_of,
    estimate_text,
    json_of,
    latex,
    latex_comment,
    latex_head,
    markdown,
    mean_and,
    pipes,
)
from .scores import Spread
from .wide import Column, WideRow, WideTable


def wide_caption(table: WideTable, spread: Spread, marks: str) -> str:
    """What stands under the table.

    Args:
        table: the table.
        spread: what stands behind the means.
        marks: how the best and the second are marked.
    """
    counts = {found.n for row in table.rows for found in row.cells.values()}
    n = f"n = {table.n}" + (", or (n)" if len(counts) > 1 else "")
    partial = any(row.partial for row in table.rows)
    return f"{mean_and(spread)}; {n}; {marks}. {directions()}. {ABSENT} absent." + (
        " Values of partial runs are in brackets, and never best." if partial else ""
    )


def cell_text(table: WideTable, row: WideRow, column: Column, spread: Spread) -> str:
    """A cell as plain text, without its marks."""
    found = row.cells.get(column)
    if found is None:
        return ABSENT
    text = estimate_text(found, spread) + ("" if found.n == table.n else f" ({found.n})")
    return f"[{text}]" if column in row.partial else text


def wide_csv(table: WideTable, spread: Spread) -> str:
    """CSV: a record a method, for each column mean, spreads, n and place (1 best, 2 second)."""
    parts = ["mean", "sem", "std", *(["ci95"] if spread == "ci95" else []), "n", "place"]
    fields = ["label", "model", "method", "run_tag", "role"]
    fields += [f"{printable(d)} {score} {part}" for d, score in table.columns for part in parts]
    records = []
    for row in table.rows:
        values: list[Any] = [row.label, row.model, row.method, row.run_tag, row.role]
        for column in table.columns:
            found = row.cells.get(column)
            values += (
                row.place.get(column) if part == "place" else getattr(found, part, None)
                for part in parts
            )
        records.append(dict(zip(fields, values, strict=True)))
    return csv_of(fields, records)


def wide_data(
    table: WideTable, spread: Spread, more: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Plain data: the direction of each score, the datasets, and an object a method."""
    data = table.to_dict()
    if spread == "ci95":
        for record, row in zip(data["rows"], table.rows, strict=True):
            for (dataset, score), found in row.cells.items():
                record["cells"][dataset][score]["ci95"] = found.ci95
    return {"better": better_ways(), **data, **(more or {})}


def wide_json(table: WideTable, spread: Spread) -> str:
    """`wide_data` as JSON."""
    return json_of(wide_data(table, spread))


def wide_markdown(table: WideTable, spread: Spread) -> str:
    """A Markdown table for each model, best values bold, second ones underlined."""
    return "\n".join(_markdown_lines(one, spread) for one in table.by_model())


def _markdown_lines(table: WideTable, spread: Spread) -> str:
    heads = [markdown(table.rows[0].model or UNKNOWN)]
    for dataset, key in table.columns:
        heads.append(f"{markdown(dataset)} {SCORES[key].label} {SCORES[key].arrow}")
    lines = [pipes(heads), pipes(["---"] + ["---:"] * len(table.columns))]
    for row in table.rows:
        cells = [markdown(row.label)]
        for column in table.columns:
            left, right = _MARKDOWN[row.place.get(column, 0)]
            cells.append(f"{left}{cell_text(table, row, column, spread)}{right}")
        lines.append(pipes(cells))
    under = wide_caption(table, spread, "bold: best, underlined: second")
    return "\n".join([*lines, "", under, ""])


_MARKDOWN: Final = {0: ("", ""), 1: ("**", "**"), 2: ("<ins>", "</ins>")}

_TEXT_WIDTH: Final = 340.0
"""Points: a little less than the lines of LaTeX's article have, and so those of most papers."""
_EM: Final = 8.5
"""Points of footnotesize."""
_GAP: Final = 6.0
_DIGIT: Final = 0.53
_SMALL: Final = 0.9
"""Scriptsize to footnotesize."""


def wide_latex(table: WideTable, spread: Spread) -> str:
    r"""LaTeX tabulars for booktabs, a model each, best values \textbf, second ones \underline.

    As many datasets stand side by side as fit into the lines of an article; the others follow in
    tabulars of their own.
    """
    return "\n".join(_latex_lines(one, spread) for one in table.by_model())


def _latex_lines(table: WideTable, spread: Spread) -> str:
    under = wide_caption(table, spread, "bold: best, underlined: second")
    lines = [latex_comment(f"{table.rows[0].model or UNKNOWN}: {under}")]
    lines.append(r"{\noindent\footnotesize\setlength{\tabcolsep}{3pt}%")
    for number, datasets in enumerate(_blocks(table, spread)):
        if number:
            lines.append(r"\par\medskip\noindent")
        lines += _tabular(table, datasets, spread)
    return "\n".join([*lines, r"\par}", ""])


def _blocks(table: WideTable, spread: Spread) -> list[list[str]]:
    """The datasets that stand side by side, by an estimate of widths."""
    names = max((_width(row.label) for row in table.rows), default=0.0) + _GAP
    blocks: list[list[str]] = [[]]
    used = names
    for dataset, scores in table.datasets.items():
        columns = sum(_column_width(table, dataset, score, spread) + _GAP for score in scores)
        width = max(columns, _width(dataset) + _GAP)
        if blocks[-1] and used + width > _TEXT_WIDTH:
            blocks.append([])
            used = names
        blocks[-1].append(dataset)
        used += width
    return blocks


def _width(text: str) -> float:
    """Points of a name, rather too many."""
    return _EM * sum(0.8 if c.isupper() or c in "mwMW@%" else _DIGIT for c in printable(text))


def _column_width(table: WideTable, dataset: str, score: Score, spread: Spread) -> float:
    widest = _width(score.label) + _EM * 0.9
    for row in table.rows:
        found = row.cells.get((dataset, score.key))
        if found is not None:
            small = "" if found.spread(spread) is None else f"±..{found.spread(spread):.3f}"
            small += "" if found.n == table.n else f"({found.n})."
            bold = 1.2 if row.place.get((dataset, score.key)) == 1 else 1.0
            chars = len(f"{found.mean:.3f}") * bold + _SMALL * (len(small) + 1)
            widest = max(widest, _EM * _DIGIT * chars)
    return widest


def _tabular(table: WideTable, datasets: Sequence[str], spread: Spread) -> list[str]:
    columns = [column for column in table.columns if column[0] in datasets]
    lines = [r"\begin{tabular}{l" + "r" * len(columns) + "}", r"\toprule"]
    heads, rules, at = [""], "", 2
    for dataset in datasets:
        count = len(table.datasets[dataset])
        heads.append(rf"\multicolumn{{{count}}}{{c}}{{{latex(dataset)}}}")
        rules += rf"\cmidrule(lr){{{at}-{at + count - 1}}}"
        at += count
    lines += [" & ".join(heads) + r" \\", rules]
    lines.append(" & ".join(["method", *(latex_head(SCORES[key]) for _, key in columns)]) + r" \\")
    lines.append(r"\midrule")
    role = table.rows[0].role
    for row in table.rows:
        if row.role != role:
            lines.append(r"\midrule")
        role = row.role
        cells = [_latex_cell(table, row, column, spread) for column in columns]
        lines.append(" & ".join([latex(row.label), *cells]) + r" \\")
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def _latex_cell(table: WideTable, row: WideRow, column: Column, spread: Spread) -> str:
    found = row.cells.get(column)
    if found is None:
        return "--"
    number = f"{found.mean:.3f}"
    number = _LATEX[row.place.get(column, 0)].replace("#", number)
    width = found.spread(spread)
    small = "" if width is None else rf"\,$\pm$\,{width:.3f}"
    small += "" if found.n == table.n else f" ({found.n})"
    text = number + (rf"{{\scriptsize {small}}}" if small else "")
    return f"{{[}}{text}]" if column in row.partial else text


_LATEX: Final = {0: "#", 1: r"\textbf{#}", 2: r"\underline{#}"}

WIDE_FORMATS: Final[dict[str, Callable[[WideTable, Spread], str]]] = {
    "csv": wide_csv,
    "json": wide_json,
    "markdown": wide_markdown,
    "latex": wide_latex,
}
"""What `summary --wide --format` may be, other than the table on screen."""
