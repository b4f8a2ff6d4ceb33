"""What has to be the same on the machine that plans and on those that convert.

Workers of a cluster see the paths of a plan, not its contents: each must find the same files there
and read tokenizers with the same libraries, or the pieces it cuts are not the planner's. Before a
run each worker is asked how it sees the plan's paths; those that join later check for themselves.
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final, NamedTuple

from ..engines import Engine
from ..errors import Exp2procError, PlanError, first_line
from ..planning.plan import Plan
from ..results import Outcome
from ..system.atomic_write import write_new
from ..system.leftovers import temporary_in
from ..tokens.aligner import TokenizerSource
from ..tokens.tokenizer import fingerprint
from ..traces.manifest import NAME
from ..versions import __version__

_MAX_RUNS: Final = 100
"""Runs that each worker is asked about, spread over all of them; rows check the rest."""


def check_workers(plan: Plan, engine: Engine) -> None:
    """Ask each worker of a cluster, by one small task, how it sees the paths of a plan.

    Raises:
        PlanError: `path-not-visible` and `worker-environment`, for every worker concerned.
    """
    if engine.remote:
        check_paths(engine, _inputs(plan), _outputs(plan))


def check_paths(engine: Engine, inputs: list[str], outputs: list[str]) -> None:
    """Ask each worker of a cluster whether it sees these files and folders.

    Args:
        engine: of the workers.
        inputs: paths that must look as they do here.
        outputs: folders that must be writable too.

    Raises:
        PlanError: `path-not-visible` and `worker-environment`, for every worker concerned.
    """
    paths = (*inputs, *outputs)
    mine = look(paths)
    problems: list[Exp2procError] = []
    for worker, seen in engine.everywhere(partial(look, paths)):
        if isinstance(seen, View):
            problems += compare(worker, seen, mine, paths, frozenset(outputs))
        else:
            why = first_line(seen) if isinstance(seen, BaseException) else repr(seen)
            problems.append(
                Exp2procError("worker-environment", f"worker {worker} cannot run exp2proc: {why}")
            )
    if problems:
        raise PlanError(problems)


def tokenizer_path(name: str) -> str:
    """A tokenizer's folder as every machine can name it; a hub name as it is."""
    folder = os.path.expanduser(name)
    return os.path.abspath(folder) if os.path.isdir(folder) else name


def _inputs(plan: Plan) -> list[str]:
    step = max(1, len(plan.runs) // _MAX_RUNS)
    names = [tokenizer_path(tokenizer.name) for tokenizer in plan.tokenizers]
    named = [path for planned in plan.runs for path in planned.datasets]
    named += [name for name in names if os.path.isdir(name)]
    named += [str(planned.run.trace_dir / NAME) for planned in plan.runs[::step]]
    return list(dict.fromkeys(named))


def _outputs(plan: Plan) -> list[str]:
    """The folders that are there already in which outputs, or their folders, will be made."""
    step = max(1, len(plan.runs) // _MAX_RUNS)
    return list(dict.fromkeys(_existing(planned.run.out_dir) for planned in plan.runs[::step]))


def _existing(folder: Path) -> str:
    return next(str(path) for path in (folder, *folder.parents) if path.is_dir())


_DECISIVE: Final = ("tokenizers", "transformers")
"""The libraries that decide what a token is."""


class Environment(NamedTuple):
    """What a machine brings along.

    Attributes:
        machine: its name.
        exp2proc: the version of this program.
        libraries: (name, version) of those that decide what a token is.
    """

    machine: str
    exp2proc: str
    libraries: tuple[tuple[str, str], ...]


def this_environment() -> Environment:
    """Of the process that asks."""
    libraries = tuple((name, version(name)) for name in _DECISIVE)
    return Environment(socket.gethostname(), __version__, libraries)


class PathView(NamedTuple):
    """How a path looks from a machine.

    Attributes:
        size: bytes of a file, -1 of a folder.
        writable: whether new files may be made in a folder.
    """

    size: int
    writable: bool


class View(NamedTuple):
    """What a worker sees: its environment, and each path that it was asked about (None: not)."""

    environment: Environment
    paths: tuple[PathView | None, ...]


def look(paths: tuple[str, ...]) -> View:
    """How this process sees these paths."""
    return View(this_environment(), tuple(map(_path_view, paths)))


def _path_view(path: str) -> PathView | None:
    try:
        if os.path.isdir(path):
            return PathView(-1, os.access(path, os.W_OK | os.X_OK))
        return PathView(os.stat(path).st_size, writable=False)
    except OSError:
        return None


def compare(
    worker: str, seen: View, mine: View, paths: tuple[str, ...], outputs: frozenset[str]
) -> Iterable[Exp2procError]:
    """What keeps a worker from converting what was planned here.

    Args:
        worker: its name in the cluster.
        seen, mine: how the worker and the planner see `paths`.
        paths: inputs, and folders that outputs go to or below.
        outputs: those that must be writable.
    """
    where = f"worker {worker} on machine {seen.environment.machine}"
    if seen.environment.exp2proc != mine.environment.exp2proc:
        yield Exp2procError(
            "worker-environment",
            f"{where} has exp2proc {seen.environment.exp2proc},"
            f" this machine {mine.environment.exp2proc}",
        )
    for path, there, here in zip(paths, seen.paths, mine.paths, strict=True):
        why = ""
        if there is None:
            why = "does not see"
        elif here is not None and there.size != here.size:
            why = "sees another file or folder at"
        elif path in outputs and not there.writable:
            why = "may not write to"
        if why:
            yield Exp2procError("path-not-visible", f"{where} {why} {path}")


def check_tokenizer(planner: Environment, source: TokenizerSource) -> None:
    """Check that a tokenizer is here what it was where the run was planned.

    Args:
        planner: the planning machine.
        source: with the fingerprint it had there; None for a hub name.

    Raises:
        Exp2procError: `worker-environment`.
    """
    mine = this_environment()
    differences = [
        f"{library} {have} instead of {want}"
        for (library, have), (_, want) in zip(mine.libraries, planner.libraries, strict=True)
        if have != want
    ]
    if not differences and source.planned is not None:
        found = fingerprint(source.name)
        if found is None:
            differences.append(f"no readable tokenizer at {source.name}")
        elif found != source.planned:
            differences.append(f"other files of the tokenizer at {source.name}")
    if differences:
        raise _differs(planner, ", ".join(differences))


class Mark(NamedTuple):
    """A file that the planner puts into each output folder: who sees it sees the same folder.

    A folder of the same name on a disk of its own looks the same and takes all that is written.

    Attributes:
        name: of the file; a temporary one, which whoever comes next sweeps when a kill leaves it.
        content: of nobody else.
    """

    name: str
    content: str

    def put(self, folder: Path) -> None:
        """Mark a folder; a second run into the same finds it marked.

        Raises:
            OSError: it cannot be written to.
        """
        with suppress(FileExistsError):
            write_new(str(folder / self.name), self.content.encode())

    def remove(self, folder: Path) -> None:
        """Take it away again, where it is."""
        with suppress(OSError):
            (folder / self.name).unlink()


def new_mark() -> Mark:
    """A mark that no other run has."""
    return Mark(os.path.basename(temporary_in("")), uuid.uuid4().hex)


def check_folders(planner: Environment, folders: tuple[str, str], mark: Mark | None) -> None:
    """Check that this machine sees the trace folder and the very output folder of a run.

    Args:
        planner: the planning machine.
        folders: (trace_dir, out_dir).
        mark: in the output folder; None: nothing is written there.

    Raises:
        Exp2procError: `worker-environment`.
    """
    for folder in folders[: 1 if mark is None else 2]:
        if not os.path.isdir(folder):
            raise _differs(planner, f"no folder {folder}")
    if mark is not None:
        content = ""
        with suppress(OSError):
            content = Path(folders[1], mark.name).read_text()
        if content != mark.content:
            raise _differs(planner, f"another folder at {folders[1]}")


class Unseen:
    """Samples that a cluster's workers reported, and this machine does not see yet.

    Args:
        plan: of the conversion.
    """

    _PATIENCE: Final = 10.0
    """Seconds until a network file system shows what another machine has written."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._waiting: list[Outcome] = []

    def holds(self, outcome: Outcome) -> bool:
        """Keep back the outcome of a sample that is not seen here; says whether it did."""
        made = outcome.status in ("converted", "replaced")
        if made and not os.path.lexists(self._path(outcome)):
            self._waiting.append(outcome)
            return True
        return False

    def settled(self) -> Iterator[Outcome]:
        """What became of those that were kept back: seen after all, or failed."""
        until = time.monotonic() + self._PATIENCE
        for outcome in self._waiting:
            path = self._path(outcome)
            while not (seen := _is_listed(path)) and time.monotonic() < until:
                time.sleep(0.1)
            if seen:
                yield outcome
                continue
            row = self._plan.runs[outcome.run].row(outcome.number)
            said = f"a worker wrote {path}, but this machine, which planned, does not see it"
            yield Outcome.failed(row, Exp2procError("worker-environment", said))
        self._waiting.clear()

    def _path(self, outcome: Outcome) -> str:
        planned = self._plan.runs[outcome.run]
        return f"{planned.run.out_dir}/{planned.row(outcome.number).file}"


def _is_listed(path: str) -> bool:
    """Asks the folder, too: that a file was not there may be remembered by a network's client."""
    folder, name = os.path.split(path)
    with suppress(OSError):
        return os.path.lexists(path) or name in os.listdir(folder)
    return False


def _differs(planner: Environment, what: str) -> Exp2procError:
    return Exp2procError(
        "worker-environment",
        f"machine {socket.gethostname()} differs from {planner.machine}, which planned: {what}",
    )
