"""What a conversion did, as data. `Report.to_dict` is the stable JSON of the README."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from .errors import Exp2procError
from .versions import __version__, library_versions

Status = Literal["converted", "replaced", "kept", "failed", "pending"]
StopReason = Literal[
    "interrupted", "terminated", "fail_fast", "unwritable", "cluster_lost", "blocked"
]

_STOP_CODES: dict[str, int] = {"interrupted": 130, "terminated": 143}


@dataclass(slots=True)
class Counts:
    """Rows. `planned` is the sum of the others.

    >>> counts = Counts(planned=10, converted=7, failed=1)
    >>> counts.settle()
    >>> counts.unfinished
    2

    Attributes:
        planned: all manifest rows (the first `limit` of each run).
        converted: written by this run, where nothing was.
        replaced: written by this run, where something else was (`--resume`).
        kept: outputs that were there and are what would be written (`--resume`).
        failed: with an error each.
        pending: still being written by exp2; a later `--resume` picks them up.
        unfinished: not reached, because the run was stopped.
    """

    planned: int = 0
    converted: int = 0
    replaced: int = 0
    kept: int = 0
    failed: int = 0
    pending: int = 0
    unfinished: int = 0

    def add(self, other: Counts) -> None:
        """Count the rows of another run, too."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def settle(self) -> None:
        """Count as unfinished whatever was planned and has no outcome."""
        done = self.converted + self.replaced + self.kept + self.failed + self.pending
        self.unfinished = self.planned - done


@dataclass(frozen=True, slots=True)
class RunWarning:
    """What should be known about a run, though it costs no row.

    Attributes:
        code: `empty-run`: its manifest has no rows; `fewer-rows`: it has fewer than the run's name
            promises; `doubtful-rows`: rows that fit by accident with a prompt prefix that the run
            was not traced with; `undecided-prefix`: a run whose rows fit with either, while another
            run needs the one that was not asked for; `tokenizer-changed`: the files of its
            tokenizer changed while they were read; `record-unwritable`: its samples are there, the
            record of what they were made from is not.
        message: the same with the numbers.
        files: of the rows that it is about; empty when it is about the run.
    """

    code: Literal[
        "empty-run",
        "fewer-rows",
        "doubtful-rows",
        "undecided-prefix",
        "tokenizer-changed",
        "record-unwritable",
    ]
    message: str
    files: tuple[str, ...] = ()


@dataclass(slots=True)
class RunReport:
    """One trace run.

    Attributes:
        trace_dir, out_dir: folders, absolute.
        dataset, model_tag, run_tag: the names in the run's path.
        counts: of its rows.
        with_hop: samples (converted, replaced, kept) that carry `hop`.
        non_finite: samples with NaN or infinite numbers in `attr` or `hop`.
        warnings: what else should be known about it.
        record: what its samples were made from, see `conversion.record`; None where rows were not
            reached or there is no sample.
    """

    trace_dir: str
    out_dir: str
    dataset: str
    model_tag: str
    run_tag: str
    counts: Counts = field(default_factory=Counts)
    with_hop: int = 0
    non_finite: int = 0
    warnings: list[RunWarning] = field(default_factory=list)
    record: dict[str, Any] | None = None


class PlannedRow(Protocol):
    """What a plan counts: a manifest row, or as much of a line as could be told."""

    @property
    def number(self) -> int:
        """Of the row, in the plan."""

    @property
    def run(self) -> int:
        """Of its run, in the plan."""

    @property
    def file(self) -> str | None:
        """Name of its trace."""

    @property
    def example_idx(self) -> int | None:
        """Number of its sample in its run."""


class Outcome(NamedTuple):
    """What became of one row.

    Attributes:
        number, run: the row's and its run's place in the plan.
        status: converted; replaced (something else lay there); kept (its output was there);
            failed; or pending (its trace is not there yet and the run is young).
        with_hop: whether its sample carries `hop`.
        finite: False when its sample's numbers are NaN or infinite somewhere.
        reason: why what lay there was replaced.
        digest: of its sample, see `formats.sample.sample_digest`; "" where there is none.
        error: why a failed row failed.
        trace: the traceback of an internal error.
    """

    number: int
    run: int
    status: Status
    with_hop: bool = False
    finite: bool = True
    reason: str = ""
    digest: str = ""
    error: Exp2procError | None = None
    trace: str = ""

    @classmethod
    def failed(cls, row: PlannedRow, error: Exp2procError, trace: str = "") -> Outcome:
        """Of a row that failed."""
        return cls(row.number, row.run, "failed", error=error, trace=trace)


@dataclass(frozen=True, slots=True)
class RowError:
    """A row that failed.

    Attributes:
        trace_dir: its run.
        file: name of its trace, None when the manifest line does not tell.
        example_idx: of its manifest row, likewise.
        code, message, hint: of the catalogue of errors.
        trace: traceback of an internal error, for `--verbose`; not part of the JSON.
    """

    trace_dir: str
    file: str | None
    example_idx: int | None
    code: str
    message: str
    hint: str
    trace: str = ""

    @classmethod
    def of(
        cls, folder: str | Path, row: PlannedRow, error: Exp2procError, trace: str = ""
    ) -> RowError:
        """The error of a row of the run (or output folder) `folder`."""
        told = (error.code, error.message, error.hint)
        return cls(str(folder), row.file, row.example_idx, *told, trace)

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        fields = asdict(self)
        del fields["trace"]
        return fields


@dataclass(frozen=True, slots=True)
class Replaced:
    """A sample that was made again, because another one lay at its place.

    Attributes:
        trace_dir: its run.
        file: its name.
        reason: what was wrong with the other one.
    """

    trace_dir: str
    file: str
    reason: str


@dataclass(slots=True)
class Report:
    """What a conversion did.

    >>> run = RunReport("traces/run", "out/run", "math", "qwen-8B", "run", Counts(planned=2))
    >>> Report("proc", [run], stopped="interrupted").exit_code
    130

    Attributes:
        layout: of the samples.
        seconds: wall time.
        runs: one per trace run.
        errors: one per failed row.
        replaced: one per row that was made again.
        problems: of following: why a later round could not start, and which runs are away or
            cannot be read; it was `blocked` by them.
        stopped: why it ended early, or None.
        counts: over all runs.
    """

    layout: str
    runs: list[RunReport]
    errors: list[RowError] = field(default_factory=list)
    seconds: float = 0.0
    stopped: StopReason | None = None
    replaced: list[Replaced] = field(default_factory=list)
    problems: list[Exp2procError] = field(default_factory=list)

    @property
    def counts(self) -> Counts:
        """The sum over all runs."""
        total = Counts()
        for run in self.runs:
            total.add(run.counts)
        return total

    @property
    def exit_code(self) -> int:
        """0 all done; 1 some rows failed or were not reached; 130 and 143 when stopped."""
        if self.stopped in _STOP_CODES:
            return _STOP_CODES[self.stopped]
        return 1 if self.errors or self.stopped else 0

    def to_dict(self) -> dict[str, Any]:
        """The JSON report."""
        return {
            "exp2proc_version": __version__,
            "versions": library_versions(),
            "layout": self.layout,
            "seconds": round(self.seconds, 3),
            "exit_code": self.exit_code,
            "stopped": self.stopped,
            "counts": asdict(self.counts),
            "runs": [asdict(run) for run in self.runs],
            "replaced": [asdict(one) for one in self.replaced],
            "errors": [error.to_dict() for error in self.errors],
            **({"problems": [one.to_dict() for one in self.problems]} if self.problems else {}),
        }


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a conversion is: rows done of rows planned, and failed ones among them."""

    done: int
    planned: int
    failed: int


OnProgress = Callable[[Progress], None]
