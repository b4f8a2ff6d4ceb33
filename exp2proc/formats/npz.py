"""The container: plain arrays in a zip, read and written without going through `zipfile`.

numpy writes and reads the same files; `np.load` and `np.savez_compressed` spend most of their time
on generality that a trace does not need. Reading here is strict, see `zipped`: no allocation is
larger than what the caller expects and the zip directory can prove.
"""

from __future__ import annotations

import io
import math
import struct
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from . import deflate
from .deflate import Bytes
from .held import Place
from .zipped import DEFLATED, Entry, NpzError, ZipReader, ending, headers, shown_name

_MAX_HEADER: Final = 1 << 16
MAX_MEMBER: Final = 1 << 31
"""No member may inflate to more than this many bytes (2 GiB)."""


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


class NpzReader(ZipReader):
    """One open npz file. Use as a context manager; arrays outlive it.

    Raises:
        OSError: the file cannot be opened or read.
        NpzError: it is not a regular file or not a zip archive.
    """

    def __init__(self, place: Place, *, follow_symlinks: bool = True) -> None:
        super().__init__(place, follow_symlinks=follow_symlinks)
        try:
            self._entries = self._by_name()
        except BaseException:
            self.close()
            raise

    def _by_name(self) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        for entry in self.entries():
            if entry.text in entries:
                raise NpzError(f"two members are named {shown_name(entry.name)}")
            entries[entry.text] = entry
            self.check_local(entry)
        return entries

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
        dtype, _, shape, start = _parse_header(key, self._head(key, entry, _MAX_HEADER))
        _check_size(key, dtype, shape, entry.size - start)
        return Outline(dtype, shape)

    def packed(self, key: str) -> Bytes:
        """The DEFLATE stream of an array as it lies there, unchecked; b"" if packed otherwise.

        Raises:
            NpzError: the member is cut or encrypted.
        """
        entry = self._entries[f"{key}.npy"]
        return self._packed(key, entry) if entry.method == DEFLATED else b""

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
        return self.content(entry, key, MAX_MEMBER)

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
            dtype, _, shape, _ = _parse_header(key, self._head(key, entry, _MAX_HEADER))
            raise OversizeError(
                f"{key} claims {entry.size} bytes ({dtype.name}{shown(shape)});"
                f" at most {max_items} elements can be used",
                shape,
            )
        return _array(key, self.raw(key), max_items)


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
        if size > MAX_MEMBER or offset > MAX_MEMBER:
            raise ValueError(f"{key}: a sample of more than 2 GiB")
        local, central = headers(f"{key}.npy".encode(), DEFLATED, crc, len(data), size, offset)
        directory.append(central)
        parts += (local, data)
        offset += len(local) + len(data)
    end = ending(len(directory), sum(map(len, directory)), offset)
    return b"".join([*parts, *directory, end])


def shown(numbers: Sequence[object]) -> str:
    """Numbers for a message; hostile ones are many, and long."""
    text = str(list(numbers))
    return text if len(text) <= 80 else text[:77] + "..."
