"""Mutations of files: of raw bytes, of one array's bytes in a right zip, of one array."""

from __future__ import annotations

import io
import random
import warnings
import zipfile
from typing import Any

import numpy as np

_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)
_DTYPES = (
    *("<f4", ">f4", "<f2", "<f8", "g", "<i8", ">i8", "<i4", "u1", "<u8", "?"),
    *("c8", "U3", "S2", "M8[s]", "V4", "O"),
)


def mutate_bytes(rng: random.Random, data: bytes, most: int = 4) -> bytes:
    """One to `most` of: flips, other bytes, numbers that matter, inserted, lost, moved, cut."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, most)):
        at = rng.randrange(len(changed) + 1)
        length = rng.choice((1, 1, 2, 4, 8, 30, 200))
        match rng.randrange(8):
            case 0:
                if at < len(changed):
                    changed[at] ^= 1 << rng.randrange(8)
            case 1:
                changed[at : at + length] = rng.randbytes(length)
            case 2:
                number = rng.choice(_NUMBERS).to_bytes(4, "little")
                size = rng.choice((1, 2, 4))
                changed[at : at + size] = number[:size]
            case 3:
                changed[at:at] = rng.randbytes(length)
            case 4:
                del changed[at : at + length]
            case 5:
                start = rng.randrange(len(changed) + 1)
                changed[at : at + length] = changed[start : start + length]
            case 6:
                changed[at : at + length] = bytes(length)
            case _:
                if rng.random() < 0.3:
                    del changed[at:]
                elif at < len(changed):
                    changed[at] = rng.randrange(256)
    return bytes(changed)


def mutate_member(rng: random.Random, npz: bytes) -> bytes:
    """The bytes of one .npy changed, most often in its header; the zip around it is right."""
    with zipfile.ZipFile(io.BytesIO(npz)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(list(members))
    data = members[name]
    if rng.random() < 0.7:
        members[name] = mutate_bytes(rng, data[:128], 2) + data[128:]
    else:
        members[name] = mutate_bytes(rng, data, 2)
    if rng.random() < 0.1:
        members[mutate_bytes(rng, name.encode(), 1).decode("latin-1")] = members.pop(name)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", rng.choice((0, zipfile.ZIP_DEFLATED))) as archive:
        for name, data in members.items():
            archive.writestr(name or "x", data)
    return out.getvalue()


def mutate_array(rng: random.Random, npz: bytes) -> bytes:
    """One array with another dtype, shape or values, or gone, or another's."""
    with np.load(io.BytesIO(npz)) as opened:
        arrays: dict[str, Any] = {key: opened[key] for key in opened.files}
    key = rng.choice(list(arrays))
    array = arrays[key]
    match rng.randrange(7):
        case 0:
            del arrays[key]
        case 1:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    arrays[key] = array.astype(rng.choice(_DTYPES))
                except (TypeError, ValueError):
                    del arrays[key]
        case 2:
            arrays[key] = rng.choice((array[None], array.ravel(), np.asfortranarray(array)))
        case 3:
            arrays[key] = rng.choice(
                (array.ravel()[:-1], np.append(array, array), array.ravel()[:0])
            )
        case 4:
            values = (np.nan, np.inf, -np.inf, 1e300, -1, 2**31, 0.5, 2**62)
            changed = np.atleast_1d(array).astype("f8" if array.dtype.kind in "iuf" else "U3")
            if changed.size:
                changed.flat[rng.randrange(changed.size)] = rng.choice(values)
            arrays[key] = changed.reshape(array.shape)
        case 5:
            arrays[key] = arrays[rng.choice(list(arrays))]
        case _:
            arrays[key] = array + rng.randint(-9, 9) if array.dtype.kind in "iuf" else array[()]
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def mutate_row(rng: random.Random, row: dict[str, Any]) -> dict[str, Any]:
    """One field with another value, or gone."""
    key = rng.choice(sorted(row))
    values: tuple[object, ...] = (
        None,
        -1,
        0,
        2**70,
        1.5,
        True,
        "",
        "../x.npz",
        "x.npz",
        "\x1b[2J",
        [],
        {},
        "0" * 40,
    )
    changed = {**row, key: rng.choice(values)}
    if rng.random() < 0.1:
        del changed[key]
    return changed


def mutate_npz(rng: random.Random, npz: bytes) -> bytes:
    """One of the above."""
    return rng.choice((mutate_bytes, mutate_member, mutate_array))(rng, npz)
