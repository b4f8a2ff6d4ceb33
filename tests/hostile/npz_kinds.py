"""Traces. `make(path, arrays)` writes the file that the row names."""

from __future__ import annotations

import bz2
import io
import lzma
import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .kind import CONVERTS, EXAMPLE, Kind, table

Arrays = dict[str, Any]
Make = Callable[[Path, Arrays], None]
_T = EXAMPLE.prompt_len + EXAMPLE.gen_len
_HUGE = 10**12
_VECTOR = "v_row_all.npy"


def npz_bytes(arrays: Arrays, *, compressed: bool = True) -> bytes:
    stream = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(stream, **arrays)
    return stream.getvalue()


def npy_bytes(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def _bytes(change: Callable[[bytes], bytes]) -> Make:
    """The bytes of a good file, changed."""
    return lambda path, arrays: _write(path, change(npz_bytes(arrays)))


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _with(**changes: Any) -> Make:
    """Other arrays; None takes one out, a function is given the good array."""

    def make(path: Path, arrays: Arrays) -> None:
        changed = dict(arrays)
        for key, value in changes.items():
            if value is None:
                del changed[key]
            else:
                changed[key] = value(arrays[key]) if callable(value) else np.asarray(value)
        np.savez_compressed(path, **changed)

    return make


def _as(dtype: str) -> Make:
    return _with(v_row_all=lambda a: (a * 100).astype(dtype))


def _npy(change: Callable[[bytes], bytes], name: str = _VECTOR) -> Make:
    """The .npy of the exported vector changed, in a zip that is perfectly right."""

    def make(path: Path, arrays: Arrays) -> None:
        with (
            zipfile.ZipFile(io.BytesIO(npz_bytes(arrays))) as good,
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bad,
        ):
            for member in good.namelist():
                data = good.read(member)
                bad.writestr(member, change(data) if member == name else data)

    return make


def _header(text: str, version: bytes = b"\1\0") -> Make:
    """The exported vector with this .npy header before its data."""
    raw = text.encode()
    length = struct.pack("<H" if version == b"\1\0" else "<I", len(raw))
    head = b"\x93NUMPY" + version + length + raw
    return _npy(lambda npy: head + npy[-4 * _T :])


def _shape_only(text: str) -> Make:
    """A header with no data behind it."""
    raw = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {text}}}\n".encode()
    return _npy(lambda npy: b"\x93NUMPY\1\0" + struct.pack("<H", len(raw)) + raw)


def _shape(text: str) -> Make:
    return _header(f"{{'descr': '<f4', 'fortran_order': False, 'shape': {text}}}\n")


def _descr(text: str) -> Make:
    return _header(f"{{'descr': {text}, 'fortran_order': False, 'shape': ({_T},)}}\n")


def _zip(write: Callable[[zipfile.ZipFile, Arrays], None], **options: Any) -> Make:
    """A zip written by hand."""

    def make(path: Path, arrays: Arrays) -> None:
        with warnings.catch_warnings(), zipfile.ZipFile(path, "w", **options) as archive:
            warnings.simplefilter("ignore")  # of duplicate names
            write(archive, arrays)

    return make


def _all(archive: zipfile.ZipFile, arrays: Arrays) -> None:
    for key, array in arrays.items():
        archive.writestr(f"{key}.npy", npy_bytes(array))


def _plus(name: str, data: bytes) -> Callable[[zipfile.ZipFile, Arrays], None]:
    def write(archive: zipfile.ZipFile, arrays: Arrays) -> None:
        _all(archive, arrays)
        archive.writestr(name, data)

    return write


def _twice(archive: zipfile.ZipFile, arrays: Arrays) -> None:
    for _ in range(2):
        archive.writestr("\x1b[31m.npy", b"")


def _directory(data: bytes, member: str = _VECTOR) -> int:
    """Where the directory entry of a member begins."""
    at = data.rindex(b"PK\1\2", 0, data.rindex(member.encode()))
    assert data[at + 46 :].startswith(member.encode())
    return at


def _patched(offset: int, new: bytes, member: str = _VECTOR) -> Make:
    """Bytes of a member's directory entry replaced."""

    def change(data: bytes) -> bytes:
        at = _directory(data, member) + offset
        return data[:at] + new + data[at + len(new) :]

    return _bytes(change)


def _flipped(data: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        info = archive.getinfo(_VECTOR)
    at = info.header_offset + 60 + info.compress_size // 2
    return data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]


def _bomb(megabytes: int, claims: int) -> Make:
    """A member that inflates to so many megabytes of zeros; the directory `claims` a size."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    packed = first * megabytes + zlib.compressobj(9, zlib.DEFLATED, -15).flush()
    return _bomb_of(packed, claims, zipfile.ZIP_DEFLATED)


def _bomb_of(packed: bytes, claims: int, method: int) -> Make:
    """A member of these packed bytes; the directory `claims` a size."""

    def make(path: Path, arrays: Arrays) -> None:
        rest = {key: value for key, value in arrays.items() if key != "v_row_all"}
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            _all(archive, rest)
            archive.writestr(_VECTOR, packed)
        data = bytearray(path.read_bytes())
        with zipfile.ZipFile(path) as archive:
            local = archive.getinfo(_VECTOR).header_offset
        at = _directory(bytes(data))
        for at_method, sizes in ((at + 10, at + 20), (local + 8, local + 18)):
            struct.pack_into("<H", data, at_method, method)
            struct.pack_into("<2L", data, sizes, len(packed), claims)
        path.write_bytes(data)

    return make


def _rare_bomb(method: int, claims: int) -> Make:
    """A third of a gigabyte of zeros by bzip2 (12) or LZMA (14)."""
    return lambda path, arrays: _bomb_of(_rare_zeros(method), claims, method)(path, arrays)


@cache
def _rare_zeros(method: int) -> bytes:
    """Packed when a file is made of it, and once: that takes seconds."""
    if method == zipfile.ZIP_BZIP2:
        return _zeros_by(bz2.BZ2Compressor())
    # Zeros are packed as well by the fastest preset, in a third of the time.
    how = {"id": lzma.FILTER_LZMA1, "preset": 0, "dict_size": 8 << 20}
    alone = _zeros_by(lzma.LZMACompressor(lzma.FORMAT_ALONE, filters=[how]))
    # Five bytes of properties stand in a zip behind a version and their size, without the length.
    return struct.pack("<2BH", 9, 4, 5) + alone[:5] + alone[13:]


def _zeros_by(packer: bz2.BZ2Compressor | lzma.LZMACompressor) -> bytes:
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(_RARE_MB)) + packer.flush()


_RARE_MB = 300
_EMPTY_END = b"PK\5\6" + bytes(18)


def _directory_again(data: bytes) -> bytes:
    """The directory and its end once more behind the first, as a tool that appends leaves them."""
    at = data.index(b"PK\1\2")
    directory = data[at:-22]
    end = bytearray(data[-22:])
    struct.pack_into("<L", end, 16, len(data))
    return data + directory + bytes(end) + b"\n"


def _all_zip64(archive: zipfile.ZipFile, arrays: Arrays) -> None:
    for key, array in arrays.items():
        with archive.open(f"{key}.npy", "w", force_zip64=True) as member:
            member.write(npy_bytes(array))


def _zip64(path: Path, arrays: Arrays) -> None:
    """Every number in zip64 fields, as in archives of more than 4 GiB."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zipfile, "ZIP64_LIMIT", 1)
        _zip(_all_zip64)(path, arrays)


def _large_dictionary(path: Path, arrays: Arrays) -> None:
    _zip(_all, compression=zipfile.ZIP_LZMA)(path, arrays)
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        at = archive.getinfo(_VECTOR).header_offset + 30 + len(_VECTOR)
    data[at + 5 : at + 9] = b"\xff\xff\xff\xff"
    path.write_bytes(data)


def _large_directory(path: Path, arrays: Arrays) -> None:
    """A hundred megabytes of entries, sparse on the disk, behind a zip64 end."""
    first = npz_bytes(arrays)
    at, size = 1 << 20, 100 << 20
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, size, size, size, at)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, at + size, 1)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    with path.open("wb") as file:
        file.write(first)
        file.seek(at + size)
        file.write(end64 + locator + end)


def _commented(comment: bytes) -> Make:
    def make(path: Path, arrays: Arrays) -> None:
        np.savez_compressed(path, **arrays)
        with zipfile.ZipFile(path, "a") as archive:
            archive.comment = comment

    return make


def _link(target: str) -> Make:
    return lambda path, arrays: path.symlink_to(target)


def _link_inside(path: Path, arrays: Arrays) -> None:
    np.savez_compressed(path.with_name("target-of-the-link.npz"), **arrays)
    path.symlink_to("target-of-the-link.npz")


def _link_outside(path: Path, arrays: Arrays) -> None:
    target = path.parent.parent / "outside.npz"
    np.savez_compressed(target, **arrays)
    path.symlink_to(target)


def _nothing(path: Path, arrays: Arrays) -> None:
    """No file at all."""


def _poked(*values: float) -> Callable[[Any], Any]:
    def change(array: Any) -> Any:
        changed = array.copy()
        changed.flat[: len(values)] = values
        return changed

    return change


def _cut(tenths: int) -> Kind:
    make = _bytes(lambda data: data[: len(data) * tenths // 10])
    return Kind(f"truncated to {tenths} tenths", "trace-corrupt", make)


KINDS = table(
    # not a zip, or not a whole one
    Kind("no file", "trace-missing", _nothing),
    Kind("empty file", "trace-corrupt", _bytes(lambda data: b"")),
    Kind("one byte", "trace-corrupt", _bytes(lambda data: b"P")),
    Kind("a text file", "trace-corrupt", _bytes(lambda data: b"not a zip at all\n" * 100)),
    Kind(
        "a single npy",
        "trace-corrupt",
        lambda path, arrays: _write(path, npy_bytes(arrays["v_row_all"])),
    ),
    *map(_cut, range(1, 10)),
    Kind("last byte missing", "trace-corrupt", _bytes(lambda data: data[:-1])),
    Kind("first byte missing", "trace-corrupt", _bytes(lambda data: data[1:])),
    Kind("zeros in its place", "trace-corrupt", _bytes(lambda data: bytes(len(data)))),
    Kind("junk before", "trace-corrupt", _bytes(lambda data: b"junk" + data)),
    Kind("junk behind", CONVERTS, _bytes(lambda data: data + b"junk")),  # np.load reads it, too
    Kind("a newline behind", CONVERTS, _bytes(lambda data: data + b"\n")),
    Kind("a megabyte behind", "trace-corrupt", _bytes(lambda data: data + bytes(1 << 20))),
    Kind("two files in one", CONVERTS, _bytes(lambda data: data + data)),  # the second is read
    Kind(
        "the end of an empty archive behind",
        "trace-missing-field",
        _bytes(lambda data: data + _EMPTY_END + b"\n"),
    ),
    Kind("the directory twice", CONVERTS, _bytes(_directory_again)),
    Kind("bit flip in the vector", "trace-corrupt", _bytes(_flipped)),
    Kind("wrong CRC in the directory", "trace-corrupt", _patched(16, b"\0\0\0\0")),
    Kind("sizes wrong in the directory", "trace-corrupt", _patched(24, struct.pack("<L", 99))),
    Kind("offset wrong in the directory", "trace-corrupt", _patched(42, struct.pack("<L", 7))),
    Kind("offset far outside", "trace-corrupt", _patched(42, b"\xfe\xff\xff\x7f")),
    Kind("packed size far outside", "trace-corrupt", _patched(20, b"\xfe\xff\xff\x7f")),
    Kind(
        "an optional array renamed in the directory",
        "trace-corrupt",
        _patched(46, b"R", "recovery_scores.npy"),
    ),
    Kind("encrypted member", "trace-corrupt", _patched(8, b"\1\0")),
    Kind("unknown compression", "trace-corrupt", _patched(10, b"\x63\0")),
    Kind("bzip2 members", CONVERTS, _zip(_all, compression=zipfile.ZIP_BZIP2)),
    Kind("LZMA members", CONVERTS, _zip(_all, compression=zipfile.ZIP_LZMA)),
    Kind("bzip2 that is DEFLATE", "trace-corrupt", _patched(10, b"\x0c\0")),
    Kind("LZMA that is DEFLATE", "trace-corrupt", _patched(10, b"\x0e\0")),
    Kind("LZMA with a dictionary of 4 GB", CONVERTS, _large_dictionary),
    Kind("zip64 local headers", CONVERTS, _zip(_all_zip64)),
    Kind("zip64 throughout", CONVERTS, _zip64),
    Kind("a directory of 100 MB", "trace-corrupt", _large_directory),
    Kind("stored members", CONVERTS, _zip(_all)),
    Kind("archive with a comment", CONVERTS, _commented(b"a comment")),
    Kind("archive with a long comment", CONVERTS, _commented(b"x" * 0xFFFF)),
    Kind("duplicate members", "trace-corrupt", _zip(_plus(_VECTOR, b"again"))),
    Kind("duplicate members with escapes", "trace-corrupt", _zip(_twice)),
    Kind("a member that points out", CONVERTS, _zip(_plus("../../../etc/passwd", b"x"))),
    Kind("a member that is no array", CONVERTS, _zip(_plus("readme.txt", b"x"))),
    Kind("an empty zip", "trace-missing-field", _zip(lambda archive, arrays: None)),
    # zip bombs
    Kind("a bomb of 10 GB that hides its size", "trace-corrupt", _bomb(10_240, 128 + 4 * _T)),
    Kind("a bomb of 10 GB that admits 4", "trace-corrupt", _bomb(10_240, 0xFFFFFFFE)),
    Kind("a bomb of 1 MB that hides its size", "trace-corrupt", _bomb(1, 128 + 4 * _T)),
    Kind("a bomb of 1 GB and a true directory", "trace-corrupt", _bomb(1024, 1 << 30)),
    Kind("a bomb of bzip2 that hides its size", "trace-corrupt", _rare_bomb(12, 128 + 4 * _T)),
    Kind("a bomb of bzip2 that admits 4 GB", "trace-corrupt", _rare_bomb(12, 0xFFFFFFFE)),
    Kind("a bomb of LZMA that hides its size", "trace-corrupt", _rare_bomb(14, 128 + 4 * _T)),
    Kind("a bomb of LZMA that admits 4 GB", "trace-corrupt", _rare_bomb(14, 0xFFFFFFFE)),
    # headers of arrays
    Kind("object array", "trace-corrupt", _with(v_row_all=np.array([{}] * _T, object))),
    Kind("header of a trillion elements", "trace-shape-mismatch", _shape(f"({_HUGE},)")),
    Kind("header of a trillion hops", "trace-shape-mismatch", _shape(f"({_HUGE}, {_T})")),
    Kind("length of 400 digits", "trace-shape-mismatch", _shape(f"({10**400},)")),
    Kind("length of 5000 digits", "trace-corrupt", _shape(f"({'9' * 5000},)")),
    Kind("negative length", "trace-corrupt", _shape(f"(-{_T},)")),
    Kind("two negative lengths", "trace-corrupt", _shape("(-2, -7)")),
    Kind("a hundred dimensions", "trace-corrupt", _shape(f"({_T}, {'1, ' * 99})")),
    Kind(
        "no elements but a trillion of them",
        "trace-corrupt",
        _shape(f"(0, {_HUGE}, {_HUGE})"),
    ),
    Kind("none of a trillion squared", "trace-corrupt", _shape_only(f"(0, {_HUGE}, {_HUGE})")),
    Kind("a hundred dimensions of none", "trace-corrupt", _shape_only(f"({'0, ' * 100})")),
    Kind("shape that is no tuple", "trace-corrupt", _shape(f"[{_T}]")),
    Kind("shape of a string", "trace-corrupt", _shape("'x'")),
    Kind("header one short", "trace-corrupt", _shape(f"({_T - 1},)")),
    Kind("header that runs code", "trace-corrupt", _shape("__import__('os').getpid()")),
    Kind("header nested deeply", "trace-corrupt", _shape("(" * 9000 + ")" * 9000)),
    Kind("header of minus signs", "trace-corrupt", _shape("-" * 9000 + "1")),
    Kind("header that is no dict", "trace-corrupt", _header("[1, 2, 3]\n")),
    Kind("header without shape", "trace-corrupt", _header("{'descr': '<f4'}\n")),
    Kind("header with escapes", "trace-corrupt", _header("\x1b[2J\n")),
    Kind(
        "header longer than the file",
        "trace-corrupt",
        _npy(lambda npy: npy[:8] + b"\xff\xff" + npy[10:]),
    ),
    Kind("npy version 3", "trace-corrupt", _npy(lambda npy: npy[:6] + b"\3\0" + npy[8:])),
    Kind(
        "npy version 2",
        CONVERTS,
        _header(f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({_T},)}}\n", b"\2\0"),
    ),
    Kind("npy of another magic", "trace-corrupt", _npy(lambda npy: b"\x93NUMPX" + npy[6:])),
    Kind("npy cut short", "trace-corrupt", _npy(lambda npy: npy[:-4])),
    Kind("npy with more behind", "trace-corrupt", _npy(lambda npy: npy + b"more")),
    Kind("empty npy", "trace-corrupt", _npy(lambda npy: b"")),
    Kind("dtype that does not exist", "trace-corrupt", _descr("'<f5'")),
    Kind("dtype of no size", "trace-corrupt", _descr("'|V0'")),
    Kind("dtype with a shape", "trace-corrupt", _descr("('<f4', (10,))")),
    Kind("dtype of fields", "trace-corrupt", _descr("[('a', '<f4'), ('\x1b[31m', '<f4')]")),
    Kind("dtype of a gigabyte", "trace-corrupt", _descr("'|V1073741824'")),
    # vectors
    Kind("Fortran order", CONVERTS, _with(vh=np.asfortranarray)),
    Kind(
        "big-endian",
        CONVERTS,
        _with(v_row_all=lambda a: a.astype(">f4"), vh=lambda a: a.astype(">f4")),
    ),
    Kind("float16 vector", CONVERTS, _as("f2")),
    Kind("float64 vector", CONVERTS, _as("f8")),
    Kind("long double vector", CONVERTS, _as("g")),
    Kind("int32 vector", CONVERTS, _as("i4")),
    Kind("uint8 vector", CONVERTS, _as("u1")),
    Kind("bool vector", "trace-shape-mismatch", _as("?")),
    Kind("complex vector", "trace-shape-mismatch", _as("c16")),
    Kind("vector of strings", "trace-shape-mismatch", _as("U9")),
    Kind("0-d vector", "trace-shape-mismatch", _with(v_row_all=np.float32(1))),
    Kind("2-d vector", "trace-shape-mismatch", _with(v_row_all=lambda a: a[None])),
    Kind("empty vector", "trace-shape-mismatch", _with(v_row_all=np.zeros(0, "f4"))),
    Kind("vector one short", "trace-shape-mismatch", _with(v_row_all=lambda a: a[:-1])),
    Kind("vector one long", "trace-shape-mismatch", _with(v_row_all=lambda a: np.append(a, a[:1]))),
    Kind("vector of a million", "trace-shape-mismatch", _with(v_row_all=np.zeros(10**6, "f4"))),
    Kind("no vector", "trace-missing-field", _with(v_row_all=None)),
    Kind("NaN in the vector", CONVERTS, _with(v_row_all=_poked(np.nan))),
    Kind("infinity in the vector", CONVERTS, _with(v_row_all=_poked(np.inf, -np.inf))),
    Kind("NaN in a hop", CONVERTS, _with(vh=_poked(np.nan))),
    Kind(
        "too large for float32", CONVERTS, _with(v_row_all=lambda a: _poked(1e300)(a.astype("f8")))
    ),
    Kind("1-d hops", "trace-shape-mismatch", _with(vh=lambda a: a[0])),
    Kind("3-d hops", "trace-shape-mismatch", _with(vh=lambda a: a[None])),
    Kind("hops one token short", "trace-shape-mismatch", _with(vh=lambda a: a[:, 1:])),
    Kind("no hop in the hops", CONVERTS, _with(vh=lambda a: a[:0])),
    Kind("two thousand hops", "trace-shape-mismatch", _with(vh=np.zeros((2000, _T), "f4"))),
    # lengths
    Kind("no prompt_len", "trace-missing-field", _with(prompt_len=None)),
    Kind("another prompt_len", "manifest-trace-disagree", _with(prompt_len=7)),
    Kind("negative gen_len", "manifest-trace-disagree", _with(gen_len=-8)),
    Kind("enormous gen_len", "manifest-trace-disagree", _with(gen_len=2**62)),
    Kind("prompt_len of floats", CONVERTS, _with(prompt_len=6.0)),
    Kind("prompt_len and a half", "trace-shape-mismatch", _with(prompt_len=6.5)),
    Kind("prompt_len NaN", "trace-shape-mismatch", _with(prompt_len=np.nan)),
    Kind("prompt_len infinite", "trace-shape-mismatch", _with(prompt_len=np.inf)),
    Kind("prompt_len twice", "trace-shape-mismatch", _with(prompt_len=[6, 6])),
    Kind("prompt_len of text", "trace-shape-mismatch", _with(prompt_len="6")),
    # spans
    Kind("spans reversed", CONVERTS, _with(sink_span_gen=[5, 2], thinking_span_gen=[3, 1])),
    Kind(
        "spans far outside", CONVERTS, _with(sink_span_gen=[900, 1000], thinking_span_gen=[-9, -5])
    ),
    Kind("spans of the largest numbers", CONVERTS, _with(sink_span_gen=[-(2**63), 2**63 - 1])),
    Kind(
        "spans of unsigned numbers", CONVERTS, _with(sink_span_gen=np.array([1, 2**64 - 1], "u8"))
    ),
    Kind("span NaN", "trace-shape-mismatch", _with(sink_span_gen=[np.nan, 2])),
    Kind("span of three", "trace-shape-mismatch", _with(sink_span_gen=[1, 2, 3])),
    Kind(
        "span of sixty thousand",
        "trace-shape-mismatch",
        _with(sink_span_gen=np.zeros(60_000, "u1")),
    ),
    Kind("0-d span", "trace-shape-mismatch", _with(sink_span_gen=3)),
    Kind("2-d span", "trace-shape-mismatch", _with(sink_span_gen=[[1, 2]])),
    Kind("thinking span of one", "trace-shape-mismatch", _with(thinking_span_gen=[1])),
    Kind("sink from the legacy indices", CONVERTS, _with(sink_span_gen=None)),
    Kind(
        "no sink and legacy of one",
        "trace-missing-field",
        _with(sink_span_gen=None, indices_to_explain_gen=[1]),
    ),
    Kind(
        "no sink and empty indices",
        "trace-missing-field",
        _with(sink_span_gen=None, indices_to_explain_gen=np.zeros(0, "i8")),
    ),
    Kind(
        "no sink and a million indices",
        "trace-missing-field",
        _with(sink_span_gen=None, indices_to_explain_gen=np.arange(10**6)),
    ),
    # scores
    Kind(
        "scores of another shape", "trace-shape-mismatch", _with(faithfulness_scores=[[1.0, 2.0]])
    ),
    Kind("scores of text", "trace-shape-mismatch", _with(faithfulness_scores=[["1"] * 3] * 3)),
    Kind("scores NaN", CONVERTS, _with(faithfulness_scores=np.full((3, 3), np.nan))),
    Kind("scores of integers", CONVERTS, _with(faithfulness_scores=np.arange(9).reshape(3, 3))),
    Kind("four recovery scores", "trace-shape-mismatch", _with(recovery_scores=[1.0] * 4)),
    # not a regular file
    Kind("a folder", "trace-corrupt", lambda path, arrays: path.mkdir()),
    Kind("a FIFO", "trace-corrupt", lambda path, arrays: os.mkfifo(path)),
    Kind("a link inside the folder", CONVERTS, _link_inside),
    Kind("a link out of the folder", "unsafe-path", _link_outside),
    Kind("a link to a device", "unsafe-path", _link("/dev/zero")),
    Kind("a link to nothing", "trace-missing", _link("not-there.npz")),
    Kind("a link to itself", "trace-missing", lambda path, arrays: path.symlink_to(path.name)),
)
