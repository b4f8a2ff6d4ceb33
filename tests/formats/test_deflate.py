"""The codec that is there, and streams that are not what they should be."""

from __future__ import annotations

import importlib.util
import os
import zlib

import pytest

from exp2proc.formats import deflate

_LONG = bytes(range(256)) * 40
"""Long enough for either codec; the two do not pack it to the same bytes."""


def _by_zlib(data: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def test_the_codec_that_is_installed_is_used_and_named() -> None:
    wanted = importlib.util.find_spec("deflate") and os.environ.get(deflate.CHOICE) != "zlib"
    name = "libdeflate" if wanted else "zlib"
    assert name == deflate.NAME
    assert (deflate.compress(_LONG, 6) == _by_zlib(_LONG)) == (name == "zlib")


@pytest.mark.parametrize("size", [9, len(_LONG)])
def test_a_broken_stream_says_why(size: int) -> None:
    """Short streams are always zlib's; the message is the codec's, and stands behind a name."""
    packed = bytes(deflate.compress(_LONG[:size], 6))
    assert deflate.decompress(packed, size) == _LONG[:size]
    for broken in (b"\xff" + packed, packed[: len(packed) // 2], b""):
        with pytest.raises(deflate.InflateError) as caught:
            deflate.decompress(broken, size)
        assert str(caught.value)
    with pytest.raises(deflate.InflateError, match=r"Error -3|invalid"):
        deflate.head(b"\xff" + packed, 5)
