"""convert --follow: runs that grow while it looks."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import attrs
import pytest
from support.arrays import assert_same_tree
from support.cli import COMMAND, run_cli, run_json
from support.processes import unmeasured

import exp2proc
from exp2proc.conversion.follow import Round, follow
from exp2proc.demo.tree import DemoTree

NEEDLES = "needles/demo-1B"


def _options(demo: DemoTree, traces: Path, out: Path) -> exp2proc.Options:
    return exp2proc.Options(
        traces_root=traces,
        data_root=demo.data,
        tokenizer_model=demo.tokenizer,
        out_root=out,
        jobs=1,
    )


def _write(source: Path, run: Path, rows: range, pause: float = 0.0) -> None:
    """As exp2 does: a trace, then its line in the manifest."""
    run.mkdir(parents=True, exist_ok=True)
    lines = (source / "manifest.jsonl").read_bytes().splitlines(keepends=True)
    for number in rows:
        name = json.loads(lines[number])["file"]
        shutil.copy(source / name, run / name)
        with (run / "manifest.jsonl").open("ab") as manifest:
            manifest.write(lines[number])
        time.sleep(pause)


def _start(*words: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=unmeasured(),
    )


@pytest.mark.process
def test_until_all_rows_are_there(demo: DemoTree, tmp_path: Path) -> None:
    """The command starts before there is any run, and ends by itself when the last row is there."""
    growing, out = tmp_path / "traces", tmp_path / "out"
    runs = sorted(path.parent for path in (demo.traces / NEEDLES).rglob("manifest.jsonl"))[:2]
    growing.mkdir()

    def job() -> None:
        for run in runs:
            _write(run, growing / NEEDLES / run.name, range(8), pause=0.05)

    writing = threading.Thread(target=job)
    words = (
        *("convert", "--traces_root", growing, "--data_root", demo.data, "--jobs", "1"),
        *("--tokenizer_model", demo.tokenizer, "--out_root", out),
        *("--follow", "--every", "0.2", "--patience", "60", "--json"),
    )
    # Both runs are promised from the start, or the first one would be all there is.
    (growing / NEEDLES / runs[1].name).mkdir(parents=True)
    (growing / NEEDLES / runs[1].name / "manifest.jsonl").touch()
    process = _start(*words)
    assert process.stderr is not None
    lines = [process.stderr.readline()]
    writing.start()
    stdout, stderr = process.communicate(timeout=120)
    writing.join()
    assert process.returncode == 0, stderr
    report = json.loads(stdout)
    assert report["counts"]["planned"] == report["counts"]["converted"] == 16
    assert report["counts"]["kept"] == 0, "what earlier rounds made is not forgotten"
    lines += stderr.splitlines()
    assert len(lines) >= 3
    assert lines[-1].endswith("the last one")
    assert all("round" in line and "next in 0.2 s" in line for line in lines[:-1])
    fresh = tmp_path / "fresh"
    run_json(*words[:-8], *("--out_root", fresh))
    assert assert_same_tree(out, fresh) == 16


def test_until_nothing_has_changed_for_long(demo: DemoTree, tmp_path: Path) -> None:
    """A run that was cut: three rows less than its name promises."""
    growing = tmp_path / "traces"
    source = next((demo.traces / NEEDLES).glob("ifr_in_all_gen*"))
    run = growing / NEEDLES / source.name
    _write(source, run, range(3))
    rounds: list[Round] = []

    def told(done: Round) -> None:
        rounds.append(done)
        if done.number == 2:
            _write(source, run, range(3, 5))

    following = exp2proc.Following(follow=True, every=0.1, patience=0.5)
    began = time.monotonic()
    report = follow(_options(demo, growing, tmp_path / "out"), following, told)
    assert time.monotonic() - began > 0.6
    assert (report.counts.planned, report.counts.converted) == (5, 5)
    assert [done.made for done in rounds][:3] == [3, 0, 2]
    assert not any(done.made for done in rounds[3:])
    assert [done.rest for done in rounds] == [0.1] * (len(rounds) - 1) + [0.0]
    (warning,) = report.runs[0].warnings
    assert warning.code == "fewer-rows"


def test_a_trace_that_is_edited_meanwhile_is_made_again(demo: DemoTree, tmp_path: Path) -> None:
    growing = tmp_path / "traces"
    source = next((demo.traces / NEEDLES).glob("attnlrp*"))
    run = growing / NEEDLES / source.name
    _write(source, run, range(4))

    def told(done: Round) -> None:
        if done.number == 1:
            other = next((demo.traces / NEEDLES).glob("ifr_in_all_gen*")) / "ex_000001.npz"
            shutil.copy(other, run / "ex_000001.npz")
            _write(source, run, range(4, 8))

    following = exp2proc.Following(follow=True, every=0.05, patience=60)
    report = follow(_options(demo, growing, tmp_path / "out"), following, told)
    assert [one.file for one in report.replaced] == ["ex_000001.npz"]
    counts = report.counts
    assert (counts.planned, counts.converted, counts.replaced, counts.kept) == (8, 7, 1, 0)
    fresh = exp2proc.convert(
        traces_root=growing,
        data_root=demo.data,
        tokenizer_model=demo.tokenizer,
        out_root=tmp_path / "fresh",
    )
    assert fresh.counts.converted == 8
    assert assert_same_tree(tmp_path / "out", tmp_path / "fresh") == 8


def test_what_keeps_it_from_starting(demo: DemoTree, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    words = ("convert", "--traces_root", tmp_path / "none", "--layout", "proc_1", "--follow")
    quick = ("--every", "0.1", "--patience", "0.3")
    report = run_json(*words, *quick, "--out_root", tmp_path / "out", code=2)
    assert [problem["code"] for problem in report["problems"]] == ["no-runs"]
    for value in ("0", "-1", "inf", "nan"):
        report = run_json(*words, f"--every={value}", code=2)
        assert [problem["code"] for problem in report["problems"]] == ["usage"]
    there = ("convert", "--traces_root", demo.traces, "--layout", "proc_1", "--out_root")
    run_json(*there, tmp_path / "there")
    report = run_json(*there, tmp_path / "there", "--follow", code=2)
    assert {problem["code"] for problem in report["problems"]} == {"outputs-exist"}


@pytest.mark.process
def test_ctrl_c_between_two_rounds(demo: DemoTree, tmp_path: Path) -> None:
    growing = tmp_path / "traces"
    source = next((demo.traces / NEEDLES).glob("ifr_in_all_gen*"))
    _write(source, growing / NEEDLES / source.name, range(3))
    words = (
        *(
            "convert",
            "--traces_root",
            growing,
            "--layout",
            "proc_1",
            "--out_root",
            tmp_path / "out",
        ),
        *("--follow", "--every", "60", "--json"),
    )
    process = _start(*words)
    assert process.stderr is not None
    assert "round 1: 3 rows of 1 run, 3 made" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    report = json.loads(stdout)
    assert (report["stopped"], report["counts"]["converted"]) == ("interrupted", 3)


@pytest.mark.process
def test_sigterm_between_two_rounds(demo: DemoTree, tmp_path: Path) -> None:
    growing = tmp_path / "traces"
    source = next((demo.traces / NEEDLES).glob("ifr_in_all_gen*"))
    _write(source, growing / NEEDLES / source.name, range(3))
    process = _start(
        *(
            "convert",
            "--traces_root",
            growing,
            "--layout",
            "proc_1",
            "--out_root",
            tmp_path / "out",
        ),
        *("--follow", "--every", "60"),
    )
    assert process.stderr is not None
    process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "Traceback" not in stderr
    assert "3 of 3 rows done" in stdout
    assert "--follow --every 60.0" in stdout


_STOPPED_WHEN_PLANNING_AGAIN = (
    "import os, sys\n"
    "from exp2proc.cli import main\n"
    "from exp2proc.conversion import follow\n"
    "draft, rounds = follow.draft_plan, []\n"
    "def stopped(options):\n"
    "    rounds.append(options)\n"
    "    if len(rounds) == 2:\n"
    "        os.kill(os.getpid(), int(sys.argv[1]))\n"
    "    return draft(options)\n"
    "follow.draft_plan = stopped\n"
    "sys.exit(main(sys.argv[2:]))\n"
)
"""Runs a command that gets a signal when it begins to plan its second round."""


@pytest.mark.process
@pytest.mark.parametrize(
    ("number", "code", "stopped"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_a_stop_while_a_later_round_is_planned(
    demo: DemoTree, tmp_path: Path, number: signal.Signals, code: int, stopped: str
) -> None:
    """What earlier rounds made is reported, as when it comes between two rounds."""
    growing, told = tmp_path / "traces", tmp_path / "report.json"
    source = next((demo.traces / NEEDLES).glob("ifr_in_all_gen*"))
    _write(source, growing / NEEDLES / source.name, range(3))
    words = (
        *(
            "convert",
            "--traces_root",
            growing,
            "--layout",
            "proc_1",
            "--out_root",
            tmp_path / "out",
        ),
        *("--follow", "--every", "0.1", "--report", told),
    )
    done = subprocess.run(
        [sys.executable, "-c", _STOPPED_WHEN_PLANNING_AGAIN, *map(str, (int(number), *words))],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=unmeasured(),
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "3 of 3 rows done" in done.stdout
    assert "to go on: exp2proc convert" in done.stdout
    report = json.loads(told.read_text())
    assert (report["stopped"], report["counts"]["converted"]) == (stopped, 3)


def test_a_last_trace_that_is_half_written_is_waited_for(demo: DemoTree, tmp_path: Path) -> None:
    growing = tmp_path / "traces"
    source = next((demo.traces / NEEDLES).glob("attnlrp*"))
    run = growing / NEEDLES / source.name
    _write(source, run, range(8))
    content = (run / "ex_000007.npz").read_bytes()
    (run / "ex_000007.npz").write_bytes(content[:300])

    def told(done: Round) -> None:
        if done.number == 2:
            (run / "ex_000007.npz").write_bytes(content)

    following = exp2proc.Following(follow=True, every=0.05, patience=60)
    report = follow(_options(demo, growing, tmp_path / "out"), following, told)
    assert (report.counts.converted, report.errors) == (8, [])


def test_a_later_round_that_cannot_start_leaves_the_report(demo: DemoTree, tmp_path: Path) -> None:
    growing = tmp_path / "traces"
    source = next((demo.traces / NEEDLES).glob("attnlrp*"))
    run = growing / NEEDLES / source.name
    _write(source, run, range(3))

    def told(done: Round) -> None:
        if done.number == 1:
            (run / "manifest.jsonl").unlink()
            (run / "manifest.jsonl").mkdir()

    following = exp2proc.Following(follow=True, every=0.05, patience=0.2)
    report = follow(_options(demo, growing, tmp_path / "out"), following, told)
    assert (report.stopped, report.exit_code, report.counts.converted) == ("blocked", 1, 3)
    assert [problem.code for problem in report.problems]
    assert report.to_dict()["problems"]


def _runs(demo: DemoTree) -> list[Path]:
    return sorted(path.parent for path in (demo.traces / NEEDLES).rglob("manifest.jsonl"))


def _one_of_two_is_cut(demo: DemoTree, tmp_path: Path) -> tuple[Path, Path]:
    """Two runs in traces of their own, the second of 5 rows: its whole twin, and their folder."""
    growing = tmp_path / "traces" / NEEDLES
    whole, cut = _runs(demo)[:2]
    shutil.copytree(whole, growing / whole.name)
    _write(cut, growing / cut.name, range(5))
    return cut, growing


def test_a_run_that_is_away_is_waited_for(demo: DemoTree, tmp_path: Path) -> None:
    """It was seen, so that it is gone is no end; it comes back with the rows that it lacked."""
    cut, growing = _one_of_two_is_cut(demo, tmp_path)

    def change(done: Round) -> None:
        if done.number == 2:
            (growing / cut.name).rename(tmp_path / "away")
        if done.number == 4:
            (tmp_path / "away").rename(growing / cut.name)
            _write(cut, growing / cut.name, range(5, 8))

    options = _options(demo, tmp_path / "traces", tmp_path / "out")
    following = exp2proc.Following(every=0.01, patience=30)
    report = follow(options, following, change)
    assert (report.counts.converted, report.stopped, report.exit_code) == (16, None, 0)


def test_a_run_that_does_not_come_back_is_named(demo: DemoTree, tmp_path: Path) -> None:
    cut, growing = _one_of_two_is_cut(demo, tmp_path)

    def change(done: Round) -> None:
        if done.number == 1:
            shutil.rmtree(growing / cut.name)

    options = _options(demo, tmp_path / "traces", tmp_path / "out")
    report = follow(options, exp2proc.Following(every=0.01, patience=0.1), change)
    assert (report.counts.converted, report.stopped, report.exit_code) == (8, "blocked", 1)
    (problem,) = report.problems
    assert (problem.code, problem.message) == ("no-runs", f"{growing / cut.name} is gone")


def test_each_is_named_where_no_run_is_left(demo: DemoTree, tmp_path: Path) -> None:
    _, growing = _one_of_two_is_cut(demo, tmp_path)
    runs = sorted(growing.iterdir())

    def change(done: Round) -> None:
        if done.number == 1:
            for run in runs:
                shutil.rmtree(run)

    options = _options(demo, tmp_path / "traces", tmp_path / "out")
    report = follow(options, exp2proc.Following(every=0.01, patience=0.1), change)
    assert (report.counts.converted, report.stopped, report.exit_code) == (13, "blocked", 1)
    assert [str(one) for one in report.problems] == [f"no-runs: {run} is gone" for run in runs]


@pytest.mark.parametrize("resume", [False, True])
def test_outputs_of_a_run_that_comes_later(demo: DemoTree, tmp_path: Path, resume: bool) -> None:
    """What was there before this following is replaced only where --resume was asked for."""
    growing, out = tmp_path / "traces" / NEEDLES, tmp_path / "out"
    first, later = _runs(demo)[:2]
    _write(first, growing / first.name, range(5))
    there = out / NEEDLES / later.name / "ex_000001.npz"
    there.parent.mkdir(parents=True)
    there.write_bytes(b"somebody else's")

    def change(done: Round) -> None:
        if done.number == 2:
            shutil.copytree(later, growing / later.name)
            _write(first, growing / first.name, range(5, 8))

    options = attrs.evolve(_options(demo, tmp_path / "traces", out), resume=resume)
    report = follow(options, exp2proc.Following(every=0.01, patience=30), change)
    if resume:
        assert (report.counts.converted, report.counts.replaced, report.exit_code) == (15, 1, 0)
        return
    assert [one.code for one in report.problems] == ["outputs-exist"]
    assert (report.stopped, report.exit_code) == ("blocked", 1)
    assert there.read_bytes() == b"somebody else's"
    left = {run.run_tag: (run.counts.planned, run.counts.unfinished) for run in report.runs}
    assert left == {first.name: (8, 3), later.name: (8, 8)}, "those of the round that was refused"
    assert (report.counts.converted, report.counts.unfinished) == (5, 11)


def test_a_manifest_that_is_written_anew(demo: DemoTree, tmp_path: Path) -> None:
    """What this following made is its own, whatever the manifest names at the time."""
    run = tmp_path / "traces" / NEEDLES / (source := _runs(demo)[0]).name
    shutil.copytree(source, run)
    lines = (source / "manifest.jsonl").read_text().splitlines(keepends=True)
    rounds = {0: lines[:5], 1: lines[5:], 2: lines}
    (run / "manifest.jsonl").write_text("".join(rounds[0]))

    def change(done: Round) -> None:
        (run / "manifest.jsonl").write_text("".join(rounds.get(done.number, lines)))

    options = _options(demo, tmp_path / "traces", tmp_path / "out")
    report = follow(options, exp2proc.Following(every=0.01, patience=30), change)
    assert (report.stopped, report.exit_code, report.counts.planned) == (None, 0, 8)
    assert report.problems == []
    assert (report.counts.converted, report.counts.kept) == (8, 0), "all were made here"


def test_lines_that_are_no_rows_of_their_own_are_not_counted(
    demo: DemoTree, tmp_path: Path
) -> None:
    """Eight lines, as many as the name promises; but five rows, the others come later."""
    source = _runs(demo)[0]
    run = tmp_path / "traces" / NEEDLES / source.name
    _write(source, run, range(5))
    with (run / "manifest.jsonl").open("ab") as manifest:
        manifest.write(b"".join((source / "manifest.jsonl").read_bytes().splitlines(True)[:2]))
        manifest.write(b"garbage\n")

    def change(done: Round) -> None:
        if done.number == 1:
            assert done.report is not None
            (warning,) = done.report.runs[0].warnings
            assert warning.message.startswith("5 rows where the run's name promises 8")
        if done.number == 2:
            _write(source, run, range(5, 8))

    options = _options(demo, tmp_path / "traces", tmp_path / "out")
    report = follow(options, exp2proc.Following(every=0.01, patience=30), change)
    assert (report.counts.converted, report.counts.failed, report.stopped) == (8, 3, None)
    assert not report.runs[0].warnings


def _named(options: exp2proc.Options, *runs: Path) -> exp2proc.Options:
    return attrs.evolve(options, traces_root=None, trace_dir=runs)


def test_a_named_run_that_is_not_there_yet(demo: DemoTree, tmp_path: Path) -> None:
    """The others are converted meanwhile."""
    growing, (first, later) = tmp_path / "traces" / NEEDLES, _runs(demo)[:2]
    shutil.copytree(first, growing / first.name)
    told: list[tuple[int, list[str]]] = []

    def change(done: Round) -> None:
        told.append((done.made, [str(problem) for problem in done.problems]))
        if done.number == 2:
            shutil.copytree(later, growing / later.name)

    options = _options(demo, tmp_path / "traces", tmp_path / "out")
    options = _named(options, growing / first.name, growing / later.name)
    report = follow(options, exp2proc.Following(every=0.01, patience=30), change)
    assert (report.counts.converted, report.stopped, report.problems) == (16, None, [])
    absent = [f"no-runs: trace_dir {growing / later.name} is not a folder"]
    assert told == [(8, absent), (0, absent), (8, [])]


def test_named_runs_that_never_come(demo: DemoTree, tmp_path: Path) -> None:
    growing, runs = tmp_path / "traces" / NEEDLES, _runs(demo)[:3]
    shutil.copytree(runs[0], growing / runs[0].name)
    (growing / runs[1].name).mkdir()
    named = [word for run in runs for word in ("--trace_dir", growing / run.name)]
    done = run_cli(
        *("convert", *named, "--layout", "proc_1", "--out_root", tmp_path / "out"),
        *("--follow", "--every", "0.1", "--patience", "0.3"),
    )
    assert done.returncode == 1
    assert "round 1: 8 rows of 1 run, 8 made, 2 away or unreadable (trace_dir " in done.stderr
    assert "stopped: 2 runs are away or cannot be read\n" in done.stdout
    assert f"no-runs: trace_dir {growing / runs[1].name} holds no manifest.jsonl\n" in done.stdout
    assert f"no-runs: trace_dir {growing / runs[2].name} is not a folder\n" in done.stdout
    assert "8 of 8 rows done" in done.stdout
    none = run_json(
        *("convert", *named[2:], "--layout", "proc_1", "--out_root", tmp_path / "none"),
        *("--follow", "--every", "0.1", "--patience", "0.3"),
        code=2,
    )
    assert [problem["code"] for problem in none["problems"]] == ["no-runs", "no-runs"]


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("back", [True, False])
def test_a_manifest_that_cannot_be_read(
    demo: DemoTree, tmp_path: Path, named: bool, back: bool
) -> None:
    """It costs its own run, is looked at again in each round, and is named at the end."""
    growing, (whole, other) = tmp_path / "traces" / NEEDLES, _runs(demo)[:2]
    manifest = growing / whole.name / "manifest.jsonl"
    shutil.copytree(whole, manifest.parent)
    _write(other, growing / other.name, range(5))

    def change(done: Round) -> None:
        if done.number == 1:
            manifest.rename(tmp_path / "manifest")
            manifest.symlink_to(manifest)
        if done.number == 2:
            assert [problem.code for problem in done.problems] == ["manifest-unreadable"]
            _write(other, growing / other.name, range(5, 8))
        if done.number == 4 and back:
            (tmp_path / "manifest").rename(manifest)

    options = _options(demo, tmp_path / "traces", tmp_path / "out")
    if named:
        options = _named(options, manifest.parent, growing / other.name)
    report = follow(options, exp2proc.Following(every=0.01, patience=30 if back else 0.2), change)
    assert len(list((tmp_path / "out").rglob("*.npz"))) == 16
    if back:
        assert (report.counts.converted, report.stopped, report.problems) == (16, None, [])
    else:
        assert (report.counts.converted, report.stopped, report.exit_code) == (8, "blocked", 1)
        (problem,) = report.problems
        assert problem.code == "manifest-unreadable"
        assert str(manifest) in problem.message


def test_a_last_line_that_is_torn_for_long(demo: DemoTree, tmp_path: Path) -> None:
    """An old manifest, so that the line is broken, not pending; then the writer goes on."""
    source = _runs(demo)[0]
    run = tmp_path / "traces" / NEEDLES / source.name
    shutil.copytree(source, run)
    content = (run / "manifest.jsonl").read_bytes()
    (run / "manifest.jsonl").write_bytes(content[:-100])
    os.utime(run / "manifest.jsonl", (1e9, 1e9))

    def change(done: Round) -> None:
        if done.number == 2:
            assert done.report is not None
            assert [error.code for error in done.report.errors] == ["manifest-invalid"]
            (run / "manifest.jsonl").write_bytes(content)

    options = _options(demo, tmp_path / "traces", tmp_path / "out")
    report = follow(options, exp2proc.Following(every=0.01, patience=30), change)
    assert (report.counts.converted, report.errors, report.stopped) == (8, [], None)
