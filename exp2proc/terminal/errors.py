"""Errors on screen, grouped by code: how many, the first with their numbers, what to do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

from ..errors import PLAN_ERRORS, Exp2procError
from ..formats.names import counted, printable, short_dataset
from ..results import RowError, RunWarning
from .console import console, tell

_MAX_EXAMPLES: Final = 3
"""Rows, and hints, that are shown of each code."""
_MAX_PROBLEMS: Final = 10


def print_left_out(out: Console, errors: Sequence[RowError]) -> list[RowError]:
    """What kept whole runs from starting; returns the failures that are left to be told."""
    groups: dict[str, dict[str, list[RowError]]] = defaultdict(lambda: defaultdict(list))
    for error in errors:
        if error.code in PLAN_ERRORS:
            groups[error.code][error.message].append(error)
    for code, by_message in groups.items():
        rows = [error for some in by_message.values() for error in some]
        out.print(Text.assemble((code, "bold red"), f" ({len(rows)})"))
        for message, some in list(by_message.items())[:_MAX_PROBLEMS]:
            more = f" and {len(some) - 1} more" if len(some) > 1 else ""
            tell(out, Text(f"  {_where(some[0])}{more}: {printable(message)}"))
        if len(by_message) > _MAX_PROBLEMS:
            out.print(Text(f"  and {len(by_message) - _MAX_PROBLEMS} more (--json has all)"))
        for hint in list(dict.fromkeys(error.hint for error in rows))[:_MAX_EXAMPLES]:
            tell(out, Text(f"  hint: {printable(hint)}", style="cyan"))
    return [error for error in errors if error.code not in groups]


def print_warnings(out: Console, runs: Iterable[tuple[str, Sequence[RunWarning]]]) -> None:
    """What should be known about runs.

    Args:
        out: where to.
        runs: their names, and what there is about each.
    """
    lines = [f"warning: {name}: {one.message}" for name, some in runs for one in some]
    for line in lines[:_MAX_PROBLEMS]:
        tell(out, Text(printable(line), style="yellow"))
    if len(lines) > _MAX_PROBLEMS:
        more = f"and {counted(len(lines) - _MAX_PROBLEMS, 'more warning')} (--json has all)"
        out.print(Text(more, style="yellow"))


def run_name(dataset: str, model_tag: str, run_tag: str) -> str:
    """A run's name, short: dataset, model and run tag; a cache's path without its folders."""
    return "/".join(part for part in (short_dataset(dataset), model_tag, run_tag) if part)


def print_errors(out: Console, errors: Sequence[RowError], *, verbose: bool = False) -> None:
    """Failures by code: how many, the first with their numbers, what to do."""
    groups: dict[str, list[RowError]] = defaultdict(list)
    for error in errors:
        groups[error.code].append(error)
    for code, group in sorted(groups.items(), key=lambda item: -len(item[1])):
        out.print(Text.assemble((code, "bold red"), f" ({len(group)})"))
        for error in group[:_MAX_EXAMPLES]:
            tell(out, Text(f"  {_where(error)}: {printable(error.message)}"))
            if verbose and error.trace:
                out.print(Text("\n".join(map(printable, error.trace.splitlines()))))
        if len(group) > _MAX_EXAMPLES:
            out.print(Text(f"  and {len(group) - _MAX_EXAMPLES} more (--json has all)"))
        for hint in list(dict.fromkeys(error.hint for error in group))[:_MAX_EXAMPLES]:
            tell(out, Text(f"  hint: {printable(hint)}", style="cyan"))


def _where(error: RowError) -> str:
    run = error.trace_dir.rpartition("/")[2]
    return printable(f"{run}/{error.file}" if error.file else run)


def print_problems(problems: Sequence[Exp2procError]) -> None:
    """Everything that keeps a run from starting, by code, on stderr."""
    out = console(stderr=True)
    out.print(Text("exp2proc: nothing was started and nothing was written", style="bold red"))
    groups: dict[str, list[Exp2procError]] = defaultdict(list)
    for problem in problems:
        groups[problem.code].append(problem)
    for code, group in groups.items():
        out.print(Text.assemble((code, "bold red"), f" ({len(group)})"))
        for problem in group[:_MAX_PROBLEMS]:
            tell(out, Text(f"  {printable(problem.message)}"))
        if len(group) > _MAX_PROBLEMS:
            out.print(Text(f"  and {len(group) - _MAX_PROBLEMS} more"))
        for hint in dict.fromkeys(problem.hint for problem in group):
            lead = "" if hint.startswith("Try: ") else "hint: "
            tell(out, Text(f"  {lead}{printable(hint)}", style="cyan"))
