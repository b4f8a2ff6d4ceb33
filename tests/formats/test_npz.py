"""The container against numpy: what one writes the other reads, and damage is always noticed."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from exp2proc.formats import deflate, npz

_dtypes = st.sampled_from(["<f4", ">f4", "<f2", "<f8", "<i8", ">i4", "|u1", "|b1", "<U5", "<U1"])
_arrays = _dtypes.flatmap(
    lambda dtype: hnp.arrays(np.dtype(dtype), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0))
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("npz")


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@given(_arrays, st.booleans(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_reads_what_numpy_writes(
    folder: Path, array: np.ndarray, fortran: bool, compressed: bool
) -> None:
    array = np.asfortranarray(array) if fortran else array
    path = folder / "a.npz"
    (np.savez_compressed if compressed else np.savez)(path, first=np.arange(3), x=array)
    with npz.NpzReader(path) as reader:
        assert reader.keys == ("first", "x")
        assert "x" in reader
        assert "y" not in reader
        assert same(np.ascontiguousarray(reader.array("x", array.size)).reshape(array.shape), array)


@given(_arrays)
@settings(max_examples=150, deadline=None)
def test_numpy_reads_what_is_written(folder: Path, array: np.ndarray) -> None:
    path = folder / "b.npz"
    scalar = npz.pack_float(float("nan"))
    members = [("x", npz.pack(array, 6)), ("ints", npz.pack_ints([-1, 5])), ("f", scalar)]
    path.write_bytes(npz.archive(members))
    with np.load(path, allow_pickle=False) as loaded:
        assert loaded.files == ["x", "ints", "f"]
        assert same(loaded["x"], array)
        assert same(loaded["ints"], np.array([-1, 5], np.int64))
        assert loaded["f"].shape == ()
        assert np.isnan(loaded["f"])
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert all(i.compress_type == zipfile.ZIP_DEFLATED for i in archive.infolist())


def test_large_files_are_read_in_parts(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    big, small = rng.random(400_000), np.arange(7)
    np.savez(tmp_path / "big.npz", big=big, small=small)
    with npz.NpzReader(tmp_path / "big.npz") as reader:
        assert same(reader.array("small", 7), small)
        assert same(reader.array("big", big.size), big)


def test_every_flipped_byte_is_noticed_or_harmless(tmp_path: Path) -> None:
    """A file with one byte changed gives the same array or an NpzError, never another array."""
    path = tmp_path / "c.npz"
    array = np.random.default_rng(1).random(40).astype(np.float32)
    np.savez_compressed(path, x=array)
    good = path.read_bytes()
    noticed = 0
    for at in range(len(good)):
        path.write_bytes(good[:at] + bytes([good[at] ^ 0x41]) + good[at + 1 :])
        try:
            with npz.NpzReader(path) as reader:
                if "x" in reader:
                    assert same(reader.array("x", 40), array)
        except npz.NpzError:
            noticed += 1
    assert noticed > len(good) // 2


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    np.savez_compressed(path, x=np.arange(100))
    good = path.read_bytes()
    for length in range(len(good)):
        path.write_bytes(good[:length])
        with pytest.raises(npz.NpzError):
            npz.NpzReader(path)


def test_more_than_can_be_used_is_never_inflated(tmp_path: Path) -> None:
    path = tmp_path / "e.npz"
    np.savez_compressed(path, x=np.zeros(3_000_000, np.float32))
    with npz.NpzReader(path) as reader, pytest.raises(npz.OversizeError) as caught:
        reader.array("x", 1000)
    assert caught.value.shape == (3_000_000,)


def test_no_file_is_left_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    (tmp_path / "f.npz").write_bytes(b"not a zip archive, but longer than its directory's end")
    for _ in range(20):
        with pytest.raises(npz.NpzError):
            npz.NpzReader(tmp_path / "f.npz")
    if before is None:
        pytest.skip("this system does not list open files")
    assert len(os.listdir("/proc/self/fd")) == before


@given(st.binary(max_size=3000), st.integers(1, 9))
def test_codec_round_trip(data: bytes, level: int) -> None:
    packed = deflate.compress(data, level)
    assert deflate.decompress(packed, len(data)) == data
    assert deflate.head(packed, 10) == data[:10]
    for wrong in (len(data) + 1, len(data) - 1):
        if wrong >= 0:
            with pytest.raises(deflate.InflateError):
                deflate.decompress(packed, wrong)


def test_headers_are_those_of_numpy() -> None:
    array = np.arange(336, dtype=np.float32)
    stream = io.BytesIO()
    np.save(stream, array)
    member = npz.pack(array, 1)
    assert deflate.decompress(member.data, member.size) == stream.getvalue()


def _stored(path: Path, *arrays: bytes, **fields: bytes) -> Path:
    """An archive of these .npy as zipfile writes it; `fields` are extras of its entries."""
    with zipfile.ZipFile(path, "w") as archive:
        for number, npy in enumerate(arrays):
            info = zipfile.ZipInfo(f"x{number}.npy")
            info.extra, info.comment = fields.get("extra", b""), fields.get("comment", b"")
            archive.writestr(info, npy)
    return path


def _npy(version: tuple[int, int]) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.arange(3), version=version)
    return stream.getvalue()


def test_headers_of_version_1_and_2_are_read_others_refused(tmp_path: Path) -> None:
    """numpy writes version 2 for long headers, and version 3 for names of fields, which are none
    of ours."""
    path = _stored(tmp_path / "v.npz", _npy((1, 0)), _npy((2, 0)), _npy((3, 0)))
    with npz.NpzReader(path) as reader:
        assert same(reader.array("x0", 3), np.arange(3))
        assert same(reader.array("x1", 3), np.arange(3))
        with pytest.raises(npz.NpzError, match=r"npy version 3\.0"):
            reader.array("x2", 3)


@pytest.mark.parametrize("rest", [b"", b"\x99", b"\x99\x99\x04"])
def test_extra_fields_and_comments_of_members_are_passed_over(tmp_path: Path, rest: bytes) -> None:
    """Also what is behind the last whole field, which zipfile does not look at."""
    extra = b"\x99\x99\x04\x00abcd" + rest
    path = _stored(tmp_path / "x.npz", _npy((1, 0)), _npy((1, 0)), extra=extra, comment=b"why")
    with npz.NpzReader(path) as reader:
        assert reader.keys == ("x0", "x1")
        assert same(reader.array("x1", 3), np.arange(3))
    damaged = path.read_bytes().replace(b"\x99\x99\x04\x00", b"\x99\x99\xff\x00")
    path.write_bytes(damaged)
    with pytest.raises(npz.NpzError, match="directory entry is damaged"):
        npz.NpzReader(path)


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (4, b"\1\0"),  # this disk
        (6, b"\1\0"),  # the directory's first disk
        (8, b"\2\0"),  # entries on this disk
        (8, b"\xff\xff\xff\xff"),  # entries, all of them: zip64
        (16, b"\xff\xff\xff\xff"),  # where the directory is: zip64
    ],
)
def test_archives_of_many_disks_and_zip64_are_refused(
    tmp_path: Path, at: int, value: bytes
) -> None:
    data = bytearray(npz.archive([("x", npz.pack_ints([1]))]))
    end = len(data) - 22
    data[end + at : end + at + len(value)] = value
    path = tmp_path / "z.npz"
    path.write_bytes(data)
    with pytest.raises(npz.NpzError, match="multi-disk or zip64"):
        npz.NpzReader(path)


def test_members_say_what_every_reader_of_zips_wants_to_know(tmp_path: Path) -> None:
    """Version 2.0, as DEFLATE needs; a date that never changes; readable by its owner."""
    data = npz.archive([("x", npz.pack_ints([1])), ("y", npz.pack_float(2.0))])
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for info in archive.infolist():
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
            assert (info.create_version, info.extract_version) == (20, 20)
            assert (info.internal_attr, info.external_attr >> 16) == (0, 0o600)
            assert (info.flag_bits, info.extra, info.comment) == (0, b"", b"")


@pytest.mark.parametrize("size", [npz.MAX_MEMBER, npz.MAX_MEMBER + 1])
def test_no_member_of_more_than_2_gib_is_written(size: int) -> None:
    members = [("x", npz.Member(size, 0, b""))]
    if size <= 2 << 30:
        assert npz.archive(members)
    else:
        with pytest.raises(ValueError, match="more than 2 GiB"):
            npz.archive(members)


@pytest.mark.parametrize("size", [10, 400_000])
def test_an_archive_may_have_a_comment(tmp_path: Path, size: int) -> None:
    """Small files are read at once, of large ones only the end: the directory is found in both."""
    array = np.random.default_rng(2).random(size)
    np.savez(tmp_path / "a.npz", x=array)
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.comment = b"of a stranger's tool"
    with npz.NpzReader(tmp_path / "a.npz") as reader:
        assert same(reader.array("x", size), array)


def test_an_archive_may_be_empty(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "e.npz", "w"):
        pass
    with npz.NpzReader(tmp_path / "e.npz") as reader:
        assert reader.keys == ()


@pytest.mark.parametrize(
    ("at", "value", "says"),
    [
        (8, 0x01, "encrypted or patched"),
        (8, 0x20, "encrypted or patched"),
        (8, 0x40, "encrypted or patched"),
        (10, 12, "compression method 12 is not DEFLATE"),
    ],
)
def test_members_that_are_not_plain_deflate(tmp_path: Path, at: int, value: int, says: str) -> None:
    data = bytearray(npz.archive([("x", npz.pack_ints([1, 2]))]))
    data[data.index(b"PK\1\2") + at] = value
    path = tmp_path / "m.npz"
    path.write_bytes(data)
    with npz.NpzReader(path) as reader, pytest.raises(npz.NpzError, match=says):
        reader.array("x", 2)


@pytest.mark.parametrize("version", [20, 63, 64])
def test_members_of_a_newer_zip_than_numpy_reads_are_refused(tmp_path: Path, version: int) -> None:
    data = bytearray(npz.archive([("x", npz.pack_ints([1, 2]))]))
    data[data.index(b"PK\1\2") + 6] = version
    path = tmp_path / "v.npz"
    path.write_bytes(data)
    if version <= 63:
        with np.load(path) as loaded, npz.NpzReader(path) as reader:
            assert same(loaded["x"], reader.array("x", 2))
    else:
        with pytest.raises(NotImplementedError):
            np.load(path)
        with pytest.raises(npz.NpzError, match="directory entry is damaged"):
            npz.NpzReader(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_of_a_member_that_is_too_large_its_header_is_read(tmp_path: Path, method: int) -> None:
    path = tmp_path / "l.npz"
    stream = io.BytesIO()
    np.save(stream, np.zeros((30_000, 3)))
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("x.npy", stream.getvalue())
        archive.writestr("y.npy", b"x" * 100_000)
        archive.writestr("short.npy", b"\x93NUMPY\1\0\0")
        archive.writestr("z.npy", stream.getvalue())
    data = bytearray(path.read_bytes())
    at = data.rindex(b"z.npy", 0, data.index(b"PK\1\2")) + 5
    data[at] ^= 0xFF  # where z's content begins
    path.write_bytes(data)
    with npz.NpzReader(path) as reader:
        with pytest.raises(npz.OversizeError) as caught:
            reader.array("x", 10)
        assert caught.value.shape == (30_000, 3)
        assert "x claims 720128 bytes (float64[30000, 3])" in str(caught.value)
        for key in ("y", "short"):
            with pytest.raises(npz.NpzError, match=f"{key}: not an array"):
                reader.array(key, 10)
        with pytest.raises(npz.NpzError, match=r"z: (not an array|Error -3)"):
            reader.array("z", 10)


@pytest.mark.parametrize(
    ("at", "size", "says"),
    [
        (20, 9000, "9000 bytes packed are too many for 144"),
        (20, 1000, "its 1000 bytes are not all there"),
        (24, 1 << 20, "bytes cannot inflate to 1048576"),
        (42, 1 << 20, "it ends at byte"),
    ],
)
def test_sizes_that_cannot_be(tmp_path: Path, at: int, size: int, says: str) -> None:
    data = bytearray(npz.archive([("x", npz.pack_ints([1, 2]))]))
    entry = data.index(b"PK\1\2")
    data[entry + at : entry + at + 4] = size.to_bytes(4, "little")
    path = tmp_path / "s.npz"
    path.write_bytes(data)

    def read() -> None:
        with npz.NpzReader(path) as reader:
            reader.array("x", 1 << 20)

    with pytest.raises(npz.NpzError, match=says):
        read()


def test_long_shapes_are_shown_short() -> None:
    assert npz.shown([10**77]) == f"[{10**77}]"
    assert npz.shown([10**78]) == f"[{10**75}..."
    assert len(npz.shown([10**77])) == len(npz.shown([10**78])) == 80
