"""A function of each of many items, on an engine, results in order."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

from ..system.signals import undisturbed
from .engine import Engine, Lost, WorkersLost

S = TypeVar("S")
T = TypeVar("T")


class _Batch(NamedTuple):
    number: int
    items: Sequence[Any]


class _Done(NamedTuple):
    number: int
    results: list[Any] | None
    """None: no worker could, it is done in this process."""


def each(
    function: Callable[[S], T],
    items: Sequence[S],
    engine: Engine,
    *,
    seconds: float = 0.0,
    batch: int = 16,
) -> Generator[T, None, None]:
    """`function` of every item, in order, whatever becomes of the workers.

    Little work is done in this process, and so is what a killed worker had, or what a machine of a
    cluster cannot do. Closing the generator early ends the engine's work.

    >>> from exp2proc.engines import open_engine
    >>> from exp2proc.engines.choice import EngineChoice
    >>> with open_engine(EngineChoice("threading", jobs=2)) as engine:
    ...     list(each(len, ["one", "three", "seven"], engine, batch=1))
    [3, 5, 5]

    Args:
        function: must be importable for workers; what it raises is raised here.
        items: what it is called with, one at a time.
        engine: where.
        seconds: estimated work, which "auto" jobs go by.
        batch: items that a worker gets at a time.

    Raises:
        Exp2procError: `no-cluster`, the cluster went away.
    """
    starts = enumerate(range(0, len(items), batch))
    batches = [_Batch(number, items[at : at + batch]) for number, at in starts]
    workers = min(engine.workers(seconds), len(batches))
    if not engine.remote and workers < 2:
        yield from map(function, items)
        return
    running = _run(engine, function, batches, workers)
    early: dict[int, _Done] = {}
    try:
        for one in batches:
            while one.number not in early:
                done = next(running, _Done(one.number, None))
                early[done.number] = done
            results = early.pop(one.number).results
            yield from map(function, one.items) if results is None else results
        for _ in running:
            pass  # it ends, and lets go of its workers
    except BaseException:
        with undisturbed():
            engine.stop()
        raise


def _run(
    engine: Engine, function: Callable[[Any], Any], batches: list[_Batch], workers: int
) -> Iterator[_Done]:
    try:
        for result in engine.run(partial(_do, function), batches, workers):
            yield _Done(result.number, None) if isinstance(result, Lost) else result
    except WorkersLost:
        return


def _do(function: Callable[[Any], Any], batch: _Batch) -> _Done:
    return _Done(batch.number, [function(item) for item in batch.items])
