"""Worker processes, and all that is used of loky without its leave."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from joblib import Parallel, delayed
from joblib.externals.loky import reusable_executor
from joblib.externals.loky.backend import resource_tracker
from support.processes import needs_proc, wait_until

from exp2proc.engines import WorkersLost
from exp2proc.engines.local import LocalEngine
from exp2proc.engines.processes import end_workers, kept_handlers, worker_processes

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


@pytest.fixture(autouse=True)
def _ended() -> Iterator[None]:
    yield
    end_workers()


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_lokys_private_names_are_there() -> None:
    """Where this fails: see engines/processes.py, and state an upper bound of joblib."""
    assert hasattr(reusable_executor, "_executor")
    assert callable(resource_tracker.ensure_running)
    engine = LocalEngine("loky", 2)
    used = set(engine.run(pid, [Work(n) for n in range(8)], 2))
    executor = reusable_executor._executor
    assert used <= executor._processes.keys()
    assert worker_processes().keys() == executor._processes.keys()


def test_workers_serve_the_next_run_and_end_when_told() -> None:
    engine = LocalEngine("loky", 2)
    list(engine.run(pid, [Work(n) for n in range(8)], 2))
    first = set(worker_processes())
    assert len(first) == 2
    assert set(engine.run(pid, [Work(n) for n in range(8)], 2)) <= first
    assert all(map(_is_running, first))
    engine.stop()
    wait_until(lambda: not any(map(_is_running, first)), timeout=10)
    assert engine.stop() == []  # a second time does no harm


def test_a_killed_worker_is_told() -> None:
    engine = LocalEngine("loky", 2)
    with pytest.raises(WorkersLost):
        list(engine.run(die, [Work(0)], 1))
    assert os.getpid() not in set(engine.run(pid, [Work(0)], 1))


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


def test_joblib_goes_on_with_the_same_pool() -> None:
    """It keeps one pool for everybody: a program that uses joblib itself must find its own there."""
    engine = LocalEngine("loky", 2)
    for _ in range(2):
        assert sum(Parallel(n_jobs=2)(delayed(abs)(number) for number in range(20))) == 190
        assert len(list(engine.run(pid, [Work(n) for n in range(8)], 2))) == 8
    assert sum(Parallel(n_jobs=2)(delayed(abs)(number) for number in range(20))) == 190
