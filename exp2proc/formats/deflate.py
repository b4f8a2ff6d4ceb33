"""Raw DEFLATE and CRC-32, by libdeflate where its bindings are installed, else by zlib.

Every codec writes streams that every reader understands, and the arrays come out the same; only
time and a few bytes differ. `EXP2PROC_DEFLATE=zlib` (or `libdeflate`) forces one; `check_choice`
refuses other values, which otherwise choose nothing.
"""

from __future__ import annotations

import os
import zlib
from typing import Any, Final

from ..errors import Exp2procError

Bytes = bytes | bytearray

_libdeflate: Any
try:
    import deflate as _libdeflate
except ImportError:  # no wheel for this platform: zlib does the same, more slowly
    _libdeflate = None

CHOICE: Final = "EXP2PROC_DEFLATE"
"""The environment variable that forces a codec."""

_INSTALLED: Final = _libdeflate is not None
if os.environ.get(CHOICE) == "zlib":
    _libdeflate = None

NAME: Final = "zlib" if _libdeflate is None else "libdeflate"

TEXT_LEVEL: Final = 6
"""For token pieces: repetitive, and packed once per text."""
VECTOR_LEVEL: Final = 1 if _libdeflate is not None else 6
"""For float vectors: libdeflate's level 1 is within 2 % of level 6 on them, at 0.6 of its time."""

# Below this size setting up libdeflate costs more than zlib's whole job (measured: 8 against 3 us).
_SMALL: Final = 1024

# DEFLATE cannot expand a byte to more than 1032 bytes (two bits a match of 258).
MAX_RATIO: Final = 1032


def check_choice() -> None:
    """See whether `EXP2PROC_DEFLATE` names a codec that is there.

    Importing this module does not raise for it: workers, perhaps on other machines, go on without.

    Raises:
        Exp2procError: `usage`.
    """
    forced = os.environ.get(CHOICE, "")
    if forced not in ("", "zlib", "libdeflate"):
        why = f"{CHOICE} is {forced!r}: it may be zlib or libdeflate"
    elif forced == "libdeflate" and not _INSTALLED:
        why = f"{CHOICE} is libdeflate, but the package `deflate` is not installed"
    else:
        return
    raise Exp2procError("usage", why, f"Set it to zlib or libdeflate, or unset {CHOICE}.")


class InflateError(ValueError):
    """The bytes are not the DEFLATE stream that the directory promises."""


def compress(data: Bytes, level: int) -> Bytes:
    """`data` as a raw DEFLATE stream."""
    if _libdeflate is None or len(data) < _SMALL:
        packer = zlib.compressobj(level, zlib.DEFLATED, -15)
        return packer.compress(data) + packer.flush()
    packed: Bytes = _libdeflate.deflate_compress(data, level)
    return packed


def decompress(data: Bytes, size: int) -> Bytes:
    """Inflate a raw stream that must give exactly `size` bytes; never allocates much more.

    Raises:
        InflateError: the stream is broken, or longer or shorter than `size`.
    """
    try:
        if _libdeflate is None or size < _SMALL:
            stream = zlib.decompressobj(-15)
            # One byte more than promised is asked for, so that a longer stream shows itself.
            out: Bytes = stream.decompress(data, size + 1)
        else:
            out = _libdeflate.deflate_decompress(data, size)
    except (zlib.error, _DeflateError) as err:
        raise InflateError(str(err)) from None
    if len(out) != size:
        raise InflateError(f"{len(out)} bytes or more where {size} were promised")
    return out


def head(data: Bytes, size: int) -> bytes:
    """The first `size` bytes (or fewer) of a raw stream, whatever comes after them.

    Raises:
        InflateError: the stream is broken before that.
    """
    try:
        return zlib.decompressobj(-15).decompress(data, size)
    except zlib.error as err:
        raise InflateError(str(err)) from None


class _NeverRaised(Exception):
    pass


if _libdeflate is None:
    crc32 = zlib.crc32
    _DeflateError: type[Exception] = _NeverRaised
else:
    crc32 = _libdeflate.crc32
    _DeflateError = _libdeflate.DeflateError
