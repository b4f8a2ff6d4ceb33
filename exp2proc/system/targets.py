"""Files that somebody names to be written, and which of those already there may be replaced."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ..errors import Exp2procError
from .files import open_regular


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
