"""On this machine: worker processes (joblib's loky), threads, or none."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from typing import Any, Final

from . import T, Task, Work, WorkersLost
from .active import Active
from .choice import EngineChoice

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
    """joblib's own engines on this machine.

    Args:
        backend: loky, threading or sequential.
        jobs: workers, or None: by estimated work and the cores this process may use.
    """

    remote = False

    def __init__(self, backend: str, jobs: int | None) -> None:
        self._backend = backend
        self._asked = jobs
        self._running: Any = None

    def workers(self, seconds: float) -> int:
        """See `Engine.workers`."""
        if self._backend == "sequential":
            return 1
        if self._asked is not None:
            return self._asked
        return 1 if seconds < _WORTH_PROCESSES else available_cores()

    def run(self, task: Task, shards: Iterable[Work], workers: int) -> Iterator[Any]:
        """See `Engine.run`."""
        from joblib import Parallel, delayed

        followers: dict[str, Any] = {}
        if self._backend == "loky":
            followers = {"initializer": follow_parent, "initargs": (os.getpid(),)}
            _start_trackers()
        # One task and n_jobs=1 would run here: two keep it in a process that may die.
        pool = Parallel(
            n_jobs=max(2, workers),
            backend=self._backend,
            return_as="generator_unordered",
            batch_size=1,
            pre_dispatch="2*n_jobs",
            **followers,
        )
        try:
            with deaf_children():
                self._running = pool(delayed(task)(shard) for shard in shards)
            yield from self._running
            self._running = None
        except BrokenExecutor as err:
            end_workers()  # those still alive would go on writing rows that are tried again
            raise WorkersLost from err

    def everywhere(self, check: Callable[[], T]) -> Iterator[tuple[str, T | BaseException]]:
        """See `Engine.everywhere`."""
        return iter(())

    def stop(self) -> list[Any]:
        """See `Engine.stop`; worker processes are killed, which costs no finished file."""
        if self._running is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # joblib counts aloud what it cancels
                self._running.close()
            self._running = None
        if self._backend == "loky":
            end_workers()
        return []

    def close(self) -> None:
        """See `Engine.close`: loky's workers end by themselves, or serve the next run."""


def available_cores() -> int:
    """The cores that this process may use: affinity and container limits respected."""
    import joblib

    return int(joblib.cpu_count())


@contextmanager
def deaf_children() -> Iterator[None]:
    """Processes started inside do not hear Ctrl-C: it is for the parent to end them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_trackers() -> None:
    """The helpers of process pools: starting one unblocks Ctrl-C, and with it the workers' ears."""
    from multiprocessing import resource_tracker

    from joblib.externals.loky.backend import resource_tracker as loky_tracker

    resource_tracker.ensure_running()
    loky_tracker.ensure_running()


def end_workers() -> None:
    """Kill the worker processes of this process's pool, if it has one."""
    from joblib.externals.loky import reusable_executor

    executor = reusable_executor._executor
    if executor is None:
        return
    try:
        executor.shutdown(wait=True, kill_workers=True)
    except RuntimeError:  # stopped between making the pool's thread and starting it
        for process in list(executor._processes.values()):
            process.kill()


def follow_parent(parent: int) -> None:
    """End this process soon after `parent` has ended, however that ended."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="follow-parent").start()
