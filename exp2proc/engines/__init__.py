"""Engines: where shards are converted. Each is one module behind `open_engine`.

A new engine is a module of this folder with `connect(choice, active) -> Engine`, and its name in
`_MODULES`. Modules are imported when their engine is asked for: local work needs none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from ..errors import Exp2procError, PlanError
from .active import active_backend
from .choice import CLUSTERS, EngineChoice

_MODULES: Final = {
    "loky": "local",
    "threading": "local",
    "sequential": "local",
    "dask": "dask",
    "ray": "ray",
    "joblib": "any_joblib",
}
"""Engine -> module. `joblib` is what an active `joblib.parallel_config` names beside the others."""

T = TypeVar("T")
Task = Callable[[Any], Any]
"""Makes a result of a piece of work; the result's first field is the number of that work."""


class Work(Protocol):
    """A piece of work that can be handed out, such as a shard."""

    @property
    def number(self) -> int:
        """Names it among those of a run."""


class Lost(NamedTuple):
    """A shard that came to nothing: its workers died or could not run it, more than once.

    Attributes:
        shard: its number.
        why: what the engine says.
    """

    shard: int
    why: str


class WorkersLost(Exception):
    """All workers of a round are gone; what they had done stands in their journals only."""


class Engine(Protocol):
    """Where shards are converted.

    Attributes:
        remote: whether workers may be on other machines: they then load tokenizers by name, share
            no scratch folder with the planner, and may be handed a shard a second time.
    """

    remote: bool

    def workers(self, seconds: float) -> int:
        """How many shards are worth converting at once, for this much estimated work."""

    def run(self, task: Task, shards: Iterable[Work], workers: int) -> Iterator[Any]:
        """Hand out shards, a few per worker at a time, and give back results as they end.

        Raises:
            WorkersLost: every worker is gone (only engines that are not remote).
            Exp2procError: `no-cluster`, the cluster is gone.
        """

    def everywhere(self, check: Callable[[], T]) -> Iterator[tuple[str, T | BaseException]]:
        """What `check` returns or raises on each worker (nothing when none is remote), by name."""

    def stop(self) -> list[Any]:
        """End what is under way; returns results that were not given back yet."""

    def close(self) -> None:
        """Let go of the workers; those this engine started are ended."""


@contextmanager
def open_engine(choice: EngineChoice) -> Iterator[Engine]:
    """The engine that was chosen by name, or that an active `joblib.parallel_config`, ask for.

    Raises:
        PlanError: `usage`, `missing-extra` or `no-cluster`.
    """
    if choice.backend in CLUSTERS and (problems := choice.problems()):
        raise PlanError(problems)  # not after minutes of planning; planning finds the others
    active = active_backend()
    name = choice.backend or (active.engine if active is not None else "loky")
    if active is not None and active.engine != name:
        active = None
    try:
        module: Any = import_module(f".{_MODULES.get(name, 'local')}", __name__)
        engine: Engine = module.connect(choice, active)
    except Exp2procError as err:
        raise PlanError([err]) from None
    try:
        yield engine
    finally:
        engine.close()


def missing_extra(name: str, err: ImportError) -> Exp2procError:
    """The error of an engine whose package is not installed."""
    return Exp2procError(
        "missing-extra",
        f"--backend {name} needs the extra {name!r} ({err})",
        f"Install it: pip install 'exp2proc[{name}]'.",
    )
