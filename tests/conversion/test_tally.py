"""Counting outcomes: each row once, finite or not, with its error in the order of the plan."""

from __future__ import annotations

from pathlib import Path

import pytest

import exp2proc
from exp2proc.conversion.tally import Tally
from exp2proc.demo.tree import DemoTree
from exp2proc.errors import Exp2procError
from exp2proc.planning.plan import Plan
from exp2proc.results import Outcome, Progress


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
