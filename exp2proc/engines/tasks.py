"""What engines that hand out single tasks have in common: a few per worker are under way."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from ..errors import Exp2procError, first_line
from .engine import LOOK, PER_WORKER, Lost, T, Task, Work

_PATIENCE: Final = 600.0
"""Seconds without any worker after which a run is given up; new ones may be on their way."""
_DRAIN: Final = 10.0
"""Seconds that work under way get to end when a run is stopped."""


class TaskEngine(ABC):
    """Pieces of work as single tasks of a cluster, which itself repeats those whose worker leaves.

    Args:
        limit: pieces under way at most, or None: a few per worker.
    """

    remote = True

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._under_way: dict[Any, int] = {}
        self._slots = 0
        self._looked = self._last_worker = time.monotonic()

    @abstractmethod
    def slots(self) -> int:
        """Pieces that the workers of now can do at once.

        Raises:
            Exp2procError: `no-cluster`.
        """

    @abstractmethod
    def everywhere(self, check: Callable[[], T]) -> Iterator[tuple[str, T | BaseException]]:
        """See `Engine.everywhere`."""

    @abstractmethod
    def close(self) -> None:
        """See `Engine.close`."""

    @abstractmethod
    def _submit(self, task: Task, work: Work) -> Any:
        """Hand out a piece of work; returns something hashable that stands for its result."""

    @abstractmethod
    def _ended(self, under_way: list[Any], seconds: float) -> list[Any]:
        """Those that have ended, waiting for the first of them at most this long."""

    @abstractmethod
    def _result(self, handle: Any) -> Any:
        """The result of one that has ended, or the exception that it ended with."""

    @abstractmethod
    def _cancel(self, handles: list[Any]) -> None:
        """Forget about these."""

    def workers(self, seconds: float) -> int:
        """See `Engine.workers`."""
        self._slots = self.slots()
        return max(1, min(self._slots, self._limit or self._slots))

    def run(self, task: Task, works: Iterable[Work], workers: int) -> Iterator[Any]:
        """See `Engine.run`."""
        for work in works:
            self._under_way[self._submit(task, work)] = work.number
            while len(self._under_way) >= (self._limit or PER_WORKER * (self._slots or workers)):
                yield from self._collect(LOOK)
        while self._under_way:
            yield from self._collect(LOOK)

    def stop(self) -> list[Any]:
        """See `Engine.stop`: work under way may end, within seconds; the rest is cancelled."""
        results: list[Any] = []
        until = time.monotonic() + _DRAIN
        try:
            while self._under_way and (left := until - time.monotonic()) > 0:
                ended = self._collect(left)
                results += (result for result in ended if not isinstance(result, Lost))
        except Exp2procError:
            pass  # the cluster went away, and with it whatever was left
        handles, self._under_way = list(self._under_way), {}
        if handles:
            self._cancel(handles)
        return results

    def _collect(self, seconds: float) -> Iterator[Any]:
        for handle in self._ended(list(self._under_way), seconds):
            number = self._under_way.pop(handle)
            try:
                yield self._result(handle)
            except Exp2procError:
                raise
            except Exception as err:
                yield Lost(number, first_line(err))
        self._look()

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked < LOOK:
            return
        self._looked = now
        self._slots = self.slots()
        if self._slots:
            self._last_worker = now
        elif now - self._last_worker > _PATIENCE:
            raise Exp2procError("no-cluster", f"no worker for {_PATIENCE:.0f} s")
