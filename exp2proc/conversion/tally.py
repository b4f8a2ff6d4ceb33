"""Counting outcomes as they come, into a report."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection
from dataclasses import replace
from typing import Final

from ..planning.planner import Plan, PlannedRun
from ..results import Counts, OnProgress, Outcome, Progress, Report, RowError, RunReport, StopReason

LENGTH_CODES: Final = frozenset({"prompt-length-mismatch", "generation-length-mismatch"})
"""The failures that a tokenizer's token lengths decide."""


class Tally:
    """Counts outcomes as they come; each row once, whoever reports it."""

    def __init__(self, plan: Plan, on_progress: OnProgress | None) -> None:
        self._plan = plan
        self._on_progress = on_progress
        self._seen = bytearray(plan.row_count)
        self._errors: dict[int, RowError] = {}
        self._firsts = [planned.first for planned in plan.runs]
        self._reports = [_blank(planned) for planned in plan.runs]
        self.failed = 0
        self._done = 0

    def add(self, outcome: Outcome) -> None:
        """Count one outcome."""
        if self._seen[outcome.number]:
            return
        self._seen[outcome.number] = 1
        run = self._run_of(outcome.number)
        report = self._reports[run]
        counts = report.counts
        setattr(counts, outcome.status, getattr(counts, outcome.status) + 1)
        report.with_hop += outcome.with_hop
        report.non_finite += not outcome.finite
        if outcome.error is not None:
            self._errors[outcome.number] = self._row_error(run, outcome)
            self.failed += 1
        self._done += 1
        if self._on_progress is not None:
            self._on_progress(Progress(self._done, self._plan.row_count, self.failed))

    def add_missed(self, outcomes: list[Outcome]) -> None:
        """Count those of these outcomes that did not come through."""
        for outcome in outcomes:
            self.add(outcome)

    def failed_by(self, codes: Collection[str]) -> set[int]:
        """Numbers of the runs that have failures with these codes."""
        return {self._run_of(number) for number, e in self._errors.items() if e.code in codes}

    def rehint(self, run: int, codes: Collection[str], hint: str) -> None:
        """Give the failures of a run that have these codes a better hint."""
        for number, error in self._errors.items():
            if error.code in codes and self._run_of(number) == run:
                self._errors[number] = replace(error, hint=hint)

    def _run_of(self, number: int) -> int:
        return bisect_right(self._firsts, number) - 1

    def report(self, stopped: StopReason | None) -> Report:
        """The report of all that was counted, errors in the order of the plan."""
        for report in self._reports:
            report.counts.settle()
        errors = [self._errors[number] for number in sorted(self._errors)]
        return Report(self._plan.options.layout, self._reports, errors, stopped=stopped)

    def _row_error(self, run: int, outcome: Outcome) -> RowError:
        planned = self._plan.runs[run]
        row = planned.rows[outcome.number - planned.first]
        assert outcome.error is not None
        code, message, hint = outcome.error
        return RowError(
            str(planned.run.trace_dir),
            row.file,
            row.example_idx,
            code,
            message,
            hint,
            outcome.trace,
        )


def _blank(planned: PlannedRun) -> RunReport:
    run = planned.run
    return RunReport(
        str(run.trace_dir),
        str(run.out_dir),
        run.dataset,
        run.model_tag,
        run.run_tag,
        Counts(planned=len(planned.rows)),
    )
