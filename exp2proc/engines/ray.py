"""Ray: a cluster by its address, or one started on this machine.

Work is handed out as tasks of Ray's own: joblib's ray backend gives all results back at once.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final

from ..errors import Exp2procError, first_line
from ..system.extras import require
from .choice import Active, EngineChoice
from .engine import T, Task, Work
from .processes import available_cores, children_apart
from .tasks import TaskEngine

_CONNECT: Final = 5.0
_PORT: Final = 6379
_PROBE: Final = 60.0
"""Seconds that a node gets to start a worker process and to answer."""
_STORE: Final = 80 << 20
"""Bytes of the object store of a Ray started here: results are small, paths go nowhere near it."""


def connect(choice: EngineChoice, active: Active | None) -> RayEngine:
    """The Ray that this process is connected to, the one of an address, or a new one.

    Raises:
        Exp2procError: `missing-extra`, `no-cluster`.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = require("ray", "ray", option="--backend ray")
    jobs = None if choice.jobs == "auto" else choice.jobs
    if jobs is None and active is not None:
        jobs = active.n_jobs
    if ray.is_initialized():
        return RayEngine(ray, jobs, owned=False)
    address = choice.address or os.environ.get("RAY_ADDRESS") or "local"
    try:
        if address == "local":
            _start(ray, jobs or available_cores())
            return RayEngine(ray, None, owned=True)
        _check_address(address)
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.CRITICAL,
            # What a client sends is read where exp2proc may not be installed.
            job_config=None if address.startswith("ray://") else _job(ray),
        )
    except Exception as err:
        raise Exp2procError("no-cluster", f"ray {address}: {first_line(err)}") from None
    return RayEngine(ray, jobs, owned=True)


def _start(ray: Any, cpus: int) -> None:
    with children_apart():
        ray.init(
            address="local",
            num_cpus=cpus,
            object_store_memory=_STORE,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.CRITICAL,
            job_config=_job(ray),
        )


def _job(ray: Any) -> Any:
    """Workers look for modules where this process does, not always in its working directory."""

    class Job(ray.job_config.JobConfig):  # type: ignore[misc]
        def _serialize(self) -> Any:
            here = set(map(os.path.abspath, sys.path))
            found: list[str] = self._py_driver_sys_path
            found[:] = [folder for folder in found if folder in here]
            return super()._serialize()

    return Job()


def _check_address(address: str) -> None:
    """Ray tries for a minute and then ends the process: see first whether anybody is there."""
    if address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    place = (host, int(port)) if host and port.isdecimal() else (address, _PORT)
    with socket.create_connection(place, timeout=_CONNECT):
        pass


class RayEngine(TaskEngine):
    """A Ray cluster.

    Args:
        ray: the module, connected.
        limit: see `TaskEngine`.
        owned: whether to disconnect (and end a Ray started here) with the engine.
    """

    def __init__(self, ray: Any, limit: int | None, *, owned: bool) -> None:
        super().__init__(limit)
        self._ray = ray
        self._owned = owned
        self._tasks: dict[int, Any] = {}

    def slots(self) -> int:
        """See `TaskEngine.slots`."""
        try:
            return int(self._ray.cluster_resources().get("CPU", 0))
        except Exception as err:
            raise Exp2procError("no-cluster", f"ray: {first_line(err)}") from None

    def everywhere(self, check: Callable[[], T]) -> Iterator[tuple[str, T | BaseException]]:
        """See `Engine.everywhere`: one task a node."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        remote = self._ray.remote(num_cpus=0)(_call)
        asked = [
            (
                node["NodeManagerHostname"],
                remote.options(
                    scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
                ).remote(check),
            )
            for node in self._ray.nodes()
            if node["Alive"] and node["Resources"].get("CPU")
        ]
        for name, reference in asked:
            try:
                yield name, self._ray.get(reference, timeout=_PROBE)
            except Exception as err:
                yield name, err

    def close(self) -> None:
        """See `Engine.close`."""
        if self._owned:
            with suppress(Exception):
                self._ray.shutdown()

    def _submit(self, task: Task, work: Work) -> Any:
        if id(task) not in self._tasks:
            remote = self._ray.remote(num_cpus=1, max_retries=3)(_call_with)
            # Kept with the task, so that its id stays its own; the settings travel once a worker.
            self._tasks[id(task)] = (task, self._ray.put(task), remote)
        _, reference, remote = self._tasks[id(task)]
        return remote.remote(reference, work)

    def _ended(self, under_way: list[Any], seconds: float) -> list[Any]:
        ended, _ = self._ray.wait(under_way, num_returns=1, timeout=seconds)
        more, _ = self._ray.wait(under_way, num_returns=len(under_way), timeout=0)
        return list(dict.fromkeys([*ended, *more]))

    def _result(self, handle: Any) -> Any:
        return self._ray.get(handle)

    def _cancel(self, handles: list[Any]) -> None:
        for handle in handles:
            with suppress(Exception):
                self._ray.cancel(handle, force=True)


def _call(check: Callable[[], T]) -> T:
    return check()


def _call_with(task: Task, work: Work) -> Any:
    return task(work)
