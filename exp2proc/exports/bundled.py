"""Bundles: whether what lies there is one, and whether it is whole.

A bundle is known by its sums or its provenance, in a folder or in an archive. In an archive that is
framed as `bundling` frames them every byte is accounted for: the content of files by their sums,
everything between by what would be written.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from ..formats.archives import LARGEST_DIRECTORY
from ..formats.bundle import DATA, FORMAT, PARQUET, PROVENANCE, SUMS, read_sums
from ..formats.parquet import ParquetReader, is_parquet
from ..formats.record import FORMAT as RECORD_FORMAT
from ..formats.record import checked_record
from ..formats.zipped import STORED, Entry, NpzError, ZipReader, ending, headers
from ..system.files import BLOCK, blocks, open_regular
from ..system.walk import walk

_LARGEST: Final = 1 << 28
"""Bytes of sums or of a provenance that are read: a sum takes about a hundred."""


class Damage(NamedTuple):
    """Something that is not as it was when the bundle was made.

    Attributes:
        path: inside the bundle; "" for the archive as such.
        why: what is wrong.
    """

    path: str
    why: str


class _Files(Protocol):
    def names(self) -> list[str]: ...

    def blocks(self, name: str) -> Iterator[bytes]: ...

    def amiss(self) -> Iterator[Damage]: ...

    def close(self) -> None: ...


class Bundle:
    """A bundle that lies there. A context manager.

    Attributes:
        root: its folder or archive.
        sums: SHA-256 in hex by path.
        provenance: as `provenance.json` has it; empty where that cannot be read.
    """

    def __init__(self, root: Path, files: _Files) -> None:
        self.root = root
        self._files = files
        self._amiss: list[Damage] = []
        self.sums: dict[str, str] = {}
        self.provenance: dict[str, Any] = {}
        try:
            self.sums = read_sums(self._text(SUMS))
        except (OSError, ValueError) as err:
            self._amiss.append(Damage(SUMS, _why(err)))
        try:
            self.provenance = _provenance(self._text(PROVENANCE))
        except (OSError, ValueError) as err:
            self._amiss.append(Damage(PROVENANCE, _why(err)))

    def __enter__(self) -> Bundle:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Safe to call twice."""
        self._files.close()

    @property
    def samples_in(self) -> Path:
        """Where its samples are found."""
        if not self.root.is_dir():
            return self.root
        data = self.root / DATA
        return data if data.is_dir() or not (self.root / PARQUET).is_dir() else self.root / PARQUET

    def records(self, *, of_source: bool = False) -> dict[str, dict[str, Any]]:
        """What each folder of samples is known to hold, as a record; by the folder's path.

        In a Parquet file too, whose rows lie as if in folders.

        Args:
            of_source: give the record of what they were made from, where there is one.
        """
        found: dict[str, dict[str, Any]] = {}
        for path, run in self.provenance.get("runs", {}).items():
            with suppress(ValueError, TypeError, KeyError):
                record = {
                    "format": RECORD_FORMAT,
                    "rows": {"samples": run["samples"]},
                    "samples_digest": run["samples_digest"],
                    "dropped": [],
                }
                record = run["record"] if of_source else record
                if record is not None:
                    names = (run["dataset"], run["model"], run["run_tag"])
                    table = f"{path.partition('/')[0]}.parquet"
                    for place in (Path(DATA, path), Path(PARQUET, table, *filter(None, names))):
                        found[str(self.root / place)] = checked_record(record)
        return found

    def damage(self) -> Iterator[Damage]:
        """Everything that is not as it was when the bundle was made.

        Raises:
            OSError: the bundle cannot be read.
        """
        yield from self._amiss
        if any(one.path == SUMS for one in self._amiss):
            return
        there = self._files.names()
        for path in there:
            if path not in self.sums and path != SUMS:
                yield Damage(path, f"{SUMS} does not list it")
        names = set(there)
        for path, wanted in self.sums.items():
            if path not in names:
                yield Damage(path, "it is missing")
                continue
            found = hashlib.sha256()
            try:
                for block in self._files.blocks(path):
                    found.update(block)
            except (OSError, NpzError) as err:
                yield Damage(path, _why(err))
            else:
                if found.hexdigest() != wanted:
                    yield Damage(path, f"its SHA-256 is {found.hexdigest()}, {wanted} in {SUMS}")
        yield from self._files.amiss()

    def _text(self, name: str) -> str:
        content = bytearray()
        for block in self._files.blocks(name):
            content += block
            if len(content) > _LARGEST:
                raise ValueError(f"it has more than {_LARGEST} bytes")
        return content.decode()


def _why(err: Exception) -> str:
    if isinstance(err, FileNotFoundError):
        return "it is missing"
    return (isinstance(err, OSError) and err.strerror) or str(err)


def _provenance(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
        if found["format"] != FORMAT or not isinstance(found["runs"], dict):
            raise ValueError
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ValueError(f"it is no provenance of format {FORMAT}") from None
    return dict(found)


def open_bundle(root: Path) -> Bundle | None:
    """The bundle that lies there; None for anything else."""
    with suppress(OSError, NpzError):
        if root.is_dir():
            if (root / SUMS).is_file() or _is_provenance(root / PROVENANCE):
                return Bundle(root, _Folder(root))
        elif root.is_file():
            with open_regular(root) as stream:
                if stream.read(2) != b"PK":
                    return None
            files = _Archive(root)
            if {SUMS, PROVENANCE} & set(files.names()):
                return Bundle(root, files)
            files.close()
    return None


def known_records(roots: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """What the samples of bundles and Parquet files among these were made from, by their folder.

    Raises:
        Exp2procError: `parquet-invalid`; `missing-extra` without pyarrow.
    """
    found: dict[str, dict[str, Any]] = {}
    for root in roots:
        if (there := open_bundle(root)) is not None:
            with there:
                found |= there.records(of_source=True)
        elif is_parquet(root):
            with ParquetReader(root) as reader:
                for run, record in reader.records().items():
                    with suppress(ValueError):
                        found[str(root / run)] = checked_record(record)
    return found


def _is_provenance(path: Path) -> bool:
    """Others may have a file of this name."""
    with suppress(OSError, ValueError), open_regular(path) as stream:
        return bool(_provenance(stream.read(_LARGEST).decode()))
    return False


class _Folder:
    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self) -> list[str]:
        found: list[str] = []
        for folder in walk(self._root, enter=lambda name: not name.startswith(".")):
            way = Path(folder.path).relative_to(self._root)
            found += ((way / name).as_posix() for name in folder.files if name[0] != ".")
        return sorted(found)

    def blocks(self, name: str) -> Iterator[bytes]:
        return blocks(self._root / name)

    def amiss(self) -> Iterator[Damage]:
        yield from ()

    def close(self) -> None:
        pass


class _Archive:
    """The files of an archive; their names begin behind the folder that holds them all, if any."""

    def __init__(self, root: Path) -> None:
        self._zip = ZipReader(root)
        try:
            entries = self._zip.entries(LARGEST_DIRECTORY)
        except BaseException:
            self._zip.close()
            raise
        self._ordered = entries
        self._above = next((n[: -len(SUMS)] for n in _shortest(entries) if _is_sums(n)), "")
        self._entries = {
            entry.text.removeprefix(self._above): entry
            for entry in entries
            if not entry.name.endswith(b"/")
        }

    def names(self) -> list[str]:
        return sorted(self._entries)

    def blocks(self, name: str) -> Iterator[bytes]:
        entry = self._entries.get(name)
        if entry is None:
            raise FileNotFoundError(name)
        if entry.method != STORED or entry.size != entry.packed:
            yield bytes(self._zip.content(entry, "it", _LARGEST))
            return
        start = self._zip.start(entry, "it")
        for at in range(start, start + entry.size, BLOCK):
            yield bytes(self._zip.read(at, min(BLOCK, start + entry.size - at)))

    def amiss(self) -> Iterator[Damage]:
        """Names that several members have; headers and directory that `bundling` does not write.

        The latter only where some are as it writes them.
        """
        for name, times in Counter(entry.text for entry in self._ordered).items():
            if times > 1:
                yield Damage(name, f"{times} members of the archive have its name")
        found: list[Damage] = []
        directory: list[bytes] = []
        at = 0
        for entry in self._ordered:
            made = headers(entry.name, STORED, entry.crc, entry.size, entry.size, at)
            there = self._there(at, len(made.local))
            if there != made.local or entry.offset != at or entry.packed != entry.size:
                found.append(Damage(entry.text, "its header in the archive is damaged"))
            directory.append(made.central)
            at += len(made.local) + entry.size
        if len(found) == len(self._ordered):
            return  # another program has packed it
        yield from found
        length = sum(map(len, directory))
        expected = b"".join(directory) + ending(len(directory), length, at)
        if self._there(at, self._zip.size - at) != expected:
            yield Damage("", "the archive's directory, or what lies around it, is damaged")

    def _there(self, at: int, count: int) -> bytes:
        with suppress(NpzError):
            return bytes(self._zip.read(at, count))
        return b""

    def close(self) -> None:
        self._zip.close()


def _shortest(entries: list[Entry]) -> list[str]:
    return sorted((entry.text for entry in entries), key=len)


def _is_sums(name: str) -> bool:
    return name == SUMS or name.endswith(f"/{SUMS}")
