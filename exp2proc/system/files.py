"""Opening what is given as input."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_regular(path: str | Path) -> BinaryIO:
    """Open a regular file for reading; a FIFO or a device could keep a run waiting for ever.

    Raises:
        OSError: it cannot be opened, or is something else.
    """
    stream = open(path, "rb", opener=_without_waiting)  # noqa: SIM115 - the caller closes it
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
    return stream


def _without_waiting(path: str, flags: int) -> int:
    # Opening a FIFO waits for its writer; to regular files the flag means nothing.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
