"""On this machine: worker processes (joblib's loky), threads, or none."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ThreadPoolExecutor,
    wait,
)
from typing import Any, Final

from ..errors import first_line
from .choice import Active, EngineChoice
from .engine import T, Task, Work, WorkersLost
from .processes import available_cores, end_workers, is_led, worker_pool

_PER_WORKER: Final = 2
"""Pieces under way per worker: one that it does, one that waits for it."""
_LOOK: Final = 2.0
"""Seconds without a result after which it is seen whether there can be one."""
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
        self._room: int | None = None
        self._threads: Executor | None = None

    def workers(self, seconds: float) -> int:
        """See `Engine.workers`."""
        if self._backend == "sequential":
            return 1
        if self._asked is not None:
            return self._asked
        return 1 if seconds < _WORTH_PROCESSES else available_cores()

    def run(self, task: Task, works: Iterable[Work], workers: int) -> Iterator[Any]:
        """See `Engine.run`."""
        pool, workers = self._start(workers)
        if pool is None:
            yield from map(task, works)
            return
        under_way: set[Future[Any]] = set()
        try:
            for work in works:
                under_way.add(pool.submit(task, work))
                if len(under_way) >= _PER_WORKER * workers:
                    yield from self._ended(pool, under_way)
            while under_way:
                yield from self._ended(pool, under_way)
        except BrokenExecutor as err:
            end_workers()  # those still alive would go on writing what is tried again
            raise WorkersLost from err
        if self._threads is not None:
            self._threads.shutdown()

    def everywhere(self, check: Callable[[], T]) -> Iterator[tuple[str, T | BaseException]]:
        """See `Engine.everywhere`."""
        return iter(())

    def stop(self) -> list[Any]:
        """See `Engine.stop`; worker processes are killed, which costs no finished file."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
        if self._backend == "loky":
            end_workers()
        return []

    def close(self) -> None:
        """See `Engine.close`: loky's workers end by themselves, or serve the next run."""

    def _start(self, workers: int) -> tuple[Executor | None, int]:
        """As many workers as the system lets there be; none: the work is done in this process."""
        if self._backend == "sequential":
            return None, 1
        asked = workers = min(workers, self._room or workers) if self._room != 0 else 0
        why = ""
        while workers:
            try:
                pool: Executor
                if self._backend == "loky":
                    pool = worker_pool(workers)
                else:
                    pool = self._threads = _thread_pool(workers)
            except BrokenExecutor:
                raise
            except (OSError, RuntimeError) as err:
                why = first_line(err)
                workers //= 2
            else:
                break
        if workers < asked:
            self._room = workers
            _log.warning("exp2proc: %s (%s; see ulimit -u)", _can_start(asked, workers), why)
        return (pool, workers) if workers else (None, 1)

    def _ended(self, pool: Any, under_way: set[Future[Any]]) -> Iterator[Any]:
        """The results of those that have ended, the broken ones last."""
        ended, _ = wait(under_way, _LOOK, FIRST_COMPLETED)
        if not ended and self._backend == "loky" and not is_led(pool):
            raise BrokenExecutor("nobody leads the pool")
        under_way -= ended
        for future in sorted(ended, key=lambda future: future.exception() is not None):
            yield future.result()


def _can_start(asked: int, workers: int) -> str:
    rest = f"{workers} work" if workers else "the work is done in this process"
    return f"the system starts fewer than {asked} workers: {rest}"


def _thread_pool(workers: int) -> Executor:
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
