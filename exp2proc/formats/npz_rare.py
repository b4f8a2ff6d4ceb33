"""Zip archives that numpy reads and seldom or never writes.

`npz` asks here where the directory is, and how members are packed, when a file is not of the plain
form.
"""

from __future__ import annotations

import bz2
import io
import lzma
import os
import zipfile
from typing import Final

from .deflate import Bytes, InflateError

METHODS: Final = (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
"""The compressions that `decompress` knows."""

MAX_BLOCK: Final = 1 << 20
"""The most packed bytes that bzip2 needs before it gives any (a block, of at most 900 kB)."""

MAX_DIRECTORY: Final = 1 << 22
"""`zipfile` keeps ten bytes for each byte of a directory; that of a trace has two thousand."""

_MIN_DICTIONARY: Final = 1 << 12


class _InParts(io.BufferedIOBase):
    """A file of which nobody reads a lot at once, whatever length a directory claims to have."""

    def __init__(self, file: io.FileIO | io.BytesIO, most: int) -> None:
        self._file = file
        self._most = most

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > self._most:
            raise zipfile.BadZipFile(f"{size} bytes, at most {self._most} are read")
        return self._file.read(self._most if size is None or size < 0 else size)


def directory(
    whole: int | bytes, longest: int = MAX_DIRECTORY
) -> list[tuple[int, int, int, int, int, int, int, bytes]]:
    """The members of an archive, as `zipfile` finds them.

    There may be a comment or other bytes behind the directory, and zip64 fields in it.

    Args:
        whole: an open file, or its content.
        longest: bytes of a directory.

    Returns:
        Flags, method, CRC, packed size, size, offset of the local header, mode and name of each.

    Raises:
        zipfile.BadZipFile: it is no archive that `np.load` would open.
        OSError: it cannot be read.
    """
    begin = whole[:4] if isinstance(whole, bytes) else os.pread(whole, 4, 0)
    if begin not in (b"PK\3\4", b"PK\5\6"):  # by which np.load knows an archive
        raise zipfile.BadZipFile("no zip archive begins like that")
    file = io.BytesIO(whole) if isinstance(whole, bytes) else io.FileIO(whole, closefd=False)
    try:
        with file, zipfile.ZipFile(_InParts(file, longest)) as archive:
            return [
                (
                    info.flag_bits,
                    info.compress_type,
                    info.CRC,
                    info.compress_size,
                    info.file_size,
                    info.header_offset,
                    info.external_attr >> 16,
                    info.orig_filename.encode("utf-8" if info.flag_bits & 0x800 else "cp437"),
                )
                for info in archive.infolist()
            ]
    except zipfile.BadZipFile as err:
        raise zipfile.BadZipFile(f"no zip directory at its end, or a damaged one ({err})") from None
    except Exception as err:  # whatever zipfile meets in a hostile directory: seeks before byte 0
        raise zipfile.BadZipFile(f"no zip directory can be read ({err})") from None


def decompress(method: int, data: Bytes, size: int, most: int) -> bytes:
    """The first `most` bytes of a member that has `size` bytes, or all of them.

    No ratio limits these methods (46 bytes of bzip2 can stand for 45 MB): output grows as it is
    made, so that a size that is claimed costs nothing, and ends at `size`, as with `zipfile`.

    Args:
        method: one of `METHODS`.

    Raises:
        InflateError: the stream is broken or shorter.
    """
    wanted = min(size, most)
    try:
        if method == zipfile.ZIP_BZIP2:
            out = bz2.BZ2Decompressor().decompress(data, wanted)
        else:
            out = _lzma(data, size).decompress(data[_LZMA_HEAD:], wanted)
    except (OSError, ValueError, EOFError, lzma.LZMAError) as err:
        raise InflateError(str(err) or "broken stream") from None
    if len(out) != wanted:
        raise InflateError(f"{len(out)} bytes where {size} were promised")
    return out


_LZMA_HEAD: Final = 9


def _lzma(data: Bytes, size: int) -> lzma.LZMADecompressor:
    """By the head of a member: two bytes of version, two that say 5, and five of properties."""
    if len(data) < _LZMA_HEAD or data[2:4] != b"\5\0":
        raise InflateError("broken LZMA header")
    rest, lc = divmod(data[4], 9)
    pb, lp = divmod(rest, 5)
    # Set aside whole at the start, and of no use beyond what the member has.
    dictionary = min(int.from_bytes(data[5:9], "little"), max(size, _MIN_DICTIONARY))
    shape = {"id": lzma.FILTER_LZMA1, "lc": lc, "lp": lp, "pb": pb, "dict_size": dictionary}
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[shape])
