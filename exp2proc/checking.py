"""Checking samples after the fact: each against its schema and itself, and against its trace.

Without traces a sample proves that it is whole and consistent. With `against`, everything but the
token pieces is derived from its trace again and compared bit for bit.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import numpy as np

from .conversion import requires_hops, trace_part, wants_hops
from .errors import Exp2procError
from .execution import available_cores, deaf_children, end_workers
from .manifest import NAME, ManifestRow, is_plain_name, read_manifest
from .options import PathLike, paths
from .report import RowError
from .runs import describe_run, find_runs
from .samples import Sample, load_sample
from .spans import NONE, Span
from .tally import OnProgress, Progress
from .traces import read_trace

_CHUNK: Final = 64
_WORTH_PROCESSES: Final = 1500
"""Samples above which starting worker processes pays."""


class SampleWork(NamedTuple):
    """A sample to check.

    Attributes:
        path: the npz.
        row: its manifest row, where it is checked against its trace.
        trace_dir: the run of that row.
    """

    path: str
    row: ManifestRow | None = None
    trace_dir: str = ""


@dataclass(slots=True)
class CheckReport:
    """What a check found.

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
    on_progress: OnProgress | None = None,
) -> CheckReport:
    """Check every sample under some folders.

    Args:
        out: output folders, or roots of them, or single samples.
        against: a traces_root; its runs are matched with output folders by their paths, and every
            row must have its sample.
        jobs: worker processes, or "auto".
        on_progress: called in this process whenever samples have been checked.

    Raises:
        Exp2procError: `no-runs` when there is none below `against`.
    """
    report = CheckReport()
    folders = _folders(paths(out), report)
    works = [SampleWork(path) for files in folders.values() for path in files]
    if against is not None:
        works = _paired(folders, Path(against), report)
    report.folders = len(folders)
    report.samples = len(works)
    report.compared = sum(work.row is not None for work in works)
    for done, errors in _results(works, jobs):
        report.errors += errors
        if on_progress is not None:
            on_progress(Progress(done, len(works), len(report.errors)))
    report.errors.sort(key=lambda error: (error.trace_dir, error.file or ""))
    return report


def _error(code: str, path: str, message: str) -> RowError:
    folder, name = os.path.split(path)
    return RowError(folder, name or None, None, code, message, Exp2procError(code, "").hint)


# Finding the samples, and the rows they belong to


def _folders(outs: Sequence[Path], report: CheckReport) -> dict[str, list[str]]:
    """The samples under what was named, by folder; whatever else is there is an error."""
    found: dict[str, dict[str, None]] = {}
    for out in outs:
        root = os.path.abspath(out.expanduser())
        before = len(found)
        if os.path.isfile(root):
            found.setdefault(os.path.dirname(root), {})[root] = None
        for folder, folders, files in os.walk(root):
            folders.sort()
            for name in sorted(files):
                path = os.path.join(folder, name)
                if is_plain_name(name):
                    found.setdefault(folder, {})[path] = None
                else:
                    report.errors.append(_error("sample-unexpected", path, "it is no sample"))
        if len(found) == before and not any(f.startswith(root) for f in found):
            what = "there is no sample in it" if os.path.isdir(root) else "there is no such folder"
            report.errors.append(_error("sample-missing", f"{root}/", what))
    return {folder: list(files) for folder, files in found.items()}


def _paired(folders: dict[str, list[str]], root: Path, report: CheckReport) -> list[SampleWork]:
    """The samples with their manifest rows; rows without sample and the reverse are errors."""
    runs = {folder: describe_run(folder, Path("/"), None) for folder in find_runs((), root)}
    by_path = {run.out_dir.parts[1:]: folder for folder, run in runs.items()}
    works: list[SampleWork] = []
    for folder, files in folders.items():
        run = _run_of(folder, by_path)
        if run is None and len(runs) == len(folders) == 1:
            (run,) = runs
        if run is None:
            said = f"its path ends like that of no run below {root}"
            report.errors.append(_error("sample-unexpected", f"{folder}/", said))
            works += map(SampleWork, files)
            continue
        works += _with_rows(folder, files, run, report)
    return works


def _run_of(folder: str, by_path: dict[tuple[str, ...], Path]) -> Path | None:
    """The run whose path below `traces`, or whose name alone, a folder's path ends with."""
    parts = Path(folder).parts
    longest = max(map(len, by_path), default=0)
    for length in range(longest, 0, -1):
        if parts[-length:] in by_path:
            return by_path[parts[-length:]]
    named = [run for run in by_path.values() if run.name == parts[-1]]
    return named[0] if len(named) == 1 else None


def _with_rows(
    folder: str, files: list[str], run: Path, report: CheckReport
) -> Iterator[SampleWork]:
    rows: dict[str, ManifestRow] = {}
    try:
        for row in read_manifest(run / NAME):
            if isinstance(row, ManifestRow):
                rows.setdefault(row.file, row)
    except OSError as err:
        said = f"{run / NAME}: {err.strerror or err}"
        report.errors.append(_error("sample-unexpected", f"{folder}/", said))
    there = {os.path.basename(path) for path in files}
    for path in files:
        found = rows.get(os.path.basename(path))
        if found is None:
            said = f"no row of {run / NAME} names it"
            report.errors.append(_error("sample-unexpected", path, said))
        yield SampleWork(path, found, str(run))
    for name in rows.keys() - there:
        said = f"line {rows[name].line} of {run / NAME} has no sample"
        report.errors.append(_error("sample-missing", os.path.join(folder, name), said))


# Carrying it out


def _results(
    works: list[SampleWork], jobs: int | Literal["auto"]
) -> Iterator[tuple[int, list[RowError]]]:
    """(samples done, errors of the latest ones) as chunks end."""
    chunks = {at: works[at : at + _CHUNK] for at in range(0, len(works), _CHUNK)}
    if jobs == "auto":
        jobs = available_cores() if len(works) > _WORTH_PROCESSES else 1
    done = 0
    if min(jobs, len(chunks)) > 1:
        try:
            with closing(_pooled(chunks, jobs)) as results:
                for at, errors in results:
                    done += len(chunks.pop(at))
                    yield done, errors
        except BrokenExecutor:
            pass  # somebody killed a worker: what is left is done here
    for chunk in chunks.values():
        for work in chunk:
            done += 1
            yield done, check_samples([work])


def _pooled(chunks: dict[int, list[SampleWork]], jobs: int) -> Iterator[tuple[int, list[RowError]]]:
    from joblib import Parallel, delayed

    pool = Parallel(n_jobs=jobs, backend="loky", return_as="generator_unordered", batch_size=1)
    finished = False
    try:
        with deaf_children():
            running = pool(delayed(_numbered)(at, chunk) for at, chunk in list(chunks.items()))
        yield from running
        finished = True
    finally:
        if not finished:
            end_workers()


def _numbered(at: int, chunk: list[SampleWork]) -> tuple[int, list[RowError]]:
    return at, check_samples(chunk)


def check_samples(works: Sequence[SampleWork]) -> list[RowError]:
    """What is wrong with these samples, at most one error each."""
    errors: list[RowError] = []
    for work in works:
        try:
            sample = load_sample(work.path)
            if problem := contradiction(sample):
                errors.append(_error("sample-inconsistent", work.path, problem))
            elif work.row is not None and (problem := difference(sample, work.row, work.trace_dir)):
                errors.append(_error("sample-differs", work.path, problem))
        except Exp2procError as err:
            errors.append(_error("sample-invalid", work.path, err.message))
    return errors


def contradiction(sample: Sample) -> str | None:
    """What in a sample that fits its schema cannot be, or None."""
    spans = {name: getattr(sample, name) for name in ("span_in", "span_cot", "span_out")}
    if sample.span_in != NONE and sample.span_in[0] != 0:
        return f"span_in starts at {sample.span_in[0]}, not at 0"
    for one, other in (
        ("span_in", "span_cot"),
        ("span_in", "span_out"),
        ("span_cot", "span_out"),
    ):
        if _overlap(spans[one], spans[other]):
            return f"{one} {list(spans[one])} and {other} {list(spans[other])} overlap"
    for name in ("rise", "mas", "recovery"):
        if np.isinf(getattr(sample, name)):
            return f"{name} is {getattr(sample, name)}"
    return None if sample.tok is None else _tok_problem(sample.tok)


def _overlap(one: Span, other: Span) -> bool:
    return NONE not in (one, other) and one[0] <= other[1] and other[0] <= one[1]


def _tok_problem(tok: np.ndarray[Any, np.dtype[np.str_]]) -> str | None:
    lengths = np.char.str_len(tok)
    width, longest = tok.dtype.itemsize // 4, max(1, int(lengths.max(initial=0)))
    if width != longest:
        return f"tok is U{width}, but its longest piece has {longest} characters"
    empty = int((lengths == 0).sum())
    if 2 * empty > len(tok):
        return f"{empty} of {len(tok)} pieces of tok are empty"
    return None


def difference(sample: Sample, row: ManifestRow, trace_dir: str) -> str | None:
    """How a sample differs from what its trace gives, bit for bit; None when it does not."""
    layout = sample.layout
    try:
        trace = read_trace(
            f"{trace_dir}/{row.file}",
            row.prompt_len,
            row.gen_len,
            hops=wants_hops(layout, row.attr_func),
        )
    except Exp2procError as err:
        return f"its trace cannot be read: {err}"
    part = trace_part(trace, row.prompt_len, row.gen_len, row.attr_func, layout)
    if part.hop is None and requires_hops(layout, row.attr_func, allow_missing_ft_hops=True):
        return "its trace has no vh"
    names = ("span_in", "span_cot", "span_out")
    for name, wanted in zip(names, part.spans, strict=True):
        if getattr(sample, name) != wanted:
            return f"{name} is {list(getattr(sample, name))}, {list(wanted)} by the trace"
    for name, score in zip(("rise", "mas", "recovery"), part.scores, strict=True):
        if np.float64(getattr(sample, name)).tobytes() != np.float64(score).tobytes():
            return f"{name} is {getattr(sample, name)!r}, {score!r} by the trace"
    return _vectors_differ("attr", sample.attr, part.attr) or _vectors_differ(
        "hop", sample.hop, part.hop
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
