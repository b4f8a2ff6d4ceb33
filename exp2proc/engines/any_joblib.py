"""Whatever backend an active `joblib.parallel_config` names: shards in rounds, lists back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final

from ..errors import first_line
from . import Lost, T, Task, Work
from .active import Active
from .choice import EngineChoice

_ROUND: Final = 8
"""Shards per worker in a round: the last one of a round keeps the others waiting."""


def connect(choice: EngineChoice, active: Active | None) -> JoblibEngine:
    """The engine of the active context."""
    assert active is not None, "nothing else names this engine"
    jobs = active.n_jobs if choice.jobs == "auto" else choice.jobs
    return JoblibEngine(int(active.backend.effective_n_jobs(jobs or -1)))


class JoblibEngine:
    """joblib's calls that every backend has to serve; nothing is known of where workers are."""

    remote = True

    def __init__(self, jobs: int) -> None:
        self._jobs = max(1, jobs)

    def workers(self, seconds: float) -> int:
        """See `Engine.workers`."""
        return self._jobs

    def run(self, task: Task, shards: Iterable[Work], workers: int) -> Iterator[Any]:
        """See `Engine.run`."""
        from joblib import Parallel, delayed

        left = iter(shards)
        while some := list(islice(left, _ROUND * workers)):
            results: Any
            try:
                results = Parallel(n_jobs=workers, batch_size=1)(delayed(task)(s) for s in some)
            except Exception as err:
                results = [Lost(shard.number, first_line(err)) for shard in some]
            yield from results

    def everywhere(self, check: Callable[[], T]) -> Iterator[tuple[str, T | BaseException]]:
        """See `Engine.everywhere`: joblib cannot name workers, each row checks its own."""
        return iter(())

    def stop(self) -> list[Any]:
        """See `Engine.stop`: between rounds nothing is under way."""
        return []

    def close(self) -> None:
        """See `Engine.close`: the context is its owner's."""
