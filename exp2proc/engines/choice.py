"""What may be chosen, `ENGINES`, and what was: `EngineChoice` by name, `Active` by joblib."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, Literal, NamedTuple

from ..errors import Exp2procError
from .engine import Engine

Backend = Literal["loky", "threading", "sequential", "dask", "ray"]


CORES: Final = "LOKY_MAX_CPU_COUNT"
"""The environment variable of joblib's that bounds the cores which workers are started for."""


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """Which engine, and how much of it.

    >>> EngineChoice("dask", scheduler="tcp://head:8786", jobs=8).problems()
    []
    >>> [str(problem) for problem in EngineChoice("ray", scheduler="tcp://head:8786").problems()]
    ['usage: --scheduler goes with --backend dask']

    Attributes:
        backend: its name; None: what an active `joblib.parallel_config` says, else loky.
        scheduler: of a Dask cluster, or None.
        address: of a Ray cluster, or None.
        jobs: workers, or "auto".
    """

    backend: Backend | None = None
    scheduler: str | None = None
    address: str | None = None
    jobs: int | Literal["auto"] = "auto"

    def problems(self) -> list[Exp2procError]:
        """What does not go together."""
        found: list[str] = []
        for name in ("scheduler", "address"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                found.append(f"{name} is {value!r}: it may be text")
        if self.backend is not None and self.backend not in tuple(BACKENDS):
            found.append(f"backend is {self.backend!r}: it may be {', '.join(BACKENDS)}")
        if self.scheduler is not None and self.backend != "dask":
            found.append("--scheduler goes with --backend dask")
        if self.address is not None and self.backend != "ray":
            found.append("--address goes with --backend ray")
        if self.jobs != "auto" and (not isinstance(self.jobs, int) or self.jobs < 1):
            found.append(f"jobs is {self.jobs!r}: it may be auto or a number from 1")
        problems = [Exp2procError("usage", message) for message in found]
        try:
            check_cores()
        except Exp2procError as err:
            problems.append(err)
        return problems


def check_cores() -> None:
    """See whether joblib can read `LOKY_MAX_CPU_COUNT`, as it does wherever workers are started.

    Raises:
        Exp2procError: `usage`.
    """
    given = os.environ.get(CORES, "1")
    try:
        int(given)
    except ValueError:
        why = f"{CORES} is {given!r}: it may be a whole number"
        raise Exp2procError("usage", why, f"Set it to a number, or unset {CORES}.") from None


@dataclass(frozen=True, slots=True)
class Active:
    """A backend that somebody chose by `joblib.parallel_config`.

    Attributes:
        engine: the name of the engine that serves it, or of joblib's class where none does.
        backend: joblib's backend object.
        n_jobs: workers that were asked for, or None: all there are.
    """

    engine: str
    backend: Any
    n_jobs: int | None


Connect = Callable[[EngineChoice, Active | None], Engine]
"""Makes an engine of what was chosen. Raises `missing-extra` and `no-cluster`."""


class EngineKind(NamedTuple):
    """A row of the table of engines.

    Attributes:
        connect: makes one.
        joblib: joblib's backend of the same kind: the name of its class, or "" for none.
        extra: the optional dependency (`pip install 'exp2proc[...]'`) that it needs, or None.
        cluster: whether workers are on machines that somebody else may have started.
    """

    connect: Connect
    joblib: str = ""
    extra: str | None = None
    cluster: bool = False


def _of_module(name: str) -> Connect:
    """`connect` of a module here, imported when it is asked for: local work needs no cluster's."""

    def connect(choice: EngineChoice, active: Active | None) -> Engine:
        module: Any = import_module(f".{name}", __package__)
        engine: Engine = module.connect(choice, active)
        return engine

    return connect


ENGINES: Final[dict[str, EngineKind]] = {
    "loky": EngineKind(_of_module("local"), "LokyBackend"),
    "threading": EngineKind(_of_module("local"), "ThreadingBackend"),
    "sequential": EngineKind(_of_module("local"), "SequentialBackend"),
    "dask": EngineKind(_of_module("dask"), "DaskDistributedBackend", "dask", cluster=True),
    "ray": EngineKind(_of_module("ray"), "RayBackend", "ray", cluster=True),
}
"""Every engine by its name. One from outside is added here; its name then goes everywhere."""

BACKENDS: Final = ENGINES.keys()
"""What `--backend` may be."""
