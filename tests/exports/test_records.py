"""Records of what samples were made from: what they say, and that check holds samples to them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.arrays import records_of
from support.cli import COMMAND, run_cli, run_json

import exp2proc
from exp2proc.demo.tree import DemoTree, write_broken
from exp2proc.formats.npz import NpzReader

RUN = "needles/demo-1B/ifr_multi_hop_both_n1_mfaithfulness_gen+recovery_8ex"
RECORD = f".exp2proc/{RUN}.json"


def _export(demo: DemoTree, out: Path, **more: Any) -> exp2proc.Report:
    return exp2proc.convert(
        **{
            "traces_root": demo.traces,
            "data_root": demo.data,
            "tokenizer_model": demo.tokenizer,
            "out_root": out,
            "jobs": 1,
            **more,
        }
    )


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from exp2proc.demo.tree import write_tree

    demo = write_tree(tmp_path_factory.mktemp("recorded"))
    _export(demo, demo.out)
    return demo.root


def sum_of_samples(folder: Path) -> str:
    """The digest as the documentation tells it, by numpy's and zipfile's own means."""
    total = 0
    for path in folder.iterdir():
        with NpzReader(path) as npz:
            lines = [path.name, *(f"{k} {d.size} {d.crc:08x}" for k, d in npz.digests().items())]
        text = "".join(f"{line}\n" for line in lines)
        total += int(hashlib.sha256(text.encode()).hexdigest(), 16)
    return f"{total % 2**256:064x}"


def test_what_a_record_says(exported: Path) -> None:
    demo = DemoTree(exported)
    record = json.loads((demo.out / RECORD).read_text())
    assert list(record) == [
        *("format", "dataset", "model_tag", "run_tag", "manifest_sha256", "datasets", "tokenizer"),
        *("exp2proc_version", "versions", "options", "rows", "dropped", "samples_digest"),
    ]
    assert (record["dataset"], record["model_tag"], record["run_tag"]) == tuple(RUN.split("/"))
    manifest = (demo.traces / RUN / "manifest.jsonl").read_bytes()
    assert record["manifest_sha256"] == hashlib.sha256(manifest).hexdigest()
    data = (demo.data / "needles.jsonl").read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    assert record["datasets"] == [{"name": "needles.jsonl", "sha256": sha256}]
    assert record["tokenizer"]["name"] == "tokenizer"
    assert len(record["tokenizer"]["fingerprint"]) == 40
    assert record["options"] == {
        "layout": "proc",
        "allow_missing_ft_hops": False,
        "prompt_prefix": "space",
    }
    assert record["rows"] == {"manifest": 8, "samples": 8, "dropped": 0, "pending": 0}
    assert record["samples_digest"] == sum_of_samples(demo.out / RUN)
    assert str(exported) not in json.dumps(records_of(demo.out))


def test_it_is_in_the_report_and_does_not_depend_on_how_it_was_made(
    exported: Path, tmp_path: Path
) -> None:
    demo = DemoTree(exported)
    words = (
        *("convert", "--traces_root", demo.traces, "--data_root", demo.data),
        *("--tokenizer_model", demo.tokenizer, "--out_root", tmp_path / "out"),
    )
    report = run_json(*words, "--jobs", "2", "--no_cache")
    records = records_of(tmp_path / "out")
    assert records == records_of(demo.out)
    for run in report["runs"]:
        below = Path(run["out_dir"]).relative_to(tmp_path / "out")
        assert json.loads(records[f"{below}.json"]) == run["record"]
    again = run_json(*words, "--resume")
    assert [run["record"] for run in again["runs"]] == [run["record"] for run in report["runs"]]


def test_rows_that_were_dropped_are_in_it(demo: DemoTree, tmp_path: Path) -> None:
    write_broken(demo)
    report = _export(demo, tmp_path / "out")
    dropped = [
        {"file": error.file, "example_idx": error.example_idx, "code": error.code}
        for error in report.errors
    ]
    records = [run.record for run in report.runs if run.record is not None]
    assert [row for record in records for row in record["dropped"]] == [
        row for row, error in zip(dropped, report.errors, strict=True) if _some_left(report, error)
    ]
    assert any(record["rows"]["dropped"] for record in records)
    assert exp2proc.check(tmp_path / "out").errors == []


def _some_left(report: exp2proc.Report, error: exp2proc.RowError) -> bool:
    (run,) = [run for run in report.runs if run.trace_dir == error.trace_dir]
    return run.counts.converted > 0


def test_where_it_is_and_where_it_is_not(demo: DemoTree, tmp_path: Path) -> None:
    out, run = tmp_path / "some/where", demo.traces / RUN
    _export(demo, tmp_path, traces_root=None, trace_dir=run, out_root=None, out_dir=out)
    assert sorted(os.listdir(tmp_path / "some")) == [".exp2proc", "where"]
    assert os.listdir(tmp_path / "some/.exp2proc") == ["where.json"]
    assert exp2proc.check(out).recorded == 1
    _export(demo, tmp_path / "none", provenance=False)
    assert not (tmp_path / "none/.exp2proc").exists()
    words = ("convert", "--traces_root", demo.traces, "--layout", "proc_1", "--no_provenance")
    run_json(*words, "--out_root", tmp_path / "neither")
    assert not (tmp_path / "neither/.exp2proc").exists()
    # A run that was stopped says nothing of what it made.
    next((demo.traces / "needles").rglob("ex_000000.npz")).write_bytes(b"")
    stopped = _export(
        demo, tmp_path / "stopped", fail_fast=True, traces_root=demo.traces / "needles"
    )
    assert stopped.stopped == "fail_fast"
    assert any(run.record is None for run in stopped.runs if run.counts.unfinished)


def test_one_that_cannot_be_written_costs_no_sample(demo: DemoTree, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/.exp2proc").write_text("in its place")
    report = _export(demo, tmp_path / "out")
    assert (report.counts.converted, report.exit_code) == (96, 0)
    for run in report.runs:
        (warning,) = run.warnings
        assert warning.code == "record-unwritable"
        assert ".exp2proc" in warning.message


def _swap(folder: Path) -> None:
    one, other = folder / "ex_000001.npz", folder / "ex_000002.npz"
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)


def _edit(folder: Path) -> None:
    path = folder / "ex_000001.npz"
    with np.load(path) as npz:
        arrays = dict(npz)
    arrays["mas"] = np.float64(0.5)
    np.savez_compressed(path, **arrays)


def _add(folder: Path) -> None:
    shutil.copy(folder / "ex_000001.npz", folder / "ex_000009.npz")


def _pack_again(folder: Path) -> None:
    """As another program writes the same arrays: that is no other sample."""
    for path in folder.iterdir():
        with np.load(path) as npz:
            arrays = dict(npz)
        np.savez(path, **arrays)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_swap, "its 8 samples are not those that were made"),
        (_edit, "its 8 samples are not those that were made"),
        (lambda folder: (folder / "ex_000001.npz").unlink(), "7 samples are there, 8 were made"),
        (_add, "9 samples are there, 8 were made"),
        (_pack_again, ""),
    ],
)
def test_check_says_when_samples_no_longer_match(
    exported: Path, tmp_path: Path, change: Callable[[Path], None], told: str
) -> None:
    out = tmp_path / "out"
    shutil.copytree(DemoTree(exported).out, out)
    change(out / RUN)
    report = exp2proc.check(out)
    assert report.recorded == 12
    found = [(error.code, error.trace_dir, error.message) for error in report.errors]
    if told:
        assert found == [("record-mismatch", str(out / RUN), f"{told} when its record was written")]
    else:
        assert found == []
    assert exp2proc.check(out / RUN / "ex_000003.npz").recorded == 0


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"format": 1}', '{"format": 2}', "\x00\xff"])
def test_a_record_that_is_none(exported: Path, tmp_path: Path, content: str) -> None:
    out = tmp_path / "out"
    shutil.copytree(DemoTree(exported).out, out)
    (out / RECORD).write_text(content, encoding="latin-1")
    done = run_cli("check", out)
    assert done.returncode == 1
    assert "record-mismatch (1)" in done.stdout
    assert "Traceback" not in done.stderr
    assert "11 of 12 folders have a record" in done.stdout


@pytest.mark.parametrize("kind", ["fifo", "nested", "long number", "folder"])
def test_what_stands_in_a_records_place_costs_a_line(
    exported: Path, tmp_path: Path, kind: str
) -> None:
    out = tmp_path / "out"
    shutil.copytree(DemoTree(exported).out, out)
    path = out / RECORD
    record = json.loads(path.read_text())
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "nested":
        path.write_text("[" * 100_000 + "]" * 100_000)
    else:
        record["rows"]["samples"] = 10**30
        path.write_text(json.dumps(record))
    done = run_cli("check", out, timeout=60)
    assert "Traceback" not in done.stderr
    assert "11 of 12 folders have a record" in done.stdout
    assert max(map(len, done.stdout.splitlines())) < 1000
    assert done.returncode == (0 if kind in ("fifo", "folder") else 1)


def test_a_part_of_a_run_leaves_no_record(demo: DemoTree, tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = _export(demo, out, limit=3)
    assert [run.record for run in report.runs] == [None] * 12
    assert not (out / ".exp2proc").exists()
    _export(demo, out, resume=True)
    _export(demo, out, resume=True, limit=3)
    report_of = exp2proc.check(out)
    assert (report_of.recorded, report_of.errors) == (12, [])
    assert all(run.record for run in _export(demo, out, resume=True, limit=8).runs)


def test_of_several_records_one_that_matches_counts(demo: DemoTree, tmp_path: Path) -> None:
    out, run = tmp_path / "out", demo.traces / RUN
    _export(demo, out, traces_root=None, trace_dir=run, out_root=None, out_dir=out / RUN)
    nearest = (out / RUN).parent / ".exp2proc" / f"{Path(RUN).name}.json"
    assert nearest.exists()
    trace = run / "ex_000001.npz"
    with np.load(trace) as npz:
        arrays = dict(npz)
    arrays["v_row_all"] = arrays["v_row_all"] * 2
    np.savez_compressed(trace, **arrays)
    stale = nearest.read_bytes()
    _export(demo, out, traces_root=None, trace_dir=run, resume=True)
    assert (out / RECORD).exists()
    assert not nearest.exists()  # it is gone with the samples that it described
    nearest.write_bytes(stale)
    assert exp2proc.check(out).errors == []
    (out / RECORD).unlink()
    assert [error.code for error in exp2proc.check(out).errors] == ["record-mismatch"]


@pytest.mark.parametrize("link", [False, True], ids=["", "through a link"])
def test_records_under_other_roots_go_with_the_samples(
    demo: DemoTree, tmp_path: Path, link: bool
) -> None:
    """Whatever root a folder was named by when they were written."""
    out, run = tmp_path / "exp/out", demo.traces / RUN
    for place in (out / RUN, (out / RUN).with_name("other")):
        _export(demo, out, traces_root=None, trace_dir=run, out_root=None, out_dir=place)
    (nearest,) = (out / RUN).parent.glob(f".exp2proc/{Path(RUN).name}.json")
    others = [out / RECORD, tmp_path / ".exp2proc/exp/out" / f"{RUN}.json"]
    for path in others:
        path.parent.mkdir(parents=True)
        shutil.copy(nearest, path)
    (tmp_path / "way").symlink_to(out)
    named = (tmp_path / "way" if link else out) / RUN
    words = ("convert", "--trace_dir", run, "--layout", "proc_1", "--out_dir", named)
    assert run_cli(*words, "--overwrite", "--no_provenance").returncode == 0
    assert not any(path.exists() for path in (nearest, *others))
    assert nearest.with_name("other.json").exists()


def test_an_earlier_record_that_cannot_be_removed_is_told_of(
    demo: DemoTree, tmp_path: Path
) -> None:
    mortal = () if os.geteuid() else ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    if mortal and not shutil.which("setpriv"):
        pytest.skip("root may remove every file, and setpriv is not here to change that")
    out = tmp_path / "out"
    words = ("convert", "--trace_dir", demo.traces / RUN, "--layout", "proc_1", "--out_root", out)
    assert run_cli(*words).returncode == 0
    (out / RECORD).parent.chmod(0o555)
    done = subprocess.run(
        [*mortal, *COMMAND, *map(str, words), "--overwrite"],
        capture_output=True,
        text=True,
        check=False,
    )
    (out / RECORD).parent.chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert f"an earlier record was not removed: {out / RECORD}: Permission denied" in (
        " ".join(done.stdout.split())
    )


@pytest.mark.parametrize("whole", [True, False])
def test_a_run_that_is_gone_is_missed_by_its_record(
    exported: Path, tmp_path: Path, whole: bool
) -> None:
    out = tmp_path / "out"
    shutil.copytree(DemoTree(exported).out, out)
    if whole:
        shutil.rmtree(out / "needles")
    else:
        for path in (out / RUN).iterdir():
            path.unlink()
    errors = exp2proc.check(out).errors
    assert {error.code for error in errors} == {"record-mismatch"}
    assert len(errors) == (4 if whole else 1)
    assert all(error.message.startswith("0 samples are there, 8 were made") for error in errors)


def test_parquet_carries_it_on(exported: Path, tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / "out"
    shutil.copytree(DemoTree(exported).out, out)
    _edit(out / RUN)
    assert run_cli("pack", out, "-o", tmp_path / "all.parquet").returncode == 0
    about = json.loads(pq.ParquetFile(tmp_path / "all.parquet").metadata.metadata[b"exp2proc"])
    written = {
        name.removesuffix(".json"): json.loads(text) for name, text in records_of(out).items()
    }
    assert len(about["records"]) == len(written) == 12
    for name, found in about["records"].items():
        assert found["record"]["samples_digest"] in {r["samples_digest"] for r in written.values()}
        assert bool(found["mismatch"]) == (name == RUN)
    one = next((out / RUN).iterdir())  # which says nothing of its run
    assert run_cli("pack", one, "-o", tmp_path / "one.parquet").returncode == 0
    about = json.loads(pq.ParquetFile(tmp_path / "one.parquet").metadata.metadata[b"exp2proc"])
    assert about["records"] == {}


@pytest.mark.parametrize("more", [{"limit": 3}, {"provenance": False}], ids=str)
def test_a_run_that_leaves_no_record_leaves_none_of_other_samples(
    demo: DemoTree, tmp_path: Path, more: dict[str, Any]
) -> None:
    out = tmp_path / "out"
    _export(demo, out)
    first = records_of(out)
    _export(demo, out, resume=True, **more)
    assert records_of(out) == first  # nothing was written: it still describes what is there
    trace = next((demo.traces / "needles").rglob("ifr_multi_hop_both*/ex_000001.npz"))
    with np.load(trace) as npz:
        arrays = dict(npz)
    np.savez(trace, **{**arrays, "v_row_all": arrays["v_row_all"] * 2})
    assert _export(demo, out, resume=True, **more).counts.replaced == 1
    assert records_of(out) == {path: one for path, one in first.items() if path != RECORD[10:]}
    assert exp2proc.check(out, against=demo.traces).errors == []


@pytest.mark.parametrize("line", ["the same", "broken"])
def test_a_line_that_names_a_file_that_was_made(demo: DemoTree, tmp_path: Path, line: str) -> None:
    manifest = next((demo.traces / "needles").rglob("ifr_multi_hop_both*/manifest.jsonl"))
    first = json.loads(manifest.read_text().splitlines()[0])
    again = first if line == "the same" else {**first, "gen_len": -1}
    manifest.write_text(manifest.read_text() + json.dumps(again) + "\n")
    _export(demo, tmp_path / "out")
    report = _export(demo, tmp_path / "out", overwrite=True)
    (error,) = report.errors
    assert error.code == "manifest-invalid"
    assert "earlier run" not in error.message
    record = json.loads(records_of(tmp_path / "out")[RECORD[10:]])
    assert (record["rows"]["samples"], record["rows"]["dropped"], record["dropped"]) == (8, 1, [])
    assert exp2proc.check(tmp_path / "out").errors == []


@pytest.fixture
def halves(demo: DemoTree, tmp_path: Path) -> list[Path]:
    """A run cut in two, as two jobs trace it: other sample numbers, the same folder's name."""
    run = demo.traces / RUN
    lines = (run / "manifest.jsonl").read_text().splitlines(keepends=True)
    found = []
    for name, part in (("first", lines[:3]), ("second", lines[3:])):
        half = tmp_path / "jobs" / name / "run"
        half.mkdir(parents=True)
        (half / "manifest.jsonl").write_text("".join(part))
        for line in part:
            shutil.copy(run / json.loads(line)["file"], half)
        found.append(half)
    return found


@pytest.mark.parametrize("how", ["one after the other", "at once", "the second again"])
def test_runs_that_share_a_folder_leave_no_record(
    halves: list[Path], tmp_path: Path, how: str
) -> None:
    out = tmp_path / "out/run"
    report = exp2proc.convert(trace_dir=halves[0], layout="proc_1", out_dir=out)
    assert exp2proc.check(out).recorded == 1
    if how == "at once":
        report = exp2proc.convert(
            trace_dir=halves, layout="proc_1", out_root=tmp_path / "out", resume=True
        )
    else:
        for resume in (False, True)[: 1 + (how == "the second again")]:
            report = exp2proc.convert(
                trace_dir=halves[1], layout="proc_1", out_dir=out, resume=resume
            )
    for run in report.runs:
        (warning,) = run.warnings
        assert warning.code == "record-unwritable"
        assert "samples of other runs" in warning.message
        assert run.record is not None  # it describes those of its run, in the report
    checked = exp2proc.check(out)
    assert (checked.samples, checked.recorded, checked.errors) == (8, 0, [])
    checked = exp2proc.check(out, against=tmp_path / "jobs")
    assert (checked.compared, checked.errors) == (8, [])
    (out / "ex_000001.npz").unlink()
    (out / "ex_000009.npz").write_bytes((out / "ex_000002.npz").read_bytes())
    errors = exp2proc.check(out, against=tmp_path / "jobs").errors
    assert [(error.file, error.code) for error in errors] == [
        ("ex_000001.npz", "sample-missing"),
        ("ex_000009.npz", "sample-unexpected"),
    ]


_LONG = ("y" * 251, "é" * 127, "z" * 250)


def test_a_record_under_every_name_that_a_run_may_have(demo: DemoTree, tmp_path: Path) -> None:
    """Most would else be too long, or a file where a folder has to be."""
    odd = ("x.json/x", "x.json~/x", "x.json~~/x", "x.json/x.json/x", "x~/x")
    names = ("x", *odd, *_LONG, f"{'w' * 255}/x", f"{'w' * 255}/{'w' * 255}")
    for name in names:
        shutil.copytree(demo.traces / RUN, tmp_path / "traces" / name)
    out = tmp_path / "out"
    for resume in (False, True):
        report = exp2proc.convert(
            traces_root=tmp_path / "traces", layout="proc_1", out_root=out, resume=resume
        )
        assert [run.warnings for run in report.runs] == [[]] * len(names)
    checked = exp2proc.check(out)
    assert (checked.recorded, checked.errors) == (len(names), [])
    for name in names:
        _edit(out / name)
    found = {error.trace_dir for error in exp2proc.check(out).errors}
    assert found == {str(out / name) for name in names}
    for name in names:
        for path in (out / name).glob("*.npz"):
            path.unlink()
    (out / "ex_000000.npz").write_bytes((demo.traces / RUN / "ex_000000.npz").read_bytes())
    errors = exp2proc.check(out).errors
    found = {error.trace_dir for error in errors if error.code == "record-mismatch"}
    assert found == {str(out / name) for name in names}
