"""Output folders as one Parquet file, and back: what `exp2proc pack` and `unpack` do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from ..engines import open_engine
from ..engines.each import each
from ..errors import Exp2procError
from ..formats import parquet
from ..formats.names import Source, counted, short_datasets
from ..options import Jobs
from ..results import OnProgress, Progress
from ..system.extras import require
from ..system.files import given
from ..system.targets import Kind, check_target
from ..traces.runs import refuse_traces
from .bundled import known_records
from .find import Outs, Where, find_sources, named
from .read import OnError, load_with, read_each, successes, workers_of
from .records import with_records

T = TypeVar("T")

_BYTE: Final = 3e-8
"""Seconds that a byte of a packed file takes to unpack, as measured on a 2-core server."""
PARQUET: Final = Kind("Parquet file", lambda stream: stream.read(4) == parquet.MAGIC)


def pack(
    outs: Outs,
    output: str | Path,
    *,
    overwrite: bool = False,
    where: Where | None = None,
    on_error: OnError | None = None,
    on_progress: OnProgress | None = None,
) -> int:
    """All samples of output folders in one Parquet file, a row a sample; returns how many.

    >>> exp2proc.pack(demo.out, folder / "samples.parquet")
    96

    Args:
        outs: an output folder, an npz, or several of either.
        output: the file; it appears when all is written.
        overwrite: whether a Parquet file that is there may be replaced.
        where: which samples, by their `Source`.
        on_error: is told of each file that is not a sample, which is then left out. Without it
            the first such file raises.
        on_progress: is told how many files were read.

    Raises:
        Exp2procError: `no-samples`, `samples-collide`, `sample-invalid`, `target-exists`,
            `output-is-trace`; `missing-extra` without pyarrow.
        OSError: the operating system refuses.
    """
    path = given(output, "output")
    refuse_traces(path.parent)
    check_target(path, PARQUET, overwrite=overwrite)
    require("pyarrow", "parquet")  # said once, not of each sample
    roots = named(outs)
    sources = find_sources(outs, where)
    told = _Told(len(sources), on_error, on_progress)
    results = told.each(read_each(sources, partial(load_with, parquet.loader())))
    samples, records = with_records(
        successes(results, told.left_out), sources, roots, known_records(roots)
    )
    datasets = short_datasets(source.dataset for source in sources)
    count = parquet.pack(samples, path, records, datasets)
    if not count:
        raise Exp2procError(
            "no-samples", f"none of {counted(len(sources), 'npz file')} is a sample"
        )
    return count


class _Told:
    """Tells of progress and failures, and counts both."""

    def __init__(
        self, planned: int, on_error: OnError | None, on_progress: OnProgress | None
    ) -> None:
        self._planned = planned
        self._on_error = on_error
        self._on_progress = on_progress
        self._failed = 0

    def left_out(self, source: Source, err: Exp2procError) -> None:
        if self._on_error is None:
            raise err
        self._failed += 1
        self._on_error(source, err)

    def each(self, results: Iterator[T]) -> Iterator[T]:
        for done, result in enumerate(results, 1):
            yield result
            if self._on_progress is not None:
                self._on_progress(Progress(done, self._planned, self._failed))


def unpack(
    path: str | Path,
    out: str | Path,
    *,
    overwrite: bool = False,
    jobs: Jobs = "auto",
    on_error: Callable[[Exp2procError], object] | None = None,
    on_progress: OnProgress | None = None,
) -> int:
    """The npz files of a file of `pack` again, array for array; returns how many.

    >>> _ = exp2proc.pack(demo.out, folder / "samples.parquet")
    >>> exp2proc.unpack(folder / "samples.parquet", folder / "back")
    96

    Args:
        path: what `pack` wrote.
        out: the output folder; samples go to `<out>/<dataset>/<model>/<run_tag>/`.
        overwrite: whether files that are there may be replaced.
        jobs: worker processes, or "auto": by estimated work.
        on_error: is told of each row that is no sample, or whose name this file system does not
            take; it is then left out. Without it the first such row raises.
        on_progress: is told how many were written.

    Raises:
        Exp2procError: `parquet-invalid`, also when none of the rows is a sample;
            `output-unwritable`, `output-is-trace`, `target-exists`; `missing-extra` (pyarrow).
        OSError: the operating system refuses.
    """
    path, out = given(path, "path"), given(out, "out")
    failed = done = 0
    codes: set[str] = set()

    def left_out(err: Exp2procError) -> None:
        nonlocal failed
        if on_error is None:
            raise err
        failed += 1
        codes.add(err.code)
        on_error(err)

    with parquet.ParquetReader(path) as reader, open_engine(workers_of(jobs)) as engine:
        over = partial(each, engine=engine, seconds=_BYTE * reader.place.size, batch=1)
        paths = parquet.unpack(
            reader, out, overwrite=overwrite, check=refuse_traces, on_error=left_out, over=over
        )
        with closing(paths):
            for done, _ in enumerate(paths, 1):
                if on_progress is not None:
                    on_progress(Progress(done + failed, reader.count, failed))
    if failed and not done:
        if codes == {"output-unwritable"}:
            raise Exp2procError("output-unwritable", f"{out}: no sample could be written")
        raise Exp2procError("parquet-invalid", f"{path}: none of its rows is a sample")
    return done
