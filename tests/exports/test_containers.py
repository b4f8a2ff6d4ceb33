"""Every reader takes samples wherever they lie: in folders, archives, Parquet files, bundles."""

from __future__ import annotations

import json
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.cli import run_cli, run_json
from support.exported import write_export
from support.extras import needs

import exp2proc
from exp2proc.exports.find import find_sources
from exp2proc.viewer.server import Viewer
from exp2proc.viewer.single import write_single

RUN = "ifr_multi_hop_both_n1_mfaithfulness_gen_3ex"
NAMES = [f"exp/data/math.jsonl/qwen-8B/{RUN}/ex_{number:06d}.npz" for number in range(3)]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    root = tmp_path / "out"
    for number, name in enumerate(NAMES):
        write_export(root / name, ["a", "b", "c" * (number + 1)])
    return root


def _zip(out: Path, target: Path, method: int = zipfile.ZIP_DEFLATED, top: str = "") -> Path:
    with zipfile.ZipFile(target, "w", method) as archive:
        for path in sorted(out.rglob("*")):
            archive.write(path, top + path.relative_to(out).as_posix())
    return target


def _stored(out: Path, folder: Path) -> Path:
    return _zip(out, folder / "stored.zip", zipfile.ZIP_STORED)


def _bzip2(out: Path, folder: Path) -> Path:
    return _zip(out, folder / "rare.zip", zipfile.ZIP_BZIP2)


def _packed(out: Path, folder: Path) -> Path:
    exp2proc.pack(out, folder / "samples.parquet")
    return folder / "samples.parquet"


def _folder_of_parquet(out: Path, folder: Path) -> Path:
    (folder / "packed").mkdir()
    shutil.move(_packed(out, folder), folder / "packed")
    return folder / "packed"


def _zipped_parquet(out: Path, folder: Path) -> Path:
    return _zip(_folder_of_parquet(out, folder), folder / "p.zip", zipfile.ZIP_STORED)


def _pattern(out: Path, folder: Path) -> Path:
    return out / "exp/*/math.jsonl/qwen-8B/*"


FORMS = [
    *(lambda out, folder: _zip(out, folder / "data.zip"), _stored, _bzip2, _pattern),
    *(
        pytest.param(form, marks=needs("parquet"))
        for form in (_packed, _folder_of_parquet, _zipped_parquet)
    ),
]


@pytest.fixture(params=FORMS)
def held(request: pytest.FixtureRequest, out: Path, tmp_path: Path) -> Path:
    form: Callable[[Path, Path], Path] = request.param
    return form(out, tmp_path)


def test_samples_are_those_of_the_folder(out: Path, held: Path) -> None:
    there = list(exp2proc.iter_samples(held, jobs=2))
    for one, other in zip(exp2proc.iter_samples(out), there, strict=True):
        assert one.source is not None
        assert other.source is not None
        assert one.source.short_name == other.source.short_name
        assert (one.source.run_tag, one.source.example) == (RUN, other.source.example)
        one_dict, other_dict = one.to_dict(), other.to_dict()
        del one_dict["source"], other_dict["source"]
        assert one_dict == other_dict


def test_every_reader_takes_them(out: Path, held: Path, tmp_path: Path) -> None:
    assert len(exp2proc.SampleDataset(held)) == 3
    assert len(exp2proc.scores(held)) == 3
    assert [row.samples for row in exp2proc.summary(held)] == [3]
    built = exp2proc.build_gallery(held, tmp_path / "site")
    assert (built.samples, built.failures) == (3, [])
    assert write_single(held, tmp_path / "one.html") == 3
    report = exp2proc.check(held)
    assert (report.samples, report.errors) == (3, [])
    assert len(Viewer(held).works) == 3
    assert exp2proc.bundle(held, tmp_path / "bundle.zip").samples == 3


@needs("parquet")
@needs("figures")
def test_they_are_packed_and_drawn(held: Path, tmp_path: Path) -> None:
    assert exp2proc.pack(held, tmp_path / "again.parquet") == 3
    assert exp2proc.figure("shares", held).axes


def test_one_of_them_is_shown_by_its_names(held: Path) -> None:
    done = run_cli("show", held, "--dataset", "math", "--method", "ifr_multi_hop_both")
    assert done.returncode == 2
    assert "--example=0" in done.stderr
    done = run_cli("show", held, "--method", "ifr_multi_hop_both", "--example", "2")
    assert done.returncode == 0, done.stderr
    assert "ex_000002" in done.stdout
    assert "ccc" in done.stdout


def test_one_sample_in_an_archive_is_loaded(out: Path, tmp_path: Path) -> None:
    for name in NAMES[1:]:
        (out / name).unlink()
    sample = exp2proc.load_sample(_zip(out, tmp_path / "one.zip"))
    assert np.array_equal(sample.attr, exp2proc.load_sample(out / NAMES[0]).attr)
    with pytest.raises(exp2proc.Exp2procError, match="no-samples"):
        exp2proc.load_sample(tmp_path / "absent")
    for name in NAMES[1:]:
        write_export(out / name, ["a"])
    with pytest.raises(exp2proc.Exp2procError, match=r"no-samples: \S+\*.npz holds 3 samples"):
        exp2proc.load_sample(out / "exp/*/*/*/*/*.npz")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("s3://bucket/x", "s3://bucket/x is an address: only files of this machine are read"),
        ("out/*/nothing*", "nothing matches"),
        ("absent.zip", "does not exist"),
        ("notes.txt", "no zip archive begins like that"),
    ],
)
def test_what_is_none_of_these_is_told_honestly(
    out: Path, tmp_path: Path, given: str, says: str
) -> None:
    (tmp_path / "notes.txt").write_text("to be written, or not to be written")
    done = run_cli("summary", given, cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr
    report = run_json("check", given, code=2 if "://" in given or "*" in given else 1, cwd=tmp_path)
    assert says in json.dumps(report)


def test_a_folder_with_an_archive_says_to_name_it(out: Path, tmp_path: Path) -> None:
    (tmp_path / "sent").mkdir()
    archive = _zip(out, tmp_path / "sent" / "data.zip")
    done = run_cli("summary", tmp_path / "sent")
    assert done.returncode == 2
    assert f"hint: An archive is read when it is named itself: {archive}" in done.stderr


@needs("parquet")
def test_samples_in_both_forms_are_found_once(out: Path) -> None:
    exp2proc.pack(out, out / "samples.parquet")
    assert len(find_sources(out)) == 3


def _member(name: str, *, link: bool = False) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777 if link else stat.S_IFREG | 0o644) << 16
    return info


HOSTILE = [
    ("../../up.npz", False, "its name in the archive leads out of it"),
    ("/etc/abs.npz", False, "its name in the archive leads out of it"),
    ("d/m/r/./dot.npz", False, "its name in the archive leads out of it"),
    ("d/m/r/link.npz", True, "it is a link"),
]


@pytest.mark.parametrize(("name", "link", "says"), HOSTILE)
def test_a_name_that_may_not_be_costs_its_own_sample(
    out: Path, tmp_path: Path, name: str, link: bool, says: str
) -> None:
    archive = _zip(out, tmp_path / "data.zip")
    with zipfile.ZipFile(archive, "a") as more:
        more.writestr(_member(name, link=link), (out / NAMES[0]).read_bytes())
    before = sorted(tmp_path.rglob("*"))
    report = exp2proc.check(archive)
    assert (report.samples, [error.code for error in report.errors]) == (4, ["sample-invalid"])
    assert report.errors[0].message == says
    assert sorted(tmp_path.rglob("*")) == before
    failed: list[str] = []
    read = list(exp2proc.iter_samples(archive, on_error=lambda _, err: failed.append(err.message)))
    assert len(read) == 3
    assert says in failed[0]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_neither_read(out: Path, tmp_path: Path) -> None:
    archive = _zip(out, tmp_path / "data.zip")
    with zipfile.ZipFile(archive, "a") as more:
        more.writestr(NAMES[1], (out / NAMES[0]).read_bytes())
    report = exp2proc.check(archive)
    assert {error.code for error in report.errors} == {"sample-invalid"}
    assert "2 members of the archive have its name" in report.errors[0].message


def test_bombs_are_refused_before_they_are_inflated(out: Path, tmp_path: Path) -> None:
    archive = tmp_path / "bomb.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        made.write(out / NAMES[0], NAMES[0])
        with made.open(zipfile.ZipInfo("d/m/r/bomb.npz"), "w", force_zip64=True) as stream:
            for _ in range(600):
                stream.write(bytes(1 << 20))
    report = exp2proc.check(archive)
    assert [error.code for error in report.errors] == ["sample-invalid"]
    assert "claims 629145600 bytes" in report.errors[0].message


def test_a_flipped_bit_in_a_member_is_found(out: Path, tmp_path: Path) -> None:
    archive = _stored(out, tmp_path)
    data = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as made:
        last = made.infolist()[-1]
    data[last.header_offset + 30 + len(last.filename) + last.file_size // 2] ^= 1
    archive.write_bytes(data)
    (error,) = exp2proc.check(archive).errors
    assert error.code == "sample-invalid"
    assert "get that again" in error.hint


@needs("parquet")
def test_a_parquet_whose_columns_lie(out: Path, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = _packed(out, tmp_path)
    table = pq.read_table(path)
    lies = {"file": ["../x.npz", "ex_1.npz", "ex_2.npz"], "tok_width": [9, 1, 9]}
    for name, values in lies.items():
        at = table.schema.get_field_index(name)
        table = table.set_column(
            at, table.schema.field(at), pa.array(values, table.schema[at].type)
        )
    about = pq.read_metadata(path).metadata
    pq.write_table(table.replace_schema_metadata({b"exp2proc": about[b"exp2proc"]}), path)
    report = exp2proc.check(path)
    codes = ["sample-inconsistent", "sample-invalid", "sample-invalid"]
    assert sorted(error.code for error in report.errors) == codes
    said = " ".join(error.message for error in report.errors)
    assert f"{RUN}/../x.npz' is not the path of an npz inside the output folder" in said
    assert "tok_width is 1, the longest piece has 2 characters" in said
    assert "tok is U9, but its longest piece has 3 characters" in said


@pytest.mark.parametrize("cut", [2, 1000, -1])
def test_check_says_what_is_wrong_with_a_file_that_was_named(
    out: Path, tmp_path: Path, cut: int
) -> None:
    path = _zip(out, tmp_path / "out.zip")
    path.write_bytes(path.read_bytes()[:cut])
    (error,) = exp2proc.check(path).errors
    assert (error.code, error.file) == ("sample-invalid", "out.zip")
    assert "zip" in error.message


@needs("parquet")
def test_rows_of_one_name_do_not_pass_for_one(out: Path, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = _packed(out, tmp_path)
    table = pq.read_table(path)
    about = pq.read_metadata(path).metadata
    twice = pa.concat_tables([table, table.slice(1, 1)])
    pq.write_table(twice.replace_schema_metadata({b"exp2proc": about[b"exp2proc"]}), path)
    (error,) = exp2proc.check(path).errors
    assert (error.code, error.file) == ("sample-invalid", f"row-{len(table)}.npz")
    assert "a row before it is" in error.message
