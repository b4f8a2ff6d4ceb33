"""Counting outcomes as they come, into a report."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace
from typing import Final

from ..formats.sample import DigestSum
from ..planning.plan import Plan, PlannedRun
from ..results import (
    Counts,
    OnProgress,
    Outcome,
    Progress,
    Replaced,
    Report,
    RowError,
    RunReport,
    RunWarning,
    StopReason,
)
from .record import make_record

_SETTLED: Final = 1
_WAITS: Final = 2


class Tally:
    """Counts outcomes as they come; each row once, whoever reports it.

    Attributes:
        failed: rows that have failed so far.
    """

    def __init__(self, plan: Plan, on_progress: OnProgress | None) -> None:
        self._plan = plan
        self._on_progress = on_progress
        self._seen = bytearray(plan.row_count)
        self._errors: dict[int, tuple[int, RowError]] = {}
        self._replaced: dict[int, Replaced] = {}
        self._digests = [DigestSum() for _ in plan.runs]
        self._reports = [blank_report(planned) for planned in plan.runs]
        self.failed = 0
        self._done = 0

    def add(self, outcome: Outcome) -> None:
        """Count one outcome."""
        if self._seen[outcome.number]:
            return
        self._seen[outcome.number] = _WAITS if outcome.status == "pending" else _SETTLED
        report = self._reports[outcome.run]
        counts = report.counts
        setattr(counts, outcome.status, getattr(counts, outcome.status) + 1)
        if outcome.digest:
            self._digests[outcome.run].add(outcome.digest)
        report.with_hop += outcome.with_hop
        report.non_finite += not outcome.finite
        row = self._plan.runs[outcome.run].row(outcome.number)
        if outcome.status == "replaced":
            one = Replaced(report.trace_dir, row.file or "", outcome.reason)
            self._replaced[outcome.number] = one
        if outcome.error is not None:
            error = RowError.of(report.trace_dir, row, outcome.error, outcome.trace)
            self._errors[outcome.number] = outcome.run, error
            self.failed += 1
        self._done += 1
        if self._on_progress is not None:
            self._on_progress(Progress(self._done, self._plan.row_count, self.failed))

    def failed_by(self, codes: Collection[str]) -> set[int]:
        """Numbers of the runs that have failures with these codes."""
        return {run for run, error in self._errors.values() if error.code in codes}

    def written(self, run: int) -> tuple[str, ...]:
        """Files of the rows of a run whose sample is there, by what was counted so far."""
        return tuple(
            row.file
            for row in self._plan.runs[run].rows
            if row.file and self._seen[row.number] == _SETTLED and row.number not in self._errors
        )

    def warn(self, run: int, warning: RunWarning) -> None:
        """Add to what should be known about a run."""
        self._reports[run].warnings.append(warning)

    def rehint(self, run: int, codes: Collection[str], hint: str) -> None:
        """Give the failures of a run that have these codes a better hint."""
        for number, (of, error) in self._errors.items():
            if of == run and error.code in codes:
                self._errors[number] = run, replace(error, hint=hint)

    def report(self, stopped: StopReason | None) -> Report:
        """The report of all that was counted, errors in the order of the plan."""
        for report in self._reports:
            report.counts.settle()
        errors = [self._errors[number][1] for number in sorted(self._errors)]
        dropped: dict[str, list[RowError]] = defaultdict(list)
        for error in errors:
            dropped[error.trace_dir].append(error)
        for number, (planned, report, digest) in enumerate(
            zip(self._plan.runs, self._reports, self._digests, strict=True)
        ):
            failed = dropped[report.trace_dir]
            if failed:  # a line that names another row's file left no sample out
                made = set(self.written(number))
                failed = [error for error in failed if error.file not in made]
            report.record = make_record(self._plan, planned, report.counts, digest, failed)
        replaced = [self._replaced[number] for number in sorted(self._replaced)]
        layout = self._plan.options.layout
        return Report(layout, self._reports, errors, 0.0, stopped, replaced)


def blank_report(planned: PlannedRun) -> RunReport:
    """The report of a run of which nothing is counted yet."""
    run = planned.run
    return RunReport(
        str(run.trace_dir),
        str(run.out_dir),
        run.dataset,
        run.model_tag,
        run.run_tag,
        Counts(planned=len(planned.rows)),
        warnings=[*planned.warnings],
    )
