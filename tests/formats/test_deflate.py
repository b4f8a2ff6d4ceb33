"""The codec that is there, and streams that are not what they should be."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import zlib
from collections.abc import Callable

import pytest

from exp2proc.formats import deflate

_LONG = bytes(range(256)) * 40
"""Long enough for every codec; no two pack it to the same bytes."""
_CODECS = {"zlib": "zlib", "libdeflate": "deflate", "isal": "isal"}


def _by_zlib(data: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def test_the_codec_that_is_installed_is_used_and_named() -> None:
    forced = os.environ.get(deflate.CHOICE) or "isal"
    allowed = list(_CODECS)[: list(_CODECS).index(forced) + 1]
    there = [codec for codec in allowed if importlib.util.find_spec(_CODECS[codec])]
    assert there[-1] == deflate.NAME
    assert (deflate.compress_text(_LONG) == _by_zlib(_LONG)) == (len(there) == 1)


@pytest.mark.parametrize("codec", _CODECS)
def test_a_codec_is_forced(codec: str) -> None:
    """Each packs in its own way, and the others read it."""
    pytest.importorskip(_CODECS[codec])
    code = (
        "import sys, exp2proc.formats.deflate as d; data = sys.stdin.buffer.read();"
        "d.check_choice();"
        "print(d.NAME, d.compress_numbers(data).hex(), d.compress_text(data).hex())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=_LONG,
        env={**os.environ, deflate.CHOICE: codec},
        capture_output=True,
        check=True,
    )
    name, numbers, text = done.stdout.decode().split()
    assert name == codec
    for packed in (numbers, text):
        assert deflate.decompress(bytes.fromhex(packed), len(_LONG)) == _LONG
    assert (bytes.fromhex(numbers) == _by_zlib(_LONG)) == (codec == "zlib")


@pytest.mark.parametrize("size", [9, len(_LONG)])
@pytest.mark.parametrize("compress", [deflate.compress_text, deflate.compress_numbers])
def test_a_broken_stream_says_why(size: int, compress: Callable[[bytes], bytes]) -> None:
    """The message is the codec's, and stands behind a name."""
    packed = bytes(compress(_LONG[:size]))
    assert deflate.decompress(packed, size) == _LONG[:size]
    for broken in (b"\xff" + packed, packed[: len(packed) // 2], b""):
        with pytest.raises(deflate.InflateError) as caught:
            deflate.decompress(broken, size)
        assert str(caught.value)
    with pytest.raises(deflate.InflateError, match=r"Error -3|invalid"):
        deflate.head(b"\xff" + packed, 5)
