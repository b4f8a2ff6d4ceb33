"""Files that somebody names to be written: what may be replaced, and who may write now."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ..errors import Exp2procError
from .atomic_write import write_new
from .files import open_regular, open_regular_fd


class Kind(NamedTuple):
    """What a command writes to a file that it is given the name of.

    Attributes:
        name: for people.
        holds: whether an open file is one.
    """

    name: str
    holds: Callable[[BinaryIO], bool]


def check_target(path: Path, kind: Kind, *, overwrite: bool = True) -> None:
    """Refuse to replace what is there, unless it is of the kind that is written, or empty.

    So no input of a run is ever replaced, whatever its name.

    Args:
        path: where it is to be written.
        kind: what is to be written.
        overwrite: whether one of this kind may be replaced.

    Raises:
        Exp2procError: `target-exists`.
    """
    if not os.path.lexists(path):
        return
    if path.is_dir():
        raise Exp2procError("target-exists", f"{path} is a folder", "Name a file.")
    if not overwrite:
        raise Exp2procError("target-exists", f"{path} is already there")
    try:
        with open_regular(path) as stream:
            if not os.fstat(stream.fileno()).st_size or kind.holds(stream):
                return
        why = f"is there and is no {kind.name}"
    except OSError as err:
        why = f"is there and cannot be read ({err.strerror or err})"
    raise Exp2procError(
        "target-exists", f"{path} {why}", f"Name another: only a {kind.name} is replaced."
    )


def claim(path: Path) -> int:
    """Open a file to write it, made where there is none, as the only run that does.

    The claim ends when the descriptor is closed, or with the process, however that ends.

    Raises:
        Exp2procError: `target-exists`: another run has it.
        OSError: it is a link or no regular file, or the operating system refuses.
    """
    with suppress(FileExistsError):
        write_new(str(path), b"")
    fd = open_regular_fd(path, follow_symlinks=False, write=True)
    try:
        _lock(fd)
        if not os.path.samestat(os.fstat(fd), path.lstat()):  # that run has just ended
            raise BlockingIOError
    except (BlockingIOError, FileNotFoundError):
        os.close(fd)
        raise Exp2procError(
            "target-exists", f"{path} is being written by another run", "Wait until that has ended."
        ) from None
    return fd


def _lock(fd: int) -> None:
    """Where the system or the file system knows no locks, nobody is kept out."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return
