"""Shards in, outcomes out as they finish: in this process, or wherever an engine has workers.

What is added to the engines here is what a long run needs: a worker that is killed costs no row but
the one that kills it twice, and a run that is stopped knows what it has done.

    hand out ─────── all came back ───────▶ try one by one ──▶ done
     │    ▲                                      ▲
    workers lost                                 │
     ▼    │ what is left                         │
    recover ── three times nothing begun ──▶ give up

A row that was under way when its worker died is a suspect: it waits until all else is done, and is
then tried alone. On a cluster, which gives a shard to another worker by itself, the suspects are
the rows that come back as lost once more after their shard was taken apart.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from attrs import evolve

from ..engines import Engine, Lost, Task, WorkersLost
from ..errors import Exp2procError
from ..planning.shards import Shard, TextWork, single_rows, without_rows
from ..results import Outcome
from ..traces.manifest import Row
from .journal import read_journals
from .worker import Settings, convert_rows, convert_shard, stop_threads

_MAX_IDLE_LOSSES = 3
"""Losses in a row without a single row begun, after which workers are given up."""


_State = Generator[Outcome, None, "_Next"]
"""Gives outcomes while it lasts, returns what comes next."""
_Next = Callable[[], _State] | None


class _Feed:
    """Shards as an engine asks for them; knows which it has and did not give back."""

    def __init__(self, shards: Iterable[Shard]) -> None:
        self._fresh = iter(shards)
        self._again: deque[Shard] = deque()
        self._under_way: dict[int, Shard] = {}
        self._tries = 0

    def __iter__(self) -> Iterator[Shard]:
        return self

    def __next__(self) -> Shard:
        shard = self._again.popleft() if self._again else next(self._fresh)
        self._under_way[shard.number] = shard
        return shard

    def returned(self, number: int) -> Shard:
        """A shard that was asked for has come back."""
        return self._under_way.pop(number)

    def take_back(self) -> list[Shard]:
        """All shards that were asked for and will not come back."""
        shards, self._under_way = list(self._under_way.values()), {}
        return shards

    def again(self, shard: Shard, texts: Sequence[TextWork]) -> None:
        """Some of a shard's work is to be handed out once more."""
        if texts:
            self._tries += 1
            self._again.append(replace(shard, number=-self._tries, texts=tuple(texts)))

    def has_more(self) -> bool:
        """Whether something is to be handed out once more."""
        return bool(self._again)


class Execution:
    """One run over shards. Iterate `outcomes`; when that is cut short, `close` and `salvage`.

    Args:
        shards: the work, numbered from 0; taken from as it is needed.
        settings: of the run.
        engine: where the workers are.
        workers: how many; 1 on this machine converts in this process.
        scratch: a folder for journals.
    """

    def __init__(
        self,
        shards: Iterable[Shard],
        settings: Settings,
        engine: Engine,
        workers: int,
        scratch: Path,
    ) -> None:
        self._feed = _Feed(shards)
        self._settings = settings
        self._engine = engine
        self._workers = workers
        self._scratch = scratch
        self._journals: list[str] = []
        self._last_result: list[Outcome] = []
        self._suspects: list[Shard] = []
        self._idle_losses = 0

    def outcomes(self) -> Iterator[Outcome]:
        """The outcome of every row, in the order they end.

        Raises:
            Exp2procError: `no-cluster`, the cluster went away.
        """
        here = self._workers == 1 and not self._engine.remote
        state: _Next = self._convert_here if here else self._hand_out
        while state is not None:
            state = yield from state()

    def _convert_here(self) -> _State:
        """Everything, without workers."""
        for shard in self._feed:
            yield from convert_rows(shard, self._settings)
        return None

    def _hand_out(self) -> _State:
        """Everything that is not yet done, to all workers."""
        try:
            task = self._task(again=self._engine.remote)  # a cluster repeats shards by itself
            for result in self._engine.run(task, self._feed, self._workers):
                if isinstance(result, Lost):
                    self._take_apart(self._feed.returned(result.number))
                    continue
                self._feed.returned(result.shard)
                self._last_result = result.outcomes
                yield from result.outcomes
        except WorkersLost:
            return self._recover
        return self._hand_out if self._feed.has_more() else self._try_one_by_one

    def _take_apart(self, shard: Shard) -> None:
        """The engine has tried a shard more than once: find the row in it that kills workers."""
        rows = {row.number for row in shard.rows()}
        if len(rows) == 1:
            self._suspects.append(shard)
            return
        for work in single_rows(shard, rows):
            self._feed.again(shard, (work,))

    def _recover(self) -> _State:
        """What lost workers had done, by their journals, and what they were at."""
        done = read_journals(self._journals[-1])
        begun = done.ended.keys() | done.under_way
        self._idle_losses = 0 if begun else self._idle_losses + 1
        if self._idle_losses == _MAX_IDLE_LOSSES:
            return self._give_up
        for shard in self._feed.take_back():
            for row in shard.rows():
                if row.number in done.ended:
                    yield done.ended[row.number]
            for work in single_rows(shard, done.under_way):
                self._suspects.append(replace(shard, texts=(work,)))
            self._feed.again(shard, without_rows(shard.texts, begun))
        return self._hand_out

    def _give_up(self) -> _State:
        """Workers die before they begin anything: what is left is lost."""
        for shard in chain(self._feed.take_back(), self._feed):
            for row in shard.rows():
                yield _lost(row)
        return self._try_one_by_one

    def _try_one_by_one(self) -> _State:
        """Each suspect once more, with nothing beside it."""
        for shard in self._suspects:
            result: Any = Lost(shard.number, "")
            with suppress(WorkersLost):
                (result,) = self._engine.run(self._task(again=True), [shard], self._workers)
            if isinstance(result, Lost):
                yield _lost(next(shard.rows()), result.why)
            else:
                yield from result.outcomes
        return None

    def _task(self, *, again: bool) -> Task:
        """What workers do. On this machine they keep journals, new ones for each try.

        Args:
            again: what it converts may have been written by an earlier try, after planning.
        """
        settings = self._settings
        if again and settings.rules.existing == "refuse":
            settings = replace(settings, rules=evolve(settings.rules, existing="replace"))
        if not self._engine.remote:
            folder = self._scratch / f"journal-{len(self._journals)}"
            with suppress(OSError):  # without journals a killed worker costs more, and that is all
                folder.mkdir(parents=True)
            self._journals.append(str(folder))
            settings = replace(settings, journal=str(folder))
        return partial(convert_shard, settings=settings)

    def close(self) -> None:
        """End what is under way; nothing that is lost by it has been written in part."""
        stop_threads(self._settings.run_id)
        for result in self._engine.stop():
            self._last_result = [*self._last_result, *result.outcomes]

    def salvage(self) -> list[Outcome]:
        """Outcomes of rows that ended, whether or not they came through `outcomes` before."""
        ended = {outcome.number: outcome for outcome in self._last_result}
        for folder in self._journals:
            ended.update(read_journals(folder).ended)
        return list(ended.values())


def _lost(row: Row, why: str = "") -> Outcome:
    message = "its worker process was killed twice on this row" + (f" ({why})" if why else "")
    return Outcome.failed(row, Exp2procError("worker-lost", message))
