"""Finding exported samples, and the manifest rows they belong to."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import chain
from operator import contains
from pathlib import Path
from typing import Final, NamedTuple

from ..errors import CATALOGUE
from ..formats.bundle import RunNames, spellings
from ..formats.held import Held, Place
from ..formats.names import is_plain_name
from ..results import RowError
from ..system.files import absolute
from ..system.leftovers import is_temporary
from ..traces.manifest import NAME, Row, read_manifest
from ..traces.runs import describe_run, find_runs
from .find import find_once, no_sample_in, source_of

Runs = tuple[Path, ...]
"""Runs whose samples go into one folder: mostly one."""


class SampleWork(NamedTuple):
    """A sample to check.

    Attributes:
        path: the npz.
        row: its manifest row, where it is checked against its trace.
        trace_dir: the run of that row.
        held: how it is read where it lies in another file.
    """

    path: str
    row: Row | None = None
    trace_dir: str = ""
    held: Held | None = None

    @property
    def place(self) -> Place:
        """What readers take."""
        return self.held or self.path


def sample_error(code: str, path: str, message: str, hint: str = "") -> RowError:
    """What is wrong with the sample (or, where it ends with a slash, the folder) at `path`.

    The hint is that of the code, unless another one is given.
    """
    folder, name = os.path.split(path)
    return RowError(folder, name or None, None, code, message, hint or CATALOGUE[code].hint)


def find_samples(
    outs: Sequence[Path], errors: list[RowError], leftovers: list[str]
) -> dict[str, list[SampleWork]]:
    """The samples under what was named, by folder, each once.

    Args:
        outs: output folders, or single samples.
        errors: is told of whatever else is there, and of folders that cannot be looked into.
        leftovers: is told of temporary files and folders.
    """
    found: dict[str, list[SampleWork]] = {}

    def empty(root: Path) -> None:
        errors.append(sample_error("sample-missing", f"{root}/", f"it {no_sample_in(root)}"))

    def unreadable(err: OSError) -> None:
        where = f"{os.fsdecode(err.filename)}/"
        errors.append(sample_error("sample-missing", where, err.strerror or str(err)))

    for root, (path, _, _, held) in find_once(outs, on_empty=empty, on_error=unreadable):
        if held or path == root or is_plain_name(path.name):
            found.setdefault(str(path.parent), []).append(SampleWork(str(path), held=held))
        elif is_temporary(path.name):
            leftovers.append(str(path))
        else:
            hint = _OF_A_RUN if path.name == NAME else ""
            errors.append(sample_error("sample-unexpected", str(path), "it is no sample", hint))
    return found


_OF_A_RUN: Final = (
    "Its folder is a trace run: name the output folder instead, and pass the traces to --against."
)
_OF_ONE_RUN: Final = "Where it was made with --out_dir, pass its run itself to --against."


def pair_with_rows(
    outs: Sequence[Path], folders: dict[str, list[SampleWork]], root: Path, errors: list[RowError]
) -> list[SampleWork]:
    """The samples with their manifest rows; rows without sample and the reverse are errors.

    Args:
        outs: what was to be checked.
        folders: the samples by folder.
        root: the traces_root.
        errors: of the check; added to.
    """
    by_path: dict[tuple[str, ...], Runs] = {}
    for run in find_runs((), root):
        way = describe_run(run, Path("/"), None).out_dir.parts[1:]
        by_path[way] = (*by_path.get(way, ()), run)
    named = [absolute(out) for out in outs]
    places = {
        os.path.realpath(out.joinpath(*way)): runs for out in named for way, runs in by_path.items()
    }
    works: list[SampleWork] = []
    paired: dict[str, Runs] = {}
    for folder, files in folders.items():
        real = os.path.realpath(folder)
        runs = _runs_of(folder, by_path, places.get(real, ()))
        if not runs and len(folders) == 1:
            runs = _sharing(by_path.values())
        paired[real] = runs
        if not runs:
            said = f"its path ends like that of no run below {root}"
            errors.append(sample_error("sample-unexpected", f"{folder}/", said, _OF_ONE_RUN))
            works += files
            continue
        rows = _rows(runs)
        works += _with_rows(files, rows, runs, errors)
        if any(Path(folder).is_relative_to(out) for out in named):  # not only single samples of it
            _miss_samples(folder, files, rows, errors)
    for out in named:
        _miss_runs(out, by_path, paired, errors)
    return works


def _miss_runs(
    out: Path,
    by_path: dict[tuple[str, ...], Runs],
    paired: dict[str, Runs],
    errors: list[RowError],
) -> None:
    """Where `out` is the root of an export, every run must have its folder in it, or a link to it.

    Args:
        out: what was to be checked.
        by_path: the runs by their paths below `traces`.
        paired: the runs of each folder that holds samples, by the folder's real path.
        errors: of the check; added to.
    """
    expected = {out.joinpath(*parts): runs for parts, runs in by_path.items()}
    real = {place: os.path.realpath(place) for place in expected}
    if paired.keys().isdisjoint(real.values()):
        return
    for place, runs in expected.items():
        if paired.get(real[place]) != runs and _rows(runs):
            said = f"no sample of {' and '.join(map(str, runs))}"
            errors.append(sample_error("sample-missing", f"{place}/", said))


def _runs_of(folder: str, by_path: dict[tuple[str, ...], Runs], linked: Runs) -> Runs:
    """The runs whose path below `traces`, whose name alone, or whose short names a path ends with.

    Before the last two come `linked`, the runs at whose place in the export a link to the folder
    lies.
    """
    parts = Path(folder).parts
    longest = max(map(len, by_path), default=0)
    for length in range(longest, 0, -1):
        if parts[-length:] in by_path:
            return by_path[parts[-length:]]
    if linked:
        return linked
    for alike in (_ends_alike, _is_bundled_as):
        named = [runs for way, runs in by_path.items() if alike(way, parts)]
        if len(named) == 1:
            return named[0]
    return ()


def _ends_alike(way: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    """Whether a run's path and a folder's end with one name."""
    return way[-1] == parts[-1]


def _is_bundled_as(way: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    """Whether a folder is called as a bundle, or the published archive, calls that of a run."""
    return len(parts) > 3 and all(map(contains, _spellings(way), parts[-3:]))


@lru_cache(maxsize=1 << 16)  # every folder is held against every run
def _spellings(way: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    source = source_of(Path("/", *way, "ex_000000.npz"), Path("/"))
    return spellings(RunNames(source.dataset, source.model, source.run_tag))


def _sharing(groups: Iterable[Runs]) -> Runs:
    """All runs, if they can have been written into one folder: no two name the same sample."""
    runs = tuple(chain.from_iterable(groups))
    files = [name for run in runs for name in _rows((run,))]
    return runs if len(runs) == 1 or len(files) == len(set(files)) else ()


class _RunRow(NamedTuple):
    """A row, and the run that it is of."""

    row: Row
    run: Path


def _rows(runs: Runs) -> dict[str, _RunRow]:
    """The rows of runs by file name; none of one whose manifest cannot be read."""
    rows: dict[str, _RunRow] = {}
    for run in runs:
        with suppress(OSError):
            for row in read_manifest(run / NAME):
                if isinstance(row, Row):
                    rows.setdefault(row.file, _RunRow(row, run))
    return rows


def _with_rows(
    files: list[SampleWork], rows: dict[str, _RunRow], runs: Runs, errors: list[RowError]
) -> Iterator[SampleWork]:
    for work in files:
        found = rows.get(os.path.basename(work.path))
        if found is None:
            said = f"no row of {' and '.join(str(run / NAME) for run in runs)} names it"
            errors.append(sample_error("sample-unexpected", work.path, said))
            yield work
        else:
            yield work._replace(row=found.row, trace_dir=str(found.run))


def _miss_samples(
    folder: str, files: list[SampleWork], rows: dict[str, _RunRow], errors: list[RowError]
) -> None:
    for name in rows.keys() - {os.path.basename(work.path) for work in files}:
        row, run = rows[name]
        said = f"line {row.line} of {run / NAME} has no sample"
        errors.append(sample_error("sample-missing", os.path.join(folder, name), said))
