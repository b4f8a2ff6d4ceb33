"""Ctrl-C and SIGTERM: a prompt end, nobody left, an account of what is done and how to go on."""

from __future__ import annotations

import os
import random
import shlex
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from support.cli import run_cli
from support.processes import Running, needs_proc, running, wait_until
from support.workload import Workload

pytestmark = needs_proc

_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
_SAYS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


def _stop(run: Running, number: signal.Signals, whom: str) -> float:
    """Send a signal; returns the seconds until no process is left."""
    began = time.monotonic()
    if whom == "group":
        run.signal_all(number)
    else:
        os.kill(run.pid, number)
    wait_until(lambda: run.process.poll() is not None)
    wait_until(lambda: not run.members())
    return time.monotonic() - began


_STOPPED = {
    ("loky", "group"): signal.SIGINT,
    ("loky", "parent"): signal.SIGTERM,
    ("threading", "group"): signal.SIGINT,
    ("sequential", "group"): signal.SIGTERM,
}
"""Which workers, who is told -> the signal of the shorter forms."""


def _marks(where: tuple[str, str], number: signal.Signals) -> list[pytest.MarkDecorator]:
    if number != _STOPPED[where]:
        return [pytest.mark.slow]
    return [] if where[1] == "group" else [pytest.mark.thorough]


@pytest.mark.parametrize(
    ("backend", "whom", "number"),
    [
        pytest.param(
            *(*where, number),
            id="-".join((*where, _SAYS[number])),
            marks=_marks(where, number),
        )
        for where in _STOPPED
        for number in _CODES
    ],
)
def test_stop_in_the_middle(
    workload: Workload, tmp_path: Path, number: signal.Signals, backend: str, whom: str
) -> None:
    out = tmp_path / "out"
    words = workload.into(out, "--jobs", "2", "--backend", backend)
    with running(tmp_path / "run", *words) as run:
        wait_until(lambda: any(out.rglob("ex_*.npz")))
        seconds = _stop(run, number, whom)
        assert run.wait() == _CODES[number], run.stdout + run.stderr
    assert seconds < 2
    assert not list(run.scratch.glob("exp2proc-*"))
    written = workload.assert_whole_files(out)
    assert 0 < written < workload.rows
    assert not list(out.rglob(".*")), "temporary files"
    said = run.stdout.splitlines()
    (left,) = run.stderr.splitlines()
    assert left.startswith(f"exp2proc: {_SAYS[number]}: ")
    done = next(line for line in said if " rows done in " in line)
    counted = int(done.split()[0])
    assert int(left.split()[2]) == workload.rows - counted
    # What was renamed into place in the last instant may not have been told any more.
    assert written - 2 <= counted <= written
    command = next(line for line in said if line.startswith("to go on: exp2proc "))
    again = run_cli(*shlex.split(command.removeprefix("to go on: exp2proc ")))
    assert again.returncode == 0, again.stdout + again.stderr
    assert f"{workload.rows} of {workload.rows} rows done" in again.stdout
    workload.assert_export(out)


def _interrupt(
    workload: Workload, tmp_path: Path, again: Callable[[Running], object], pause: float
) -> int:
    """Ctrl-C, then something again and again until the end, which is a clean one: its code."""
    out = tmp_path / "out"
    with running(tmp_path / "run", *workload.into(out, "--jobs", "2")) as run:
        wait_until(lambda: any(out.rglob("ex_*.npz")))
        os.kill(run.pid, signal.SIGINT)
        while run.process.poll() is None:
            time.sleep(pause)
            again(run)
        code = run.wait()
        wait_until(lambda: not run.members(), timeout=10)
    assert "to go on: exp2proc" in run.stdout
    (left,) = run.stderr.splitlines()
    assert left.startswith(("exp2proc: interrupted: ", "exp2proc: terminated: "))
    return code


def test_impatient_user(workload: Workload, tmp_path: Path) -> None:
    """Ctrl-C again and again ends as one does."""
    assert _interrupt(workload, tmp_path, lambda run: run.signal_all(signal.SIGINT), 0.05) == 130


def test_a_lost_terminal_after_ctrl_c_changes_nothing(workload: Workload, tmp_path: Path) -> None:
    def hang_up(run: Running) -> None:
        with suppress(ProcessLookupError):
            os.kill(run.pid, signal.SIGHUP)

    # Which of the two is heard first is a matter of luck.
    assert _interrupt(workload, tmp_path, hang_up, 0.01) in (130, 143)


@pytest.mark.thorough
def test_stop_at_random_moments(workload: Workload, tmp_path: Path, slow: bool) -> None:
    """From the first moment that it can hear: while planning, starting workers, converting."""
    rng = random.Random(4)
    stopped = 0
    for attempt in range(60 if slow else 4):
        number = rng.choice(list(_CODES))
        out = tmp_path / f"out{attempt}"
        words = workload.into(out, "--jobs", "2", "--no_cache", "--json")
        with running(tmp_path / f"run{attempt}", *words, fresh=True) as run:
            wait_until(partial(run.hears, signal.SIGTERM))
            time.sleep(rng.uniform(0, 1.5))
            seconds = _stop(run, number, rng.choice(["group", "parent"]))
            # Ctrl-C inside an import may make Python end by the signal: 130 to any shell.
            assert run.wait() in (_CODES[number], 0, -number), run.stdout + run.stderr
        stopped += run.process.returncode != 0
        assert seconds < 10  # importing on a busy machine cannot be interrupted
        assert "Traceback" not in run.stderr
        assert "Exception" not in run.stderr
        workload.assert_whole_files(out)
    assert stopped
