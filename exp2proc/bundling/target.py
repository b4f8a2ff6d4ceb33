"""What a bundle is written to: a folder or an archive, either of which goes on where it stopped.

The same files in the same order make the same bytes: no date, no name of a machine or user is
written. Members of an archive are stored as they are: what compresses is compressed inside, and
how much a library deflates changes with its release.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from ..errors import Exp2procError
from ..exports.bundled import open_bundle
from ..formats import deflate
from ..formats.bundle import CITATION, DATA, PARQUET, SUMS, VIEWER
from ..formats.zipped import STORED, ending, headers
from ..system.atomic_write import write_whole
from ..system.files import blocks, open_regular
from ..system.leftovers import sweep
from ..system.targets import Kind, check_target, claim

UNFINISHED: Final = ".exp2proc-bundle-unfinished"
PART: Final = ".part"
_NAMES: Final = {
    "": (CITATION, VIEWER),
    PARQUET: ("*.parquet",),
    f"{DATA}/*/*/*": ("*.npz",),
}
"""Files of a bundle that not every bundle has, by their folders."""
ZIP: Final = Kind("zip archive", lambda stream: stream.read(2) == b"PK")


class Target(Protocol):
    """Takes the files of a bundle, the same ones in the same order at each try.

    Attributes:
        scratch: a folder of the same file system, for files that are made before they are added.
    """

    scratch: Path

    def add(self, path: str, content: bytes | bytearray) -> None:
        """A file, by its path inside the bundle."""

    def add_file(self, path: str, file: Path) -> None:
        """A file that may be larger than memory; it may be moved."""

    def finish(self) -> None:
        """All are there."""

    def close(self) -> None:
        """Whether or not all are there."""


class FolderTarget:
    """A bundle as a folder.

    Args:
        root: a new or empty folder, or one with an unfinished bundle.
        overwrite: whether a bundle that is there may be replaced.

    Raises:
        Exp2procError: `target-exists`.
        OSError: the operating system refuses.
    """

    def __init__(self, root: Path, *, overwrite: bool) -> None:
        self._root = self.scratch = root
        _check_folder(root, overwrite)
        root.mkdir(parents=True, exist_ok=True)
        self._claim = claim(root / UNFINISHED)
        (root / SUMS).unlink(missing_ok=True)
        self._written: set[Path] = set()
        self._folders: set[Path] = set()

    def add(self, path: str, content: bytes | bytearray) -> None:
        """A file, by its path inside the bundle; one that is there with this content stays."""
        place = self._place(path)
        if not _holds(place, content):
            write_whole(str(place), bytes(content), replace=True)

    def add_file(self, path: str, file: Path) -> None:
        """Move a file to its place."""
        os.replace(file, self._place(path))

    def finish(self) -> None:
        """Remove what a bundle calls so and only an earlier or a stopped one had."""
        for where, names in _NAMES.items():
            for folder in self._root.glob(where) if where else [self._root]:
                if folder.is_dir() and not self._leads_out(folder):
                    sweep(str(folder))
                    for path in chain.from_iterable(map(folder.glob, names)):
                        if path not in self._written and not path.is_dir():
                            path.unlink()
                    self._remove_empty(folder)
        (self._root / UNFINISHED).unlink(missing_ok=True)

    def close(self) -> None:
        """Others may write there."""
        os.close(self._claim)

    def _place(self, path: str) -> Path:
        place = self._root / path
        self._written.add(place)
        folder = place.parent
        if folder not in self._folders:
            if self._leads_out(folder):
                said = f"{folder} leads out of {self._root} by a link"
                raise Exp2procError(
                    "target-exists", said, "Remove the link, or name another folder."
                )
            folder.mkdir(parents=True, exist_ok=True)
            sweep(str(folder))
            self._folders.add(folder)
        return place

    def _leads_out(self, folder: Path) -> bool:
        way = folder.relative_to(self._root)
        return Path(os.path.realpath(folder)) != Path(os.path.realpath(self._root), way)

    def _remove_empty(self, folder: Path) -> None:
        with suppress(OSError):
            while folder != self._root:
                folder.rmdir()
                folder = folder.parent


def _check_folder(root: Path, overwrite: bool) -> None:
    if not os.path.lexists(root):
        return
    if not root.is_dir():
        raise Exp2procError("target-exists", f"{root} is not a folder", "Name a folder, or a .zip.")
    if (root / UNFINISHED).is_file() or not any(root.iterdir()):
        return
    there = open_bundle(root)
    if there is None:
        raise Exp2procError(
            "target-exists",
            f"{root} is not empty and no bundle",
            "Name a new or empty folder with -o; only an earlier bundle is replaced.",
        )
    there.close()
    if not overwrite:
        raise Exp2procError("target-exists", f"{root} is a bundle already")


def _holds(path: Path, content: bytes | bytearray) -> bool:
    try:
        with open_regular(path) as stream:
            return os.fstat(stream.fileno()).st_size == len(content) and stream.read() == content
    except OSError:
        return False


class ZipTarget:
    """A bundle as an archive, which grows as `<name>.part` beside its place.

    What of it is there already is compared as it is written again, and kept as far as it is equal.

    Args:
        path: of the archive.
        overwrite: whether an archive that is there may be replaced.

    Raises:
        Exp2procError: `target-exists`.
        OSError: the operating system refuses.
    """

    def __init__(self, path: Path, *, overwrite: bool) -> None:
        check_target(path, ZIP, overwrite=overwrite)
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(str(path.parent))
        self._path = path
        self.scratch = path.parent
        self._part = path.with_name(path.name + PART)
        fd = claim(self._part)
        self._file: BinaryIO = os.fdopen(fd, "r+b")
        self._left = os.fstat(fd).st_size
        self._at = 0
        self._directory: list[bytes] = []

    def add(self, path: str, content: bytes | bytearray) -> None:
        """A file, by its path inside the bundle."""
        self._begin(path, deflate.crc32(content), len(content))
        self._write(content)

    def add_file(self, path: str, file: Path) -> None:
        """A file, read in blocks twice: its header comes before it."""
        crc = size = 0
        for block in blocks(file):
            crc, size = deflate.crc32(block, crc), size + len(block)
        self._begin(path, crc, size)
        for block in blocks(file):
            self._write(block)

    def finish(self) -> None:
        """Write the directory, and put the archive in its place."""
        offset = self._at
        length = sum(map(len, self._directory))
        for part in (*self._directory, ending(len(self._directory), length, offset)):
            self._write(part)
        self._file.truncate(self._at)
        self._file.flush()
        os.replace(self._part, self._path)

    def close(self) -> None:
        """Keep what is there: it is gone on with."""
        self._file.close()

    def _begin(self, path: str, crc: int, size: int) -> None:
        made = headers(path.encode(), STORED, crc, size, size, self._at)
        self._directory.append(made.central)
        self._write(made.local)

    def _write(self, data: bytes | bytearray) -> None:
        if self._left:
            there = self._file.read(len(data))
            self._left -= len(there)
            if there == data:
                self._at += len(data)
                return
            if not self._at and not data.startswith(there):
                raise Exp2procError(
                    "target-exists",
                    f"{self._part} is there and is no part of this bundle",
                    "Move it away, or name another file with -o.",
                )
            self._left = 0
            self._file.seek(self._at)
            self._file.truncate()
        self._file.write(data)
        self._at += len(data)


class Summed:
    """A target, and the SHA-256 of each file that goes there.

    Attributes:
        sums: by path inside the bundle.
        size: bytes so far.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self.sums: dict[str, str] = {}
        self.size = 0

    def add(self, path: str, content: bytes | bytearray) -> None:
        """A file, by its path inside the bundle."""
        self.sums[path] = hashlib.sha256(content).hexdigest()
        self.size += len(content)
        self._target.add(path, content)

    def add_file(self, path: str, file: Path) -> None:
        """A file that may be larger than memory; it may be moved."""
        found = hashlib.sha256()
        for block in blocks(file):
            found.update(block)
            self.size += len(block)
        self.sums[path] = found.hexdigest()
        self._target.add_file(path, file)
