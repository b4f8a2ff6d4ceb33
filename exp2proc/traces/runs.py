"""Trace runs: finding their folders, reading their names, naming their output folders."""

from __future__ import annotations

import os
import shlex
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import Final, NamedTuple

from ..errors import Exp2procError
from ..system.files import absolute, is_missing
from ..system.walk import truest, walk
from .manifest import NAME


@dataclass(frozen=True, slots=True)
class Run:
    """One trace run and where its samples go.

    Attributes:
        trace_dir: the folder with manifest.jsonl, absolute.
        out_dir: the folder of its samples, absolute.
        dataset: the dataset's name in the run's path, one or more path parts; "" when unknown.
        model_tag: the model folder's name, or the hub name that two folders spell.
        run_tag: the run folder's name: method, parts, modes and size.
    """

    trace_dir: Path
    out_dir: Path
    dataset: str
    model_tag: str
    run_tag: str


def _refuse(place: Path, error: Exp2procError) -> None:
    raise error


_RELATIVE: Final = "A relative path counts from the working directory: go there, or name it whole."


def find_runs(
    trace_dirs: Sequence[Path],
    traces_root: Path | None,
    on_error: Callable[[Path, Exp2procError], object] = _refuse,
) -> list[Path]:
    """The run folders that were named or stand below a root, absolute, sorted, each once.

    Args:
        trace_dirs: run folders; whether they are there shows when they are read.
        traces_root: a folder, in place of these.
        on_error: is told of each folder that cannot be listed, which may hide runs; by default
            that is an error: better none than some of them.

    Raises:
        Exp2procError: `no-runs`, or `manifest-unreadable` for a folder that cannot be listed.
    """
    if traces_root is not None:
        root = absolute(traces_root)
        if not os.path.isdir(root):
            relative = not os.path.isabs(os.path.expanduser(traces_root))
            hint = _RELATIVE if relative and not os.path.lexists(root) else None
            raise Exp2procError("no-runs", f"traces_root {root} is not a folder", hint)

        def unlisted(err: OSError) -> None:
            if not is_missing(err):
                on_error(Path(err.filename), _unreadable(f"the folder {err.filename}", err))

        folders = walk(root, on_error=unlisted)
        found = sorted(Path(folder.path) for folder in folders if NAME in folder.files)
        if not found:
            raise Exp2procError("no-runs", f"no folder below {root} holds a {NAME}")
        return found
    named: dict[str, list[str]] = defaultdict(list)
    for folder in map(absolute, trace_dirs):
        named[os.path.realpath(folder)].append(str(folder))
    return [Path(truest(paths)) for paths in named.values()]


_LOOKED_INTO: Final = 1000
"""Folders that are looked into for the sake of a hint: what was named may be a whole disk."""


def why_unread(trace_dir: Path, err: OSError) -> Exp2procError:
    """Why the manifest of a run could not be read: it is not there, or the system refuses."""
    if is_missing(err) and not os.path.lexists(trace_dir / NAME):
        if not os.path.isdir(trace_dir):
            return Exp2procError("no-runs", f"trace_dir {trace_dir} is not a folder")
        near = islice(walk(trace_dir), _LOOKED_INTO)
        below = any(NAME in folder.files for folder in near)
        passed = f"--traces_root {shlex.quote(str(trace_dir))}"
        hint = f"Runs lie below it: pass it with {passed}" if below else None
        return Exp2procError("no-runs", f"trace_dir {trace_dir} holds no {NAME}", hint)
    return _unreadable(trace_dir / NAME, err)


def _unreadable(what: str | Path, err: OSError) -> Exp2procError:
    return Exp2procError("manifest-unreadable", f"{what}: {err.strerror or err}")


def refuse_traces(folder: Path) -> None:
    """See that a folder that is to be written to is no trace run: every writer asks this, first.

    Raises:
        Exp2procError: `output-is-trace`.
    """
    if os.path.lexists(folder / NAME):
        raise Exp2procError("output-is-trace", f"the output folder {folder} is a trace run")


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


DEFAULT_DATA_ROOT: Final = "exp/exp2/data"
"""Where exp2 keeps its dataset caches, relative to the folder that it runs in."""


_MODEL_PARTS: Final = 2
"""Most parts of a path that a model_tag has: a hub name's, `Qwen/Qwen3-8B`."""


class Candidate(NamedTuple):
    """A place where a run's dataset cache may be.

    Attributes:
        path: the file.
        run: the run, with the names that its path has if this is its dataset.
    """

    path: Path
    run: Run


def readings(run: Run) -> Iterator[Run]:
    """The run with each pair of names that its path can mean, the likeliest first.

    Where the dataset ends and the model begins the path alone does not say, unless a part of it is
    the name of a cache file.
    """
    parts = [*filter(None, run.dataset.split("/")), run.model_tag]
    ends = range(len(parts) - 1, max(0, len(parts) - 1 - _MODEL_PARTS), -1)
    for end in sorted(ends, key=lambda end: not parts[end - 1].endswith(".jsonl")):
        yield replace(run, dataset="/".join(parts[:end]), model_tag="/".join(parts[end:]))


def dataset_candidates(run: Run, data_root: Path | None) -> Iterator[Candidate]:
    """Where a run's dataset cache may be, the likeliest first.

    The path that the run's own path names, relative to the working directory and to each folder
    above the run; then `<data_root>/<dataset>.jsonl`, likewise; then a file of the same name
    directly in `data_root`. A `data_root` that was given comes before the working directory.
    """
    real = os.path.dirname(os.path.realpath(run.trace_dir))
    bases = _folders_above(Path.cwd(), run.trace_dir.parent, Path(real))
    root = Path(os.path.expanduser(data_root or DEFAULT_DATA_ROOT))
    tries = [(one, *way) for one in readings(run) for way in _spelled(one.dataset, root)]
    if data_root is not None:
        tries.sort(key=lambda way: not way[1])
    seen: set[Path] = set()
    for one, _, relative in tries:
        for path in (base / relative for base in bases):
            if path not in seen:
                seen.add(path)
                yield Candidate(path, one)


@lru_cache(256)
def _folders_above(here: Path, *folders: Path) -> tuple[Path, ...]:
    """Where relative names may begin: alike for all runs of a folder, which are many."""
    above = chain.from_iterable((folder, *folder.parents) for folder in folders)
    return tuple(dict.fromkeys((here, *above)))


def _spelled(dataset: str, root: Path) -> Iterator[tuple[bool, Path]]:
    """Each way to spell where a dataset is, and whether that is in `root`."""
    name = dataset.rpartition("/")[2].removesuffix(".jsonl")
    yield False, Path(dataset)
    yield True, root / f"{dataset}.jsonl"
    yield True, root / f"{name}.jsonl"


def found_datasets(run: Run, data_root: Path | None) -> Iterator[Candidate]:
    """The candidates that are files, each file once."""
    seen: set[str] = set()
    for candidate in dataset_candidates(run, data_root):
        if os.path.isfile(candidate.path):
            real = os.path.realpath(candidate.path)
            if real not in seen:
                seen.add(real)
                yield candidate
