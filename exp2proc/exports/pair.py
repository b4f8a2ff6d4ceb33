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
from ..traces.manifest import NAME, Row, read_manifest
from ..traces.runs import describe_run, find_runs


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


def sample_error(code: str, path: str, message: str) -> RowError:
    """What is wrong with the sample (or, where it ends with a slash, the folder) at `path`."""
    folder, name = os.path.split(path)
    return RowError(folder, name or None, None, code, message, CATALOGUE[code].hint)


def find_samples(outs: Sequence[Path], errors: list[RowError]) -> dict[str, list[str]]:
    """The samples under what was named, by folder; whatever else is there is an error."""
    found: dict[str, dict[str, None]] = {}
    for out in outs:
        root = os.path.abspath(out.expanduser())
        count = 0
        for folder, folders, files in os.walk(root):
            folders.sort()
            for name in sorted(files):
                path = os.path.join(folder, name)
                if is_plain_name(name):
                    found.setdefault(folder, {})[path] = None
                    count += 1
                else:
                    errors.append(sample_error("sample-unexpected", path, "it is no sample"))
        if not count:
            what = "there is no sample in it" if os.path.isdir(root) else "there is no such folder"
            errors.append(sample_error("sample-missing", f"{root}/", what))
    return {folder: list(files) for folder, files in found.items()}


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
    works: list[SampleWork] = []
    for folder, files in folders.items():
        run = _run_of(folder, by_path)
        if run is None and len(runs) == len(folders) == 1:
            (run,) = runs
        if run is None:
            said = f"its path ends like that of no run below {root}"
            errors.append(sample_error("sample-unexpected", f"{folder}/", said))
            works += map(SampleWork, files)
            continue
        works += _with_rows(folder, files, run, errors)
    for out in outs:
        _miss_runs(out, by_path, folders, errors)
    return works


def _miss_runs(
    out: Path,
    by_path: dict[tuple[str, ...], Path],
    folders: dict[str, list[str]],
    errors: list[RowError],
) -> None:
    """Where `out` is the root of an export, every run must have its folder in it."""
    base = os.path.abspath(out.expanduser())
    expected = {os.path.join(base, *parts): run for parts, run in by_path.items()}
    if expected.keys() & folders.keys():
        for folder, run in expected.items():
            if folder not in folders and _rows(run):
                errors.append(sample_error("sample-missing", f"{folder}/", f"no sample of {run}"))


def _run_of(folder: str, by_path: dict[tuple[str, ...], Path]) -> Path | None:
    """The run whose path below `traces`, or whose name alone, a folder's path ends with."""
    parts = Path(folder).parts
    longest = max(map(len, by_path), default=0)
    for length in range(longest, 0, -1):
        if parts[-length:] in by_path:
            return by_path[parts[-length:]]
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
    folder: str, files: list[str], run: Path, errors: list[RowError]
) -> Iterator[SampleWork]:
    rows = _rows(run)
    there = {os.path.basename(path) for path in files}
    for path in files:
        found = rows.get(os.path.basename(path))
        if found is None:
            said = f"no row of {run / NAME} names it"
            errors.append(sample_error("sample-unexpected", path, said))
        yield SampleWork(path, found, str(run))
    for name in rows.keys() - there:
        said = f"line {rows[name].line} of {run / NAME} has no sample"
        errors.append(sample_error("sample-missing", os.path.join(folder, name), said))
