"""Raw DEFLATE and CRC-32, by libdeflate and ISA-L where their bindings are installed, else by zlib.

Every codec writes streams that every reader understands, and the arrays come out the same; only
time and a few bytes differ. `EXP2PROC_DEFLATE` names the fastest that may be used: `zlib`,
`libdeflate`, `isal`; `check_choice` refuses other values, which otherwise choose nothing.
"""

from __future__ import annotations

import os
import zlib
from importlib import import_module
from typing import Any, Final

from ..errors import Exp2procError

Bytes = bytes | bytearray

CHOICE: Final = "EXP2PROC_DEFLATE"
"""The environment variable that forces a codec."""


def _installed(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError:  # no wheel for this platform: zlib does the same, more slowly
        return None


_MODULES: Final = {"libdeflate": "deflate", "isal": "isal.isal_zlib"}
"""By codec, each faster than the one before."""
_CODECS: Final = {"zlib": zlib, **{name: _installed(of) for name, of in _MODULES.items()}}


def _may_use(codec: str) -> Any:
    """A codec, unless it is not installed or a slower one is forced."""
    names = list(_CODECS)
    forced = os.environ.get(CHOICE)
    allowed = forced not in names or names.index(codec) <= names.index(forced)
    return _CODECS[codec] if allowed else None


_libdeflate: Final = _may_use("libdeflate")
_isal: Final = _may_use("isal")

NAME: Final = "isal" if _isal else "libdeflate" if _libdeflate else "zlib"
"""The fastest codec that is used."""

IN_USE: Final = {
    "texts": "libdeflate" if _libdeflate else "zlib",
    "vectors": NAME,
}
"""The codec of each kind of data."""

_TEXT_LEVEL: Final = 6
_NUMBERS_LEVEL: Final = 1
"""libdeflate's and ISA-L's level 1 are within 2 % of zlib's 6 on float32, at 0.25 and 0.1 of its
time."""

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
    if forced and forced not in _CODECS:
        why = f"{CHOICE} is {forced!r}: it may be {', '.join(_CODECS)}"
    elif forced and _CODECS[forced] is None:
        package = _MODULES[forced].partition(".")[0]
        why = f"{CHOICE} is {forced}, but the package `{package}` is not installed"
    else:
        return
    raise Exp2procError("usage", why, f"Set it to one that is there, or unset {CHOICE}.")


class InflateError(ValueError):
    """The bytes are not the DEFLATE stream that the directory promises."""


def compress_text(data: Bytes) -> Bytes:
    """Token pieces as a raw DEFLATE stream: repetitive, and packed once a text, so with care."""
    return _compress(data, _TEXT_LEVEL)


def compress_numbers(data: Bytes) -> Bytes:
    """Float vectors as a raw DEFLATE stream: care gains nothing on them, so in little time."""
    if _isal is not None:
        packed: Bytes = _isal.compress(data, _NUMBERS_LEVEL, -15)
        return packed
    return _compress(data, _NUMBERS_LEVEL if _libdeflate is not None else _TEXT_LEVEL)


def _compress(data: Bytes, level: int) -> Bytes:
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
