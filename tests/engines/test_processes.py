"""Worker processes, and all that is used of loky without its leave."""

from __future__ import annotations

import os
import signal
from typing import NamedTuple

import pytest
from joblib import Parallel, delayed
from joblib.externals.loky.backend import resource_tracker
from support.processes import needs_proc, wait_until

from exp2proc.engines import WorkersLost
from exp2proc.engines.local import LocalEngine
from exp2proc.engines.processes import WorkerPool, kept_handlers

pytestmark = needs_proc


class Work(NamedTuple):
    number: int


def pid(work: Work) -> int:
    return os.getpid()


def die(work: Work) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def deaf_to(work: Work) -> set[int]:
    return set(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, [])))


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _pids(engine: LocalEngine, jobs: int = 2) -> set[int]:
    return set(engine.run(pid, [Work(n) for n in range(8)], jobs))


def test_lokys_private_names_are_there() -> None:
    """Where this fails: see engines/processes.py, and state an upper bound of joblib."""
    assert callable(resource_tracker.ensure_running)
    pool = WorkerPool(2)
    assert pool.is_whole()
    assert pool.submit(pid, Work(0)).result() in pool.pids()
    pool.end()
    assert not pool.is_led()


def test_workers_serve_the_next_run_and_end_when_told() -> None:
    engine = LocalEngine("loky", 2)
    first = _pids(engine)
    engine.close()
    engine = LocalEngine("loky", 2)
    again = _pids(engine)
    assert first & again
    assert all(map(_is_running, again))
    engine.stop()
    wait_until(lambda: not any(map(_is_running, first | again)), timeout=10)
    assert engine.stop() == []  # a second time does no harm


def test_those_of_another_size_are_not_kept() -> None:
    engine = LocalEngine("loky", 2)
    first = _pids(engine)
    assert not _pids(engine, 3) & first
    assert not any(map(_is_running, first))
    engine.stop()


@pytest.mark.thorough
def test_engines_do_not_disturb_each_other() -> None:
    """One is in the middle of its work; others come and go, and end badly."""
    one = LocalEngine("loky", 2)
    running = one.run(pid, [Work(n) for n in range(40)], 2)
    first = {next(running)}
    for jobs in (2, 3):
        other = LocalEngine("loky", jobs)
        assert not _pids(other, jobs) & first
        other.stop()
    with pytest.raises(WorkersLost):
        list(LocalEngine("loky", 2).run(die, [Work(0)], 2))
    assert len([*first, *running]) == 40
    one.stop()


def test_a_killed_worker_is_told() -> None:
    engine = LocalEngine("loky", 2)
    with pytest.raises(WorkersLost):
        list(engine.run(die, [Work(0)], 1))
    assert os.getpid() not in _pids(engine, 1)


def test_workers_do_not_hear_the_terminal() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    for deaf in LocalEngine("loky", 2).run(deaf_to, [Work(n) for n in range(4)], 2):
        assert deaf >= {signal.SIGINT, signal.SIGHUP}
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


def test_sigterm_is_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with kept_handlers():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.thorough
def test_joblib_keeps_its_own_pool() -> None:
    """A program that uses joblib itself must find its own there, and we ours."""
    engine = LocalEngine("loky", 2)
    theirs = set(Parallel(n_jobs=2)(delayed(os.getpid)() for _ in range(20)))
    assert not theirs & _pids(engine)
    engine.stop()
    assert sum(Parallel(n_jobs=2)(delayed(abs)(number) for number in range(20))) == 190
