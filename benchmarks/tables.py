"""The results as tables: for a terminal, or as Markdown for the documentation."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from .goals import Line, lines

Rows = list[list[str]]
"""The cells of a table, its headings first."""


def show(results: dict[str, Any], *, markdown: bool = False) -> None:
    """Print goals and breakdown of a run."""
    print(_machine(results["machine"]))
    tables = [_goals(lines(results))]
    if found := results.get("steps"):
        tables += [_steps(found["datasets"], results["workload"]["median_tokens"]), _starts(found)]
    for table in tables:
        print()
        print_markdown(table) if markdown else _print(table)


def print_markdown(table: Rows) -> None:
    """Print a table as Markdown."""
    heads, *rows = table
    for cells in (heads, ["---"] * len(heads), *rows):
        print(f"| {' | '.join(cells)} |")


def _print(table: Rows) -> None:
    heads, *rows = table
    drawn = Table(heads[0], box=box.SIMPLE_HEAD)
    for head in heads[1:]:
        drawn.add_column(head, justify="right", no_wrap=True)
    for cells in rows:
        drawn.add_row(*cells)
    width = None if sys.stdout.isatty() else 160
    Console(width=width, markup=False, highlight=False).print(drawn)


def _machine(machine: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB,"
        f" {machine['codec']}; {versions}; load {machine['load_at_start']} at the start"
    )


def _goals(made: list[Line]) -> Rows:
    table = [["measured", "baseline", "exp2proc", "ratio", "goal", ""]]
    for line in made:
        goal = ""
        if line.goal is not None:
            goal = f"≤ {_number(line.goal)} {line.unit}" if line.limit else f"≤ {_ratio(line.goal)}"
        table.append(
            [
                line.name,
                "" if line.baseline is None else f"{_number(line.baseline)} {line.unit}",
                f"{_beside(line.goal if line.limit else None, line.exp2proc, _number)} {line.unit}",
                ""
                if line.ratio is None
                else _beside(None if line.limit else line.goal, line.ratio, _ratio),
                goal,
                {None: "", True: "met", False: "missed"}[line.met],
            ]
        )
    return table


def _beside(goal: float | None, value: float, spell: Callable[[float, int], str]) -> str:
    """A figure with as many digits more as show on which side of its goal it is."""
    shown = spell(value, 0)
    for more in range(1, 9):
        if goal is None or (_read(shown) <= goal) == (value <= goal):
            break
        shown = spell(value, more)
    return shown


def _read(shown: str) -> float:
    over, _, under = shown.replace(",", "").partition("/")
    return float(over) / float(under or 1)


def _ratio(value: float, more: int = 0) -> str:
    """0.125 as 1/8: so many times less."""
    if 0 < value <= 0.5:
        return f"1/{1 / value:.{1 + more}f}".removesuffix(".0")
    return f"{value:.{2 + more}f}"


def _number(value: float, more: int = 0) -> str:
    return f"{value:,.{more}f}" if value >= 100 else f"{value:.{3 + more}g}"


def _steps(datasets: dict[str, Any], tokens: dict[str, int]) -> Rows:
    heads = [f"{name} ({tokens[name]:,} tokens)" for name in datasets]
    table = [["CPU milliseconds of each step", *heads]]
    for kind, title in (
        ("text_ms", "a text"),
        ("row_ms", "a row"),
        ("plain_row_ms", "a row, the plain way"),
    ):
        for step in next(iter(datasets.values()))[kind]:
            found = [of[kind][step] for of in datasets.values()]
            table.append([f"{title}: {step}", *(f"{value:.3f}" for value in found)])
    return table


def _starts(found: dict[str, Any]) -> Rows:
    table = [["once a run", "wall", "CPU", "peak memory"]]
    for name, cost in found["start"].items():
        spent = [f"{cost[kind] * 1000:.0f} ms" for kind in ("wall", "cpu")]
        table.append([f"start: {name}", *spent, f"{cost['memory'] / 1e6:.0f} MB"])
    for name, planning in found["planning_ms"].items():
        table.append([name, "", f"{planning:.0f} ms", ""])
    return table
