"""Checking samples after the fact: each against its schema and itself, and against its trace.

Without traces a sample proves that it is whole and consistent. With `against`, everything but the
token pieces is derived from its trace again and compared bit for bit.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from ..conversion.cluster import check_paths
from ..conversion.row import read_row, trace_values
from ..engines import Engine, open_engine
from ..engines.choice import Backend, EngineChoice
from ..engines.each import each
from ..errors import Exp2procError, PlanError
from ..formats.layouts import LAYOUTS
from ..formats.sample import Sample, load_sample
from ..formats.spans import NONE
from ..options import PathLike, paths
from ..results import OnProgress, Progress, RowError
from ..traces.manifest import Row
from .pair import SampleWork, find_samples, pair_with_rows, sample_error

_BATCH: Final = 64
_FEW_PIECES: Final = 8
"""A sample with fewer pieces may be all white space."""
# Seconds, as measured on a 2-core server.
_SAMPLE: Final = 2.6e-4
_SAMPLE_BYTE: Final = 1e-8


@dataclass(slots=True)
class CheckReport:
    """What a check found.

    >>> CheckReport(samples=2).exit_code
    0

    Attributes:
        samples: npz files that were checked.
        compared: those of them that were compared with their trace.
        folders: output folders that hold samples.
        errors: what is wrong; `trace_dir` is the output folder.
    """

    samples: int = 0
    compared: int = 0
    folders: int = 0
    errors: list[RowError] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 when nothing is wrong, else 1."""
        return 1 if self.errors else 0

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        errors = [
            {
                "folder": error.trace_dir,
                **{name: getattr(error, name) for name in ("file", "code", "message", "hint")},
            }
            for error in self.errors
        ]
        return {**asdict(self), "errors": errors, "exit_code": self.exit_code}


def check(
    out: PathLike | Sequence[PathLike],
    *,
    against: PathLike | None = None,
    jobs: int | Literal["auto"] = "auto",
    backend: Backend | None = None,
    scheduler: str | None = None,
    address: str | None = None,
    on_progress: OnProgress | None = None,
) -> CheckReport:
    """Check every sample under some folders.

    >>> report = check(demo.out, against=demo.traces)
    >>> report.samples, report.compared, report.errors
    (96, 96, [])

    Args:
        out: output folders, roots of them, or single samples.
        against: a traces_root; its runs are matched with output folders by their paths, and every
            row must have its sample. Where `out` is the root of an export, every run must be there.
        jobs: workers, or "auto": by estimated work.
        backend, scheduler, address: as of `convert`.
        on_progress: called in this process whenever samples have been checked.

    Raises:
        Exp2procError: `no-runs` when there is none below `against`.
        PlanError: the engine's options do not go together; a cluster cannot be reached, or does
            not see the folders.
    """
    choice = EngineChoice(backend, scheduler, address, jobs)
    if problems := choice.problems():
        raise PlanError(problems)
    with open_engine(choice) as engine:
        return _check(paths(out), against, choice, engine, on_progress)


def _check(
    outs: tuple[Path, ...],
    against: PathLike | None,
    choice: EngineChoice,
    engine: Engine,
    on_progress: OnProgress | None,
) -> CheckReport:
    report = CheckReport()
    folders = find_samples(outs, report.errors)
    works = [SampleWork(path) for files in folders.values() for path in files]
    if against is not None:
        works = pair_with_rows(outs, folders, Path(against), report.errors)
    report.folders = len(folders)
    report.samples = len(works)
    report.compared = sum(work.row is not None for work in works)
    if engine.remote:
        check_paths(engine, [*folders, *dict.fromkeys(w.trace_dir for w in works if w.row)], [])
    seconds = 0.0
    if choice.jobs == "auto":
        seconds = sum(_SAMPLE + _SAMPLE_BYTE * _size(work.path) for work in works)
    with closing(each(check_sample, works, engine, seconds=seconds, batch=_BATCH)) as results:
        for done, error in enumerate(results, 1):
            if error is not None:
                report.errors.append(error)
            if on_progress is not None:
                on_progress(Progress(done, len(works), len(report.errors)))
    report.errors.sort(key=lambda error: (error.trace_dir, error.file or ""))
    return report


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def check_sample(work: SampleWork) -> RowError | None:
    """What is wrong with a sample, or None."""
    try:
        sample = load_sample(work.path)
        if problem := contradiction(sample):
            return sample_error("sample-inconsistent", work.path, problem)
        if work.row is not None and (problem := difference(sample, work.row, work.trace_dir)):
            return sample_error("sample-differs", work.path, problem)
    except Exp2procError as err:
        why = err.message.removeprefix(f"{os.path.basename(work.path)}: ")
        return sample_error("sample-invalid", work.path, why)
    return None


def contradiction(sample: Sample) -> str | None:
    """What in a sample that fits its schema cannot be, or None."""
    if sample.span_in != NONE and sample.span_in[0] != 0:
        return f"span_in starts at {sample.span_in[0]}, not at 0"
    for name in ("span_cot", "span_out"):  # of the generation; these two often share tokens
        span = getattr(sample, name)
        if NONE not in (sample.span_in, span) and span[0] <= sample.span_in[1]:
            return f"{name} {list(span)} begins in span_in {list(sample.span_in)}"
    for name, score in sample.scores.items():
        if np.isinf(score):
            return f"{name} is {score}"
    return None if sample.tok is None else _tok_problem(sample.tok)


def _tok_problem(tok: np.ndarray[Any, np.dtype[np.str_]]) -> str | None:
    """What is wrong with the pieces; `tokens.pieces.check_lengths` says why many are not empty.

    A sample does not tell, as the converter can, whether an empty piece is one of white space that
    was trimmed. A short one may be all of these: an empty prompt with a blank target.
    """
    lengths = np.char.str_len(tok)
    width, longest = tok.dtype.itemsize // 4, max(1, int(lengths.max(initial=0)))
    if width != longest:
        return f"tok is U{width}, but its longest piece has {longest} characters"
    empty = int((lengths == 0).sum())
    if 2 * empty > len(tok) >= _FEW_PIECES:
        return f"{empty} of {len(tok)} pieces of tok are empty"
    return None


def difference(sample: Sample, row: Row, trace_dir: str) -> str | None:
    """How a sample differs from what its trace gives, bit for bit; None when it does not."""
    layout = LAYOUTS[sample.layout]
    try:
        trace = read_row(f"{trace_dir}/{row.file}", row, layout)
    except Exp2procError as err:
        return f"its trace cannot be read: {err}"
    wanted = trace_values(trace, row)
    for name, span in sample.spans._asdict().items():
        if span != wanted[name]:
            return f"{name} is {list(span)}, {list(wanted[name])} by the trace"
    for name in (key.name for key in layout.keys if key.kind == "score"):
        score = sample.scores[name]
        if np.float64(score).tobytes() != np.float64(wanted[name]).tobytes():
            return f"{name} is {score!r}, {wanted[name]!r} by the trace"
    return _vectors_differ("attr", sample.attr, wanted["attr"]) or _vectors_differ(
        "hop", sample.hop, wanted.get("hop")
    )


def _vectors_differ(name: str, have: Any, want: Any) -> str | None:
    if have is None or want is None:
        if have is want:
            return None
        return f"{name} is {'missing' if have is None else 'there'}, but the trace says otherwise"
    if have.shape != want.shape:
        return f"{name} has shape {list(have.shape)}, {list(want.shape)} by the trace"
    bits, wanted = (np.ascontiguousarray(a).view(np.uint32) for a in (have, want))
    count = int((bits != wanted).sum())
    return f"{name} differs from the trace in {count} of {bits.size} numbers" if count else None
