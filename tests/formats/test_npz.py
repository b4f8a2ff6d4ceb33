"""The container against numpy: what one writes the other reads, and damage is always noticed."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from exp2proc.formats import deflate, npz
from exp2proc.formats.zipped import NpzError

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
    members = [
        ("x", npz.pack(array, deflate.compress_text)),
        ("ints", npz.pack_ints([-1, 5])),
        ("f", scalar),
    ]
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
        except NpzError:
            noticed += 1
    assert noticed > len(good) // 2


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    np.savez_compressed(path, x=np.arange(100))
    good = path.read_bytes()
    for length in range(len(good)):
        path.write_bytes(good[:length])
        with pytest.raises(NpzError):
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
        with pytest.raises(NpzError):
            npz.NpzReader(tmp_path / "f.npz")
    if before is None:
        pytest.skip("this system does not list open files")
    assert len(os.listdir("/proc/self/fd")) == before


@given(st.binary(max_size=3000), st.sampled_from([deflate.compress_text, deflate.compress_numbers]))
def test_codec_round_trip(data: bytes, compress: Callable[[bytes], bytes]) -> None:
    packed = compress(data)
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
    member = npz.pack(array, deflate.compress_numbers)
    assert deflate.decompress(member.data, member.size) == stream.getvalue()


def _stored(path: Path, *arrays: bytes, **fields: bytes) -> Path:
    """An archive of these .npy as zipfile writes it; `fields` are extras of its entries."""
    with zipfile.ZipFile(path, "w") as archive:
        for number, npy in enumerate(arrays):
            info = zipfile.ZipInfo(f"x{number}.npy")
            info.extra, info.comment = fields.get("extra", b""), fields.get("comment", b"")
            archive.writestr(info, npy)
    return path


def _npy(version: tuple[int, int], array: np.ndarray | None = None) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.arange(3) if array is None else array, version=version)
    return stream.getvalue()


def test_headers_of_every_version_are_read(tmp_path: Path) -> None:
    """numpy writes version 2 for long headers, and version 3 for names of fields."""
    path = _stored(tmp_path / "v.npz", _npy((1, 0)), _npy((2, 0)), _npy((3, 0)))
    with npz.NpzReader(path) as reader:
        for key in reader.keys:
            assert same(reader.array(key, 3), np.arange(3))
    newer = _npy((3, 0)).replace(b"\x93NUMPY\3", b"\x93NUMPY\4")
    with (
        npz.NpzReader(_stored(tmp_path / "v.npz", newer)) as reader,
        pytest.raises(NpzError, match=r"npy version 4\.0"),
    ):
        reader.array("x0", 3)


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
    with pytest.raises(NpzError, match="directory entry is damaged"):
        npz.NpzReader(path)


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (4, b"\1\0"),  # this disk
        (6, b"\1\0"),  # the directory's first disk
        (8, b"\2\0"),  # entries on this disk
    ],
)
def test_archives_of_many_disks_are_refused(tmp_path: Path, at: int, value: bytes) -> None:
    path = tmp_path / "z.npz"
    path.write_bytes(_with_end(npz.archive([("x", npz.pack_ints([1]))]), at, value))
    with pytest.raises(NpzError, match="multi-disk"):
        npz.NpzReader(path)


def _with_end(data: bytes, at: int, value: bytes) -> bytes:
    """An archive with other bytes in the record at its end."""
    end = len(data) - 22 + at
    return data[:end] + value + data[end + len(value) :]


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (8, b"\xff\xff\xff\xff"),  # entries, all of them
        (12, b"\xff\xff\xff\xff"),  # bytes of the directory
        (16, b"\xff\xff\xff\xff"),  # where the directory is
    ],
)
def test_marks_of_zip64_without_zip64_are_judged_as_numpy_does(
    tmp_path: Path, at: int, value: bytes
) -> None:
    path = tmp_path / "z.npz"
    path.write_bytes(_with_end(npz.archive([("x", npz.pack_ints([1]))]), at, value))
    _as_numpy(path)


def _as_numpy(path: Path) -> dict[str, np.ndarray] | None:
    """What both read of a file, or None where both refuse it."""
    try:
        with np.load(path, allow_pickle=False) as loaded:
            wanted = {key: loaded[key] for key in loaded.files}
    except Exception:
        with pytest.raises(NpzError):
            _read(path)
        return None
    with npz.NpzReader(path) as reader:
        assert reader.keys == tuple(wanted)
        for key, array in wanted.items():
            read = reader.array(key, array.size)
            assert same(np.ascontiguousarray(read).reshape(array.shape), np.array(array, order="C"))
    return wanted


def _read(path: Path) -> None:
    with npz.NpzReader(path) as reader:
        for key in reader.keys:
            reader.array(key, 10**6)


_behind = st.one_of(
    st.just(b""), st.sampled_from([b"\n", b"\r\n", bytes(512)]), st.binary(max_size=40)
)


@given(
    arrays=st.lists(st.tuples(_arrays, st.sampled_from([(1, 0), (2, 0), (3, 0)])), max_size=3),
    packed=st.sampled_from(
        [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
    ),
    force_zip64=st.booleans(),
    real_zip64=st.booleans(),
    comment=st.one_of(st.just(b""), st.binary(max_size=30), st.just(b"long" * 16383)),
    behind=_behind,
)
@settings(max_examples=200, deadline=None)
def test_reads_whatever_numpy_reads(
    folder: Path,
    arrays: list[tuple[np.ndarray, tuple[int, int]]],
    packed: int,
    force_zip64: bool,
    real_zip64: bool,
    comment: bytes,
    behind: bytes,
) -> None:
    path = folder / "rare.npz"
    with pytest.MonkeyPatch.context() as patch, zipfile.ZipFile(path, "w", packed) as archive:
        if real_zip64:  # as zipfile writes archives of more than 4 GiB
            patch.setattr(zipfile, "ZIP64_LIMIT", 1)
        forced = force_zip64 or real_zip64
        for number, (array, version) in enumerate(arrays):
            with archive.open(f"x{number}.npy", "w", force_zip64=forced) as member:
                np.lib.format.write_array(member, array, version=version)
        archive.comment = comment
        archive.close()
    path.write_bytes(path.read_bytes() + behind)
    _as_numpy(path)


@pytest.mark.parametrize("packed", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damage_to_members_that_are_packed_rarely_is_noticed(tmp_path: Path, packed: int) -> None:
    """As in plain files: the same array or an NpzError, never another array."""
    array = np.random.default_rng(1).random(40).astype(np.float32)
    path = tmp_path / "c.npz"
    with zipfile.ZipFile(path, "w", packed) as archive:
        archive.writestr("x.npy", _npy((1, 0), array))
        archive.comment = b"and the directory is found by zipfile"
    good = path.read_bytes()
    for at in range(len(good)):
        path.write_bytes(good[:at] + bytes([good[at] ^ 0x41]) + good[at + 1 :])
        with suppress(NpzError), npz.NpzReader(path) as reader:
            if "x" in reader:
                assert same(reader.array("x", 40), array)


@pytest.mark.parametrize("packed", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_is_packed_rarely_and_too_large_is_not_inflated(tmp_path: Path, packed: int) -> None:
    """The shape that is claimed is told, even where the first block is a large one."""
    array = np.random.default_rng(2).random(300_000)
    with zipfile.ZipFile(tmp_path / "b.npz", "w", packed) as archive:
        archive.writestr("x.npy", _npy((1, 0), array))
    with (
        npz.NpzReader(tmp_path / "b.npz") as reader,
        pytest.raises(npz.OversizeError) as caught,
    ):
        reader.array("x", 1000)
    assert caught.value.shape == array.shape


def test_members_say_what_every_reader_of_zips_wants_to_know(tmp_path: Path) -> None:
    """Version 2.0, as DEFLATE needs; a date that never changes; readable by its owner."""
    data = npz.archive([("x", npz.pack_ints([1])), ("y", npz.pack_float(2.0))])
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for info in archive.infolist():
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
            assert (info.create_version, info.extract_version) == (20, 20)
            assert (info.volume, info.internal_attr, info.external_attr >> 16) == (0, 0, 0o600)
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
        (10, 9, "compression method 9 is not known"),
        (10, 12, "Invalid data stream"),
        (10, 14, "broken LZMA header"),
    ],
)
def test_members_that_are_not_as_their_entry_says(
    tmp_path: Path, at: int, value: int, says: str
) -> None:
    data = bytearray(npz.archive([("x", npz.pack_ints([1, 2]))]))
    data[data.index(b"PK\1\2") + at] = value
    path = tmp_path / "m.npz"
    path.write_bytes(data)
    with npz.NpzReader(path) as reader, pytest.raises(NpzError, match=says):
        reader.array("x", 2)


@pytest.mark.parametrize("method", [0, 12, 14])
def test_a_stream_is_deflate_only_where_the_directory_says_so(tmp_path: Path, method: int) -> None:
    """One flipped bit makes 12 or 0 of 8: the right bytes are then no longer the right array."""
    member = npz.pack(np.arange(500), deflate.compress_text)
    data = bytearray(npz.archive([("x", member)]))
    path = tmp_path / "m.npz"
    path.write_bytes(data)
    with npz.NpzReader(path) as reader:
        assert reader.packed("x") == member.data
    data[data.index(b"PK\1\2") + 10] = method
    path.write_bytes(data)
    with npz.NpzReader(path) as reader:
        assert reader.digests() == {"x": member.digest}
        assert reader.packed("x") == b""
        with pytest.raises(NpzError):
            reader.raw("x")


def test_no_member_of_more_than_2_gib_is_inflated(tmp_path: Path) -> None:
    """Whatever the directory claims, in zip64 fields too, where only its size is to be seen."""
    with pytest.MonkeyPatch.context() as patch, zipfile.ZipFile(tmp_path / "m.npz", "w") as archive:
        patch.setattr(zipfile, "ZIP64_LIMIT", 1)
        with archive.open("x.npy", "w", force_zip64=True) as member:
            member.write(_npy((1, 0)))
        size = archive.infolist()[0].file_size = 1 << 40
        archive.infolist()[0].compress_type = zipfile.ZIP_BZIP2
        archive.close()
    with npz.NpzReader(tmp_path / "m.npz") as reader:
        assert reader.digests()["x"].size == size
        with pytest.raises(NpzError, match="claims 1099511627776 bytes"):
            reader.raw("x")


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
        with pytest.raises(NpzError, match="directory entry is damaged"):
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
            with pytest.raises(NpzError, match=f"{key}: not an array"):
                reader.array(key, 10)
        with pytest.raises(NpzError, match=r"z: (not an array|Error -3)"):
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

    with pytest.raises(NpzError, match=says):
        read()


def test_long_shapes_are_shown_short() -> None:
    assert npz.shown([10**77]) == f"[{10**77}]"
    assert npz.shown([10**78]) == f"[{10**75}..."
    assert len(npz.shown([10**77])) == len(npz.shown([10**78])) == 80
