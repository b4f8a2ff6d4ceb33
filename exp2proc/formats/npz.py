"""The container: plain arrays in a zip, read and written without going through `zipfile`.

numpy writes and reads the same files; `np.load` and `np.savez_compressed` spend most of their time
on generality that a trace does not need. Reading here is strict: whatever is not an unencrypted
member with a matching CRC raises `NpzError`, and no allocation is larger than what the caller
expects and the zip directory can prove. What `npz_rare` knows (zip64, comments, bytes behind the
end, bzip2, LZMA) is read as `np.load` reads it, within the same bounds.
"""

from __future__ import annotations

import io
import math
import os
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ..system.files import NotRegularFileError, open_regular_fd
from . import deflate, npz_rare
from .deflate import Bytes

_END = struct.Struct("<4s4H2LH")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_DOS_EPOCH: Final = 0x21  # 1980-01-01, the date numpy itself stamps: equal inputs, equal bytes

# A file up to this size is read in one call; of a larger one only the directory and what is needed.
_WHOLE: Final = 1 << 20
_TAIL: Final = 1 << 16

_ZIP64: Final = 0xFFFFFFFF
"""Stands where the true number is in a zip64 field."""

_DEFLATE: Final = 8
_METHODS: Final = (0, _DEFLATE, *npz_rare.METHODS)
"""How members may be packed: not at all, by DEFLATE, or rarely otherwise."""

_NEWEST_ZIP: Final = 63
"""The newest version of the format (6.3) that zipfile, and so np.load, reads."""

_MAX_HEADER: Final = 1 << 16
MAX_MEMBER: Final = 1 << 31
"""No member may inflate to more than this many bytes (2 GiB)."""


class NpzError(ValueError):
    """The file is not a readable npz. The message says why."""


class OversizeError(NpzError):
    """A member is larger than the caller expects.

    Attributes:
        shape: what the member's header claims.
    """

    def __init__(self, message: str, shape: tuple[int, ...]) -> None:
        super().__init__(message)
        self.shape = shape


class Outline(NamedTuple):
    """What the header of an array says.

    Attributes:
        dtype: of the array.
        shape: of the array.
    """

    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]

    @property
    def ndim(self) -> int:
        """How many axes it has."""
        return len(self.shape)


class _Entry(NamedTuple):
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    name: bytes


class NpzReader:
    """One open npz file. Use as a context manager; arrays outlive it.

    Raises:
        OSError: the file cannot be opened or read.
        NpzError: it is not a regular file or not a zip archive.
    """

    def __init__(self, path: str | Path, *, follow_symlinks: bool = True) -> None:
        try:
            self._fd = open_regular_fd(path, follow_symlinks=follow_symlinks)
        except NotRegularFileError:
            raise NpzError("it is not a regular file") from None
        try:
            self._size = os.fstat(self._fd).st_size
            self._base = 0
            self._bytes = b""
            self._entries = self._directory()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> NpzReader:
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

    @property
    def keys(self) -> tuple[str, ...]:
        """The names of the arrays, in the order of the archive."""
        return tuple(name[:-4] for name in self._entries if name.endswith(".npy"))

    @property
    def others(self) -> tuple[str, ...]:
        """The names of members that are no arrays; numpy takes one named `x` for the array x."""
        return tuple(name for name in self._entries if not name.endswith(".npy"))

    def __contains__(self, key: str) -> bool:
        return f"{key}.npy" in self._entries

    def digests(self) -> dict[str, Digest]:
        """What the directory says of each array, in the order of the archive."""
        return {key: Digest(*self._entries[f"{key}.npy"][4:1:-2]) for key in self.keys}

    @property
    def claimed(self) -> int:
        """The bytes that all members together inflate to, as the directory says."""
        return sum(entry.size for entry in self._entries.values())

    def outline(self, key: str) -> Outline:
        """What the header of an array says, of which no more than the header is inflated.

        Raises:
            NpzError: the header is damaged, or says another size than the directory.
        """
        entry = self._entries[f"{key}.npy"]
        dtype, _, shape, start = _parse_header(key, self._head(key, entry))
        _check_size(key, dtype, shape, entry.size - start)
        return Outline(dtype, shape)

    def packed(self, key: str) -> bytes:
        """The DEFLATE stream of an array as it lies there, unchecked; b"" if packed otherwise.

        Raises:
            NpzError: the member is cut or encrypted.
        """
        entry = self._entries[f"{key}.npy"]
        return self._packed(key, entry) if entry.method == _DEFLATE else b""

    def member(self, key: str) -> Member:
        """An array as it lies there, for another archive; its bytes are not looked at.

        Raises:
            NpzError: the member is cut or encrypted.
        """
        entry = self._entries[f"{key}.npy"]
        data = self.packed(key) or deflate.compress_text(self.raw(key))
        return Member(entry.size, entry.crc, data)

    def raw(self, key: str) -> Bytes:
        """The .npy of an array, its CRC checked.

        Raises:
            NpzError: the member is damaged or encrypted, or claims more than `MAX_MEMBER` bytes.
        """
        entry = self._entries[f"{key}.npy"]
        if entry.size > MAX_MEMBER:
            raise NpzError(f"{key} claims {entry.size} bytes")
        raw = self._inflate(key, entry, self._packed(key, entry))
        if deflate.crc32(raw) != entry.crc:
            raise NpzError(f"{key}: bad CRC")
        return raw

    def array(self, key: str, max_items: int) -> npt.NDArray[np.generic]:
        """One array, its CRC checked.

        Args:
            key: the array's name; `key in reader` must hold.
            max_items: how many elements the caller can use at most.

        Raises:
            OversizeError: the array is larger than that; `shape` is what it claims to be.
            NpzError: the member is damaged, encrypted, pickled or not an array.
        """
        entry = self._entries[f"{key}.npy"]
        limit = min(max_items * 16 + _MAX_HEADER, MAX_MEMBER)
        if entry.size > limit:
            dtype, _, shape, _ = _parse_header(key, self._head(key, entry))
            raise OversizeError(
                f"{key} claims {entry.size} bytes ({dtype.name}{shown(shape)});"
                f" at most {max_items} elements can be used",
                shape,
            )
        return _array(key, self.raw(key), max_items)

    def _inflate(self, key: str, entry: _Entry, data: Bytes) -> Bytes:
        if entry.method == 0:
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

    def _head(self, key: str, entry: _Entry) -> Bytes:
        """The beginning of a member, at most `_MAX_HEADER` bytes of it."""
        rare = entry.method in npz_rare.METHODS
        data = self._packed(key, entry, npz_rare.MAX_BLOCK if rare else _MAX_HEADER)
        if entry.method == 0:
            return data
        try:
            if rare:
                return npz_rare.decompress(entry.method, data, entry.size, _MAX_HEADER)
            return deflate.head(data, _MAX_HEADER)
        except deflate.InflateError as err:
            raise NpzError(f"{key}: {err}") from None

    def _packed(self, key: str, entry: _Entry, most: int | None = None) -> bytes:
        """The packed bytes of a member, or the first `most` of them."""
        if entry.flags & 0x61:
            raise NpzError(f"{key}: encrypted or patched")
        if entry.method not in _METHODS:
            raise NpzError(f"{key}: compression method {entry.method} is not known")
        if most is None and entry.packed > entry.size + entry.size // 8 + 1024:
            raise NpzError(f"{key}: {entry.packed} bytes packed are too many for {entry.size}")
        name_len, extra_len = _LOCAL.unpack(self._read(entry.offset, _LOCAL.size))[9:]
        start = entry.offset + _LOCAL.size + name_len + extra_len
        if start + entry.packed > self._size:
            raise NpzError(f"{key}: its {entry.packed} bytes are not all there")
        return self._read(start, entry.packed if most is None else min(entry.packed, most))

    def _read(self, offset: int, count: int) -> bytes:
        if offset < 0 or offset + count > self._size:
            raise NpzError(f"it ends at byte {self._size}, before byte {offset + count}")
        begin = offset - self._base
        if begin >= 0:
            return self._bytes[begin : begin + count]
        data = os.pread(self._fd, count, offset)
        if len(data) != count:
            raise NpzError("it shrank while it was read")
        return data

    def _directory(self) -> dict[str, _Entry]:
        if self._size < _END.size:
            raise NpzError(f"it has {self._size} bytes: not a zip archive")
        take = self._size if self._size <= _WHOLE else _TAIL
        tail = os.pread(self._fd, take, self._size - take)
        if len(tail) != take:
            raise NpzError("it shrank while it was read")
        self._base, self._bytes = self._size - take, tail
        found = self._plain_directory()
        if found is None:
            try:
                found = [_Entry(*fields) for fields in npz_rare.directory(self._fd)]
            except zipfile.BadZipFile as err:
                raise NpzError(str(err)) from None
        entries: dict[str, _Entry] = {}
        for entry in found:
            name = entry.name.decode("utf-8", "replace")
            if name in entries:
                raise NpzError(f"two members are named {shown_name(entry.name)}")
            entries[name] = entry
            self._check_local(entry)
        return entries

    def _plain_directory(self) -> list[_Entry] | None:
        """The members of an archive that ends with its directory; None where that is not plain."""
        signature, disk, first, here, total, length, offset, comment = _END.unpack_from(
            self._bytes, len(self._bytes) - _END.size
        )
        end = self._size - _END.size
        if signature != b"PK\5\6" or comment or offset + length != end or total == 0xFFFF:
            return None
        if disk or first or here != total:
            raise NpzError("it is a multi-disk archive")
        return _entries(self._read(offset, length), total)

    def _check_local(self, entry: _Entry) -> None:
        """Compare a member's two headers: a damaged name must not pass for an absent array."""
        size = _LOCAL.size + len(entry.name)
        local = self._read(entry.offset, size)
        if local[:4] != b"PK\3\4":
            raise NpzError(f"{shown_name(entry.name)}: no local header at byte {entry.offset}")
        name_len = int.from_bytes(local[26:28], "little")
        if name_len != len(entry.name) or local[_LOCAL.size :] != entry.name:
            raise NpzError(f"{shown_name(entry.name)}: the local header names another member")


def _entries(directory: bytes, total: int) -> list[_Entry] | None:
    """What a directory lists; None where a number stands in a zip64 field."""
    entries: list[_Entry] = []
    at = 0
    for _ in range(total):
        if at + _CENTRAL.size > len(directory) or directory[at : at + 4] != b"PK\1\2":
            raise NpzError("its zip directory is damaged")
        head = _CENTRAL.unpack_from(directory, at)
        name_len, extra_len, comment_len = head[10], head[11], head[12]
        at += _CENTRAL.size
        raw = bytes(directory[at : at + name_len])
        extra = directory[at + name_len : at + name_len + extra_len]
        if head[2] & 0xFF > _NEWEST_ZIP or not _is_sound(extra):
            raise NpzError(f"{shown_name(raw)}: its directory entry is damaged")
        entry = _Entry(head[3], head[4], head[7], head[8], head[9], head[16], raw)
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


def _array(key: str, raw: Bytes, max_items: int) -> npt.NDArray[np.generic]:
    """The array that a .npy holds."""
    dtype, fortran, shape, start = _parse_header(key, raw)
    count = math.prod(shape)
    if count > max_items:
        raise OversizeError(f"{key} has {count} elements, {max_items} at most", shape)
    _check_size(key, dtype, shape, len(raw) - start)
    try:
        if count == 0 or dtype.itemsize == 0:
            return np.zeros(shape, dtype)
        flat = np.frombuffer(raw, dtype, count, start)
        return flat.reshape(shape, order="F" if fortran else "C")
    except (ValueError, TypeError) as err:  # shapes and dtypes that numpy spells but not has
        raise NpzError(f"{key}: {err}") from None


def _check_size(key: str, dtype: np.dtype[np.generic], shape: tuple[int, ...], there: int) -> None:
    claimed = math.prod(shape) * dtype.itemsize
    if claimed != there:
        raise NpzError(
            f"{key}: the header claims {dtype.name}{shown(shape)},"
            f" {claimed} bytes, but {there} are there"
        )


_Header = tuple["np.dtype[np.generic]", bool, tuple[int, ...], int]


def _parse_header(key: str, raw: Bytes) -> _Header:
    """dtype, Fortran order, shape and the offset of the data of one .npy."""
    if len(raw) < 10 or raw[:6] != b"\x93NUMPY":
        raise NpzError(f"{key}: not an array")
    if raw[6] == 1:
        end = 10 + int.from_bytes(raw[8:10], "little")
    else:
        end = 12 + int.from_bytes(raw[8:12], "little")
    if end > len(raw) or end > _MAX_HEADER:
        raise NpzError(f"{key}: its header is truncated")
    try:
        dtype, fortran, shape = _decode_header(bytes(raw[:end]))
    except NpzError as err:
        raise NpzError(f"{key}: {err}") from None
    return dtype, fortran, shape, end


@lru_cache(maxsize=1024)
def _decode_header(header: bytes) -> tuple[np.dtype[np.generic], bool, tuple[int, ...]]:
    stream = io.BytesIO(header)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy comments on odd headers; a code says it better
            return _numpy_header(stream)
    except NpzError:
        raise
    except Exception as err:  # whatever numpy's parser meets in hostile text
        raise NpzError(f"unreadable header ({type(err).__name__})") from None


def _numpy_header(stream: io.BytesIO) -> tuple[np.dtype[np.generic], bool, tuple[int, ...]]:
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    elif version == (2, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(stream)
    elif version == (3, 0):  # as 2, but in UTF-8, for names of fields, which are none of ours
        length, text = stream.read(4), stream.read().decode("utf-8")
        latin = io.BytesIO(length + text.encode("latin-1").ljust(int.from_bytes(length, "little")))
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(latin)
    else:
        raise NpzError(f"npy version {version[0]}.{version[1]}")
    if dtype.hasobject:
        raise NpzError("holds pickled objects")
    if any(length < 0 for length in shape):
        raise NpzError(f"negative length in shape {shown(shape)}")
    return dtype, fortran, shape


class Digest(NamedTuple):
    """What tells whether two members hold the same array.

    Attributes:
        size: bytes of the .npy before compression.
        crc: CRC-32 of the .npy.
    """

    size: int
    crc: int


class Member(NamedTuple):
    """One array, packed for an archive: what `archive` writes and the alignment cache keeps.

    Attributes:
        size: bytes of the .npy before compression.
        crc: CRC-32 of the .npy.
        data: the .npy as a raw DEFLATE stream.
    """

    size: int
    crc: int
    data: Bytes

    @property
    def digest(self) -> Digest:
        """Of the array."""
        return Digest(self.size, self.crc)


@lru_cache(maxsize=1024)
def _npy_header(descr: str, shape: tuple[int, ...]) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": descr, "fortran_order": False, "shape": shape}
    )
    return stream.getvalue()


def _npy(array: npt.NDArray[np.generic]) -> bytes:
    return _npy_header(array.dtype.str, array.shape) + array.tobytes()


def pack(array: npt.NDArray[np.generic], compress: Callable[[Bytes], Bytes]) -> Member:
    """Compress one array (any plain dtype) into a member."""
    data = _npy(array)
    return Member(len(data), deflate.crc32(data), compress(data))


def digest(array: npt.NDArray[np.generic]) -> Digest:
    """That of the member that `pack` would make; an array of plain order is not copied."""
    head = _npy_header(array.dtype.str, array.shape)
    data = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
    return Digest(len(head) + len(data), deflate.crc32(data, deflate.crc32(head)))


def unpack(member: Member) -> npt.NDArray[np.generic]:
    """The array of a member, as `pack` took it.

    Raises:
        NpzError: it is damaged or no array.
    """
    if member.size > min(len(member.data) * deflate.MAX_RATIO + 64, MAX_MEMBER):
        raise NpzError(f"{len(member.data)} bytes cannot inflate to {member.size}")
    try:
        raw = deflate.decompress(member.data, member.size)
    except deflate.InflateError as err:
        raise NpzError(str(err)) from None
    if deflate.crc32(raw) != member.crc:
        raise NpzError("bad CRC")
    return _array("array", raw, MAX_MEMBER)


@lru_cache(maxsize=4096)
def _pack_small(descr: str, shape: tuple[int, ...], data: bytes) -> Member:
    npy = _npy_header(descr, shape) + data
    return Member(len(npy), deflate.crc32(npy), deflate.compress_text(npy))


def pack_ints(values: Iterable[int]) -> Member:
    """An int64 vector. Spans repeat from method to method, so these are remembered."""
    numbers = tuple(values)
    return _pack_small("<i8", (len(numbers),), struct.pack(f"<{len(numbers)}q", *numbers))


def pack_float(value: float) -> Member:
    """A float64 scalar (0-d)."""
    return _pack_small("<f8", (), struct.pack("<d", value))


def archive(members: Iterable[tuple[str, Member]]) -> bytes:
    """A complete npz with these arrays in this order, as `np.load` reads it.

    Raises:
        ValueError: it would need zip64 (more than 4 GiB).
    """
    parts: list[Bytes] = []
    directory: list[bytes] = []
    offset = 0
    for key, (size, crc, data) in members:
        name = f"{key}.npy".encode()
        if size > MAX_MEMBER or offset > MAX_MEMBER:
            raise ValueError(f"{key}: a sample of more than 2 GiB")
        common = (20, 0, 8, 0, _DOS_EPOCH, crc, len(data), size, len(name), 0)
        directory.append(_CENTRAL.pack(b"PK\1\2", 20, *common, 0, 0, 0, 0o600 << 16, offset) + name)
        head = _LOCAL.pack(b"PK\3\4", *common) + name
        parts += (head, data)
        offset += len(head) + len(data)
    length = sum(map(len, directory))
    end = _END.pack(b"PK\5\6", 0, 0, len(directory), len(directory), length, offset, 0)
    return b"".join([*parts, *directory, end])


def shown_name(raw: bytes) -> str:
    """A member's name for a message."""
    return ascii(raw[:80].decode("utf-8", "replace"))


def shown(numbers: Sequence[object]) -> str:
    """Numbers for a message; hostile ones are many, and long."""
    text = str(list(numbers))
    return text if len(text) <= 80 else text[:77] + "..."
