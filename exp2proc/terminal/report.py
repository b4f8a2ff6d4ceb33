"""The report of a conversion on screen: a table of runs, then the failures grouped by code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from rich import box
from rich.table import Table
from rich.text import Text

from ..formats.names import counted, printable
from ..results import Report, RunReport
from .console import console
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
        out.print(_runs_table(report.runs))
    print_errors(out, errors, verbose=verbose)
    if not quiet:
        print_warnings(out, ((_run_name(run), run.warnings) for run in report.runs))
    left = _left(report, resume)
    for line in left if quiet else (*_warnings(report), *left, _done(report)):
        out.print(line, soft_wrap=True)  # a command that goes on is there to be copied


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


def _left(report: Report, resume: str) -> Iterator[Text]:
    """What a run that stopped or failed left, and how to go on."""
    counts = report.counts
    if report.stopped:
        yield Text(_stop(report), style="red")
    for problem in report.problems:
        yield Text(f"{problem.code}: {printable(problem.message)}", style="red")
    if report.stopped or counts.failed:
        yield Text(f"to go on: {printable(resume)}")


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
    return Text(
        f"{made + counts.kept} of {counts.planned} rows done in"
        f" {report.seconds:.1f} s ({made} {how}, {rate:.0f}/s)"
    )


_STOPPED: Final[dict[str, str]] = {
    "interrupted": "interrupted",
    "terminated": "terminated",
    "fail_fast": "stopped at the first failure (--fail_fast)",
    "unwritable": "stopped: outputs cannot be written, several in a row",
    "cluster_lost": "stopped: the cluster went away",
    "blocked": "stopped: the next round could not start",
}
_AWAY: Final = ("no-runs", "manifest-unreadable")


def _runs_table(runs: Sequence[RunReport]) -> Table:
    """One line a run, those with failures first when there are too many, and the totals."""
    shown = list(runs)
    if len(shown) > _MAX_RUNS:
        shown = sorted(shown, key=lambda run: -run.counts.failed)[:_MAX_RUNS]
    table = Table(box=box.SIMPLE_HEAD, show_footer=len(runs) > 1)
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
        table.add_row(Text(printable(_run_name(run))), *numbers)
    return table


_COLUMNS: Final = (
    *("rows", "converted", "kept", "failed", "with hop"),
    *("replaced", "pending", "unfinished"),
)
_ALWAYS: Final = 5


def _numbers(run: RunReport) -> tuple[int, ...]:
    c = run.counts
    always = c.planned, c.converted, c.kept, c.failed, run.with_hop
    return *always, c.replaced, c.pending, c.unfinished


def _run_name(run: RunReport) -> str:
    return run_name(run.dataset, run.model_tag, run.run_tag)
