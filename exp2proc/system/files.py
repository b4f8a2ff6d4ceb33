"""Files that are given as input: their absolute path, and opening them without surprises."""

from __future__ import annotations

import errno
import hashlib
import os
import reprlib
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from ..errors import Exp2procError


class NotRegularFileError(OSError):
    """What stands there is a folder, a FIFO or a device."""


def absolute(path: str | Path) -> Path:
    """`path` from the root of the file system, `~` and `..` worked out; links stay as they are.

    >>> absolute("/data/traces/../out")
    PosixPath('/data/out')
    """
    return Path(os.path.abspath(os.path.expanduser(path)))


def given(path: object, name: str) -> Path:
    """A path that a caller gave as the argument `name`.

    Raises:
        Exp2procError: `usage` when it is none.

    >>> given(5, "path")
    Traceback (most recent call last):
    exp2proc.errors.Exp2procError: usage: path is 5: it may be a path
    """
    text = os.fspath(path) if isinstance(path, (str, os.PathLike)) else None
    if not isinstance(text, str) or "\0" in text:
        raise Exp2procError("usage", f"{name} is {reprlib.repr(path)}: it may be a path")
    return Path(text)


def open_regular(path: str | Path) -> BinaryIO:
    """Open a regular file for reading; a FIFO or a device could keep a run waiting for ever.

    Raises:
        OSError: it cannot be opened, or is something else (`NotRegularFileError`).
    """
    return os.fdopen(open_regular_fd(path), "rb")


def open_regular_fd(path: str | Path, *, follow_symlinks: bool = True, write: bool = False) -> int:
    """As `open_regular`, but the bare file descriptor, which the caller closes.

    Args:
        path: the file.
        follow_symlinks: when false, a link fails with ELOOP.
        write: for writing, too.
    """
    # Opening a FIFO waits for its writer; to regular files the flag means nothing.
    flags = (
        (os.O_RDWR if write else os.O_RDONLY)
        | getattr(os, "O_NONBLOCK", 0)
        | getattr(os, "O_CLOEXEC", 0)
    )
    if not follow_symlinks:
        flags |= getattr(os, "O_NOFOLLOW", 0)
    fd = os.open(path, flags | getattr(os, "O_BINARY", 0))
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise NotRegularFileError(errno.EINVAL, "not a regular file", os.fspath(path))
    except BaseException:
        os.close(fd)
        raise
    return fd


def blocks(path: str | Path) -> Iterator[bytes]:
    """A regular file, a piece at a time.

    Raises:
        OSError: as `open_regular`.
    """
    with open_regular(path) as stream:
        while block := stream.read(BLOCK):
            yield block


BLOCK: Final = 1 << 20


class Hashed:
    """A file that is read line by line, and the SHA-256 of all that is in it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._sha256 = hashlib.sha256()

    def readline(self, limit: int = -1) -> bytes:
        """The next line, or as much of it as `limit` allows."""
        line = self._stream.readline(limit)
        self._sha256.update(line)
        return line

    def hexdigest(self) -> str:
        """Of the whole file: what was not read yet is read now."""
        while rest := self._stream.read(BLOCK):
            self._sha256.update(rest)
        return self._sha256.hexdigest()


def is_missing(err: OSError) -> bool:
    """Whether a file is simply not there; under a name that is too long none can be.

    >>> try:
    ...     open_regular("/nowhere/at/all")
    ... except OSError as err:
    ...     is_missing(err)
    True
    """
    return err.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)
