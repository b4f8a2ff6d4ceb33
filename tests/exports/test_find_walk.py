"""check sees what the readers see: through links, single files, each sample once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.cli import run_json
from support.exported import write_export

import exp2proc
from exp2proc.demo.tree import DemoTree
from exp2proc.exports.find import find_sources

RUN = "math/qwen-8B/ifr_n1_3ex"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Three samples of a run, below a root that is a folder of links."""
    for number in range(3):
        write_export(tmp_path / "store" / RUN / f"ex_{number:06d}.npz", ["a", "b", "c"])
    (tmp_path / "out").mkdir()
    (tmp_path / "out/math").symlink_to(tmp_path / "store/math")
    return tmp_path / "out"


def _both(*outs: Path) -> tuple[int, int]:
    report = exp2proc.check(outs)
    assert report.errors == []
    return report.samples, len(find_sources(outs))


def test_through_links(out: Path, tmp_path: Path) -> None:
    assert _both(out) == (3, 3)
    (out / "math/qwen-8B/up").symlink_to(out)
    assert _both(out, tmp_path / "store", out / RUN) == (3, 3)


def test_a_single_file(out: Path) -> None:
    path = out / RUN / "ex_000001.npz"
    assert _both(path) == (1, 1)
    path.write_bytes(b"PK")
    (error,) = exp2proc.check(path).errors
    assert (error.trace_dir, error.file, error.code) == (
        str(path.parent),
        path.name,
        "sample-invalid",
    )


def test_a_single_file_against_its_trace(demo: DemoTree) -> None:
    report = exp2proc.convert(traces_root=demo.traces, layout="proc_1", out_root=demo.out)
    assert report.counts.converted == 96
    path = sorted(demo.out.rglob("ex_000002.npz"))[0]
    checked = exp2proc.check(path, against=demo.traces)
    assert (checked.samples, checked.compared, checked.errors) == (1, 1, [])
    other = path.with_name("ex_000099.npz")
    os.link(path, other)
    (error,) = exp2proc.check(other, against=demo.traces).errors
    assert (error.file, error.code) == (other.name, "sample-unexpected")
    # named beside its folder, the folder is checked whole
    path.unlink()
    errors = exp2proc.check([other, path.parent], against=demo.traces).errors
    assert [(e.file, e.code) for e in errors] == [
        (path.name, "sample-missing"),
        (other.name, "sample-unexpected"),
    ]


def test_hidden_folders_are_no_place_for_samples(out: Path) -> None:
    write_export(out / ".trash/ex_000000.npz", ["a"])
    write_export(out / ".exp2proc/ex_000000.npz", ["a"])  # records, not samples
    assert len(find_sources(out)) == 3
    report = exp2proc.check(out)
    assert report.samples == 3
    (error,) = report.errors
    assert (error.trace_dir, error.file, error.code) == (str(out), ".trash", "sample-unexpected")


def test_a_folder_that_cannot_be_listed_is_told(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locked = out / "locked"
    locked.mkdir()
    scandir = os.scandir

    def refuse(path: str) -> object:
        if path == str(locked):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr("exp2proc.system.walk.os.scandir", refuse)
    report = exp2proc.check(out, jobs=1)
    assert report.samples == 3
    (error,) = report.errors
    assert (error.trace_dir, error.message) == (str(locked), "Permission denied")


def test_readers_stop_at_a_folder_that_cannot_be_listed(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mean over some of the samples would pass for one over all."""
    locked = out / "locked"
    locked.mkdir()
    scandir = os.scandir

    def refuse(path: str) -> object:
        if path == str(locked):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr("exp2proc.system.walk.os.scandir", refuse)
    with pytest.raises(exp2proc.Exp2procError, match=r"locked: Permission denied") as caught:
        find_sources(out)
    assert caught.value.code == "no-samples"
    assert caught.value.hint == "Check the folder's permissions."


def test_a_single_file_that_is_no_sample_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("x")
    (error,) = exp2proc.check(tmp_path / "readme.txt").errors
    assert (error.file, error.code) == ("readme.txt", "sample-invalid")


def test_names_of_nobodys_home_are_told(tmp_path: Path) -> None:
    (error,) = exp2proc.check("~no-such-user-of-this-machine/x").errors
    assert error.code == "sample-missing"
    with pytest.raises(exp2proc.Exp2procError) as caught:
        find_sources("~no-such-user-of-this-machine/x")
    assert caught.value.code == "no-samples"


def test_a_folder_that_is_called_like_a_sample_is_told(tmp_path: Path) -> None:
    run = tmp_path / "math/qwen-8B/ifr_1ex"
    write_export(run / "ex_000000.npz", ["a"])
    (run / "ex_777777.npz").mkdir()
    report = run_json("check", tmp_path, code=1)
    told = [(error["file"], error["code"], error["message"]) for error in report["errors"]]
    assert ("ex_777777.npz", "sample-invalid", "it is not a regular file") in told
