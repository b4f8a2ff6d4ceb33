"""Processes killed at any moment: final files are whole, the next run finishes the rest."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from support.arrays import records_of
from support.cli import run_json
from support.processes import Running, needs_proc, running, wait_until
from support.workload import SLOW_ROW, Workload, one_slow_row

from exp2proc.system.leftovers import sweep

pytestmark = needs_proc


@pytest.fixture(scope="module")
def slow_row(tmp_path_factory: pytest.TempPathFactory) -> Workload:
    return one_slow_row(tmp_path_factory.mktemp("slow"))


def _newest(out: Path) -> int:
    times = [entry.stat().st_mtime_ns for entry in out.rglob("*") if entry.is_dir()]
    return max(times, default=0)


def _begun(run: Running, out: Path, before: int) -> bool:
    return _newest(out) > before or bool(run.process.poll())


@pytest.mark.thorough
def test_whole_tree_killed_again_and_again(workload: Workload, tmp_path: Path, slow: bool) -> None:
    """SIGKILL of every process at once, at random moments, on one output folder."""
    rng = random.Random(20261123)
    out, killed, mid_write = tmp_path / "out", 0, 0
    while killed < (40 if slow else 4):
        how = "--overwrite" if rng.random() < 0.7 else "--resume"
        cache = rng.choice([(), ("--no_cache",)])
        before = _newest(out)
        with running(tmp_path / "run", *workload.into(out, how, "--jobs", "2", *cache)) as run:
            if rng.random() < 0.8:
                with suppress(AssertionError):  # a resumed run may have nothing left to write
                    wait_until(partial(_begun, run, out, before), 10)
                time.sleep(rng.uniform(0.0, 0.4))
            else:
                time.sleep(rng.uniform(0.05, 1.5))
            run.signal_all(signal.SIGKILL)
            killed += run.wait() == -signal.SIGKILL
        workload.assert_whole_files(out)
        mid_write += any(out.rglob(".*.exp2proc-tmp"))
    report = run_json(*workload.into(out, "--resume"), env={"TMPDIR": str(tmp_path / "run/tmp")})
    assert report["counts"]["kept"] + report["counts"]["converted"] == workload.rows
    workload.assert_export(out)
    assert not list((tmp_path / "run/tmp").glob("exp2proc-*")), "scratch folders of killed runs"
    print(f"{killed} kills survived, {mid_write} of them in the middle of a write")


def test_no_record_of_an_earlier_run_stands_beside_new_samples(
    workload: Workload, tmp_path: Path
) -> None:
    """SIGKILL as soon as a sample was replaced: where none was, the records are still there."""
    out = tmp_path / "out"
    shutil.copytree(workload.expected, out)
    before = {path: path.stat().st_ino for path in out.rglob("ex_*.npz")}

    def changed() -> set[Path]:
        return {path.parent for path, inode in before.items() if path.stat().st_ino != inode}

    with running(tmp_path / "run", *workload.into(out, "--overwrite", "--jobs", "2")) as run:
        wait_until(lambda: changed() or run.process.poll() is not None)
        run.signal_all(signal.SIGKILL)
        assert run.wait() == -signal.SIGKILL
        wait_until(lambda: not run.members(), timeout=10)
    assert changed()
    recorded = {Path(name).with_suffix("") for name in records_of(out)}
    begun = {folder.relative_to(out) for folder in changed()}
    assert not recorded & begun
    run_json(*workload.into(out, "--resume"))
    workload.assert_export(out)


def test_leftovers_of_a_killed_run(workload: Workload, tmp_path: Path) -> None:
    """Those of dead processes go at once, those of live ones stay, other files are not touched."""
    from exp2proc.system.leftovers import MACHINE

    out = tmp_path / "out"
    run = next(p.parent for p in workload.expected.rglob("ex_*.npz")).relative_to(workload.expected)
    (out / run).mkdir(parents=True)
    with running(tmp_path / "dead", "--version") as dead:
        dead.wait()
    left = out / run / f".{MACHINE}-{dead.pid}-0.exp2proc-tmp"
    aged = out / run / f".{MACHINE}-{os.getpid()}-1.exp2proc-tmp"
    live = out / run / f".{MACHINE}-{os.getpid()}-0.exp2proc-tmp"
    foreign = out / run / f".{'0' * 8}-1-0.exp2proc-tmp"
    other = out / run / ".notes"
    for path in (left, aged, live, foreign, other):
        path.write_bytes(b"half a sample")
    os.utime(aged, (time.time() - 7200,) * 2)
    report = run_json(*workload.into(out))
    assert report["counts"]["converted"] == workload.rows
    assert [path.exists() for path in (left, aged, live, foreign, other)] == [
        False,
        False,
        True,
        True,
        True,
    ]
    os.utime(foreign, (time.time() - 7200,) * 2)
    assert sweep(str(out / run)) == 1
    assert not foreign.exists()


def _at_slow_row(run: Running) -> int | None:
    """The worker that has begun the slow row and not ended it."""
    for journal in run.scratch.glob("exp2proc-*/journal-*/*"):
        lines = journal.read_bytes().splitlines()
        if lines and lines[-1] == b"%d" % SLOW_ROW and int(journal.name) in run.members():
            return int(journal.name)
    return None


def _kill_at_slow_row(run: Running) -> None:
    worker = wait_until(lambda: _at_slow_row(run) or run.process.poll() is not None)
    assert worker is not True, run.stderr
    assert worker is not None
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: worker not in run.members())


@pytest.mark.thorough
def test_worker_killed_once(slow_row: Workload, tmp_path: Path) -> None:
    """Its unfinished rows are tried again: nothing is missing."""
    out = tmp_path / "out"
    with running(tmp_path / "run", *slow_row.into(out, "--json")) as run:
        _kill_at_slow_row(run)
        assert run.wait() == 0, run.stdout + run.stderr
        wait_until(lambda: not run.members(), timeout=10)
    assert '"converted": 24' in run.stdout
    slow_row.assert_export(out)


@pytest.mark.thorough
def test_row_that_kills_its_worker_twice(slow_row: Workload, tmp_path: Path) -> None:
    """It gets `worker-lost`; every other row is converted and the run ends by itself."""
    out = tmp_path / "out"
    with running(tmp_path / "run", *slow_row.into(out)) as run:
        _kill_at_slow_row(run)
        _kill_at_slow_row(run)
        assert run.wait() == 1, run.stdout + run.stderr
        wait_until(lambda: not run.members(), timeout=10)
    name = f"ex_{SLOW_ROW:06d}.npz"
    assert "worker-lost (1)" in run.stdout
    assert name in run.stdout
    assert "23 of 24 rows done" in run.stdout
    assert "Traceback" not in run.stderr
    slow_row.assert_export(out, without=frozenset({name}))
    report = run_json(*slow_row.into(out, "--resume"))
    assert (report["counts"]["kept"], report["counts"]["converted"]) == (23, 1)
    slow_row.assert_export(out)


@pytest.mark.thorough
def test_workers_killed_at_random_moments(workload: Workload, tmp_path: Path, slow: bool) -> None:
    """One SIGKILL, as of the OOM killer, costs no row."""
    rng = random.Random(0)
    for attempt in range(15 if slow else 1):
        out = tmp_path / f"out{attempt}"
        words = workload.into(out, "--jobs", "2", "--no_cache")
        with running(tmp_path / f"run{attempt}", *words) as run:
            begun = wait_until(run.workers)
            time.sleep(rng.uniform(0, 0.3))
            with suppress(ProcessLookupError):  # a run that is over has none any more
                os.kill(rng.choice(sorted(run.workers() or begun)), signal.SIGKILL)
            assert run.wait() == 0, run.stdout + run.stderr
        workload.assert_export(out)


def test_parent_killed(workload: Workload, tmp_path: Path) -> None:
    """Workers do not outlive it by more than seconds."""
    with running(tmp_path / "run", *workload.into(tmp_path / "out", "--jobs", "2")) as run:
        wait_until(run.workers)
        assert len(run.members()) > 1
        os.kill(run.pid, signal.SIGKILL)
        assert run.wait() == -signal.SIGKILL
        wait_until(lambda: not run.members(), timeout=10)
    workload.assert_whole_files(tmp_path / "out")
    run_json(*workload.into(tmp_path / "out", "--resume"))
    workload.assert_export(tmp_path / "out")
