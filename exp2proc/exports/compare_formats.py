"""A comparison as text: CSV, JSON, Markdown, LaTeX. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Final

from ..formats.layouts import SCORES
from ..formats.names import UNKNOWN, counted
from .compare import Comparison, Paired, record_fields
from .score_formats import ABSENT, csv_of, latex, latex_comment, markdown, pipes

HEADS: Final = ("n", "difference", "wins/ties/losses", "p (Holm)", "rank corr.", "top 10 %")


def tables(found: Comparison) -> list[tuple[str, list[Paired]]]:
    """The rows by dataset and model, each table with its name."""
    parts = []
    for (path, model), some in groupby(found.rows, key=lambda row: (row.dataset_path, row.model)):
        rows = list(some)
        together = not path and not model and len(found.rows) > len(rows)
        name = "all together" if together else f"{rows[0].dataset or UNKNOWN} · {model or UNKNOWN}"
        parts.append((name, rows))
    return parts


def shown(rows: Sequence[Paired]) -> list[Paired]:
    """The rows to be shown: without empty ones, and terciles only where there are several."""
    terciles: dict[str, int] = {}
    for row in rows:
        terciles[row.method] = terciles.get(row.method, 0) + (row.tercile != "all" and row.n > 0)
    return [row for row in rows if row.n and (row.tercile == "all" or terciles[row.method] > 1)]


def title(found: Comparison) -> str:
    """What the tables are of."""
    score = SCORES[found.score]
    better = "higher" if score.higher_is_better else "lower"
    return f"{score.label} of {found.ours} minus that of each other method ({better} is better)"


def caption(found: Comparison) -> str:
    """What stands under the tables."""
    return (
        "On the examples that both have: mean difference [95 % bootstrap interval]; wins, ties and"
        " losses of ours; p of a two-sided sign-flip test, by Holm for all methods of a table;"
        " Spearman's correlation of the two attributions over all tokens, and what their highest"
        f" 10 % of tokens have in common. {found.draws:,} draws, seed {found.seed}."
        f" {ABSENT} cannot be told."
    )


def left_out(row: Paired) -> str:
    """Which examples are in no number, and why; "" for none."""
    reasons = (
        (row.only_ours, "only of ours"),
        (row.only_other, "only of the other"),
        (row.absent, "score absent"),
        (row.other_text, "not of one text"),
    )
    told = ", ".join(f"{count} {why}" for count, why in reasons if count)
    return f"{counted(row.left_out, 'example')} left out: {told}" if told else ""


def name_of(row: Paired) -> str:
    """What stands before a row: the method, or the lengths of CoT of a tercile."""
    if row.tercile == "all":
        return row.method
    lengths = str(row.cot_min) if row.cot_min == row.cot_max else f"{row.cot_min}–{row.cot_max}"
    return f"CoT {lengths}"


def cells(row: Paired) -> list[str]:
    """The numbers of a row, under `HEADS`."""
    difference = number(row.difference, "+.3f")
    if row.ci_low is not None:
        difference += f" [{number(row.ci_low, '+.3f')}, {number(row.ci_high, '+.3f')}]"
    return [
        str(row.n),
        difference,
        f"{row.wins}/{row.ties}/{row.losses}",
        p_text(row.p_holm),
        number(row.spearman, ".2f"),
        number(row.top10, ".2f"),
    ]


def number(value: float | None, how: str) -> str:
    """A number, or that there is none."""
    if value is None:
        return ABSENT
    text = format(value, how)
    return text.removeprefix("-") if not float(text) else text


def p_text(p: float | None) -> str:
    """A p-value.

    >>> p_text(0.0314), p_text(0.00004), p_text(None)
    ('0.031', '<0.001', '–')
    """
    return "<0.001" if p is not None and p < 0.001 else number(p, ".3f")


def csv_text(found: Comparison) -> str:
    """CSV: a record a row, with the score and the name of ours."""
    about = {"ours": found.ours, "score": found.score}
    fields = [*about, *record_fields()]
    return csv_of(fields, ({**about, **record} for record in found.records))


def json_text(found: Comparison) -> str:
    """JSON, absent numbers null."""
    return json.dumps(found.to_dict(), indent=2, allow_nan=False) + "\n"


def markdown_text(found: Comparison) -> str:
    """A Markdown table for each dataset and model."""
    lines = [markdown(title(found)), ""]
    for name, rows in tables(found):
        lines += [pipes([markdown(name), *HEADS]), pipes(["---"] + ["---:"] * len(HEADS))]
        lines += [pipes([markdown(name_of(row)), *cells(row)]) for row in shown(rows)]
        told = [f"{row.method}: {left_out(row)}" for row in rows if left_out(row)]
        lines += ["", *(f"- {markdown(one)}" for one in told), *[""] * bool(told)]
    return "\n".join([*lines, caption(found), ""])


def latex_text(found: Comparison) -> str:
    """A LaTeX tabular for booktabs for each dataset and model."""
    lines = [latex_comment(f"{title(found)}. {caption(found)}")]
    for name, rows in tables(found):
        lines += _tabular(name, rows)
    return "\n".join([*lines, ""])


def _tabular(name: str, rows: Sequence[Paired]) -> list[str]:
    heads = ["$n$", "difference", "W/T/L", "$p$", r"$\rho$", r"top 10\,\%"]
    lines = [
        *(latex_comment(f"{row.method}: {left_out(row)}") for row in rows if left_out(row)),
        r"{\noindent\footnotesize\setlength{\tabcolsep}{3pt}%",
        r"\begin{tabular}{lr" + "r" * (len(heads) - 1) + "}",
        r"\toprule",
        " & ".join([latex(name).replace("·", r"$\cdot$"), *heads]) + r" \\",
    ]
    for row in shown(rows):
        if row.tercile == "all":
            lines.append(r"\midrule")
        first = latex(name_of(row)).replace("–", "--")
        first = first if row.tercile == "all" else rf"\quad {first}"
        numbers = [_math(text) for text in cells(row)]
        lines.append(" & ".join([first, *numbers]) + r" \\")
    return [*lines, r"\bottomrule", r"\end{tabular}\par\medskip}"]


def _math(text: str) -> str:
    """A cell with its signs as TeX sets them."""
    if text == ABSENT:
        return "--"
    return f"${text}$" if text[0] in "+-<" else text


FORMATS: Final[dict[str, Callable[[Comparison], str]]] = {
    "csv": csv_text,
    "json": json_text,
    "markdown": markdown_text,
    "latex": latex_text,
}
"""What `compare --format` may be, other than the table on screen."""
