"""The report's screen: what is said when all is well, when rows failed, when a run was cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from exp2proc.errors import Exp2procError
from exp2proc.results import Counts, Report, RowError, RunReport
from exp2proc.terminal.report import print_report


def _run(number: int, failed: int = 0, **more: Any) -> RunReport:
    counts = Counts(planned=10, converted=9 - failed, kept=1, failed=failed)
    return RunReport("/t/run", "/o/run", "data/math.jsonl", "m", f"run{number}", counts, **more)


def test_all_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(Report("proc", [_run(0)], seconds=3.0), resume="exp2proc again")
    said = capsys.readouterr().out
    assert "math/m/run0" in said
    assert said.endswith("10 of 10 rows done in 3.0 s (9 converted, 3/s): /o/run\n")
    assert "again" not in said


def test_where_samples_are_is_told_from_the_working_directory(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    runs = [_run(number) for number in range(3)]
    for run, folder in zip(runs, ("out/a/m/r", "out/b/m/r", "elsewhere"), strict=True):
        run.out_dir = str(tmp_path / folder)
    runs[2].counts = Counts(planned=10, failed=10)  # nothing was written there
    print_report(Report("proc", runs, seconds=2.0), resume="")
    assert capsys.readouterr().out.endswith("/s): out\n")


def test_failures_and_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    error = RowError("/t/run", "a\x1b.npz", 3, "internal", "broke", "Report it.", "a traceback")
    report = Report("proc", [_run(0, failed=2, non_finite=4)], [error], 1.0, "interrupted")
    report.runs[0].counts.pending = 5
    report.runs[0].counts.unfinished = 6
    print_report(report, verbose=True, resume="exp2proc again")
    said, stopped = capsys.readouterr()
    assert stopped == "exp2proc: interrupted: 6 rows left\n"
    assert "\x1b" not in said
    for line in (
        "  run/a\\x1b.npz: broke",
        "a traceback",
        "  hint: Report it.",
        "warning: 4 samples have NaN or infinite numbers in attr or hop, as their traces have",
        "5 rows are pending: exp2 seems to be still writing them; --resume will pick them up",
        "to go on: exp2proc again",
        "8 of 10 rows done in 1.0 s (7 converted, 7/s): /o/run",
    ):
        assert line in said.splitlines()
    print_report(report, quiet=True, resume="exp2proc again")
    quiet = capsys.readouterr()
    assert quiet.out == ""
    assert quiet.err.splitlines()[-2:] == [
        "exp2proc: interrupted: 6 rows left",
        "to go on: exp2proc again",
    ]
    assert "traceback" not in quiet.err


def test_what_a_following_left(capsys: pytest.CaptureFixture[str]) -> None:
    """Rows of runs that a round could not start with; runs that are away; never "0 rows"."""
    exist, gone = Exp2procError("outputs-exist", "2 of 8"), Exp2procError("no-runs", "/t is gone")
    for left, problems, expected in (
        (0, [gone], ["stopped: 1 run is away or cannot be read", "no-runs: /t is gone"]),
        (0, [exist], ["stopped: the next round could not start", "outputs-exist: 2 of 8"]),
        (
            3,
            [exist, gone],
            [
                "stopped: the next round could not start: 3 rows left: 3 of math/m/run0",
                "outputs-exist: 2 of 8",
                "no-runs: /t is gone",
            ],
        ),
    ):
        report = Report("proc", [_run(0), _run(1)], stopped="blocked", problems=problems)
        report.runs[0].counts.unfinished = left
        print_report(report, quiet=True, resume="exp2proc again")
        assert capsys.readouterr().err.splitlines() == [*expected, "to go on: exp2proc again"]


@pytest.mark.parametrize(
    ("codes", "helps"),
    [
        (["prompt-length-mismatch"], False),
        (["dataset-no-match", "no-tokenizer", "internal"], False),
        (["prompt-length-mismatch", "worker-lost"], True),
        (["output-unwritable"], True),
        (["trace-missing"], True),
    ],
)
def test_how_to_go_on_is_told_where_it_can_help(
    capsys: pytest.CaptureFixture[str], codes: list[str], helps: bool
) -> None:
    errors = [RowError("/t/run", "a.npz", 3, code, "broke", "Mend it.") for code in codes]
    print_report(Report("proc", [_run(0, failed=len(errors))], errors), resume="exp2proc again")
    assert ("to go on: exp2proc again" in capsys.readouterr().out) == helps


def test_of_many_runs_those_with_failures_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    runs = [_run(number, failed=int(number >= 45)) for number in range(50)]
    print_report(Report("proc", runs))
    said = capsys.readouterr().out
    assert said.count("math/m/run") == 40
    assert all(f"math/m/run{number} " in said for number in range(45, 50))
    assert "50 runs, 10 not shown" in said
