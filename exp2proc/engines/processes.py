"""Processes: what they hear, whom they follow, how they end.

All that is used of loky's private names stands here; a test fails when one of them goes.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

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

    threading.Thread(target=watch, daemon=True, name="follow-parent").start()


@contextmanager
def children_ignore_ctrl_c() -> Iterator[None]:
    """Processes started inside do not get Ctrl-C: it is for the parent to end them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
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
    """Start the helpers of process pools now: that unblocks Ctrl-C, and not yet for any worker."""
    from multiprocessing import resource_tracker

    from joblib.externals.loky.backend import resource_tracker as loky_tracker

    resource_tracker.ensure_running()
    loky_tracker.ensure_running()


def worker_processes() -> dict[int, Any]:
    """The worker processes of this process's pool, by pid; none when it has no pool."""
    from joblib.externals.loky import reusable_executor

    executor: Any = reusable_executor._executor
    return {} if executor is None else dict(executor._processes)


def end_workers() -> None:
    """Kill the worker processes of this process's pool, if it has one, and wait for their end."""
    from joblib.externals.loky import reusable_executor

    executor: Any = reusable_executor._executor
    if executor is None:
        return
    try:
        executor.shutdown(wait=True, kill_workers=True)
    except RuntimeError:  # stopped between making the pool's thread and starting it
        for process in worker_processes().values():
            process.kill()


def expect_early_end() -> None:
    """Let a pool that is ended early end without a word from its libraries.

    joblib counts aloud, from whichever thread, what it cancels; loky's thread may trip over it.
    """
    warnings.filterwarnings("ignore", "[0-9]+ tasks which were still being processed")
    threading.excepthook = _hook


def _hook(args: Any) -> None:
    """An exception in a thread; in the one that manages a pool which was ended it says nothing."""
    if type(args.thread).__name__ != "_ExecutorManagerThread":
        threading.__excepthook__(args)
