"""On this machine: worker processes (joblib's loky), threads, or none."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor
from typing import Any, Final

from .choice import Active, EngineChoice
from .engine import T, Task, Work, WorkersLost
from .processes import (
    available_cores,
    children_ignore_ctrl_c,
    end_workers,
    expect_early_end,
    follow_parent,
    start_trackers,
)

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
        self._running: Any = None

    def workers(self, seconds: float) -> int:
        """See `Engine.workers`."""
        if self._backend == "sequential":
            return 1
        if self._asked is not None:
            return self._asked
        return 1 if seconds < _WORTH_PROCESSES else available_cores()

    def run(self, task: Task, works: Iterable[Work], workers: int) -> Iterator[Any]:
        """See `Engine.run`."""
        from joblib import Parallel, delayed

        followers: dict[str, Any] = {}
        if self._backend == "loky":
            followers = {"initializer": follow_parent, "initargs": (os.getpid(),)}
            start_trackers()
        # One task and n_jobs=1 would run here: two keep it in a process that may die.
        pool = Parallel(
            n_jobs=max(2, workers),
            backend=self._backend,
            return_as="generator_unordered",
            batch_size=1,
            pre_dispatch="2*n_jobs",
            **followers,
        )
        expect_early_end()
        try:
            with children_ignore_ctrl_c():
                self._running = pool(delayed(task)(work) for work in works)
            yield from self._running
            self._running = None
        except BrokenExecutor as err:
            end_workers()  # those still alive would go on writing what is tried again
            raise WorkersLost from err

    def everywhere(self, check: Callable[[], T]) -> Iterator[tuple[str, T | BaseException]]:
        """See `Engine.everywhere`."""
        return iter(())

    def stop(self) -> list[Any]:
        """See `Engine.stop`; worker processes are killed, which costs no finished file."""
        if self._running is not None:
            self._running.close()
            self._running = None
        if self._backend == "loky":
            end_workers()
        return []

    def close(self) -> None:
        """See `Engine.close`: loky's workers end by themselves, or serve the next run."""
