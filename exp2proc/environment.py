"""What has to be the same on the machine that plans and on those that convert.

Workers of a cluster see the paths of a plan, not its contents: each must find the same files there
and read tokenizers with the same libraries, or the pieces it cuts are not the planner's.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from importlib.metadata import version
from typing import Final, NamedTuple

from . import __version__
from .errors import Exp2procError
from .tokenizer import fingerprint

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


def check_tokenizer(planner: Environment, name: str, planned: str | None) -> None:
    """Check that a tokenizer is here what it was where the run was planned.

    Args:
        planner: the planning machine.
        name: folder or hub name.
        planned: the folder's fingerprint there; None for a hub name.

    Raises:
        Exp2procError: `worker-environment`.
    """
    mine = this_environment()
    differences = [
        f"{library} {have} instead of {want}"
        for (library, have), (_, want) in zip(mine.libraries, planner.libraries, strict=True)
        if have != want
    ]
    if not differences and planned is not None:
        found = fingerprint(name)
        if found is None:
            differences.append(f"no readable tokenizer at {name}")
        elif found != planned:
            differences.append(f"other files of the tokenizer at {name}")
    if differences:
        raise _differs(planner, ", ".join(differences))


def check_folders(planner: Environment, folders: Iterable[str]) -> None:
    """Check that this machine sees these folders.

    Raises:
        Exp2procError: `worker-environment`.
    """
    for folder in folders:
        if not os.path.isdir(folder):
            raise _differs(planner, f"no folder {folder}")


def _differs(planner: Environment, what: str) -> Exp2procError:
    return Exp2procError(
        "worker-environment",
        f"machine {socket.gethostname()} differs from {planner.machine}, which planned: {what}",
    )
