"""A real Dask cluster on the loopback interface: processes of the installed command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeAlias

from .cli import start
from .preloaded import Forked

_READY = 60.0
Process: TypeAlias = "subprocess.Popen[bytes] | Forked"


class DaskCluster:
    """A scheduler and its workers, one thread each, ended with the block that started them.

    Args:
        folder: for what they write.
        stack: ends them.
        preload: a script that each of them runs first.
    """

    def __init__(self, folder: Path, stack: ExitStack, preload: Path | None = None) -> None:
        self._folder = folder
        self._preload = () if preload is None else ("--preload", str(preload))
        self._stack = stack
        self._file = folder / "scheduler.json"
        self.workers: list[Process] = []
        self.scheduler = self._start(
            *("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        )
        _wait_for(self._is_listening)
        self.address = str(json.loads(self._file.read_text())["address"])

    def add_workers(
        self,
        count: int = 1,
        env: dict[str, str] | None = None,
        before: str | None = None,
    ) -> list[Process]:
        """Start workers, and wait until the scheduler knows them all.

        They do not start again when they are killed. With `before` each is in a mount namespace of
        its own, in which this shell script has run.
        """
        started = []
        for _ in range(count):
            folder = self._folder / f"worker-{len(self.workers)}"
            process = self._start(
                *("worker", "--no-nanny", "--nthreads", "1", "--no-dashboard"),
                *("--host", "127.0.0.1", "--local-directory", str(folder)),
                before=before,
                **(env or {}),
            )
            started.append(process)
            self.workers.append(process)
        self._wait_for_workers()
        return started

    def remove_worker(self, process: Process) -> None:
        """Kill a worker and wait until the scheduler has seen it go."""
        end(process)
        self.workers.remove(process)
        self._wait_for_workers()

    def _start(self, command: str, *words: str, before: str | None = None, **env: str) -> Process:
        full = {**os.environ, **env}
        words = (command, "--scheduler-file", str(self._file), *words, *self._preload)
        process: Process
        with open(os.devnull, "rb") as none, open(self._folder / "log", "ab") as log:
            if before is None:
                streams = (none, log, log)
                process = start(*words, env=full, cwd=self._folder, streams=streams, module="dask")
            else:
                script = f'{before}\nexec "$@"'
                apart = ["unshare", "--mount", "--map-root-user", "sh", "-ec", script, "sh"]
                process = subprocess.Popen(
                    [*apart, sys.executable, "-m", "dask", *words],
                    cwd=self._folder,
                    env=full,
                    stdout=log,
                    stderr=log,
                )
        self._stack.callback(end, process)
        return process

    def _is_listening(self) -> bool:
        assert self.scheduler.poll() is None, (self._folder / "log").read_text()
        return self._file.exists() and self._file.stat().st_size > 0

    def _wait_for_workers(self) -> None:
        """Until the scheduler knows those that there are, and no others."""
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:  # type: ignore[no-untyped-call]
            _wait_for(lambda: len(client.nthreads()) == len(self.workers))


@contextmanager
def dask_cluster(
    folder: Path, workers: int = 2, preload: Path | None = None
) -> Iterator[DaskCluster]:
    """A scheduler with this many workers. See `DaskCluster`."""
    with ExitStack() as stack:
        cluster = DaskCluster(folder, stack, preload)
        cluster.add_workers(workers)
        yield cluster


def end(process: Process) -> None:
    """Kill a process, stopped or not, and wait for it."""
    process.kill()
    process.wait()


def _wait_for(condition: object) -> None:
    until = time.monotonic() + _READY
    assert callable(condition)
    while not condition():
        assert time.monotonic() < until, "the cluster did not come up"
        time.sleep(0.05)
