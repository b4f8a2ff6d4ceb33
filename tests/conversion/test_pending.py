"""A run that exp2 is still writing: its last row is pending, not failed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from support.arrays import assert_same_tree
from support.cli import codes, run_cli, run_json

from exp2proc.demo.tree import DemoTree

_OLD = 61.0


class StillWritten:
    """One run of a demo tree, at some moment of its being written."""

    def __init__(self, demo: DemoTree, out: Path) -> None:
        self.run = sorted(path.parent for path in demo.traces.rglob("manifest.jsonl"))[0]
        self.manifest = self.run / "manifest.jsonl"
        self.whole = self.manifest.read_bytes()
        self.words = (
            *("convert", "--trace_dir", self.run, "--data_root", demo.data),
            *("--tokenizer_model", demo.tokenizer, "--out_dir", out),
        )
        self.out = out

    def finish(self) -> None:
        self.manifest.write_bytes(self.whole)


@pytest.fixture
def growing(demo: DemoTree, tmp_path: Path) -> StillWritten:
    return StillWritten(demo, tmp_path / "out")


def _counts(report: dict[str, object]) -> dict[str, int]:
    counts = report["counts"]
    assert isinstance(counts, dict)
    return {name: number for name, number in counts.items() if number}


@pytest.mark.parametrize(
    ("cut", "jobs"),
    [(1, "1"), (2, "1"), (200, "1"), pytest.param(40, "2", marks=pytest.mark.thorough)],
)
def test_half_a_line(growing: StillWritten, tmp_path: Path, cut: int, jobs: str) -> None:
    """A last line without its newline that does not parse; a later --resume picks it up."""
    growing.manifest.write_bytes(growing.whole[: -1 - cut])
    words = (*growing.words, "--jobs", jobs)
    report = run_json(*words)
    assert _counts(report) == {"planned": 8, "converted": 7, "pending": 1}
    assert report["exit_code"] == 0
    growing.finish()
    report = run_json(*words, "--resume")
    assert _counts(report) == {"planned": 8, "converted": 1, "kept": 7}
    run_json(*growing.words[:-1], tmp_path / "undisturbed")
    assert assert_same_tree(growing.out, tmp_path / "undisturbed") == 8


def test_cut_in_a_character(growing: StillWritten) -> None:
    growing.manifest.write_bytes(growing.whole + '{"note": "中'.encode()[:-1])
    assert _counts(run_json(*growing.words)) == {"planned": 9, "converted": 8, "pending": 1}


@pytest.mark.parametrize("newline", [b"\n", b""], ids=["closed", "open"])
def test_trace_not_there_yet(growing: StillWritten, newline: bytes) -> None:
    """The last line is whole, but its npz is not there yet."""
    growing.manifest.write_bytes(growing.whole.rstrip(b"\n") + newline)
    last = growing.run / "ex_000007.npz"
    trace = last.read_bytes()
    last.unlink()
    assert _counts(run_json(*growing.words)) == {"planned": 8, "converted": 7, "pending": 1}
    last.write_bytes(trace)
    report = run_json(*growing.words, "--resume")
    assert _counts(report) == {"planned": 8, "converted": 1, "kept": 7}


def test_summary_says_so(growing: StillWritten) -> None:
    growing.manifest.write_bytes(growing.whole[:-9])
    done = run_cli(*growing.words)
    assert done.returncode == 0, done.stderr
    assert "1 row is pending: exp2 seems to be still writing them" in done.stdout
    assert "7 of 8 rows done" in done.stdout


@pytest.mark.parametrize("age", [_OLD, -10 * _OLD], ids=["a minute ago", "in a minute"])
@pytest.mark.parametrize("what", ["half a line", "no trace"])
def test_a_run_at_rest_has_nothing_pending(growing: StillWritten, what: str, age: float) -> None:
    """The same a minute later is a failure; a date that is still to come does not keep it open."""
    if what == "half a line":
        growing.manifest.write_bytes(growing.whole[:-9])
    else:
        (growing.run / "ex_000007.npz").unlink()
    then = time.time() - age
    os.utime(growing.manifest, (then, then))
    report = run_json(*growing.words, code=1)
    assert _counts(report) == {"planned": 8, "converted": 7, "failed": 1}
    assert codes(report) == ["manifest-invalid" if what == "half a line" else "trace-missing"]


def test_only_the_last_row_can_be_pending(growing: StillWritten) -> None:
    lines = growing.whole.splitlines(keepends=True)
    growing.manifest.write_bytes(b"".join([lines[0], lines[1][:-20] + b"\n", *lines[2:]]))
    (growing.run / "ex_000003.npz").unlink()
    report = run_json(*growing.words, code=1)
    assert codes(report) == ["manifest-invalid", "trace-missing"]
    assert report["counts"]["pending"] == 0


def test_a_whole_last_line_that_is_wrong(growing: StillWritten) -> None:
    """What parses, or ends with its newline, is not being written."""
    growing.manifest.write_bytes(growing.whole + b'{"file": "ex_000008.npz"}')
    assert codes(run_json(*growing.words, code=1)) == ["manifest-invalid"]
    growing.manifest.write_bytes(growing.whole + b'{"file": \n')
    assert codes(run_json(*growing.words, "--resume", code=1)) == ["manifest-invalid"]
