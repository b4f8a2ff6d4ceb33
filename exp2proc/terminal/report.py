"""The report of a conversion on screen: a table of runs, then the failures grouped by code."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from ..errors import CATALOGUE
from ..formats.names import counted, printable, setting_of
from ..results import Counts, Report, RunReport
from .console import console, tell
from .errors import print_errors, print_left_out, print_warnings, run_name

_MAX_RUNS: Final = 40
"""Runs that are shown; of more, those with the most failures."""

_MAX_LEFT: Final = 3
"""Runs whose rows that are left are told; the table has those of all."""

_MAX_REASONS: Final = 8
"""Reasons for replacing samples that are told; the JSON report has each sample's."""


def print_report(
    report: Report, *, quiet: bool = False, verbose: bool = False, resume: str = ""
) -> None:
    """The table and the closing lines on stdout; when quiet, failures on stderr only.

    Args:
        report: of the conversion.
        quiet: show failures only.
        verbose: show tracebacks of internal errors.
        resume: the command that goes on where this run stopped.
    """
    out = console(stderr=quiet)
    errors = print_left_out(out, report.errors)
    if not quiet:
        out.print(_runs_table(report.runs, out.width))
    print_errors(out, errors, verbose=verbose)
    if not quiet:
        print_warnings(out, ((_run_name(run), run.warnings) for run in report.runs))
    stopped = report.stopped in ("interrupted", "terminated")
    if stopped:  # in the form of all commands
        tell(console(stderr=True), Text(f"exp2proc: {_stop(report)}", style="red"))
    if not quiet:
        for line in _warnings(report):
            tell(out, line)
    if report.stopped and not stopped:
        tell(out, Text(_stop(report), style="red"))
    for problem in report.problems:
        tell(out, Text(f"{problem.code}: {printable(problem.message)}", style="red"))
    if can_go_on(report):  # a command that is there to be copied
        out.print(Text(f"to go on: {printable(resume)}"), soft_wrap=True)
    if not quiet:
        tell(out, _done(report))


def can_go_on(report: Report) -> bool:
    """Whether the same command with --resume may do more: something is left that can change."""
    return bool(report.stopped) or any(not CATALOGUE[one.code].stays for one in report.errors)


def _warnings(report: Report) -> Iterator[Text]:
    if non_finite := sum(run.non_finite for run in report.runs):
        have = "has" if non_finite == 1 else "have"
        yield Text(
            f"warning: {counted(non_finite, 'sample')} {have} NaN or infinite numbers in attr"
            " or hop, as their traces have",
            style="yellow",
        )
    if report.replaced:
        reasons = Counter(one.reason for one in report.replaced).most_common(_MAX_REASONS)
        told = ", ".join(f"{reason} ({count})" for reason, count in reasons)
        yield Text(f"{len(report.replaced)} replaced, what lay there was another: {told}")
    if pending := report.counts.pending:
        are = "is" if pending == 1 else "are"
        yield Text(
            f"{counted(pending, 'row')} {are} pending: exp2 seems to be still writing them;"
            " --resume will pick them up",
            style="yellow",
        )


def _stop(report: Report) -> str:
    """Why a run stopped, and what that left."""
    assert report.stopped is not None
    said, left = _STOPPED[report.stopped], report.counts.unfinished
    if report.stopped != "blocked":
        return f"{said}: {counted(left, 'row')} left"
    if left:
        some = [(run.counts.unfinished, run) for run in report.runs if run.counts.unfinished]
        told = [f"{count} of {printable(_run_name(run))}" for count, run in some[:_MAX_LEFT]]
        over = len(some) - _MAX_LEFT
        more = f" and {counted(over, 'more run')}" if over > 0 else ""
        return f"{said}: {counted(left, 'row')} left: {', '.join(told)}{more}"
    away = len(report.problems)
    if any(problem.code not in _AWAY for problem in report.problems):
        return said
    return f"stopped: {away} {'run is' if away == 1 else 'runs are'} away or cannot be read"


def _done(report: Report) -> Text:
    counts = report.counts
    made = counts.converted + counts.replaced
    rate = made / report.seconds if report.seconds else 0.0
    how = "made" if counts.replaced else "converted"
    where = _where([run.out_dir for run in report.runs if _has_samples(run.counts)])
    return Text(
        f"{made + counts.kept} of {counted(counts.planned, 'row')} done in"
        f" {report.seconds:.1f} s ({made} {how}, {rate:.0f}/s){where and ': '}{printable(where)}"
    )


def _has_samples(counts: Counts) -> bool:
    return bool(counts.converted or counts.replaced or counts.kept)


def _where(folders: Sequence[str]) -> str:
    """The folder that holds all of these, from the working directory where it is below that."""
    if not folders:
        return ""
    top = os.path.commonpath(folders)
    with suppress(OSError):  # the working directory may be gone
        if not (below := os.path.relpath(top)).startswith(os.pardir):
            return below
    return top


_STOPPED: Final[dict[str, str]] = {
    "interrupted": "interrupted",
    "terminated": "terminated",
    "fail_fast": "stopped at the first failure (--fail_fast)",
    "unwritable": "stopped: outputs cannot be written, several in a row",
    "cluster_lost": "stopped: the cluster went away",
    "blocked": "stopped: the next round could not start",
}
_AWAY: Final = ("no-runs", "manifest-unreadable")


def _runs_table(runs: Sequence[RunReport], width: int) -> Table:
    """One line a run, those with failures first when there are too many, and the totals."""
    shown = list(runs)
    if len(shown) > _MAX_RUNS:
        shown = sorted(shown, key=lambda run: -run.counts.failed)[:_MAX_RUNS]
    table = Table(
        box=box.SIMPLE_HEAD,
        show_footer=len(runs) > 1,
        pad_edge=False,
        padding=(0, 0 if width < _NARROW else 1, 0, 0),
    )
    names = _names(runs, width)
    total = [sum(column) for column in zip(*map(_numbers, runs), strict=True)]
    more = len(runs) - len(shown)
    footer = f"{len(runs)} runs" + (f", {more} not shown" if more else "")
    table.add_column("run", footer=footer, overflow="fold")
    for at, name in enumerate(_COLUMNS):
        if at < _ALWAYS or total[at]:
            table.add_column(name, footer=str(total[at]), justify="right", no_wrap=True)
    for run in shown:
        numbers = [
            Text(str(number), style="red" if name == "failed" and number else "")
            for at, (name, number) in enumerate(zip(_COLUMNS, _numbers(run), strict=True))
            if at < _ALWAYS or total[at]
        ]
        table.add_row(Text(names[id(run)]), *numbers)
    return table


_COLUMNS: Final = (
    *("rows", "converted", "kept", "failed", "hop"),
    *("replaced", "pending", "unfinished"),
)
_ALWAYS: Final = 5


def _numbers(run: RunReport) -> tuple[int, ...]:
    c = run.counts
    always = c.planned, c.converted, c.kept, c.failed, run.with_hop
    return *always, c.replaced, c.pending, c.unfinished


_NARROW: Final = 100
_NUMBERS_WIDTH: Final = 40
"""Columns that the numbers of a table take."""


def _names(runs: Sequence[RunReport], width: int) -> dict[int, str]:
    """The runs' names, by identity; where there is no room, without modes and size."""
    whole = {id(run): printable(_run_name(run)) for run in runs}
    if max(map(cell_len, whole.values()), default=0) + _NUMBERS_WIDTH <= width:
        return whole
    short = {
        id(run): printable(run_name(run.dataset, run.model_tag, setting_of(run.run_tag)))
        for run in runs
    }
    often = Counter(short.values())
    return {at: name if often[name] == 1 else whole[at] for at, name in short.items()}


def _run_name(run: RunReport) -> str:
    return run_name(run.dataset, run.model_tag, run.run_tag)
