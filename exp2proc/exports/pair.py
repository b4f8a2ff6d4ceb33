"""Finding exported samples, and the manifest rows they belong to."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ..errors import CATALOGUE
from ..formats.names import is_plain_name
from ..results import RowError
from ..system.files import absolute
from ..traces.manifest import NAME, Row, read_manifest
from ..traces.runs import describe_run, find_runs
from .find import find_once


class SampleWork(NamedTuple):
    """A sample to check.

    Attributes:
        path: the npz.
        row: its manifest row, where it is checked against its trace.
        trace_dir: the run of that row.
    """

    path: str
    row: Row | None = None
    trace_dir: str = ""


def sample_error(code: str, path: str, message: str, hint: str = "") -> RowError:
    """What is wrong with the sample (or, where it ends with a slash, the folder) at `path`.

    The hint is that of the code, unless another one is given.
    """
    folder, name = os.path.split(path)
    return RowError(folder, name or None, None, code, message, hint or CATALOGUE[code].hint)


def find_samples(outs: Sequence[Path], errors: list[RowError]) -> dict[str, list[str]]:
    """The samples under what was named, by folder, each once.

    Args:
        outs: output folders, or single samples.
        errors: is told of whatever else is there, and of folders that cannot be looked into.
    """
    found: dict[str, list[str]] = {}

    def empty(root: Path) -> None:
        what = "there is no sample in it" if root.is_dir() else "there is no such folder"
        errors.append(sample_error("sample-missing", f"{root}/", what))

    def unreadable(err: OSError) -> None:
        where = f"{os.fsdecode(err.filename)}/"
        errors.append(sample_error("sample-missing", where, err.strerror or str(err)))

    for _, (path, _, _) in find_once(outs, on_empty=empty, on_error=unreadable):
        if is_plain_name(path.name):
            found.setdefault(str(path.parent), []).append(str(path))
        else:
            errors.append(sample_error("sample-unexpected", str(path), "it is no sample"))
    return found


def pair_with_rows(
    outs: Sequence[Path], folders: dict[str, list[str]], root: Path, errors: list[RowError]
) -> list[SampleWork]:
    """The samples with their manifest rows; rows without sample and the reverse are errors.

    Args:
        outs: what was to be checked.
        folders: the samples by folder.
        root: the traces_root.
        errors: of the check; added to.
    """
    runs = {folder: describe_run(folder, Path("/"), None) for folder in find_runs((), root)}
    by_path = {run.out_dir.parts[1:]: folder for folder, run in runs.items()}
    named = [absolute(out) for out in outs]
    places = {
        os.path.realpath(out.joinpath(*way)): run for out in named for way, run in by_path.items()
    }
    works: list[SampleWork] = []
    paired: dict[str, Path | None] = {}
    for folder, files in folders.items():
        real = os.path.realpath(folder)
        run = _run_of(folder, by_path, places.get(real))
        if run is None and len(runs) == len(folders) == 1:
            (run,) = runs
        paired[real] = run
        if run is None:
            said = f"its path ends like that of no run below {root}"
            errors.append(sample_error("sample-unexpected", f"{folder}/", said))
            works += map(SampleWork, files)
            continue
        rows = _rows(run)
        works += _with_rows(files, rows, run, errors)
        if any(Path(folder).is_relative_to(out) for out in named):  # not only single samples of it
            _miss_samples(folder, files, rows, run, errors)
    for out in named:
        _miss_runs(out, by_path, paired, errors)
    return works


def _miss_runs(
    out: Path,
    by_path: dict[tuple[str, ...], Path],
    paired: dict[str, Path | None],
    errors: list[RowError],
) -> None:
    """Where `out` is the root of an export, every run must have its folder in it, or a link to it.

    Args:
        out: what was to be checked.
        by_path: the runs by their paths below `traces`.
        paired: the run of each folder that holds samples, by the folder's real path.
        errors: of the check; added to.
    """
    expected = {out.joinpath(*parts): run for parts, run in by_path.items()}
    real = {place: os.path.realpath(place) for place in expected}
    if paired.keys().isdisjoint(real.values()):
        return
    for place, run in expected.items():
        if paired.get(real[place]) != run and _rows(run):
            errors.append(sample_error("sample-missing", f"{place}/", f"no sample of {run}"))


def _run_of(folder: str, by_path: dict[tuple[str, ...], Path], linked: Path | None) -> Path | None:
    """The run whose path below `traces`, or whose name alone, a folder's path ends with.

    Between the two comes `linked`, the run at whose place in the export a link to the folder lies.
    """
    parts = Path(folder).parts
    longest = max(map(len, by_path), default=0)
    for length in range(longest, 0, -1):
        if parts[-length:] in by_path:
            return by_path[parts[-length:]]
    if linked is not None:
        return linked
    named = [run for run in by_path.values() if run.name == parts[-1]]
    return named[0] if len(named) == 1 else None


def _rows(run: Path) -> dict[str, Row]:
    """The rows of a run by file name; none when its manifest cannot be read."""
    rows: dict[str, Row] = {}
    with suppress(OSError):
        for row in read_manifest(run / NAME):
            if isinstance(row, Row):
                rows.setdefault(row.file, row)
    return rows


def _with_rows(
    files: list[str], rows: dict[str, Row], run: Path, errors: list[RowError]
) -> Iterator[SampleWork]:
    for path in files:
        found = rows.get(os.path.basename(path))
        if found is None:
            said = f"no row of {run / NAME} names it"
            errors.append(sample_error("sample-unexpected", path, said))
        yield SampleWork(path, found, str(run))


def _miss_samples(
    folder: str,
    files: list[str],
    rows: dict[str, Row],
    run: Path,
    errors: list[RowError],
) -> None:
    for name in rows.keys() - set(map(os.path.basename, files)):
        said = f"line {rows[name].line} of {run / NAME} has no sample"
        errors.append(sample_error("sample-missing", os.path.join(folder, name), said))
