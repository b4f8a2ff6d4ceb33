"""How far a run is: a bar on a terminal, a plain line every few seconds in a log. On stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from ..formats.names import counted, printable
from ..results import OnProgress, Progress

if TYPE_CHECKING:
    from ..conversion.follow import Round

_LINE_SECONDS: Final = 5.0


@contextmanager
def reporter(
    planned: int, *, quiet: bool = False, what: str = "rows", doing: str = "converting"
) -> Iterator[OnProgress]:
    """A callback that shows progress while the block runs; over 0 rows there is none to show."""
    if quiet or planned == 0:
        yield _ignore
    elif sys.stderr.isatty():
        with _bar(planned, what, doing) as callback:
            yield callback
    else:
        yield _Lines(what).update


def say_round(done: Round) -> None:
    """A line on stderr about a round of following, as it ends."""
    if done.report is None:
        told = "no run yet"
    else:
        counts = done.report.counts
        rows, runs = counted(counts.planned, "row"), counted(len(done.report.runs), "run")
        told = f"{rows} of {runs}, {done.made} made"
        for name in ("failed", "pending"):
            if number := getattr(counts, name):
                told += f", {number} {name}"
        if done.problems:
            told += f", {len(done.problems)} away or unreadable"
    if done.problems:
        told += f" ({printable(done.problems[0].message)})"
    after = f"; next in {done.rest:g} s" if done.rest else "; the last one"
    print(f"exp2proc: round {done.number}: {told}{after}", file=sys.stderr, flush=True)


def _ignore(progress: Progress) -> None:
    """Show nothing."""


@contextmanager
def _bar(planned: int, what: str, doing: str) -> Iterator[OnProgress]:
    from rich import progress as bars
    from rich.console import Console

    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TextColumn(what),
        bars.TextColumn("{task.fields[rate]}"),
        bars.TextColumn("{task.fields[failed]}", style="red"),
        bars.TimeRemainingColumn(),
    )
    began = time.monotonic()
    with bars.Progress(
        *columns, console=Console(stderr=True), refresh_per_second=4, transient=True
    ) as bar:
        task = bar.add_task(doing, total=planned, rate="", failed="")

        def update(progress: Progress) -> None:
            seconds = time.monotonic() - began
            bar.update(
                task,
                completed=progress.done,
                total=progress.planned,
                rate=f"{progress.done / max(seconds, 1e-3):.0f}/s",
                failed=f"{progress.failed} failed" if progress.failed else "",
            )

        yield update


class _Lines:
    def __init__(self, what: str) -> None:
        self._what = what
        self._began = self._last = time.monotonic()

    def update(self, progress: Progress) -> None:
        """Print a line when the last one is long enough ago."""
        now = time.monotonic()
        if now - self._last < _LINE_SECONDS or progress.done == progress.planned:
            return
        self._last = now
        rate = progress.done / (now - self._began)
        left = (progress.planned - progress.done) / rate
        print(
            f"exp2proc: {progress.done} of {progress.planned} {self._what},"
            f" {progress.failed} failed, {rate:.0f}/s, about {left:.0f} s left",
            file=sys.stderr,
            flush=True,
        )
