"""Zip archives, read strictly and without going through `zipfile`, and written in one way.

Whatever is not an unencrypted member, all there and of the size that the directory says, raises
`NpzError`; no allocation is larger than what the directory can prove. What `npz_rare` knows (zip64,
comments, bytes behind the end, bzip2, LZMA) is read as `np.load` reads it, within the same bounds.

`zipfile` itself would do for writing if it knew what it writes before it writes it: it comes back
to each member's header, which no stream can be compared with on the way.
"""

from __future__ import annotations

import os
import stat
import struct
import zipfile
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, TypeVar

from ..system.files import NotRegularFileError, open_regular, open_regular_fd
from . import deflate, npz_rare
from .deflate import Bytes
from .held import Place

Self = TypeVar("Self", bound="ZipReader")

_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_DOS_EPOCH: Final = 0x21  # 1980-01-01, the date numpy itself stamps: equal inputs, equal bytes

# A file up to this size is read in one call; of a larger one only the directory and what is needed.
_WHOLE: Final = 1 << 20
_TAIL: Final = 1 << 16

_ZIP64: Final = 0xFFFFFFFF
"""Stands where the true number is in a zip64 field."""
_MANY: Final = 0xFFFF
"""Likewise, of members."""

STORED: Final = 0
DEFLATED: Final = 8
_METHODS: Final = (STORED, DEFLATED, *npz_rare.METHODS)
"""How members may be packed: not at all, by DEFLATE, or rarely otherwise."""

_NEWEST_ZIP: Final = 63
"""The newest version of the format (6.3) that zipfile, and so np.load, reads."""
_UTF8: Final = 0x800
_UNIX: Final = 3


class NpzError(ValueError):
    """The file is not a readable npz, or no archive. The message says why."""


class Entry(NamedTuple):
    """What an archive's directory says of a member.

    Attributes:
        flags: of the format.
        method: how it is packed.
        crc: CRC-32 of its content.
        packed: bytes that it takes up.
        size: bytes of its content.
        offset: of its local header.
        mode: file type and permissions, where the archive says; else 0.
        name: as it is spelled.
    """

    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    mode: int
    name: bytes

    @property
    def text(self) -> str:
        """The name as text."""
        return self.name.decode("utf-8", "replace")

    @property
    def is_link(self) -> bool:
        """Whether to extract it would make a symbolic link."""
        return stat.S_ISLNK(self.mode)


class ZipReader:
    """One open archive. Use as a context manager.

    Args:
        place: the file, or where it lies in another one.
        follow_symlinks: when false, a link fails with ELOOP.

    Attributes:
        size: bytes of the archive.

    Raises:
        OSError: the file cannot be opened or read.
        NpzError: it is not a regular file.
    """

    def __init__(self, place: Place, *, follow_symlinks: bool = True) -> None:
        self._base = 0
        self._bytes: Bytes = b""
        self._fd = -1
        if not isinstance(place, str | Path):
            self._bytes = place.read()
            self.size = len(self._bytes)
            return
        try:
            self._fd = open_regular_fd(place, follow_symlinks=follow_symlinks)
        except NotRegularFileError:
            raise NpzError("it is not a regular file") from None
        self.size = self._base = os.fstat(self._fd).st_size

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; safe to call twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def entries(self, longest: int = npz_rare.MAX_DIRECTORY) -> list[Entry]:
        """The members, as the directory lists them.

        Args:
            longest: bytes of a directory that is not plain.

        Raises:
            NpzError: it is no zip archive.
        """
        if self.size < _END.size:
            raise NpzError(f"it has {self.size} bytes: not a zip archive")
        if self._fd >= 0:
            take = self.size if self.size <= _WHOLE else _TAIL
            tail = os.pread(self._fd, take, self.size - take)
            if len(tail) != take:
                raise NpzError("it shrank while it was read")
            self._base, self._bytes = self.size - take, tail
        found = self._plain_directory()
        if found is not None:
            return found
        try:
            whole = self._fd if self._fd >= 0 else bytes(self._bytes)
            return [Entry(*fields) for fields in npz_rare.directory(whole, longest)]
        except zipfile.BadZipFile as err:
            raise NpzError(str(err)) from None

    def check_local(self, entry: Entry) -> None:
        """Compare a member's two headers: a damaged name must not pass for an absent array.

        Raises:
            NpzError: they differ.
        """
        local = self.read(entry.offset, _LOCAL.size + len(entry.name))
        if local[:4] != b"PK\3\4":
            raise NpzError(f"{shown_name(entry.name)}: no local header at byte {entry.offset}")
        name_len = int.from_bytes(local[26:28], "little")
        if name_len != len(entry.name) or local[_LOCAL.size :] != entry.name:
            raise NpzError(f"{shown_name(entry.name)}: the local header names another member")

    def content(self, entry: Entry, key: str, most: int) -> Bytes:
        """A member, its CRC checked.

        Args:
            entry: of the directory.
            key: names it in messages.
            most: bytes that it may have.

        Raises:
            NpzError: it is damaged or encrypted, or claims more.
        """
        if entry.size > most:
            raise NpzError(f"{key} claims {entry.size} bytes")
        content = self._inflate(key, entry, self._packed(key, entry))
        if deflate.crc32(content) != entry.crc:
            raise NpzError(f"{key}: bad CRC")
        return content

    def start(self, entry: Entry, key: str) -> int:
        """Where the packed bytes of a member begin.

        Raises:
            NpzError: they are not all there.
        """
        name_len, extra_len = _LOCAL.unpack(self.read(entry.offset, _LOCAL.size))[9:]
        start = entry.offset + _LOCAL.size + int(name_len) + int(extra_len)
        if start + entry.packed > self.size:
            raise NpzError(f"{key}: its {entry.packed} bytes are not all there")
        return start

    def _inflate(self, key: str, entry: Entry, data: Bytes) -> Bytes:
        if entry.method == STORED:
            if len(data) != entry.size:
                raise NpzError(f"{key}: stored sizes differ ({len(data)}, {entry.size})")
            return data
        try:
            if entry.method in npz_rare.METHODS:
                return npz_rare.decompress(entry.method, data, entry.size, entry.size)
            if entry.size > entry.packed * deflate.MAX_RATIO + 64:
                raise NpzError(f"{key}: {entry.packed} bytes cannot inflate to {entry.size}")
            return deflate.decompress(data, entry.size)
        except deflate.InflateError as err:
            raise NpzError(f"{key}: {err}") from None

    def _head(self, key: str, entry: Entry, most: int) -> Bytes:
        """The beginning of a member, at most so many bytes of it."""
        rare = entry.method in npz_rare.METHODS
        data = self._packed(key, entry, npz_rare.MAX_BLOCK if rare else most)
        if entry.method == STORED:
            return data
        try:
            if rare:
                return npz_rare.decompress(entry.method, data, entry.size, most)
            return deflate.head(data, most)
        except deflate.InflateError as err:
            raise NpzError(f"{key}: {err}") from None

    def _packed(self, key: str, entry: Entry, most: int | None = None) -> Bytes:
        """The packed bytes of a member, or the first `most` of them."""
        if entry.flags & 0x61:
            raise NpzError(f"{key}: encrypted or patched")
        if entry.method not in _METHODS:
            raise NpzError(f"{key}: compression method {entry.method} is not known")
        if most is None and entry.packed > entry.size + entry.size // 8 + 1024:
            raise NpzError(f"{key}: {entry.packed} bytes packed are too many for {entry.size}")
        start = self.start(entry, key)
        return self.read(start, entry.packed if most is None else min(entry.packed, most))

    def read(self, offset: int, count: int) -> Bytes:
        """Some of its bytes.

        Raises:
            NpzError: it ends before.
        """
        if offset < 0 or offset + count > self.size:
            raise NpzError(f"it ends at byte {self.size}, before byte {offset + count}")
        begin = offset - self._base
        if begin >= 0:
            return self._bytes[begin : begin + count]
        data = os.pread(self._fd, count, offset)
        if len(data) != count:
            raise NpzError("it shrank while it was read")
        return data

    def _plain_directory(self) -> list[Entry] | None:
        """The members of an archive that ends with its directory; None where that is not plain."""
        signature, disk, first, here, total, length, offset, comment = _END.unpack_from(
            self._bytes, len(self._bytes) - _END.size
        )
        end = self.size - _END.size
        if signature != b"PK\5\6" or comment or offset + length != end or total == _MANY:
            return None
        if disk or first or here != total:
            raise NpzError("it is a multi-disk archive")
        return _entries(self.read(offset, length), total)


def _entries(directory: Bytes, total: int) -> list[Entry] | None:
    """What a directory lists; None where a number stands in a zip64 field."""
    entries: list[Entry] = []
    at = 0
    for _ in range(total):
        if at + _CENTRAL.size > len(directory) or directory[at : at + 4] != b"PK\1\2":
            raise NpzError("its zip directory is damaged")
        head = _CENTRAL.unpack_from(directory, at)
        name_len, extra_len, comment_len = head[10], head[11], head[12]
        at += _CENTRAL.size
        raw = bytes(directory[at : at + name_len])
        extra = bytes(directory[at + name_len : at + name_len + extra_len])
        if head[2] & 0xFF > _NEWEST_ZIP or not _is_sound(extra):
            raise NpzError(f"{shown_name(raw)}: its directory entry is damaged")
        entry = Entry(head[3], head[4], head[7], head[8], head[9], head[16], head[15] >> 16, raw)
        if _ZIP64 in (entry.packed, entry.size, entry.offset):
            return None
        entries.append(entry)
        at += name_len + extra_len + comment_len
    if at != len(directory):
        raise NpzError("its zip directory is damaged")
    return entries


def _is_sound(extra: bytes) -> bool:
    """Whether an extra field is a sequence of (id, length, data), as zipfile insists."""
    while len(extra) >= 4:
        length = int.from_bytes(extra[2:4], "little")
        if length + 4 > len(extra):
            return False
        extra = extra[length + 4 :]
    return True


class Headers(NamedTuple):
    """What stands before a member, and what the directory says of it."""

    local: bytes
    central: bytes


def headers(name: bytes, method: int, crc: int, packed: int, size: int, offset: int) -> Headers:
    """The headers of a member. Its date is that of numpy; it is a file.

    Args:
        name: plain ASCII, or UTF-8.
        method: `STORED` or `DEFLATED`.
        crc: CRC-32 of the content.
        packed: bytes that it takes up.
        size: bytes of the content.
        offset: where the local header is.
    """
    flags = 0 if name.isascii() else _UTF8
    large = packed >= _ZIP64 or size >= _ZIP64
    far = offset >= _ZIP64
    lengths = (size, packed) if large else ()
    local64 = _extra(lengths)
    central64 = _extra((*lengths, offset) if far else lengths)
    shown_size, shown_packed = (_ZIP64, _ZIP64) if large else (size, packed)
    version = 45 if large or far else 20
    common = (flags, method, 0, _DOS_EPOCH, crc, shown_packed, shown_size, len(name))
    local = _LOCAL.pack(b"PK\3\4", 45 if large else 20, *common, len(local64))
    shown_offset = _ZIP64 if far else offset
    attributes = (stat.S_IFREG | 0o644 if method == STORED else 0o600) << 16
    made_by = version | (_UNIX << 8 if method == STORED else 0)
    central = _CENTRAL.pack(
        *(b"PK\1\2", made_by, version, *common, len(central64)),
        *(0, 0, 0, attributes, shown_offset),
    )
    return Headers(local + name + local64, central + name + central64)


def _extra(numbers: tuple[int, ...]) -> bytes:
    """A zip64 field; nothing where there are no numbers for it."""
    if not numbers:
        return b""
    return struct.pack(f"<2H{len(numbers)}Q", 1, 8 * len(numbers), *numbers)


def ending(count: int, length: int, offset: int) -> bytes:
    """What stands behind a directory.

    Args:
        count: of its members.
        length: bytes of it.
        offset: where it begins.
    """
    more = b""
    if count >= _MANY or length >= _ZIP64 or offset >= _ZIP64:
        versions = 45 | _UNIX << 8, 45
        more = _END64.pack(
            b"PK\6\6", _END64.size - 12, *versions, 0, 0, count, count, length, offset
        )
        more += _LOCATOR.pack(b"PK\6\7", 0, offset + length, 1)
        count, length, offset = min(count, _MANY), min(length, _ZIP64), min(offset, _ZIP64)
    return more + _END.pack(b"PK\5\6", 0, 0, count, count, length, offset, 0)


def content(place: Place, most: int) -> Bytes:
    """The file of a sample as it lies there, or a little more than `most` bytes of it.

    Raises:
        NpzError, OSError: it cannot be had.
    """
    if not isinstance(place, str | Path):
        return place.read()
    with open_regular(place) as stream:
        return stream.read(most + 1)


def shown_name(raw: bytes) -> str:
    """A member's name for a message."""
    return ascii(raw[:80].decode("utf-8", "replace"))
