"""Counting outcomes: each row once, finite or not, with its error in the order of the plan."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.rows import row

import exp2proc
from exp2proc.conversion.tally import Tally
from exp2proc.demo.tree import DemoTree
from exp2proc.errors import Exp2procError
from exp2proc.options import Options
from exp2proc.planning.plan import Plan, PlannedRun
from exp2proc.results import Counts, Outcome, Progress
from exp2proc.traces.manifest import Row
from exp2proc.traces.runs import Run


@pytest.fixture
def plan(demo: DemoTree, tmp_path: Path) -> Plan:
    """12 runs of 8 rows."""
    return exp2proc.make_plan(
        exp2proc.Options(traces_root=demo.traces, layout="proc_1", out_root=tmp_path / "out")
    )


def test_samples_that_are_not_finite_are_counted_and_only_they(plan: Plan) -> None:
    tally = Tally(plan, None)
    for number, finite in enumerate((True, False, False, True, False)):
        tally.add(Outcome(number, 0, "converted", finite=finite))
    tally.add(Outcome(8, 1, "kept", finite=False))
    tally.add(Outcome(9, 1, "kept"))
    report = tally.report(None)
    assert [run.non_finite for run in report.runs] == [3, 1] + [0] * 10


def test_hops_are_counted_by_run(plan: Plan) -> None:
    tally = Tally(plan, None)
    for number in range(10):
        tally.add(Outcome(number, number // 8, "converted", with_hop=number % 3 == 0))
    assert [run.with_hop for run in tally.report(None).runs[:3]] == [3, 1, 0]


def test_a_row_is_counted_once_whoever_reports_it(plan: Plan) -> None:
    seen: list[Progress] = []
    tally = Tally(plan, seen.append)
    lost = Exp2procError("worker-lost", "x")
    tally.add(Outcome(3, 0, "converted", finite=False))
    tally.add(Outcome(3, 0, "converted", finite=False))
    tally.add(Outcome(3, 0, "failed", error=lost))
    tally.add(Outcome(4, 0, "failed", error=lost))
    assert tally.failed == 1
    assert seen == [Progress(1, 96, 0), Progress(2, 96, 1)]
    report = tally.report("fail_fast")
    run = report.runs[0]
    assert (run.counts.converted, run.counts.failed, run.counts.unfinished) == (1, 1, 6)
    assert run.non_finite == 1
    assert (report.counts.planned, report.counts.unfinished) == (96, 94)


def test_errors_come_in_the_order_of_the_plan_and_get_their_runs_hint(plan: Plan) -> None:
    tally = Tally(plan, None)
    for number, code in ((20, "trace-missing"), (1, "trace-missing"), (2, "trace-corrupt")):
        tally.add(Outcome(number, number // 8, "failed", error=Exp2procError(code, str(number))))
    assert tally.failed_by({"trace-missing"}) == {0, 2}
    assert tally.failed_by({"trace-corrupt"}) == {0}
    tally.rehint(0, {"trace-missing"}, "look there")
    errors = tally.report(None).errors
    assert [error.message for error in errors] == ["1", "2", "20"]
    assert [error.hint == "look there" for error in errors] == [True, False, False]
    assert [Path(error.trace_dir) for error in errors] == [
        plan.runs[at].run.trace_dir for at in (0, 0, 2)
    ]


@pytest.fixture
def two_runs() -> Plan:
    """Two runs of three rows."""
    runs = []
    for number in range(2):
        run = Run(Path(f"/t{number}"), Path(f"/o{number}"), "math", "qwen", f"run{number}")
        rows: list[Row] = [row(at, number) for at in range(3 * number, 3 * number + 3)]
        runs.append(PlannedRun(run, [*rows], first=3 * number))
    return Plan(Options(trace_dir=("/t0", "/t1")), runs, row_count=6)


def _failed(number: int, code: str) -> Outcome:
    return Outcome.failed(row(number, number // 3), Exp2procError(code, f"row {number}", "old"))


def test_what_samples_hold_is_counted_in_their_run(two_runs: Plan) -> None:
    tally = Tally(two_runs, None)
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


def test_a_row_counts_once_whoever_reports_it(two_runs: Plan) -> None:
    told: list[Progress] = []
    tally = Tally(two_runs, told.append)
    for _ in range(2):
        tally.add(_failed(4, "missing-hops"))
        tally.add(Outcome(5, 1, "converted", finite=False))
    assert told == [Progress(1, 6, 1), Progress(2, 6, 1)]
    assert tally.failed == 1
    report = tally.report(None)
    assert report.counts == Counts(planned=6, converted=1, failed=1, unfinished=4)
    assert report.runs[1].non_finite == 1
    assert len(report.errors) == 1


def test_failures_are_told_in_the_order_of_the_plan(two_runs: Plan) -> None:
    tally = Tally(two_runs, None)
    for number in (5, 0, 3):
        tally.add(_failed(number, "missing-hops"))
    errors = tally.report(None).errors
    assert [(error.trace_dir, error.file) for error in errors] == [
        ("/t0", "0.npz"),
        ("/t1", "3.npz"),
        ("/t1", "5.npz"),
    ]


def test_a_better_hint_goes_to_one_run_and_to_what_it_explains(two_runs: Plan) -> None:
    tally = Tally(two_runs, None)
    for number, code in ((0, "missing-hops"), (3, "missing-hops"), (4, "internal")):
        tally.add(_failed(number, code))
    assert tally.failed_by(["missing-hops"]) == {0, 1}
    assert tally.failed_by(["internal"]) == {1}
    assert tally.failed_by([]) == set()
    tally.rehint(1, ["missing-hops"], "new")
    assert [error.hint for error in tally.report(None).errors] == ["old", "new", "old"]


def test_what_is_written_so_far_is_known_by_run(plan: Plan) -> None:
    tally = Tally(plan, None)
    tally.add(Outcome(2, 0, "converted"))
    tally.add(Outcome(3, 0, "failed", error=Exp2procError("trace-missing", "x")))
    tally.add(Outcome(5, 0, "kept"))
    tally.add(Outcome(9, 1, "replaced"))
    assert tally.written(0) == ("ex_000002.npz", "ex_000005.npz")
    assert tally.written(1) == ("ex_000001.npz",)
    assert tally.written(2) == ()
