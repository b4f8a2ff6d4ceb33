"""What runs in a worker: a shard in, the outcome of each of its rows out.

Whatever goes wrong with a row becomes its outcome; a shard never raises. What is dear to make
(tokenizers) is made once a process and kept as long as its run.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from ..errors import Exp2procError
from ..formats.record import remove_records
from ..options import Rules
from ..planning.shards import Shard, TextWork
from ..results import Outcome
from ..tokens.aligner import Aligner, Tokenizers, TokenizerSource
from ..traces.manifest import Row
from .cluster import Environment, Mark, check_folders, check_tokenizer
from .journal import Journal
from .row import convert_row

UNWRITABLE_LIMIT: Final = 5
"""After this many unwritable outputs in a row a run stops: the disk is full or gone."""

_REMEMBERED: Final = 2
"""Runs that a worker process keeps the tokenizers of: a pool may serve the next run too."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What every shard of a run has in common.

    Attributes:
        run_id: names the run.
        rules: of the conversion.
        tokenizers: by number.
        cache_folder: of the alignment cache, or None.
        journal: folder where each worker process notes what it does, or None.
        planner: the planning machine, which workers must equal; None: they are on it.
        mark: in the output folders, which workers on other machines must see.
    """

    run_id: str
    rules: Rules
    tokenizers: tuple[TokenizerSource, ...]
    cache_folder: str | None = None
    journal: str | None = None
    planner: Environment | None = None
    mark: Mark | None = None


class ShardResult(NamedTuple):
    """The outcomes of a shard's rows; fewer than it has rows when it stopped early."""

    shard: int
    outcomes: list[Outcome]


class Workplace:
    """What a process keeps while it works for a run.

    Attributes:
        tokenizers: of the run.
        led: whether this process leads the run: then it says itself when it is over.
        stopped: whether shards that are under way here shall end, each after its row.
    """

    def __init__(self, tokenizers: Tokenizers, *, led: bool) -> None:
        self.tokenizers = tokenizers
        self.led = led
        self.stopped = False
        self._visible: set[tuple[str, str]] = set()
        self._changed: set[str] = set()
        self._journals: dict[str, Journal | None] = {}
        self._lock = threading.Lock()

    def journal(self, folder: str) -> Journal | None:
        """The journal of this process in `folder`; None where it cannot be written."""
        with self._lock:
            if folder not in self._journals:
                self._journals[folder] = None
                with suppress(OSError):
                    self._journals[folder] = Journal(folder)
            return self._journals[folder]

    def to_change(self, folder: str) -> None:
        """Once an output folder: no record of what was there may stand beside new samples.

        Not even after a kill. Threads wait for each other: none writes before the records are gone.
        """
        with self._lock:
            if folder not in self._changed:
                with suppress(OSError):  # told of at the end of the run
                    remove_records(Path(folder))
                self._changed.add(folder)

    def see(self, settings: Settings, folders: tuple[str, str]) -> None:
        """Once a run folder: workers that join late were not asked when the run began."""
        if settings.planner is not None and folders not in self._visible:
            check_folders(settings.planner, folders, settings.mark)
            self._visible.add(folders)


_workplaces: dict[str, Workplace] = {}
_lock = threading.Lock()


def enter(run_id: str, tokenizers: Tokenizers) -> None:
    """Make the workplace of a run in the process that leads it, which lasts until `leave`."""
    with _lock:
        _workplaces[run_id] = Workplace(tokenizers, led=True)


def leave(run_id: str) -> None:
    """Let go of all that was kept for a run."""
    with _lock:
        _workplaces.pop(run_id, None)


def _workplace(settings: Settings) -> Workplace:
    with _lock:
        place = _workplaces.get(settings.run_id)
        if place is None:
            planner = settings.planner
            check = None if planner is None else partial(check_tokenizer, planner)
            tokenizers = Tokenizers(settings.tokenizers, check=check)
            tokenizers.take_over(other.tokenizers for other in _workplaces.values())
            place = _workplaces[settings.run_id] = Workplace(tokenizers, led=False)
            served = [run_id for run_id, other in _workplaces.items() if not other.led]
            for run_id in served[:-_REMEMBERED]:
                del _workplaces[run_id]
        return place


def aligner_of(texts: Sequence[TextWork], settings: Settings) -> Aligner:
    """The aligner of these texts in this process."""
    tokenizers = _workplace(settings).tokenizers
    return Aligner(texts, tokenizers, settings.cache_folder, settings.rules.prompt_prefix)


def stop_threads(run_id: str) -> None:
    """End the shards of a run that threads of this process are at, each after its row."""
    if run_id in _workplaces:
        _workplaces[run_id].stopped = True


def convert_shard(shard: Shard, settings: Settings) -> ShardResult:
    """Convert the rows of a shard, as a task of a pool. Never raises for a row's sake."""
    return ShardResult(shard.number, list(convert_rows(shard, settings)))


def convert_rows(shard: Shard, settings: Settings) -> Iterator[Outcome]:
    """Convert the rows of a shard one by one; ends early when asked to, or when it cannot write."""
    place = _workplace(settings)
    journal = None if settings.journal is None else place.journal(settings.journal)
    aligner = aligner_of(shard.texts, settings)
    unwritable = 0

    def convert(row: Row) -> Outcome:
        folders = shard.folders[row.run]
        place.see(settings, folders)
        align = partial(aligner.of, text)
        return convert_row(row, folders, settings.rules, align, place.to_change)

    try:
        for text in shard.texts:
            for row in text.rows:
                if place.stopped:
                    return
                if journal is not None:
                    journal.started(row.number)
                outcome = _outcome(row, convert)
                if journal is not None:
                    journal.ended(outcome)
                yield outcome
                unwritable = unwritable + 1 if is_unwritable(outcome) else 0
                if unwritable >= UNWRITABLE_LIMIT:
                    return
    finally:
        aligner.remember()


def is_unwritable(outcome: Outcome) -> bool:
    """Whether a row failed because its output could not be written."""
    return outcome.error is not None and outcome.error.code == "output-unwritable"


def _outcome(row: Row, convert: Callable[[Row], Outcome]) -> Outcome:
    try:
        return convert(row)
    except Exp2procError as err:
        return Outcome.failed(row, err)
    except MemoryError:
        lost = Exp2procError("worker-lost", "out of memory while converting this row")
        return Outcome.failed(row, lost)
    except Exception as err:
        bug = Exp2procError("internal", f"{type(err).__name__}: {err}")
        return Outcome.failed(row, bug, traceback.format_exc())
