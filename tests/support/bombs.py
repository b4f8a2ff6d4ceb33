"""Samples of a few megabytes whose arrays inflate to gigabytes."""

from __future__ import annotations

import io
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from exp2proc.formats import deflate, npz

_BLOCK = 1 << 20


def zeros(dtype: str, shape: tuple[int, ...]) -> npz.Member:
    """An array of zeros as a member; a large one's CRC is not its own, which would take time."""
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
    )
    size = int(np.prod(shape, dtype=object)) * np.dtype(dtype).itemsize
    blocks, rest = divmod(size, _BLOCK)
    parts = [_deflated(head.getvalue()), _deflated(bytes(_BLOCK)) * blocks, _deflated(bytes(rest))]
    data = b"".join([*parts, zlib.compressobj(9, zlib.DEFLATED, -15).flush()])
    crc = 0 if blocks else zlib.crc32(head.getvalue() + bytes(rest))
    return npz.Member(len(head.getvalue()) + size, crc, data)


def _deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush(zlib.Z_FULL_FLUSH)


def write_bomb(path: Path, **arrays: tuple[str, tuple[int, ...]]) -> Path:
    """A sample of layout proc; of the arrays that are given dtype and shape, all of it zeros."""
    path.parent.mkdir(parents=True, exist_ok=True)
    members: Mapping[str, npz.Member] = {
        "attr": npz.pack(np.zeros(4, np.float32), deflate.compress_text),
        "tok": npz.pack(np.array(["a", "b", "c", "d"]), deflate.compress_text),
        **{key: npz.pack_ints((-1, -1)) for key in ("span_in", "span_cot", "span_out")},
        **{score: npz.pack_float(0.5) for score in ("rise", "mas", "recovery")},
    }
    made = {key: zeros(*array) for key, array in arrays.items()}
    path.write_bytes(npz.archive({**members, **made}.items()))
    return path
