"""Shards in, outcomes out as they finish: in this process, in threads, or in worker processes.

The engines are joblib's. What is added here is what a long run needs: a worker that is killed costs
no row but the one that kills it, and a run that is stopped knows what it has done.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from .errors import Exp2procError
from .journal import read_journals
from .options import Backend
from .outcomes import Outcome
from .outputs import MACHINE, is_alive
from .shards import Shard, TextWork, single_rows, without_rows
from .worker import (
    Existing,
    Settings,
    ShardResult,
    convert_rows,
    convert_shard,
    follow_parent,
    stop_threads,
)

_PREFIX = f"exp2proc-{MACHINE}-"
_HOPELESS = 3
"""Losses in a row without a single row begun, after which workers are given up."""


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for the run's own notes; those of killed runs on this machine are removed.

    Where there is no room for one the path is of a folder that does not exist.
    """
    try:
        root = tempfile.gettempdir()
        _remove_left_behind(root)
        folder = tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-")
    except OSError:
        yield Path(os.devnull, "none")
        return
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_left_behind(root: str) -> None:
    with suppress(OSError):
        for entry in os.scandir(root):
            pid = entry.name.removeprefix(_PREFIX).partition("-")[0]
            if entry.name.startswith(_PREFIX) and pid.isdigit() and not is_alive(int(pid)):
                shutil.rmtree(entry.path, ignore_errors=True)


def available_cores() -> int:
    """The cores that this process may use: affinity and container limits respected."""
    import joblib

    return int(joblib.cpu_count())


class Execution:
    """One run over shards. Iterate `outcomes`; when that is cut short, `close` and `salvage`.

    Args:
        shards: the work.
        settings: of the run.
        jobs: workers; 1 converts in this process whatever the backend.
        backend: loky (processes), threading or sequential.
        scratch: a folder for journals.
    """

    def __init__(
        self, shards: list[Shard], settings: Settings, jobs: int, backend: Backend, scratch: Path
    ) -> None:
        self._shards = shards
        self._settings = settings
        self._jobs = jobs
        self._backend = "sequential" if jobs == 1 else backend
        self._scratch = scratch
        self._journals: list[str] = []
        self._running: Any = None

    def outcomes(self) -> Iterator[Outcome]:
        """The outcome of every row, in the order they end."""
        if self._backend == "sequential":
            for shard in self._shards:
                yield from convert_rows(shard, self._settings)
        else:
            yield from self._pooled()

    def close(self) -> None:
        """End what is under way; worker processes are killed, which costs no finished file."""
        stop_threads(self._settings.run_id)
        if self._running is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # joblib counts aloud what it cancels
                self._running.close()
            self._running = None
        if self._backend == "loky":
            end_workers()

    def salvage(self) -> list[Outcome]:
        """Outcomes of rows that ended, whether or not they came through `outcomes` before."""
        ended: dict[int, Outcome] = {}
        for folder in self._journals:
            ended.update(read_journals(folder).ended)
        return list(ended.values())

    def _pooled(self) -> Iterator[Outcome]:
        waiting = {shard.number: shard for shard in self._shards}
        hopeless = 0
        while waiting:
            journal = self._new_journal()
            try:
                for result in self._round(list(waiting.values()), journal):
                    del waiting[result.shard]
                    yield from result.outcomes
                return
            except BrokenExecutor:
                end_workers()  # those still alive would go on writing rows that are tried again
                state = read_journals(journal)
            hopeless = 0 if state.ended or state.under_way else hopeless + 1
            if hopeless == _HOPELESS:
                for shard in waiting.values():
                    yield from (_lost(row.number) for row in shard.rows())
                return
            unfinished = {row.number for shard in waiting.values() for row in shard.rows()}
            for number in unfinished & state.ended.keys():
                yield state.ended[number]
            suspects = unfinished & state.under_way
            for work in [w for shard in waiting.values() for w in single_rows(shard, suspects)]:
                yield self._alone(work)
            waiting = self._rest(waiting, suspects | state.ended.keys())

    def _rest(self, waiting: dict[int, Shard], done: set[int]) -> dict[int, Shard]:
        rest: dict[int, Shard] = {}
        for number, shard in waiting.items():
            if texts := without_rows(shard, done):
                rest[number] = replace(shard, texts=texts)
        return rest

    def _alone(self, work: TextWork) -> Outcome:
        """Try a row that was under way when a worker died once more, with nothing beside it.

        It may have been written just before: what is there now is not what the plan ruled out.
        """
        row = work.rows[0]
        folders = next(s.folders for s in self._shards if row.run in s.folders)
        shard = Shard(0, (work,), {row.run: folders[row.run]})
        try:
            (result,) = self._round([shard], self._new_journal(), existing=_again(self._settings))
            return result.outcomes[0]
        except BrokenExecutor:
            end_workers()
            return _lost(row.number)

    def _new_journal(self) -> str:
        folder = self._scratch / f"journal-{len(self._journals)}"
        with suppress(OSError):  # without journals a killed worker costs more, and that is all
            folder.mkdir(parents=True)
        self._journals.append(str(folder))
        return str(folder)

    def _round(
        self, shards: Iterable[Shard], journal: str, existing: Existing | None = None
    ) -> Iterator[ShardResult]:
        from joblib import Parallel, delayed

        existing = existing or self._settings.existing
        settings = replace(self._settings, journal=journal, existing=existing)
        followers: dict[str, Any] = {}
        if self._backend == "loky":
            followers = {"initializer": follow_parent, "initargs": (os.getpid(),)}
            _start_trackers()
        # One task and n_jobs=1 would run here: two keep it in a process that may die.
        pool = Parallel(
            n_jobs=max(2, self._jobs),
            backend=self._backend,
            return_as="generator_unordered",
            batch_size=1,
            pre_dispatch="2*n_jobs",
            **followers,
        )
        with deaf_children():
            self._running = pool(delayed(convert_shard)(shard, settings) for shard in shards)
        yield from self._running
        self._running = None


def _again(settings: Settings) -> Existing:
    return "replace" if settings.existing == "refuse" else settings.existing


def _lost(number: int) -> Outcome:
    error = Exp2procError("worker-lost", "its worker process was killed twice on this row")
    return Outcome(number, "failed", error=(error.code, error.message, error.hint))


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
