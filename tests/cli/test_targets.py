"""What an output option names: replaced where it is an earlier output of the kind, else left."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support.cli import run_cli, run_json
from support.exported import write_export
from support.processes import fingerprint

from exp2proc.demo.tree import DemoTree


def _all(demo: DemoTree, out: Path) -> tuple[str | Path, ...]:
    where = ("--traces_root", demo.traces, "--tokenizer_model", demo.tokenizer)
    return ("convert", *where, "--out_root", out)


_INPUTS: dict[str, Callable[[DemoTree], Path]] = {
    "manifest": lambda demo: next(demo.traces.rglob("manifest.jsonl")),
    "trace": lambda demo: next(demo.traces.rglob("ex_*.npz")),
    "dataset": lambda demo: next(demo.data.glob("*.jsonl")),
    "tokenizer": lambda demo: demo.tokenizer / "tokenizer.json",
}


@pytest.mark.parametrize("more", [(), ("--overwrite",), ("--dry_run",)], ids=str)
@pytest.mark.parametrize("which", _INPUTS)
def test_a_report_replaces_no_input(
    demo: DemoTree, tmp_path: Path, which: str, more: tuple[str, ...]
) -> None:
    before = fingerprint(demo.root)
    target = _INPUTS[which](demo)
    done = run_cli(*_all(demo, tmp_path / "out"), "--report", target, *more)
    assert (done.returncode, done.stdout) == (2, "")
    assert "target-exists" in done.stderr
    assert f"{target.name} is there and is no report of exp2proc" in "".join(
        done.stderr.split("\n")
    )
    assert fingerprint(demo.root) == before
    assert not (tmp_path / "out").exists()


def test_a_report_replaces_reports_and_empty_files(demo: DemoTree, tmp_path: Path) -> None:
    told = tmp_path / "report.json"
    told.touch()
    words = (*_all(demo, tmp_path / "out"), "--report", told)
    assert run_json(*words) == json.loads(told.read_text())
    assert run_json(*words, code=2) == json.loads(told.read_text())  # the outputs are there
    assert run_json(*words, "--resume")["counts"]["kept"] == 96
    assert json.loads(told.read_text())["counts"]["kept"] == 96
    done = run_cli("check", tmp_path / "out", "--json")
    told.write_text(done.stdout)  # JSON with an exit code, but no report of a conversion
    assert run_json(*words, "--resume", code=2)["problems"][0]["code"] == "target-exists"
    assert told.read_text() == done.stdout


@pytest.mark.parametrize("what", ["folder", "fifo", "dangling link", "unreadable JSON"])
def test_a_report_replaces_nothing_else(demo: DemoTree, tmp_path: Path, what: str) -> None:
    target = tmp_path / "target"
    if what == "folder":
        target.mkdir()
    elif what == "fifo":
        os.mkfifo(target)
    elif what == "dangling link":
        target.symlink_to(tmp_path / "nothing")
    else:
        target.write_text("[" * 100_000)
    before = _state(target)
    (problem,) = run_json(*_all(demo, tmp_path / "out"), "--report", target, code=2)["problems"]
    assert problem["code"] == "target-exists"
    assert _state(target) == before


def _state(path: Path) -> tuple[int, ...]:
    """All that is known of a file, to the nanosecond, but when it was last read: that it may be."""
    stat = os.lstat(path)
    return (*stat[:7], stat.st_mtime_ns, stat.st_ctime_ns)


def test_a_report_at_the_place_of_a_sample(demo: DemoTree, tmp_path: Path) -> None:
    """Nothing is there when the run begins; at its end, the sample that it made."""
    assert run_cli(*_all(demo, tmp_path / "first")).returncode == 0
    place = next((tmp_path / "first").rglob("ex_*.npz")).relative_to(tmp_path / "first")
    sample = tmp_path / "out" / place
    done = run_cli(*_all(demo, tmp_path / "out"), "--report", sample)
    assert done.returncode == 1
    assert done.stderr.startswith("exp2proc: the report was not written: ")
    assert done.stderr.count("\n") == 1
    assert sample.read_bytes() == (tmp_path / "first" / place).read_bytes()


def test_pack_replaces_parquet_files_only(demo: DemoTree, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    out = tmp_path / "out"
    assert run_cli(*_all(demo, out)).returncode == 0
    sample = next(out.rglob("ex_*.npz")).rename(out / "taken.parquet")
    before = fingerprint(out)
    done = run_cli("pack", out, "-o", sample, "--overwrite")
    assert done.returncode == 2
    assert "is there and is no Parquet file" in done.stderr
    assert fingerprint(out) == before
    packed = tmp_path / "all.parquet"
    assert run_cli("pack", out, "-o", packed).returncode == 0
    assert run_cli("pack", out, "-o", packed).returncode == 2
    assert run_cli("pack", out, "-o", packed, "--overwrite").returncode == 0


def test_a_folder_in_place_of_a_page_gets_a_hint_that_helps(tmp_path: Path) -> None:
    done = run_cli("gallery", "--single", "-o", tmp_path)
    assert done.returncode == 2
    assert done.stderr.endswith(f"{tmp_path} is a folder\nhint: Name a file.\n")


@pytest.mark.parametrize(
    ("words", "said", "hint"),
    [
        (("pack", "out", "-o", "s.csv"), "s.csv does not end with .parquet", None),
        (("pack", "out", "-o", "outp"), "outp does not end with .parquet", None),
        (("pack", "out", "-o", "s.v1"), "s.v1 does not end with .parquet", None),
        (("bundle", "out", "-o", "b.tar.gz"), "b.tar.gz is no .zip, nor a folder's name", None),
        (("bundle", "out", "-o", "b.TGZ"), "b.TGZ is no .zip, nor a folder's name", None),
        (("bundle", "out", "-o", "b.7z"), "b.7z is no .zip, nor a folder's name", None),
        (("bundle", "out", "-o", "b.parquet"), "b.parquet is no .zip", None),
        (("bundle", "out", "-o", "b.html"), "b.html is no .zip", None),
        (("gallery", "out", "-o", "site.html"), "site.html is no folder's name", "--single"),
        (("gallery", "out", "-o", "site.zip"), "site.zip is no folder's name", "--single"),
        (("unpack", "s.parquet", "-o", "x.zip"), "x.zip is no folder's name", None),
    ],
    ids=lambda value: value[-1] if isinstance(value, tuple) else "",
)
def test_an_ending_that_is_not_what_would_be_written(
    words: tuple[str, ...], said: str, hint: str | None, tmp_path: Path
) -> None:
    """Before anything is looked at: there is no `out`."""
    done = run_cli(*words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    told, *hints, leads = done.stderr.splitlines()
    assert said in told
    assert hint in hints[0] if hint else not hints
    assert leads == f"Try: exp2proc {words[0]} --help"
    assert not list(tmp_path.iterdir())


def test_names_of_folders_may_have_dots(tmp_path: Path) -> None:
    write_export(tmp_path / "out/a/b/ifr_1ex/ex_000000.npz", ["a", "b"])
    for command in ("bundle", "gallery"):
        for name in ("v1.2", "math.jsonl", "Qwen2.5"):
            done = run_cli(command, "out", "-o", f"{command}/{name}", cwd=tmp_path)
            assert done.returncode == 0, done
            assert (tmp_path / command / name).is_dir()
