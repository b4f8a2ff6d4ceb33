"""Trace runs: finding their folders, reading their names, naming their output folders."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import Exp2procError
from ..system.files import absolute, is_missing
from ..system.walk import walk
from .manifest import NAME


@dataclass(frozen=True, slots=True)
class Run:
    """One trace run and where its samples go.

    Attributes:
        trace_dir: the folder with manifest.jsonl, absolute.
        out_dir: the folder of its samples, absolute.
        dataset: the dataset's name in the run's path, one or more path parts; "" when unknown.
        model_tag: the model folder's name.
        run_tag: the run folder's name: method, parts, modes and size.
    """

    trace_dir: Path
    out_dir: Path
    dataset: str
    model_tag: str
    run_tag: str


def find_runs(trace_dirs: Sequence[Path], traces_root: Path | None) -> list[Path]:
    """The run folders that were named or stand below a root, absolute, sorted, each once.

    Raises:
        Exp2procError: `no-runs`, or `manifest-unreadable` for a folder that cannot be listed.
    """
    if traces_root is not None:
        root = absolute(traces_root)
        if not os.path.isdir(root):
            raise Exp2procError("no-runs", f"traces_root {root} is not a folder")
        folders = walk(root, on_error=_refuse_unreadable)
        found = sorted(Path(folder.path) for folder in folders if NAME in folder.files)
        if not found:
            raise Exp2procError("no-runs", f"no folder below {root} holds a {NAME}")
        return found
    found = list(dict.fromkeys(map(absolute, trace_dirs)))
    for folder in found:
        if not os.path.isfile(folder / NAME):
            what = f"holds no {NAME}" if os.path.isdir(folder) else "is not a folder"
            raise Exp2procError("no-runs", f"trace_dir {folder} {what}")
    return found


def _refuse_unreadable(err: OSError) -> None:
    """A folder that cannot be looked into may hide runs: better none than some of them."""
    if not is_missing(err):
        raise Exp2procError(
            "manifest-unreadable", f"the folder {err.filename}: {err.strerror or err}"
        )


def describe_run(trace_dir: Path, out_root: Path, out_dir: Path | None) -> Run:
    """The names in a run's path, `.../traces/<dataset>/<model_tag>/<run_tag>`, and its output."""
    parts = trace_dir.parts
    below = _after_traces(parts)
    if not below:  # perhaps a link to a run that has its names
        real = Path(os.path.realpath(trace_dir)).parts
        below = _after_traces(real)
        parts = real if below else parts
    target = out_dir if out_dir is not None else out_root.joinpath(*(below or parts[-1:]))
    return Run(
        trace_dir=trace_dir,
        out_dir=absolute(target),
        dataset="/".join(below[:-2]),
        model_tag=parts[-2] if len(parts) > 2 else "",
        run_tag=parts[-1],
    )


def _after_traces(parts: tuple[str, ...]) -> tuple[str, ...]:
    if "traces" not in parts:
        return ()
    return parts[len(parts) - parts[::-1].index("traces") :]


def dataset_candidates(run: Run, data_root: Path) -> Iterator[Path]:
    """Where a run's dataset cache may be, the likeliest first.

    The path that the run's own path names, relative to the working directory and to each folder
    above the run; then `<data_root>/<dataset>.jsonl`, likewise; then a file of the same name
    directly in `data_root`.
    """
    if not run.dataset:
        return
    real = Path(os.path.realpath(run.trace_dir))
    bases = dict.fromkeys((Path.cwd(), *run.trace_dir.parents, *real.parents))
    data_root = Path(os.path.expanduser(data_root))
    name = run.dataset.rpartition("/")[2]
    if not name.endswith(".jsonl"):
        name += ".jsonl"
    for relative in (
        Path(run.dataset),
        data_root / f"{run.dataset}.jsonl",
        data_root / name,
    ):
        for base in bases:
            yield base / relative


def find_dataset(run: Run, data_root: Path) -> Path | None:
    """The first candidate that is a file."""
    return next((path for path in dataset_candidates(run, data_root) if os.path.isfile(path)), None)
