"""What is done again, and what is given up, when workers are lost: on an engine that loses them.

Deaths are played where journals are written, which is where a real one would be noticed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import pytest

import exp2proc
from exp2proc.conversion.journal import Journal
from exp2proc.demo.tree import DemoTree
from exp2proc.engines import Lost, Task, Work, WorkersLost
from exp2proc.engines.choice import ENGINES, EngineKind
from exp2proc.errors import Exp2procError

ROWS = 96
VICTIM = 40


class Killed(BaseException):
    """Stands for SIGKILL: no `except Exception` sees it."""


@dataclass
class Mortal:
    """Does the work in this process, and is lost with it when that is killed.

    Attributes:
        remote: what is killed is then reported as a shard that is lost.
        asks_for: shards that it takes before it begins the first.
        idle_losses: how often it is lost, from the first run on, before anything is begun.
        runs: how often it was started.
        at_row: is called when a row begins (False) and when it has ended (True).
        tries: how often each row was begun.
    """

    remote: bool = False
    asks_for: int = 4
    idle_losses: int = 0
    runs: int = 0
    at_row: Callable[[int, bool], None] = lambda number, ended: None
    tries: Counter[int] = field(default_factory=Counter)
    order: list[int] = field(default_factory=list)
    unread: list[Any] = field(default_factory=list)

    def workers(self, seconds: float) -> int:
        return 2

    def run(self, task: Task, works: Iterable[Work], workers: int) -> Iterator[Any]:
        self.runs += 1
        works = iter(works)
        while some := list(islice(works, self.asks_for)):
            if self.runs <= self.idle_losses:
                raise WorkersLost
            for work in some:
                try:
                    result = task(work)
                except Killed as err:
                    if not self.remote:
                        self.unread.clear()
                        raise WorkersLost from err
                    result = Lost(work.number, "a test")
                self.unread.append(result)
            while self.unread:
                yield self.unread.pop(0)

    def begins(self, number: int) -> None:
        self.tries[number] += 1
        self.order.append(number)
        self.at_row(number, False)

    def everywhere(self, check: Callable[[], Any]) -> Iterator[tuple[str, Any]]:
        return iter(())

    def stop(self) -> list[Any]:
        return self.unread if self.remote else []

    def close(self) -> None: ...


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Mortal:
    """The one that `backend="mortal"` gives, told of every row that begins and ends."""
    engine = Mortal()
    monkeypatch.setitem(ENGINES, "mortal", EngineKind(lambda choice, active: engine))
    started, ended = Journal.started, Journal.ended

    def start(journal: Journal, number: int) -> None:
        started(journal, number)
        engine.begins(number)

    def end(journal: Journal, outcome: Any) -> None:
        engine.at_row(outcome.number, True)
        ended(journal, outcome)

    monkeypatch.setattr(Journal, "started", start)
    monkeypatch.setattr(Journal, "ended", end)
    return engine


def _convert(demo: DemoTree, **options: Any) -> exp2proc.Report:
    return exp2proc.convert(
        traces_root=demo.traces,
        layout="proc_1",
        out_root=demo.root / "out",
        backend="mortal",  # type: ignore[arg-type]
        **options,
    )


def _kills(times: int, row: int = VICTIM, *, written: bool = False) -> Callable[[int, bool], None]:
    """Kill at a row, before it is begun or when it has been written, this often."""
    left = [times]

    def at_row(number: int, ended: bool) -> None:
        if number == row and ended == written and left[0]:
            left[0] -= 1
            raise Killed

    return at_row


def _all_once_but(engine: Mortal, **tries: int) -> None:
    assert len(engine.tries) == ROWS
    others = {number: count for number, count in engine.tries.items() if count != 1}
    assert others == {int(name.removeprefix("row_")): count for name, count in tries.items()}


@pytest.mark.parametrize("written", [False, True])
def test_killed_once(demo: DemoTree, engine: Mortal, written: bool) -> None:
    """Nothing is missing and nothing done twice but that row, alone, when all else is done."""
    engine.at_row = _kills(1, written=written)
    report = _convert(demo)
    assert (report.counts.converted, report.errors) == (ROWS, [])
    _all_once_but(engine, row_40=2)
    assert engine.order[-1] == VICTIM
    assert engine.runs == 3  # until the loss, the rest, the row alone


@pytest.mark.parametrize("written", [False, True])
def test_killed_once_with_resume(demo: DemoTree, engine: Mortal, written: bool) -> None:
    """What is tried again is kept where it had been written: --resume holds for it, too."""
    engine.at_row = _kills(1, written=written)
    report = _convert(demo, resume=True)
    assert (report.counts.kept, report.counts.converted) == (written, ROWS - written)
    assert report.errors == []


@pytest.mark.parametrize("written", [False, True])
def test_killed_twice(demo: DemoTree, engine: Mortal, written: bool) -> None:
    engine.at_row = _kills(2, written=written)
    report = _convert(demo)
    assert (report.counts.converted, report.counts.failed) == (ROWS - 1, 1)
    assert [error.code for error in report.errors] == ["worker-lost"]
    assert "killed twice" in report.errors[0].message
    _all_once_but(engine, row_40=2)


def test_two_rows_that_kill(demo: DemoTree, engine: Mortal) -> None:
    one, other = _kills(9), _kills(9, row=41)

    def at_row(number: int, ended: bool) -> None:
        one(number, ended)
        other(number, ended)

    engine.at_row = at_row
    report = _convert(demo)
    assert (report.counts.converted, report.counts.failed) == (ROWS - 2, 2)
    _all_once_but(engine, row_40=2, row_41=2)


def test_outputs_of_others_are_still_refused(demo: DemoTree, engine: Mortal) -> None:
    """What appears between two tries is not ours, unless the row had been begun."""
    kill = _kills(1)

    def at_row(number: int, ended: bool) -> None:
        if number == VICTIM and not ended and engine.tries[VICTIM] == 1:
            for folder in (demo.root / "out").rglob("*_8ex"):
                for at in range(8):
                    if not (path := folder / f"ex_{at:06d}.npz").exists():
                        path.touch()
        kill(number, ended)

    engine.at_row = at_row
    report = _convert(demo)
    assert report.counts.converted == len(engine.order[: engine.order.index(VICTIM)]) + 1
    assert {error.code for error in report.errors} == {"output-exists"}
    assert report.counts.failed == ROWS - report.counts.converted > 0


def test_workers_that_never_begin(demo: DemoTree, engine: Mortal) -> None:
    engine.idle_losses = 99
    report = _convert(demo)
    assert engine.runs == 3
    assert (report.counts.failed, report.counts.unfinished) == (ROWS, 0)
    assert {error.code for error in report.errors} == {"worker-lost"}


@pytest.mark.parametrize("losses", [1, 2])
def test_workers_that_begin_late(demo: DemoTree, engine: Mortal, losses: int) -> None:
    engine.idle_losses = losses
    engine.at_row = _kills(1)
    report = _convert(demo)
    assert (report.counts.converted, report.errors) == (ROWS, [])
    _all_once_but(engine, row_40=2)


def test_a_row_begun_starts_the_count_anew(demo: DemoTree, engine: Mortal) -> None:
    """Two idle losses, one with a row begun, two more: no reason to give up."""
    run, kill = engine.run, _kills(1)

    def unlucky(task: Task, works: Iterable[Work], workers: int) -> Iterator[Any]:
        if engine.runs in (0, 1, 3, 4):
            engine.runs += 1
            next(iter(works))
            raise WorkersLost
        yield from run(task, works, workers)

    engine.run = unlucky  # type: ignore[method-assign]
    engine.at_row = kill
    report = _convert(demo)
    assert (report.counts.converted, report.errors) == (ROWS, [])
    assert engine.runs == 7
    _all_once_but(engine, row_40=2)


@pytest.mark.parametrize(("times", "lost"), [(1, 0), (2, 0), (3, 1)])
def test_a_shard_that_a_cluster_lost(
    demo: DemoTree, monkeypatch: pytest.MonkeyPatch, times: int, lost: int
) -> None:
    """It is taken apart; the row that is lost again is tried alone. Nothing is refused."""
    engine = Mortal(remote=True)
    monkeypatch.setitem(ENGINES, "mortal", EngineKind(lambda choice, active: engine))
    names: Counter[str] = Counter()
    name = "ex_000003.npz"
    from exp2proc.system.atomic_write import write_whole

    def write(path: str, *args: Any, **kwargs: Any) -> None:
        write_whole(path, *args, **kwargs)
        names[path] += 1
        if path == victim and names[path] <= times:
            raise Killed

    victim = str(demo.root / "out/needles/demo-1B" / _run_tag(demo) / name)
    monkeypatch.setattr("exp2proc.conversion.row.write_whole", write)
    report = _convert(demo)
    assert names[victim] == min(times + 1, 3)
    assert len(names) == ROWS
    assert (report.counts.converted, report.counts.failed) == (ROWS - lost, lost)
    assert [error.code for error in report.errors] == ["worker-lost"] * lost
    assert all("(a test)" in error.message for error in report.errors)


def test_a_cluster_that_goes_away_ends_the_run_with_a_report(
    demo: DemoTree, engine: Mortal
) -> None:
    """And nothing else does: another error is the caller's to know of."""
    code = "no-cluster"

    def gone(task: Task, works: Iterable[Work], workers: int) -> Iterator[Any]:
        yield task(next(iter(works)))
        raise Exp2procError(code, "a test")

    engine.run = gone  # type: ignore[method-assign]
    report = _convert(demo)
    assert report.stopped == "cluster_lost"
    written = len(list((demo.root / "out").rglob("*.npz")))
    assert report.counts.converted == written == ROWS - report.counts.unfinished > 0
    code = "internal"
    with pytest.raises(Exp2procError, match="a test"):
        _convert(demo, overwrite=True)


def _run_tag(demo: DemoTree) -> str:
    return min(path.parent.name for path in demo.traces.glob("needles/demo-1B/*/manifest.jsonl"))


@pytest.mark.parametrize("remote", [False, True])
def test_what_was_ended_and_not_told_is_counted(
    demo: DemoTree, engine: Mortal, remote: bool
) -> None:
    """Ctrl-C at the first outcome: the engine has done four shards by then."""
    engine.remote = remote

    told: list[exp2proc.Progress] = []

    def interrupt(progress: exp2proc.Progress) -> None:
        told.append(progress)
        if len(told) == 1:
            raise KeyboardInterrupt

    with pytest.raises(exp2proc.Interrupted) as caught:
        _convert(demo, on_progress=interrupt)
    report = caught.value.report
    written = len(list((demo.root / "out").rglob("*.npz")))
    assert report.counts.converted == written
    assert 1 < written < ROWS
    assert report.counts.unfinished == ROWS - written


def test_what_was_ended_when_fail_fast_stopped_the_run_is_counted(
    demo: DemoTree, engine: Mortal
) -> None:
    """The engine has done everything when the failure is told."""
    sorted(demo.traces.rglob("ex_*.npz"))[0].write_bytes(b"PK")
    engine.asks_for = 99
    report = _convert(demo, fail_fast=True)
    assert report.stopped == "fail_fast"
    written = len(list((demo.root / "out").rglob("*.npz")))
    assert (written, report.counts.converted, report.counts.failed) == (ROWS - 1, ROWS - 1, 1)
