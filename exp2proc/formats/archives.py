"""Samples in zip archives, read where they lie: nothing is extracted, no path is followed.

A name in an archive is only a name. One that could not be a file's below a folder, or that tells
two members apart no more, costs its own sample.
"""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from ..system.files import open_regular
from .deflate import Bytes
from .names import is_inside
from .sample import MAX_NPZ
from .zipped import STORED, Entry, NpzError, ZipReader

LARGEST_DIRECTORY: Final = 1 << 27
"""Bytes of a directory that is not plain: of a million members it has a hundred million."""


class ZipMember(NamedTuple):
    """A file in an archive.

    Attributes:
        archive: path of the archive.
        entry: what the archive's directory says of it.
        problem: why it may not be read; "" for none.
    """

    archive: str
    entry: Entry
    problem: str = ""

    @property
    def name(self) -> str:
        """As the archive spells it; what cannot be a path below a folder as one part."""
        name = self.entry.text
        return name if is_inside(name) else name.replace("/", "%2f").replace("\0", "%00")

    def __str__(self) -> str:
        return f"{self.archive}/{self.name}"

    def read(self) -> Bytes:
        """The whole file, its CRC checked; see `Held`."""
        if self.problem:
            raise NpzError(self.problem)
        with ZipReader(self.archive) as archive:
            archive.check_local(self.entry)
            return archive.content(self.entry, "it", MAX_NPZ)

    def open(self) -> io.BufferedReader:
        """The file, for a reader that goes to and fro in it.

        Raises:
            NpzError: it is damaged, or packed, so that one cannot.
            OSError: the archive cannot be read.
        """
        if self.problem:
            raise NpzError(self.problem)
        if self.entry.method != STORED or self.entry.flags & 1:
            raise NpzError("it is packed in its archive: extract it first")
        with ZipReader(self.archive) as archive:
            archive.check_local(self.entry)
            start = archive.start(self.entry, "it")
        stream = open_regular(self.archive)
        return io.BufferedReader(_Window(stream.detach(), start, self.entry.size))  # type: ignore[attr-defined]


class _Window(io.RawIOBase):
    """A part of a file as if it were one."""

    def __init__(self, file: io.FileIO, start: int, size: int) -> None:
        self._file = file
        self._start = start
        self._size = size
        self._at = 0

    def fileno(self) -> int:
        """Of the whole file: it tells whether that is still the same."""
        return self._file.fileno()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("before the beginning")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        count = max(0, min(len(buffer), self._size - self._at))
        data = os.pread(self._file.fileno(), count, self._start + self._at)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def holds_files(path: str | Path) -> bool:
    """Whether a zip archive holds other files than the arrays of an npz.

    Raises:
        NpzError: it is no zip archive.
        OSError: it cannot be read.
    """
    with ZipReader(path) as archive:
        names = [entry.name for entry in archive.entries(LARGEST_DIRECTORY)]
    return any(name.endswith(b".npz") for name in names) or not any(
        name.endswith(b".npy") for name in names
    )


def members(path: str | Path) -> Iterator[ZipMember]:
    """The visible files of an archive, in its order.

    Raises:
        NpzError: it is no zip archive.
        OSError: it cannot be read.
    """
    with ZipReader(path) as archive:
        entries = archive.entries(LARGEST_DIRECTORY)
    times = Counter(entry.name for entry in entries)
    archive_path = os.fspath(path)
    for entry in entries:
        hidden = any(
            part.startswith(".") and part not in (".", "..") for part in entry.text.split("/")
        )
        if not hidden and not entry.name.endswith(b"/"):
            yield ZipMember(archive_path, entry, _problem(entry, times[entry.name]))


def _problem(entry: Entry, times: int) -> str:
    if times > 1:
        return f"{times} members of the archive have its name"
    if not is_inside(entry.text):
        return "its name in the archive leads out of it"
    return "it is a link" if entry.is_link else ""
