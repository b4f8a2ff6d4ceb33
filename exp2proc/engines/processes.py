"""Processes: what they hear, whom they follow, how they end.

All that is used of loky's private names stands here; a test fails when one of them goes.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import Any, Final

from ..system.environment import Variables
from ..system.signals import OF_THE_TERMINAL, stops_wait
from .engine import Task, Work

_IDLE: Final = 300
"""Seconds after which a worker process that nobody gives work to ends."""
_ONE_THREAD: Final = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
)
"""In the environment of workers, which do no linear algebra."""


def available_cores() -> int:
    """The cores that this process may use: affinity and container limits respected."""
    import joblib

    return int(joblib.cpu_count())


def follow_parent(parent: int) -> None:
    """End this process soon after `parent` has ended, however that ended."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    with suppress(RuntimeError):  # no room for a thread: then it ends when it has long been idle
        threading.Thread(target=watch, daemon=True, name="follow-parent").start()


@contextmanager
def children_apart() -> Iterator[None]:
    """Processes started inside do not hear Ctrl-C, nor that the terminal goes away.

    Both are sent to all processes at once: it is for the parent to end the others.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, OF_THE_TERMINAL)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_safe_path = Variables({"PYTHONSAFEPATH": "1"})


@contextmanager
def children_off_working_directory() -> Iterator[None]:
    """Python processes started inside do not look for modules in the working directory.

    They are started by `python -m` and `-c`, which look there first: a `token.py` of the user's
    would be run in place of Python's own. Where this process does look there, workers do, too, once
    they have started: they are sent its path. Python 3.10 knows no way to ask for this.
    """
    with _safe_path.set():
        yield


@contextmanager
def kept_handlers() -> Iterator[None]:
    """Undo what a library does to SIGTERM: Ray takes it when it is imported, and on connecting."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        with suppress(ValueError):  # not in the main thread: then nobody could take it either
            signal.signal(signal.SIGTERM, before)


def start_trackers() -> None:
    """Start the helpers of process pools, which outlive the workers.

    Raises:
        OSError: there may be no more processes.
    """
    from multiprocessing import resource_tracker

    from joblib.externals.loky.backend import resource_tracker as loky_tracker

    with children_apart():
        resource_tracker.ensure_running()
        loky_tracker.ensure_running()


class WorkerPool:
    """Worker processes of this one, all started now; they end when they have long been idle.

    The pool is its own, not the one that joblib keeps for everybody: whoever ends that, or wants
    it larger, would end or await the work of others.

    Args:
        workers: how many.

    Raises:
        OSError: there may be no more processes.
        RuntimeError: there may be no more threads.
    """

    def __init__(self, workers: int) -> None:
        from joblib.externals.loky import ProcessPoolExecutor

        self.workers = workers
        with stops_wait():
            start_trackers()
            with children_apart():
                self._pool: Any = ProcessPoolExecutor(
                    workers,
                    timeout=_IDLE,
                    initializer=follow_parent,
                    initargs=(os.getpid(),),
                    env=_ONE_THREAD,
                )
                try:
                    self._pool._call_queue._start_thread()  # else the leader would, or die of it
                    self._pool.submit(int)  # starts all that there is to start
                except BaseException:
                    self.end()
                    raise

    def submit(self, task: Task, work: Work) -> Future[Any]:
        """Hand out a piece of work.

        Raises:
            BrokenExecutor: a worker died.
        """
        future: Future[Any] = self._pool.submit(task, work)
        return future

    def pids(self) -> set[int]:
        """Of the worker processes."""
        return set(self._pool._processes)

    def is_led(self) -> bool:
        """Whether the thread that leads it lives: without it nothing ever ends."""
        leader = self._pool._executor_manager_thread
        return leader is not None and leader.is_alive()

    def is_whole(self) -> bool:
        """Whether all workers are there and wait for work."""
        return self.is_led() and not self._pool._flags.broken and len(self.pids()) == self.workers

    def end(self) -> None:
        """Kill the worker processes and wait for their end, and for that of the pool's threads.

        A thread that goes on while Python ends may leave a semaphore's name with loky's tracker,
        which then complains.
        """
        calls, left = self._pool._call_queue, dict(self._pool._processes)
        led = self.is_led()
        if not led:
            self._pool._executor_manager_thread = None  # one that never started cannot be awaited
        with suppress(queue.Empty):
            while True:  # its thread drops the work first, and would then look for it by these
                self._pool._work_ids.get_nowait()
        self._pool.shutdown(wait=True, kill_workers=True)
        for pid, process in left.items():  # nobody led them
            if process.is_alive():
                os.kill(pid, signal.SIGKILL)
                process.join()
        if not led:
            calls.close()
        if calls._thread is not None:
            calls._thread.join()


class _Spare:
    """The pool that has ended its work last: it may serve whoever comes next."""

    def __init__(self) -> None:
        self._pool: WorkerPool | None = None
        self._lock = threading.Lock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        """A parent's workers serve no child of it."""
        self._pool, self._lock = None, threading.Lock()

    def exchange(self, pool: WorkerPool | None) -> WorkerPool | None:
        """Leave this one, take the one that was there."""
        with self._lock:
            before, self._pool = self._pool, pool
            return before


_spare = _Spare()


def borrow_pool(workers: int) -> WorkerPool:
    """A pool for one user alone: one that was given back, or a new one. Raises as `WorkerPool`."""
    pool = _spare.exchange(None)
    if pool is not None and (pool.workers != workers or not pool.is_whole()):
        pool.end()
        pool = None
    return pool or WorkerPool(workers)


def give_back_pool(pool: WorkerPool) -> None:
    """All of its work is done: the next may have it."""
    other = _spare.exchange(pool)
    if other is not None:
        other.end()
