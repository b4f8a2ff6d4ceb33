"""A function of each item: in order, none left out, whatever becomes of the workers."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest

from exp2proc.engines import Lost, Task, Work, WorkersLost, open_engine
from exp2proc.engines.choice import Backend, EngineChoice
from exp2proc.engines.each import each

ITEMS = list(range(50))


def double(item: int) -> int:
    return 2 * item


def where(item: int) -> tuple[int, str]:
    return os.getpid(), threading.current_thread().name


def slow_first(item: int) -> int:
    time.sleep(0.2 if item == 0 else 0)
    return item


def refuse_30(item: int) -> int:
    if item == 30:
        raise OSError("no room")
    return item


def mark(folder: Path, item: int) -> int:
    """Leave a mark; the first time at item 20 the worker is killed."""
    (folder / f"{item}-{os.getpid()}").touch()
    if item == 20 and len(list(folder.glob("20-*"))) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def _run(
    function: Callable[[int], Any], backend: Backend | None, jobs: int | Literal["auto"]
) -> list[Any]:
    with open_engine(EngineChoice(backend, jobs=jobs)) as engine:
        return list(each(function, ITEMS, engine, batch=5))


@pytest.mark.parametrize("backend", ["loky", "threading", "sequential"])
@pytest.mark.parametrize("function", [double, slow_first])
def test_in_order(backend: Backend, function: Callable[[int], int]) -> None:
    assert _run(function, backend, 2) == [function(item) for item in ITEMS]


def test_where_the_work_is_done() -> None:
    here = (os.getpid(), threading.current_thread().name)
    assert {pid for pid, _ in _run(where, "threading", 2)} == {os.getpid()}
    assert here not in _run(where, "threading", 2)
    assert here[0] not in {pid for pid, _ in _run(where, "loky", 2)}
    assert set(_run(where, "sequential", 2)) == {here}
    assert set(_run(where, "loky", 1)) == {here}
    assert set(_run(where, None, "auto")) == {here}  # no work worth a process


def test_without_items() -> None:
    with open_engine(EngineChoice("loky", jobs=2)) as engine:
        assert list(each(double, [], engine)) == []


@pytest.mark.parametrize("backend", ["loky", "threading", "sequential"])
def test_what_the_function_raises_is_raised(backend: Backend) -> None:
    seen: list[int] = []

    def collect() -> None:
        with open_engine(EngineChoice(backend, jobs=2)) as engine:
            for result in each(refuse_30, ITEMS, engine, batch=5):
                seen.append(result)  # noqa: PERF402

    with pytest.raises(OSError, match="no room"):
        collect()
    assert seen == ITEMS[: len(seen)]
    assert len(seen) <= 30


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_killed_worker_costs_nothing(tmp_path: Path) -> None:
    assert _run(partial(mark, tmp_path), "loky", 2) == ITEMS
    by_20 = {path.name.partition("-")[2] for path in tmp_path.glob("20-*")}
    assert len(by_20) == 2
    assert str(os.getpid()) in by_20


def test_closing_early_ends_the_workers() -> None:
    with (
        open_engine(EngineChoice("loky", jobs=2)) as engine,
        closing(each(where, ITEMS, engine, batch=5)) as results,
    ):
        worker, _ = next(results)
        assert worker != os.getpid()
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


class Unreliable:
    """Two workers; which pieces they lose, and after how many all of them are gone, is set."""

    def __init__(self, *, remote: bool, loses: frozenset[int], breaks_after: int) -> None:
        self.remote = remote
        self.loses = loses
        self.breaks_after = breaks_after
        self.stopped = 0

    def workers(self, seconds: float) -> int:
        return 2

    def run(self, task: Task, works: Iterable[Work], workers: int) -> Iterator[Any]:
        for count, work in enumerate(reversed(list(works))):
            if count == self.breaks_after:
                raise WorkersLost
            yield Lost(work.number, "a test") if work.number in self.loses else task(work)

    def everywhere(self, check: Callable[[], Any]) -> Iterator[tuple[str, Any]]:
        return iter(())

    def stop(self) -> list[Any]:
        self.stopped += 1
        return []

    def close(self) -> None: ...


@pytest.mark.parametrize("remote", [False, True])
@pytest.mark.parametrize("loses", [frozenset(), frozenset({0}), frozenset(range(10))])
@pytest.mark.parametrize("breaks_after", [0, 1, 9, 99])
def test_lost_work_is_done_here(remote: bool, loses: frozenset[int], breaks_after: int) -> None:
    engine = Unreliable(remote=remote, loses=loses, breaks_after=breaks_after)
    calls: list[int] = []

    def noted(item: int) -> int:
        calls.append(item)
        return double(item)

    assert list(each(noted, ITEMS, engine, batch=5)) == [double(item) for item in ITEMS]
    assert sorted(calls) == ITEMS  # each once
    assert engine.stopped == 0


def test_stopping_is_told_to_the_engine() -> None:
    engine = Unreliable(remote=True, loses=frozenset(), breaks_after=99)
    results = each(double, ITEMS, engine, batch=5)
    assert next(results) == 0
    results.close()
    assert engine.stopped == 1
