"""The results as tables: for a terminal, or as Markdown for the README."""

from __future__ import annotations

import sys
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from .goals import Line, lines


def show(results: dict[str, Any], *, markdown: bool = False) -> None:
    """Print goals and breakdown of a run."""
    width = None if sys.stdout.isatty() and not markdown else 160
    console = Console(width=width, markup=False, highlight=False)
    style = box.MARKDOWN if markdown else box.SIMPLE_HEAD
    console.print(_machine(results["machine"]), soft_wrap=True)
    console.print(_goals(lines(results), style))
    if found := results.get("steps"):
        console.print(_steps(found["datasets"], results["workload"]["median_tokens"], style))
        console.print(_starts(found, style))


def _machine(machine: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB,"
        f" {machine['codec']}; {versions}; load {machine['load_at_start']} at the start"
    )


def _goals(made: list[Line], style: box.Box) -> Table:
    table = Table("", box=style)
    for name in ("plain", "exp2proc", "ratio", "goal", ""):
        table.add_column(name, justify="right", no_wrap=True)
    for line in made:
        plain = "" if line.plain is None else f"{_number(line.plain)} {line.unit}"
        ratio, goal = _number(line.ratio), _number(line.goal)
        if line.plain is not None:
            ratio, goal = _ratio(line.ratio), _ratio(line.goal)
        table.add_row(
            line.name,
            plain,
            f"{_number(line.exp2proc)} {line.unit}",
            "" if line.plain is None else ratio,
            f"≤ {goal}" + ("" if line.plain is not None else f" {line.unit}"),
            "met" if line.met else "missed",
        )
    return table


def _ratio(value: float) -> str:
    """0.125 as 1/8: so many times less."""
    if 0 < value < 0.95:
        return f"1/{1 / value:.1f}".removesuffix(".0")
    return f"{value:.2f}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _steps(datasets: dict[str, Any], tokens: dict[str, int], style: box.Box) -> Table:
    table = Table("CPU milliseconds of each step", box=style)
    for name in datasets:
        table.add_column(f"{name} ({tokens[name]:,} tokens)", justify="right")
    for kind, title in (
        ("text_ms", "a text"),
        ("row_ms", "a row"),
        ("plain_row_ms", "a row, the plain way"),
    ):
        for step in next(iter(datasets.values()))[kind]:
            found = [of[kind][step] for of in datasets.values()]
            table.add_row(f"{title}: {step}", *(f"{value:.3f}" for value in found))
    return table


def _starts(found: dict[str, Any], style: box.Box) -> Table:
    table = Table("once a run", box=style)
    for name in ("wall", "CPU", "peak memory"):
        table.add_column(name, justify="right")
    for name, cost in found["start"].items():
        table.add_row(
            f"start: {name}",
            f"{cost['wall'] * 1000:.0f} ms",
            f"{cost['cpu'] * 1000:.0f} ms",
            f"{cost['memory'] / 1e6:.0f} MB",
        )
    for name, spent in found["planning_ms"].items():
        table.add_row(name, "", f"{spent:.0f} ms", "")
    return table
