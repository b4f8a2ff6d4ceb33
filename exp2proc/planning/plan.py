"""A plan, as data: every row that will be converted, and why the others will not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import Exp2procError
from ..formats.names import promised_by
from ..options import Options
from ..results import RunWarning
from ..tokens.aligner import Tokenizers, TokenizerSource
from ..tokens.tokenizer import LoadedTokenizer
from ..traces.manifest import BadLine, Row
from ..traces.runs import Run
from .shards import TextWork


@dataclass(slots=True)
class PlannedRun:
    """A run with its rows.

    Attributes:
        run: folders and names.
        rows: one per manifest row, in order; a `BadLine` for one that cannot be used.
        sha256: of its manifest, hex.
        cut: whether `limit` left some of its rows out.
        first: number in the plan of the first row.
        datasets: the dataset caches its texts are looked up in.
        tokenizer: number in `Plan.tokenizers`, -1 when none is needed.
        existing: names of its outputs that are there already.
        young: whether its manifest changed so lately that exp2 may still be writing it.
        problems: why none of its rows can be converted.
        warnings: what should be known about it, though it costs no row.
    """

    run: Run
    rows: list[Row | BadLine]
    sha256: str = ""
    cut: bool = False
    first: int = 0
    datasets: tuple[str, ...] = ()
    tokenizer: int = -1
    existing: set[str] = field(default_factory=set)
    young: bool = False
    problems: list[Exp2procError] = field(default_factory=list)
    warnings: list[RunWarning] = field(default_factory=list)

    def row(self, number: int) -> Row | BadLine:
        """A row by its number in the plan."""
        return self.rows[number - self.first]

    @property
    def files(self) -> set[str]:
        """The traces that its rows name: a broken or repeated line has none of its own."""
        return {row.file for row in self.rows if isinstance(row, Row)}

    def awaited(self, limit: int | None) -> int | None:
        """Rows that the run's name promises and that are not there; None where it does not say.

        Args:
            limit: rows that are taken at most.
        """
        if len(self.rows) == limit:
            return 0
        promised = promised_by(self.run.run_tag)
        return None if promised is None else max(0, promised - len(self.files))


@dataclass(slots=True)
class PlannedTokenizer:
    """A tokenizer that the plan needs.

    Attributes:
        name: folder or hub name.
        fingerprint: of its files and libraries; None for a hub name, and for files that changed
            while they were read.
        cacheable: whether alignments may be cached under the fingerprint.
        portable: serialized form for the workers; None when they must load it by name.
        loaded: the tokenizer, when planning had to load it.
    """

    name: str
    fingerprint: str | None
    cacheable: bool = True
    portable: bytes | None = None
    loaded: LoadedTokenizer | None = None

    @property
    def cache_key(self) -> str | None:
        """The fingerprint that its alignments are cached under; None when they are not."""
        return self.fingerprint if self.cacheable else None

    def source(self, portable: bytes | str | None) -> TokenizerSource:
        """How a process comes by it: `portable`, or by its name."""
        return TokenizerSource(self.name, self.cache_key, portable, planned=self.fingerprint)


@dataclass(slots=True)
class Plan:
    """All that a conversion will do.

    Attributes:
        options: what was asked.
        runs: in order of their folders.
        tokenizers: by number.
        texts: the work, grouped by text.
        failures: rows that cannot be converted, by number: why.
        pending: numbers of rows that exp2 seems to be still writing.
        row_count: rows of all runs.
        datasets: SHA-256 of the dataset caches that were looked into, hex, by path.
        away: runs that were named and are not there, or cannot be read, and folders that cannot be
            listed: why.
    """

    options: Options
    runs: list[PlannedRun] = field(default_factory=list)
    tokenizers: list[PlannedTokenizer] = field(default_factory=list)
    texts: list[TextWork] = field(default_factory=list)
    failures: dict[int, Exp2procError] = field(default_factory=dict)
    pending: set[int] = field(default_factory=set)
    row_count: int = 0
    datasets: dict[str, str] = field(default_factory=dict)
    away: dict[Path, Exp2procError] = field(default_factory=dict)

    def folders(self) -> list[tuple[str, str]]:
        """(trace_dir, out_dir) by run number."""
        return [(str(p.run.trace_dir), str(p.run.out_dir)) for p in self.runs]

    def usable(self, planned: PlannedRun) -> Iterator[Row]:
        """The rows of a run that nothing is known against."""
        for row in planned.rows:
            if isinstance(row, Row) and row.number not in self.failures:
                yield row

    def barred(self, planned: PlannedRun) -> dict[int, Exp2procError]:
        """The rows of a run that cannot start, by number: why; none of another run."""
        numbers = (row.number for row in planned.rows if row.number not in self.pending)
        return dict.fromkeys(numbers, planned.problems[0]) if planned.problems else {}

    def open_tokenizers(self) -> Tokenizers:
        """The tokenizers, for use in this process."""
        sources = [tokenizer.source(tokenizer.portable) for tokenizer in self.tokenizers]
        ready = {n: t.loaded.tokenizer for n, t in enumerate(self.tokenizers) if t.loaded}
        return Tokenizers(sources, ready)
