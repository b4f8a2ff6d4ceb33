"""Dask: a cluster by its scheduler's address, or one started on this machine.

Work is handed out as tasks of the cluster's own client, the one that joblib's dask backend uses.
That backend itself waits for ever when the scheduler goes away, and cannot tell which task has
killed its workers.
"""

from __future__ import annotations

import logging
import queue
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Final

from ..errors import Exp2procError, first_line
from ..system.extras import require
from .choice import Active, EngineChoice
from .engine import T, Task, Work
from .processes import available_cores, children_apart, start_trackers
from .tasks import TaskEngine

_CONNECT: Final = 5.0
"""Seconds within which a scheduler has to answer, and to have a worker."""


def connect(choice: EngineChoice, active: Active | None) -> DaskEngine:
    """The cluster of an active joblib context, of an address, or a new one on this machine.

    Raises:
        Exp2procError: `missing-extra`, `no-cluster`.
    """
    distributed = require("distributed", "dask", option="--backend dask")
    jobs = None if choice.jobs == "auto" else choice.jobs
    if choice.scheduler is None and active is not None:
        return DaskEngine(active.backend.client, jobs or active.n_jobs)
    owned = ExitStack()
    try:
        owned.enter_context(_quiet())
        if choice.scheduler is None:
            where = owned.enter_context(_local_cluster(distributed, jobs)).scheduler_address
            jobs = None
        else:
            where = choice.scheduler
        client = owned.enter_context(_client(distributed, where))
        engine = DaskEngine(client, jobs, owned)
        engine.wait_for_workers(where)
    except BaseException:
        owned.close()
        raise
    return engine


@contextmanager
def _quiet() -> Iterator[None]:
    """It logs with tracebacks what is reported here as an error of one line."""
    logger = logging.getLogger("distributed")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _local_cluster(distributed: Any, jobs: int | None) -> Any:
    try:
        start_trackers()  # else the first worker's start would, which lets Ctrl-C through to it
        with children_apart():
            return distributed.LocalCluster(
                n_workers=jobs or available_cores(),
                threads_per_worker=1,
                dashboard_address=None,
                # No pages, but a port is taken all the same: any free one, not the one of all.
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
                silence_logs=logging.CRITICAL,
            )
    except Exception as err:
        raise _unreachable("of this machine", first_line(err)) from None


def _client(distributed: Any, where: str) -> Any:
    try:
        distributed.comm.resolve_address(where)  # a client that cannot even begin does not end well
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # versions that differ are checked here
            return distributed.Client(where, timeout=_CONNECT, set_as_default=False)
    except Exception as err:
        raise _unreachable(where, first_line(err)) from None


def _unreachable(where: str, why: str) -> Exp2procError:
    return Exp2procError("no-cluster", f"dask scheduler {where}: {why}")


class DaskEngine(TaskEngine):
    """A Dask cluster.

    Args:
        client: connected.
        limit: see `TaskEngine`.
        owned: what to close with the engine.
    """

    def __init__(self, client: Any, limit: int | None, owned: ExitStack | None = None) -> None:
        super().__init__(limit)
        self._client = client
        self._owned = owned or ExitStack()
        self._name = f"exp2proc-{uuid.uuid4().hex[:12]}"
        self._count = 0
        self._news: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def wait_for_workers(self, where: str) -> None:
        """Wait until there is one.

        Raises:
            Exp2procError: `no-cluster`.
        """
        until = time.monotonic() + _CONNECT
        while not self.slots():
            if time.monotonic() > until:
                raise _unreachable(where, f"it has no worker (waited {_CONNECT:.0f} s)")
            time.sleep(0.05)

    def slots(self) -> int:
        """See `TaskEngine.slots`."""
        if self._client.status != "running":
            raise Exp2procError("no-cluster", "the connection to the dask scheduler is lost")
        try:
            return sum(self._client.nthreads().values())
        except Exception as err:
            raise Exp2procError("no-cluster", f"dask scheduler: {first_line(err)}") from None

    def everywhere(self, check: Callable[[], T]) -> Iterator[tuple[str, T | BaseException]]:
        """See `Engine.everywhere`."""
        yield from self._client.run(check, on_error="return").items()

    def close(self) -> None:
        """See `Engine.close`."""
        with suppress(Exception):
            self._owned.close()

    def _submit(self, task: Task, work: Work) -> Any:
        self._count += 1
        try:
            future = self._client.submit(
                task, work, key=f"{self._name}-{self._count}", pure=False, retries=0
            )
        except Exception as err:
            raise Exp2procError("no-cluster", f"dask scheduler: {first_line(err)}") from None
        future.add_done_callback(self._news.put)
        return future

    def _ended(self, under_way: list[Any], seconds: float) -> list[Any]:
        until = time.monotonic() + seconds
        while not (ended := [future for future in under_way if future.done()]):
            try:
                self._news.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
        return ended

    def _result(self, handle: Any) -> Any:
        try:
            result = handle.result()
        except BaseException as err:
            if self._client.status != "running":  # then every future counts as cancelled
                raise Exp2procError(
                    "no-cluster", "the connection to the dask scheduler is lost"
                ) from err
            raise
        return result

    def _cancel(self, handles: list[Any]) -> None:
        with suppress(Exception):
            self._client.cancel(handles, force=True)
