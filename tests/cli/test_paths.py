"""Names that a user can type and that no file can have, and files that are no files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.cli import run_json

from exp2proc.demo.tree import DemoTree

_LONG = "x" * 300  # no file system takes such a name
_NOBODY = "~no-such-user-of-this-machine/x"


def _codes(report: dict[str, object]) -> set[str]:
    problems = report["problems"]
    assert isinstance(problems, list)
    return {problem["code"] for problem in problems}


@pytest.mark.parametrize("name", [_LONG, _NOBODY], ids=["too long", "unknown user"])
@pytest.mark.parametrize(
    ("option", "code"),
    [
        ("--trace_dir", "no-runs"),
        ("--traces_root", "no-runs"),
        ("--tokenizer_model", "tokenizer-invalid"),
        ("--dataset_jsonl", "no-dataset"),
        ("--data_root", "no-dataset"),
    ],
)
def test_impossible_inputs(
    demo: DemoTree, tmp_path: Path, name: str, option: str, code: str
) -> None:
    words: dict[str, str | Path] = {
        "--traces_root": demo.traces / "needles",
        "--data_root": demo.data,
        "--tokenizer_model": demo.tokenizer,
        "--out_root": tmp_path / "out",
    }
    if option == "--trace_dir":
        del words["--traces_root"]
    words[option] = name
    env = {"HF_HUB_OFFLINE": "1"}  # a plain name may be one of the hub
    report = run_json("convert", *(w for pair in words.items() for w in pair), code=2, env=env)
    assert code in _codes(report)
    assert not (tmp_path / "out").exists()


def test_impossible_output(demo: DemoTree, tmp_path: Path) -> None:
    report = run_json(
        *("convert", "--traces_root", demo.traces / "needles", "--layout", "proc_1"),
        *("--out_root", tmp_path / _LONG),
        code=1,
    )
    assert {error["code"] for error in report["errors"]} == {"output-unwritable"}
    assert os.strerror(36) in report["errors"][0]["message"]
    words = ("convert", "--traces_root", demo.traces / "needles", "--layout", "proc_1")
    refusal = run_json(*words, "--report", tmp_path / _LONG, code=2)
    assert os.strerror(36) in refusal["problems"][0]["message"]


@pytest.mark.parametrize("what", ["fifo", "folder", "device"])
def test_inputs_that_are_no_files(demo: DemoTree, tmp_path: Path, what: str) -> None:
    run = next(demo.traces.rglob("manifest.jsonl"))
    for path in (run, demo.data / "needles.jsonl"):
        path.unlink()
        if what == "fifo":
            os.mkfifo(path)
        elif what == "folder":
            path.mkdir()
        else:
            path.symlink_to("/dev/zero")
    report = run_json(
        *("convert", "--traces_root", demo.traces, "--tokenizer_model", demo.tokenizer),
        *("--data_root", demo.data, "--out_root", tmp_path / "out"),
        *("--dataset_jsonl", demo.data / "needles.jsonl"),
        code=2,
        timeout=60,
    )
    manifest = set() if what == "folder" else {"manifest-unreadable"}  # no run without a manifest
    assert _codes(report) == {"no-dataset"} | manifest


@pytest.mark.parametrize("option", ["--dataset_jsonl", "--data_root"])
def test_doctor_takes_names_of_nobodys_home(demo: DemoTree, option: str) -> None:
    words = ("--traces_root", demo.traces / "needles", "--tokenizer_model", demo.tokenizer)
    report = run_json("doctor", *words, option, _NOBODY, code=1)
    assert {run["rows"] for run in report["runs"]} == {8}
