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
from contextlib import contextmanager, suppress
from typing import Any, Final

_OF_THE_TERMINAL: Final = [
    getattr(signal, name) for name in ("SIGINT", "SIGHUP") if hasattr(signal, name)
]
"""Sent to a whole group of processes: by Ctrl-C, and when the terminal goes away."""
_IDLE: Final = 300
"""Seconds after which a worker process that nobody gives work to ends."""
_ONE_THREAD: Final = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
)
"""In the environment of workers, which do no linear algebra."""

from ..system.environment import Variables


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
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _OF_THE_TERMINAL)
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
def stops_wait() -> Iterator[None]:
    """A signal that is to end this process is heard at the end of the block, not inside.

    What is half made then (a semaphore whose name nobody remembers) stays for ever.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard: list[int] = []
    before = {number: signal.getsignal(number) for number in (*_OF_THE_TERMINAL, signal.SIGTERM)}
    ours = {number: handler for number, handler in before.items() if callable(handler)}
    for number in ours:
        signal.signal(number, lambda number, frame: heard.append(number))
    try:
        yield
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)
        for number in heard[:1]:
            signal.raise_signal(number)


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


def worker_pool(workers: int) -> Any:
    """The pool of this process, with this many worker processes, started now if need be.

    Raises:
        OSError: there may be no more processes.
        RuntimeError: there may be no more threads.
    """
    from joblib.executor import get_memmapping_executor

    with stops_wait():
        try:
            start_trackers()
            with children_apart():
                pool = get_memmapping_executor(  # joblib's own kind: it reuses ours
                    workers,
                    timeout=_IDLE,
                    initializer=follow_parent,
                    initargs=(os.getpid(),),
                    env=_ONE_THREAD,
                )
                if pool._call_queue._thread is None:
                    pool._call_queue._start_thread()  # else the pool's thread would, or die of it
                pool.submit(int)  # starts all that there is to start
        except BaseException:
            end_workers()
            raise
    return pool


def is_led(pool: Any) -> bool:
    """Whether the thread that leads a pool lives: without it nothing ever ends."""
    leader = pool._executor_manager_thread
    return leader is not None and leader.is_alive()


def worker_processes() -> dict[int, Any]:
    """The worker processes of this process's pool, by pid; none when it has no pool."""
    from joblib.externals.loky import reusable_executor

    executor: Any = reusable_executor._executor
    return {} if executor is None else dict(executor._processes)


def end_workers() -> None:
    """Kill the worker processes of this process's pool, if it has one, and wait for their end."""
    from joblib.externals.loky import reusable_executor

    pool: Any = reusable_executor._executor
    if pool is None:
        return
    if not is_led(pool):
        pool._executor_manager_thread = None  # one that never started cannot be waited for
    with suppress(queue.Empty):
        while True:  # its thread drops the work first, and would then look for it by these
            pool._work_ids.get_nowait()
    left = worker_processes()
    pool.shutdown(wait=True, kill_workers=True)
    for pid, process in left.items():  # nobody led them
        if process.is_alive():
            os.kill(pid, signal.SIGKILL)
            process.join()
