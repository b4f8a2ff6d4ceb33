"""What runs in a worker: a shard in, the outcome of each of its rows out.

Whatever goes wrong with a row becomes its outcome; a shard never raises. State that is dear to
make (tokenizers) is made once a process and kept.
"""

from __future__ import annotations

import os
import threading
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ..errors import Exp2procError
from ..formats.npz import Member
from ..formats.sample import Layout, Sample, load_sample
from ..formats.spans import sample_length
from ..planning.shards import RowWork, Shard, TextWork
from ..results import Outcome
from ..system.writing import write_sample
from ..tokens import cache as caching
from ..tokens.alignment import Alignment, OffsetTokenizer, align, check_lengths
from ..tokens.tokenizer import load_tokenizer, restore_tokenizer
from ..traces.datasets import read_text
from ..traces.trace import read_trace
from .cluster import Environment, check_folders, check_tokenizer
from .journal import Journal
from .row import build_sample, requires_hops, wants_hops

Existing = Literal["refuse", "keep", "replace"]

UNWRITABLE_LIMIT = 5
"""After this many unwritable outputs in a row a run stops: the disk is full or gone."""


@dataclass(frozen=True, slots=True)
class TokenizerSource:
    """How a worker comes by a tokenizer.

    Attributes:
        name: folder or hub name.
        fingerprint: of its files and libraries; None when it cannot be cached.
        portable: path of its portable form, or None: load it by name.
        planned: the fingerprint that workers of a cluster must find; None when it has none.
    """

    name: str
    fingerprint: str | None
    portable: str | None
    planned: str | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """What every shard of a run has in common.

    Attributes:
        run_id: names the run, so that a process reused for the next one forgets this one's state.
        layout: of the samples.
        existing: what to do with outputs that are there: an error, keep complete ones, replace.
        allow_missing_ft_hops: write FT-IFR samples without `hop` where the trace has no `vh`.
        tokenizers: by number.
        cache_folder: of the alignment cache, or None.
        journal: folder where each worker process notes what it does, or None.
        planner: the planning machine, which workers must equal; None: they are on it.
    """

    run_id: str
    layout: Layout
    existing: Existing
    allow_missing_ft_hops: bool
    tokenizers: tuple[TokenizerSource, ...]
    cache_folder: str | None
    journal: str | None = None
    planner: Environment | None = None


class ShardResult(NamedTuple):
    """The outcomes of a shard's rows; fewer than it has rows when it stopped early."""

    shard: int
    outcomes: list[Outcome]


def convert_shard(shard: Shard, settings: Settings) -> ShardResult:
    """Convert the rows of a shard, as a task of a pool. Never raises for a row's sake."""
    return ShardResult(shard.number, list(convert_rows(shard, settings)))


def convert_rows(shard: Shard, settings: Settings) -> Iterator[Outcome]:
    """Convert the rows of a shard one by one; ends early when asked to, or when it cannot write."""
    journal = None if settings.journal is None else Journal.of_this_process(settings.journal)
    alignments = Alignments(shard.texts, settings)
    unwritable = 0
    try:
        for text in shard.texts:
            for row in text.rows:
                if settings.run_id in _stopped:
                    return
                if journal is not None:
                    journal.started(row.number)
                outcome = _guarded(row, text, shard.folders[row.run], settings, alignments)
                if journal is not None:
                    journal.ended(outcome)
                yield outcome
                unwritable = unwritable + 1 if is_unwritable(outcome) else 0
                if unwritable >= UNWRITABLE_LIMIT:
                    return
    finally:
        alignments.remember()


_stopped: set[str] = set()


def stop_threads(run_id: str) -> None:
    """End the shards of a run that threads of this process are at, each after its row."""
    _stopped.add(run_id)


def is_unwritable(outcome: Outcome) -> bool:
    """Whether a row failed because its output could not be written."""
    return outcome.error is not None and outcome.error[0] == "output-unwritable"


def _guarded(
    row: RowWork,
    text: TextWork,
    folders: tuple[str, str],
    settings: Settings,
    alignments: Alignments,
) -> Outcome:
    try:
        return _convert(row, text, folders, settings, alignments)
    except Exp2procError as err:
        return Outcome(row.number, "failed", error=(err.code, err.message, err.hint))
    except MemoryError:
        lost = Exp2procError("worker-lost", "out of memory while converting this row")
        return Outcome(row.number, "failed", error=(lost.code, lost.message, lost.hint))
    except Exception as err:
        bug = Exp2procError("internal", f"{type(err).__name__}: {err}")
        return Outcome(
            row.number,
            "failed",
            error=(bug.code, bug.message, bug.hint),
            trace=traceback.format_exc(),
        )


def _convert(
    row: RowWork,
    text: TextWork,
    folders: tuple[str, str],
    settings: Settings,
    alignments: Alignments,
) -> Outcome:
    if settings.planner is not None:
        _check_visible(settings.planner, settings.run_id, folders)
    trace_path, out_path = (f"{folder}/{row.file}" for folder in folders)
    layout = settings.layout
    if row.open_ended and not os.path.lexists(trace_path):
        return Outcome(row.number, "pending")
    if settings.existing == "keep":
        kept = _complete(row, trace_path, out_path, settings)
        if kept is not None:
            return Outcome(row.number, "kept", kept.hop is not None, kept.is_finite())
    if settings.existing == "refuse" and os.path.lexists(out_path):
        raise _exists(row)
    tok: Member | None = None
    if text.key is not None:
        alignment = alignments.of(text)
        check_lengths(alignment, row.prompt_len, row.gen_len)
        tok = alignment.tok
    trace = read_trace(
        trace_path, row.prompt_len, row.gen_len, hops=wants_hops(layout, row.attr_func)
    )
    data = build_sample(
        trace,
        row.prompt_len,
        row.gen_len,
        row.attr_func,
        tok,
        allow_missing_ft_hops=settings.allow_missing_ft_hops,
    )
    try:
        write_sample(out_path, data, replace=settings.existing != "refuse")
    except FileExistsError:
        raise _exists(row) from None
    except OSError as err:
        raise Exp2procError("output-unwritable", f"{out_path}: {err.strerror or err}") from None
    return Outcome(row.number, "converted", trace.hops is not None, trace.finite)


def _exists(row: RowWork) -> Exp2procError:
    return Exp2procError("output-exists", f"{row.file} is already there")


def _complete(row: RowWork, trace: str, out: str, settings: Settings) -> Sample | None:
    """The output that is there, if it is newer than its trace and just what would be made."""
    try:
        if os.stat(out).st_mtime_ns <= os.stat(trace).st_mtime_ns:
            return None
        sample = load_sample(out)
    except (OSError, Exp2procError):
        return None
    needs_hop = requires_hops(
        settings.layout, row.attr_func, allow_missing_ft_hops=settings.allow_missing_ft_hops
    )
    whole = (
        sample.layout == settings.layout
        and len(sample.attr) == sample_length(row.prompt_len, row.gen_len)
        and (sample.hop is not None or not needs_hop)
    )
    return sample if whole else None


class Alignments:
    """The alignments of some texts: from the cache, else made and remembered."""

    def __init__(self, texts: Sequence[TextWork], settings: Settings) -> None:
        self._texts = texts
        self._settings = settings
        folder = settings.cache_folder
        self._cache = None if folder is None else caching.Cache(folder)
        self._found: dict[bytes, bytes] | None = None
        self._made: dict[bytes, bytes] = {}
        self._last: tuple[TextWork, Alignment] | None = None

    def of(self, text: TextWork) -> Alignment:
        """The alignment of one of the texts.

        Raises:
            Exp2procError: its dataset changed, or its tokenizer does not load.
        """
        if self._last is not None and self._last[0] is text:
            return self._last[1]
        alignment = self._look_up(text)
        self._last = (text, alignment)
        return alignment

    def remember(self) -> None:
        """Hand what was made to the cache."""
        if self._cache is not None and self._made:
            self._cache.put(self._made)

    def _look_up(self, text: TextWork) -> Alignment:
        key = self._key(text)
        if key is not None and self._cache is not None:
            if self._found is None:
                keys = [k for k in map(self._key, self._texts) if k is not None]
                self._found = self._cache.get(keys)
            if value := self._found.get(key):
                return caching.unpack_alignment(value)
        assert text.key is not None and text.place is not None
        tokenizer = _tokenizer(self._settings, text.tokenizer)
        alignment = align(tokenizer, read_text(text.place, text.key))
        if key is not None and self._cache is not None:
            self._made[key] = caching.pack_alignment(alignment)
        return alignment

    def _key(self, text: TextWork) -> bytes | None:
        if text.key is None:
            return None
        fingerprint = self._settings.tokenizers[text.tokenizer].fingerprint
        return None if fingerprint is None else caching.alignment_key(fingerprint, *text.key)


_visible: set[tuple[str, ...]] = set()


def _check_visible(planner: Environment, run_id: str, folders: tuple[str, str]) -> None:
    """Once a run folder: workers that join late were not asked when the run began."""
    key = (run_id, *folders)
    if key not in _visible:
        check_folders(planner, folders)
        _visible.add(key)


_tokenizers: dict[tuple[str, str], OffsetTokenizer | Exp2procError] = {}
_lock = threading.Lock()


def _identity(source: TokenizerSource, run_id: str) -> tuple[str, str]:
    # Without a fingerprint the folder may have changed since the last run of this process.
    return source.name, source.fingerprint or run_id


def preload(source: TokenizerSource, run_id: str, tokenizer: OffsetTokenizer) -> None:
    """Hand this process a tokenizer that is already loaded."""
    _tokenizers[_identity(source, run_id)] = tokenizer


def _tokenizer(settings: Settings, number: int) -> OffsetTokenizer:
    source = settings.tokenizers[number]
    identity = _identity(source, settings.run_id)
    with _lock:
        if identity not in _tokenizers:
            _tokenizers[identity] = _load(source, settings.planner)
        found = _tokenizers[identity]
    if isinstance(found, Exp2procError):
        raise Exp2procError(found.code, found.message, found.hint)
    return found


def _load(source: TokenizerSource, planner: Environment | None) -> OffsetTokenizer | Exp2procError:
    if planner is not None:
        try:
            check_tokenizer(planner, source.name, source.planned)
        except Exp2procError as err:
            return err
    if source.portable is not None:
        try:
            with open(source.portable, "rb") as stream:
                restored = restore_tokenizer(stream.read())
        except OSError:
            restored = None
        if restored is not None:
            return restored
    return load_tokenizer(source.name).tokenizer
