"""A folder for a run's own notes, which goes with the run."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .leftovers import SCRATCH_PREFIX, sweep_scratch


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for the run's own notes; those of killed runs on this machine are removed.

    Where there is no room for one the path is of a folder that does not exist.
    """
    try:
        root = tempfile.gettempdir()
        sweep_scratch(root)
        folder = tempfile.mkdtemp(prefix=f"{SCRATCH_PREFIX}{os.getpid()}-")
    except OSError:
        yield Path(os.devnull, "none")
        return
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
