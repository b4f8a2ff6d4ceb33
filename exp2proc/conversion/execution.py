"""Shards in, outcomes out as they finish: in this process, or wherever an engine has workers.

What is added to the engines here is what a long run needs: a worker that is killed costs no row but
the one that kills it, and a run that is stopped knows what it has done.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from threading import Lock

from ..engines import Engine, Lost, Task, WorkersLost
from ..errors import Exp2procError
from ..planning.shards import Shard, TextWork, single_rows, without_rows
from ..results import Outcome
from .journal import JournalState, read_journals
from .worker import Existing, Settings, convert_rows, convert_shard, stop_threads

_HOPELESS = 3
"""Losses in a row without a single row begun, after which workers are given up."""


class _Feed:
    """Shards as an engine asks for them; knows which it has and did not give back."""

    def __init__(self, shards: Iterable[Shard]) -> None:
        self._fresh = iter(shards)
        self._again: deque[Shard] = deque()
        self._under_way: dict[int, Shard] = {}
        self._lock = Lock()
        self._tries = 0

    def __iter__(self) -> Iterator[Shard]:
        return self

    def __next__(self) -> Shard:
        with self._lock:  # joblib asks from a thread of its own
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

    def again(self, shard: Shard, texts: tuple[TextWork, ...]) -> None:
        """Some of a shard's work is to be handed out once more."""
        if texts:
            self._tries += 1
            self._again.append(replace(shard, number=-self._tries, texts=texts))

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
        self._shards = shards
        self._settings = settings
        self._engine = engine
        self._workers = workers
        self._scratch = scratch
        self._journals: list[str] = []
        self._at_hand: list[Outcome] = []
        self._suspects: list[Shard] = []

    def outcomes(self) -> Iterator[Outcome]:
        """The outcome of every row, in the order they end.

        Raises:
            Exp2procError: `no-cluster`, the cluster went away.
        """
        if self._engine.remote or self._workers > 1:
            yield from self._pooled()
        else:
            for shard in self._shards:
                yield from convert_rows(shard, self._settings)

    def close(self) -> None:
        """End what is under way; nothing that is lost by it has been written in part."""
        stop_threads(self._settings.run_id)
        for result in self._engine.stop():
            self._at_hand = [*self._at_hand, *result.outcomes]

    def salvage(self) -> list[Outcome]:
        """Outcomes of rows that ended, whether or not they came through `outcomes` before."""
        ended = {outcome.number: outcome for outcome in self._at_hand}
        for folder in self._journals:
            ended.update(read_journals(folder).ended)
        return list(ended.values())

    def _pooled(self) -> Iterator[Outcome]:
        feed = _Feed(self._shards)
        hopeless = 0
        while True:
            journal = self._new_journal()
            try:
                yield from self._round(feed, journal)
                if feed.has_more():
                    continue
                for shard in self._suspects:
                    yield self._alone(shard)
                return
            except WorkersLost:
                state = read_journals(journal)
            hopeless = 0 if state.ended or state.under_way else hopeless + 1
            unfinished = feed.take_back()
            if hopeless == _HOPELESS:
                for shard in chain(unfinished, feed):
                    yield from (_lost(row.number) for row in shard.rows())
                return
            yield from self._after_loss(unfinished, state, feed)

    def _round(self, feed: _Feed, journal: str) -> Iterator[Outcome]:
        task = self._task(journal, _again(self._settings) if self._engine.remote else None)
        for result in self._engine.run(task, feed, self._workers):
            shard = feed.returned(result[0])
            if not isinstance(result, Lost):
                self._at_hand = result.outcomes
                yield from result.outcomes
                continue
            # The engine has tried it more than once: find the row that kills workers, which
            # takes along what waits for the same worker.
            rows = {row.number for row in shard.rows()}
            if len(rows) == 1:
                self._suspects.append(shard)
                continue
            for work in single_rows(shard, rows):
                feed.again(shard, (work,))

    def _after_loss(
        self, unfinished: list[Shard], state: JournalState, feed: _Feed
    ) -> Iterator[Outcome]:
        """What a lost pool had done, and what it was at; the rest is handed out again."""
        for shard in unfinished:
            rows = {row.number for row in shard.rows()}
            for number in rows & state.ended.keys():
                yield state.ended[number]
            for work in single_rows(shard, rows & state.under_way):
                yield self._alone(replace(shard, texts=(work,)))
            feed.again(shard, without_rows(shard, state.under_way | state.ended.keys()))

    def _alone(self, shard: Shard) -> Outcome:
        """Try a row that was under way when a worker died once more, with nothing beside it.

        It may have been written just before: what is there now is not what the plan ruled out.
        """
        task = self._task(self._new_journal(), _again(self._settings))
        try:
            (result,) = self._engine.run(task, [shard], self._workers)
        except WorkersLost:
            result = Lost(shard.number, "")
        if isinstance(result, Lost):
            return _lost(next(shard.rows()).number, result.why)
        outcome: Outcome = result.outcomes[0]
        return outcome

    def _new_journal(self) -> str:
        folder = self._scratch / f"journal-{len(self._journals)}"
        with suppress(OSError):  # without journals a killed worker costs more, and that is all
            folder.mkdir(parents=True)
        self._journals.append(str(folder))
        return str(folder)

    def _task(self, journal: str, existing: Existing | None) -> Task:
        settings = replace(self._settings, existing=existing or self._settings.existing)
        if not self._engine.remote:
            settings = replace(settings, journal=journal)
        return partial(convert_shard, settings=settings)


def _again(settings: Settings) -> Existing:
    return "replace" if settings.existing == "refuse" else settings.existing


def _lost(number: int, why: str = "") -> Outcome:
    message = "its worker process was killed twice on this row" + (f" ({why})" if why else "")
    error = Exp2procError("worker-lost", message)
    return Outcome(number, "failed", error=(error.code, error.message, error.hint))
