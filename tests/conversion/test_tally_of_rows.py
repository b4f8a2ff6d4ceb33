"""Tally: every row is counted once, in its run, and failures are told in the plan's order."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.rows import row

from exp2proc.conversion.tally import Tally
from exp2proc.errors import Exp2procError
from exp2proc.options import Options
from exp2proc.planning.plan import Plan, PlannedRun
from exp2proc.results import Counts, Outcome, Progress
from exp2proc.traces.manifest import Row
from exp2proc.traces.runs import Run


@pytest.fixture
def plan() -> Plan:
    """Two runs of three rows."""
    runs = []
    for number in range(2):
        run = Run(Path(f"/t{number}"), Path(f"/o{number}"), "math", "qwen", f"run{number}")
        rows: list[Row] = [row(at, number) for at in range(3 * number, 3 * number + 3)]
        runs.append(PlannedRun(run, [*rows], first=3 * number))
    return Plan(Options(trace_dir=("/t0", "/t1")), runs, row_count=6)


def _failed(number: int, code: str) -> Outcome:
    return Outcome.failed(row(number, number // 3), Exp2procError(code, f"row {number}", "old"))


def test_what_samples_hold_is_counted_in_their_run(plan: Plan) -> None:
    tally = Tally(plan, None)
    tally.add(Outcome(0, 0, "converted", with_hop=True))
    tally.add(Outcome(1, 0, "kept", finite=False))
    tally.add(Outcome(2, 0, "converted", with_hop=True, finite=False))
    tally.add(Outcome(3, 1, "pending"))
    first, second = tally.report(None).runs
    assert (first.with_hop, first.non_finite) == (2, 2)
    assert (second.with_hop, second.non_finite) == (0, 0)
    assert first.counts == Counts(planned=3, converted=2, kept=1)
    assert second.counts == Counts(planned=3, pending=1, unfinished=2)
    assert (first.trace_dir, first.out_dir, first.run_tag) == ("/t0", "/o0", "run0")


def test_a_row_counts_once_whoever_reports_it(plan: Plan) -> None:
    told: list[Progress] = []
    tally = Tally(plan, told.append)
    for _ in range(2):
        tally.add(_failed(4, "missing-hops"))
        tally.add(Outcome(5, 1, "converted", finite=False))
    assert told == [Progress(1, 6, 1), Progress(2, 6, 1)]
    assert tally.failed == 1
    report = tally.report(None)
    assert report.counts == Counts(planned=6, converted=1, failed=1, unfinished=4)
    assert report.runs[1].non_finite == 1
    assert len(report.errors) == 1


def test_failures_are_told_in_the_order_of_the_plan(plan: Plan) -> None:
    tally = Tally(plan, None)
    for number in (5, 0, 3):
        tally.add(_failed(number, "missing-hops"))
    errors = tally.report(None).errors
    assert [(error.trace_dir, error.file) for error in errors] == [
        ("/t0", "0.npz"),
        ("/t1", "3.npz"),
        ("/t1", "5.npz"),
    ]


def test_a_better_hint_goes_to_one_run_and_to_what_it_explains(plan: Plan) -> None:
    tally = Tally(plan, None)
    for number, code in ((0, "missing-hops"), (3, "missing-hops"), (4, "internal")):
        tally.add(_failed(number, code))
    assert tally.failed_by(["missing-hops"]) == {0, 1}
    assert tally.failed_by(["internal"]) == {1}
    assert tally.failed_by([]) == set()
    tally.rehint(1, ["missing-hops"], "new")
    assert [error.hint for error in tally.report(None).errors] == ["old", "new", "old"]
