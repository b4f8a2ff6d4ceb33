"""What every engine is: takes numbered pieces of work, gives back their results as they end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple, Protocol, TypeVar

T = TypeVar("T")
Task = Callable[[Any], Any]
"""Makes a result of a piece of work. Workers import it, so it must stand in a module."""

PER_WORKER: Final = 2
"""Pieces under way per worker: one that it does, one that waits for it."""
LOOK: Final = 2.0
"""Seconds without a result after which an engine sees who is there to give one."""


class Work(Protocol):
    """A piece of work that can be handed out, such as a shard."""

    @property
    def number(self) -> int:
        """Names it among those of a run."""


class Lost(NamedTuple):
    """A piece of work that came to nothing: its workers died or could not do it, more than once.

    Attributes:
        number: of the work.
        why: what the engine says.
    """

    number: int
    why: str


class WorkersLost(Exception):
    """All workers are gone, and with them the results that were not given back yet."""


class Engine(Protocol):
    """Where work runs.

    Attributes:
        remote: whether workers may be on other machines: they then load tokenizers by name, share
            no scratch folder with the planner, and may be handed a piece of work a second time.
    """

    remote: bool

    def workers(self, seconds: float) -> int:
        """How many pieces are worth doing at once, for this much estimated work.

        With 1, unless the engine is remote, the caller does the work itself: nothing is started.
        """

    def run(self, task: Task, works: Iterable[Work], workers: int) -> Iterator[Any]:
        """Hand out work, a few pieces per worker at a time, and give back results as they end.

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
