"""Worker processes that sleep in place of converting; a module of its own, for them to import."""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

from exp2proc.conversion.worker import ShardResult
from exp2proc.engines import Task, Work
from exp2proc.engines.local import LocalEngine
from exp2proc.planning.shards import Shard, text_seconds
from exp2proc.results import Outcome


class Moment(NamedTuple):
    """A moment of this process: seconds that have passed, and CPU seconds of its own."""

    wall: float
    cpu: float


def now() -> Moment:
    """The present one."""
    return Moment(time.perf_counter(), time.process_time())


def _sleep(shard: Shard, scale: float) -> ShardResult:
    """What a worker does: nothing, for as long as its rows would take."""
    digest = f"{shard.number:064x}"
    outcomes = [Outcome(row.number, row.run, "converted", digest=digest) for row in shard.rows()]
    time.sleep(scale * sum(map(text_seconds, shard.texts)))
    return ShardResult(shard.number, outcomes)


def _pid(work: Work) -> int:
    time.sleep(0.05)
    return os.getpid()


class _Numbered(int):
    @property
    def number(self) -> int:
        return self


class SleepingEngine(LocalEngine):
    """Worker processes that sleep; notes when the first shard was asked for and the last one done.

    Args:
        workers: how many.
        scale: of the estimated work of a text, for the time that a worker sleeps.
        swap: puts the outputs in place, once the run has made their folders.
    """

    def __init__(self, workers: int, scale: float, swap: Callable[[], Any]) -> None:
        super().__init__("loky", workers)
        self._workers, self._scale, self._swap = workers, scale, swap
        self.began = self.ended = now()
        self.shards = self.sent = 0

    def start(self) -> None:
        """Start all workers, and wait until each has done something; the run finds them there."""
        seen: set[int] = set()
        while len(seen) < self._workers:
            works = map(_Numbered, range(4 * self._workers))
            seen.update(super().run(_pid, works, self._workers))
        self.close()

    def run(self, task: Task, works: Iterable[Work], workers: int) -> Iterator[Any]:
        """See `Engine.run`."""
        self._swap()
        self.began = now()
        sleep = partial(_sleep, scale=self._scale)
        yield from super().run(sleep, self._counted(works), workers)
        self.ended = now()

    def _counted(self, works: Iterable[Work]) -> Iterator[Work]:
        for work in works:
            self.shards += 1
            if isinstance(work, Shard) and not self.sent:
                self.sent = len(pickle.dumps(work)) // sum(1 for _ in work.rows())
            yield work
