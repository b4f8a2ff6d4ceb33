"""On this machine: worker processes (joblib's loky), threads, or none."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Future,
    ThreadPoolExecutor,
    wait,
)
from typing import Any, Final

from ..errors import first_line
from .choice import Active, EngineChoice
from .engine import LOOK, PER_WORKER, T, Task, Work, WorkersLost
from .processes import WorkerPool, available_cores, borrow_pool, give_back_pool

_log: Final = logging.getLogger(__name__)
_WORTH_PROCESSES: Final = 1.5
"""Seconds of estimated work above which starting worker processes pays."""


def connect(choice: EngineChoice, active: Active | None) -> LocalEngine:
    """The engine of this machine; nothing is started before there is work."""
    backend = choice.backend or (active.engine if active is not None else "loky")
    jobs = None if choice.jobs == "auto" else choice.jobs
    if jobs is None and active is not None:
        jobs = active.n_jobs
    return LocalEngine(backend, jobs)


class LocalEngine:
    """Worker processes, threads, or this process, also where there may be no more of either.

    >>> sorted(LocalEngine("threading", 2).run(len, ["a", "bc"], workers=2))
    [1, 2]

    Args:
        backend: loky, threading or sequential.
        jobs: workers, or None: by estimated work and the cores this process may use.
    """

    remote = False

    def __init__(self, backend: str, jobs: int | None) -> None:
        self._backend = backend
        self._asked = jobs
        self._room = sys.maxsize
        self._pool: WorkerPool | None = None
        self._threads: ThreadPoolExecutor | None = None

    def workers(self, seconds: float) -> int:
        """See `Engine.workers`."""
        if self._backend == "sequential":
            return 1
        if self._asked is not None:
            return self._asked
        return 1 if seconds < _WORTH_PROCESSES else available_cores()

    def run(self, task: Task, works: Iterable[Work], workers: int) -> Iterator[Any]:
        """See `Engine.run`."""
        under_way: set[Future[Any]] = set()
        try:
            submit, workers = self._start(workers)
            if submit is None:
                yield from map(task, works)
                return
            for work in works:
                under_way.add(submit(task, work))
                if len(under_way) >= PER_WORKER * workers:
                    yield from self._ended(under_way)
            while under_way:
                yield from self._ended(under_way)
        except BrokenExecutor as err:
            self.stop()  # those still alive would go on writing what is tried again
            raise WorkersLost from err

    def everywhere(self, check: Callable[[], T]) -> Iterator[tuple[str, T | BaseException]]:
        """See `Engine.everywhere`."""
        return iter(())

    def stop(self) -> list[Any]:
        """See `Engine.stop`; worker processes are killed, which costs no finished file."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
        if self._pool is not None:
            self._pool.end()
        self._threads = self._pool = None
        return []

    def close(self) -> None:
        """See `Engine.close`; worker processes may serve the next run, or end by themselves."""
        if self._threads is not None:
            self._threads.shutdown()
        if self._pool is not None:
            give_back_pool(self._pool)
        self._threads = self._pool = None

    def _start(self, workers: int) -> tuple[Callable[..., Future[Any]] | None, int]:
        """As many workers as the system lets there be; none: the work is done in this process."""
        self.close()
        if self._backend == "sequential":
            return None, 1
        asked = workers = min(workers, self._room)
        why = ""
        submit = None
        while workers and submit is None:
            try:
                submit = self._open(workers)
            except BrokenExecutor:
                raise
            except (OSError, RuntimeError) as err:
                why = first_line(err)
                workers //= 2
        if workers < asked:
            self._room = workers
            _log.warning("exp2proc: %s (%s; see ulimit -u)", _can_start(asked, workers), why)
        return submit, max(1, workers)

    def _open(self, workers: int) -> Callable[..., Future[Any]]:
        """Start, or borrow, this many workers; returns what hands them work."""
        if self._backend == "loky":
            self._pool = borrow_pool(workers)
            return self._pool.submit
        self._threads = _thread_pool(workers)
        return self._threads.submit

    def _ended(self, under_way: set[Future[Any]]) -> Iterator[Any]:
        """The results of those that have ended, the broken ones last."""
        ended, _ = wait(under_way, LOOK, FIRST_COMPLETED)
        if not ended and self._pool is not None and not self._pool.is_led():
            raise BrokenExecutor("nobody leads the pool")
        under_way -= ended
        for future in sorted(ended, key=lambda future: future.exception() is not None):
            yield future.result()


def _can_start(asked: int, workers: int) -> str:
    rest = f"{workers} work" if workers else "the work is done in this process"
    return f"the system starts fewer than {asked} workers: {rest}"


def _thread_pool(workers: int) -> ThreadPoolExecutor:
    """Threads, all of them started now.

    Raises:
        RuntimeError: there may be no more threads.
    """
    pool, go = ThreadPoolExecutor(workers), threading.Event()
    try:
        for _ in range(workers):
            pool.submit(go.wait)
    except RuntimeError:
        go.set()
        pool.shutdown()
        raise
    go.set()
    return pool
