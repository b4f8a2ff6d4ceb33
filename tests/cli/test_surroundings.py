"""Where a command finds itself: in a folder that is no more."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest
from support.arrays import assert_same_tree
from support.cli import COMMAND, run_cli

from exp2proc.demo.tree import DemoTree


def _from_a_removed_folder(tmp_path: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    gone = tmp_path / "gone"
    gone.mkdir()
    command = shlex.join(map(str, (*COMMAND, *words)))
    return subprocess.run(
        ["/bin/sh", "-c", f"cd {gone} && rmdir {gone} && exec {command}"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        check=False,
    )


_SAID = "exp2proc: the working directory was removed: only full paths can work\n"


@pytest.mark.thorough
def test_full_paths_work_from_a_removed_folder(demo: DemoTree, tmp_path: Path) -> None:
    words = ("convert", "--traces_root", demo.traces, "--tokenizer_model", demo.tokenizer)
    assert run_cli(*words, "--out_root", tmp_path / "right").returncode == 0
    for jobs in ("1", "2"):
        out = tmp_path / f"out{jobs}"
        more = ("--out_root", out, "--jobs", jobs, "--no_cache")
        done = _from_a_removed_folder(tmp_path, *words, *more)
        assert (done.returncode, done.stderr) == (0, _SAID)
        assert assert_same_tree(out, tmp_path / "right") == 96
    done = _from_a_removed_folder(tmp_path, "check", out, "--against", demo.traces)
    assert (done.returncode, done.stderr) == (0, _SAID)
    done = _from_a_removed_folder(tmp_path, "doctor", *words[1:])
    assert (done.returncode, done.stderr) == (0, _SAID)


def test_other_paths_lead_nowhere(demo: DemoTree, tmp_path: Path) -> None:
    words = ("convert", "--traces_root", demo.traces, "--tokenizer_model", demo.tokenizer)
    done = _from_a_removed_folder(tmp_path, *words, "--out_root", "out")
    assert done.returncode == 1
    assert "output-unwritable" in done.stdout
    done = _from_a_removed_folder(tmp_path, "convert", "--traces_root", "traces")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
