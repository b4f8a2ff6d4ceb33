"""A folder for a run's own notes, which goes with the run."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .writing import MACHINE, is_alive

_PREFIX = f"exp2proc-{MACHINE}-"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for the run's own notes; those of killed runs on this machine are removed.

    Where there is no room for one the path is of a folder that does not exist.
    """
    try:
        root = tempfile.gettempdir()
        _remove_left_behind(root)
        folder = tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-")
    except OSError:
        yield Path(os.devnull, "none")
        return
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_left_behind(root: str) -> None:
    with suppress(OSError):
        for entry in os.scandir(root):
            pid = entry.name.removeprefix(_PREFIX).partition("-")[0]
            if entry.name.startswith(_PREFIX) and pid.isdigit() and not is_alive(int(pid)):
                shutil.rmtree(entry.path, ignore_errors=True)
