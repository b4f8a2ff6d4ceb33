"""Names of any kind are read from and written to as they are, and never steer a terminal."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import plain
from support.arrays import assert_same_npz
from support.cli import COMMAND, run_bytes, run_cli, run_json

from exp2proc.demo.traces import write_jsonl
from exp2proc.demo.tree import DemoTree

from .kind import Kind, assert_harmless, good_trace, named, run_measured
from .path_kinds import KINDS


class Batch:
    """A run in a folder of each name, with a row that fails beside a good one."""

    def __init__(self, folder: Path) -> None:
        self.traces, self.out = folder / "traces", folder / "out"
        row, arrays = good_trace()
        good = folder / "good.npz"
        np.savez_compressed(good, **arrays)
        for kind in KINDS:
            run = self.traces / kind.slug / os.fsdecode(kind.make())
            run.mkdir(parents=True)
            os.link(good, run / row["file"])
            write_jsonl(run / "manifest.jsonl", [row, {**row, "file": "\x1b[31mEVIL.npz"}])
        self.words = ("convert", "--traces_root", self.traces, "--layout", "proc_1")
        report, _ = run_measured(folder / "peak", *self.words, "--out_root", self.out)
        self.runs = {run["trace_dir"]: run for run in report["runs"]}
        self.expected = folder / "expected.npz"
        plain.convert_row(row, good, self.expected, None)


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Batch:
    return Batch(tmp_path_factory.mktemp("paths"))


@pytest.mark.parametrize("kind", KINDS, ids=named)
def test_kind(batch: Batch, kind: Kind) -> None:
    name = os.fsdecode(kind.make())
    counts = batch.runs[str(batch.traces / kind.slug / name)]["counts"]
    assert (counts["converted"], counts["failed"]) == (1, 1)
    samples = list((batch.out / kind.slug / name).iterdir())
    assert [sample.name for sample in samples] == ["ex_000000.npz"]
    assert_same_npz(samples[0], batch.expected)


def test_nothing_steers_the_terminal(batch: Batch, tmp_path: Path) -> None:
    """Summary, failures, hints, the command that goes on, refusals, usage, reports."""
    evil = tmp_path / "\x1b[31mEVIL\n"
    for words, code in (
        ((*batch.words, "--out_root", evil, "--verbose"), 1),
        ((*batch.words, "--out_root", evil), 2),
        ((*batch.words, "--out_root", evil, "--resume", "--quiet"), 1),
        ((*batch.words, "--out_root", evil, "--overwrite", "--report", f"{evil}/x/\0"[:-1]), 1),
        ((*batch.words, "--out_root", evil, "--overwrite", "--report", batch.traces), 2),
        (("convert", "--trace_dir", evil), 2),
        (("convert", "--traces_root", batch.traces, "--tokenizer_model", f"{evil}/"), 2),
        (("convert", "--traces_root", batch.traces, "--data_root", evil), 2),
        (("convert", evil), 2),
        (("convert", "--jobs", evil), 2),
        ((evil,), 2),
        (("demo", "--dir", evil / "demo"), 0),
        (("demo", "--dir", batch.traces), 2),
        (("cache",), 0),
        (("cache", "--clear"), 0),
    ):
        done = run_bytes(*words, env={"EXP2PROC_CACHE_DIR": str(evil / "cache")}, timeout=60)
        assert done.returncode == code, (words, done.stdout, done.stderr)
        assert_harmless(done.stdout, done.stderr)
        assert b"Traceback" not in done.stderr


def test_a_terminal_is_steered_by_us_only(batch: Batch, tmp_path: Path) -> None:
    """On a real terminal there are colours and a bar, but nothing of what the names ask for."""
    ours, theirs = pty.openpty()
    words = [*COMMAND, *map(str, batch.words), "--out_root", str(tmp_path / "out"), "--jobs", "2"]
    with subprocess.Popen(words, stdout=theirs, stderr=theirs, stdin=theirs) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # how Linux says that the other end was closed
                break
            if not piece:
                break
            shown += piece
        assert process.wait(60) == 1
    os.close(ours)
    text = shown.decode("utf-8")
    rest = re.sub(r"\x1b\[[0-9;?]*[mKAhlJ]", "", text)  # colours, cursor, erasing: rich's own
    assert not {c for c in rest if not c.isprintable()} - {"\n", "\r"}
    assert "\\x1b[31mEVIL" in rest
    assert not re.search(r"\x1b\[31m\s*EVIL", text)


@pytest.mark.thorough
def test_everything_below_a_strange_name(demo: DemoTree, tmp_path: Path) -> None:
    """Datasets, tokenizer, cache, scratch and outputs; worker processes, too."""
    strange = tmp_path / "π ist 3.14 数学 🤔 it's\x1b[31m\n"
    demo.root.rename(strange)
    tree = DemoTree(strange)
    (strange / "tmp").mkdir()
    env = {"EXP2PROC_CACHE_DIR": str(strange / "cache"), "TMPDIR": str(strange / "tmp")}
    words = (
        *("convert", "--traces_root", tree.traces, "--data_root", tree.data, "--jobs", "2"),
        *("--tokenizer_model", tree.tokenizer, "--out_root", tree.out),
    )
    for how in ("--resume", "--overwrite"):
        report = run_json(*words, how, env=env)
        assert report["counts"]["converted"] == 96
    assert list((strange / "cache").iterdir())
    assert not list((strange / "tmp").glob("exp2proc-*"))


@pytest.mark.skipif(sys.platform != "linux", reason="sets a locale by its Linux name")
def test_in_a_terminal_of_ascii(batch: Batch, tmp_path: Path) -> None:
    done = run_cli(
        *(*batch.words, "--out_root", tmp_path),
        env={"PYTHONIOENCODING": "ascii", "LC_ALL": "C"},
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout.isascii()
    assert "Traceback" not in done.stderr
