"""Traces that the experiment itself wrote, with all that is odd about them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from support import plain
from support.arrays import assert_same_npz, files_below
from support.cli import run_cli, run_json

Words = tuple[str | Path, ...]

_TRACES = "exp/exp2/output/traces"
_EMPTY = "exp/exp2/data/morehopqa.jsonl/qwen-8B/attnlrp_negdrop_normnorm_mfaithfulness_gen_8ex"
_CUT = "exp/exp2/data/morehopqa.jsonl/qwen-8B/IG_mfaithfulness_gen_8ex"
_DUP = "dup/Qwen3-tiny/ifr_in_all_gen_n2_mfaithfulness_gen_3ex"
_NULL = "nulltarget/Qwen3-tiny/ifr_in_all_gen_n2_mfaithfulness_gen_2ex"
_BOTH = "exp/exp2/data/morehopqa.jsonl/qwen-8B/ifr_multi_hop_both_n2_mfaithfulness_gen_8ex"
_NIAH = "niah_mini/qwen-8B/ifr_multi_hop_both_n2_mrecovery_ruler_8ex"


@pytest.fixture(scope="module")
def genuine(reference: Path) -> Path:
    if not (reference / "genuine").is_dir():
        pytest.skip("the genuine traces are not among the reference samples")
    return reference / "genuine"


def _files(root: Path) -> set[str]:
    return set(map(str, files_below(root)))


def _warnings(report: dict[str, Any], traces: Path) -> dict[str, list[str]]:
    """The codes of the warnings of each run that has some."""
    return {
        str(Path(run["trace_dir"]).relative_to(traces)): [w["code"] for w in run["warnings"]]
        for run in report["runs"]
        if run["warnings"]
    }


@pytest.mark.parametrize(
    "how",
    [
        ("--jobs", "1", "--no_cache"),
        pytest.param(("--jobs", "2", "--no_cache"), marks=pytest.mark.thorough),
        ("--jobs", "1"),
    ],
    ids=" ".join,
)
def test_layout_proc(genuine: Path, qwen3: Path, tmp_path: Path, how: Words) -> None:
    """Rows that the sequential scripts refused (texts that stand there twice) are right too."""
    traces, out = genuine / _TRACES, tmp_path / "out"
    report = run_json(
        *("convert", "--traces_root", traces, "--tokenizer_model", qwen3, "--out_root", out, *how),
        code=1,
    )
    assert report["counts"]["converted"] == 128
    ((where, file, code),) = {
        (Path(error["trace_dir"]).relative_to(traces), error["file"], error["code"])
        for error in report["errors"]
    }
    assert (str(where), file, code) == (_NULL, "ex_000000.npz", "dataset-no-match")
    assert "generated the target itself" in report["errors"][0]["message"]
    expected = genuine / "expected/proc"
    more = {f"{_DUP}/ex_00000{n}.npz" for n in range(3)} | {f"{_NULL}/ex_000001.npz"}
    assert _files(out) == _files(expected) | more
    for name in _files(expected):
        assert_same_npz(out / name, expected / name)
    assert not (out / _EMPTY).exists()
    assert _warnings(report, traces) == {_EMPTY: ["empty-run"], _CUT: ["fewer-rows"]}
    names = {(run["dataset"], run["model_tag"]) for run in report["runs"]}
    assert names == {
        ("dup", "Qwen3-tiny"),
        ("nulltarget", "Qwen3-tiny"),
        ("niah_mini", "Qwen/Qwen3-8B"),
        ("niah_mini", "qwen-8B"),
        ("exp/exp2/data/morehopqa.jsonl", "qwen-8B"),
    }


def test_what_the_scripts_wrote_is_kept_and_checked(
    genuine: Path, qwen3: Path, tmp_path: Path
) -> None:
    """Their archives count by their arrays; only what they refused is made, or cannot be."""
    traces = genuine / _TRACES
    texts = ("--tokenizer_model", qwen3)
    for layout, made, missing in (("proc", 124, 5), ("proc_1", 129, 0)):
        out = tmp_path / layout
        shutil.copytree(genuine / "expected" / layout, out)
        before = {path: path.read_bytes() for path in out.rglob("*.npz")}
        assert len(before) == made
        how = ("--layout", layout, *(texts if layout == "proc" else ()), "--out_root", out)
        checked = ("check", out, "--against", traces, *texts)
        report = run_json(*checked, code=bool(missing))
        assert report["tok_compared"] == (made if layout == "proc" else 0)
        assert {(e["code"], e["file"] is None) for e in report["errors"]} <= {
            ("sample-missing", False),
            ("sample-missing", True),
        }
        report = run_json("convert", "--traces_root", traces, *how, "--resume", code=bool(missing))
        assert (report["counts"]["kept"], report["counts"]["replaced"]) == (made, 0)
        assert report["counts"]["converted"] == max(0, missing - 1)
        assert {path: path.read_bytes() for path in before} == before
        errors = run_json(*checked, code=bool(missing))["errors"]
        assert [(e["code"], e["file"]) for e in errors] == (
            [("sample-missing", "ex_000000.npz")] if missing else []
        )


def test_texts_that_stand_there_twice(genuine: Path, qwen3: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    run = genuine / _TRACES / _DUP
    words = ("--trace_dir", run, "--tokenizer_model", qwen3, "--out_dir", tmp_path / "out")
    assert run_json("convert", *words)["counts"]["converted"] == 3
    tokenizer: Any = AutoTokenizer.from_pretrained(qwen3, local_files_only=True)
    plain.convert_run(run, tmp_path / "plain", genuine / "exp/exp2/data/dup.jsonl", tokenizer)
    for path in (tmp_path / "plain").iterdir():
        assert_same_npz(tmp_path / "out" / path.name, path)


def test_layout_proc_1(genuine: Path, tmp_path: Path) -> None:
    words = ("--traces_root", genuine / _TRACES, "--layout", "proc_1", "--out_root", tmp_path)
    report = run_json("convert", *words)
    assert report["counts"]["converted"] == 129
    expected = genuine / "expected/proc_1"
    assert _files(tmp_path) == _files(expected)
    for name in _files(expected):
        assert_same_npz(tmp_path / name, expected / name)
    assert ("niah_mini", "Qwen/Qwen3-8B") in {
        (r["dataset"], r["model_tag"]) for r in report["runs"]
    }


def test_the_plan_and_the_doctor_say_the_same(genuine: Path, qwen3: Path, tmp_path: Path) -> None:
    words = (
        *("--traces_root", genuine / _TRACES, "--tokenizer_model", qwen3),
        *("--out_root", tmp_path / "out"),
    )
    planned = run_json("plan", *words, code=1)
    assert (planned["totals"]["rows"], planned["totals"]["failing"]) == (129, 1)
    assert _warnings(planned, genuine / _TRACES) == {_EMPTY: ["empty-run"], _CUT: ["fewer-rows"]}
    diagnosis = run_json("doctor", *words, code=1)
    ready = {run["trace_dir"]: run["ready"] for run in diagnosis["runs"]}
    for run in planned["runs"]:
        assert ready[run["trace_dir"]] == run["rows"] - run["failing"]
    (need,) = diagnosis["needs"]
    assert "generated the target itself" in need
    assert not any(run["doubtful"] or run["undecided_prefix"] for run in diagnosis["runs"])


# Without a leading space


@pytest.fixture(scope="module")
def spaceless(genuine: Path) -> Path:
    return genuine / "no_leading_space"


@pytest.fixture(scope="module")
def plainly(spaceless: Path, qwen3: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both runs as the plain implementation converts them."""
    from transformers import AutoTokenizer

    out = tmp_path_factory.mktemp("plain")
    tokenizer: Any = AutoTokenizer.from_pretrained(qwen3, local_files_only=True)
    for run, cache in ((_BOTH, "morehopqa"), (_NIAH, "niah_mini")):
        data = spaceless / f"exp/exp2/data/{cache}.jsonl"
        plain.convert_run(spaceless / _TRACES / run, out / run, data, tokenizer, prefix="")
    return out


@pytest.mark.parametrize(
    "how",
    [
        ("--jobs", "1", "--no_cache"),
        pytest.param(("--jobs", "2", "--no_cache"), marks=pytest.mark.thorough),
        pytest.param(("--jobs", "2"), marks=pytest.mark.thorough),
        ("--jobs", "1"),  # again: now every alignment comes from the cache
        pytest.param(
            ("--jobs", "2", "--backend", "threading", "--no_cache"), marks=pytest.mark.thorough
        ),
    ],
    ids=" ".join,
)
def test_without_a_leading_space(
    spaceless: Path, plainly: Path, qwen3: Path, tmp_path: Path, how: Words
) -> None:
    words = ("--traces_root", spaceless / _TRACES, "--tokenizer_model", qwen3)
    out = tmp_path / "out"
    report = run_json("convert", *words, "--prompt_prefix", "none", "--out_root", out, *how)
    assert report["counts"]["converted"] == 16
    assert _warnings(report, spaceless / _TRACES) == {}
    assert len(_files(plainly)) == 16
    for name in _files(plainly):
        assert_same_npz(out / name, plainly / name)


_FIT = [f"ex_00000{n}.npz" for n in (1, 2, 3, 4, 6)]
"""Rows whose prompts have as many tokens with the space."""


def test_what_convert_says_without_the_option(spaceless: Path, qwen3: Path, tmp_path: Path) -> None:
    words = (
        *("convert", "--traces_root", spaceless / _TRACES, "--tokenizer_model", qwen3),
        *("--out_root", tmp_path / "out"),
    )
    report = run_json(*words, code=1)
    failed = {(e["file"], e["code"]) for e in report["errors"]}
    files = {f"ex_00000{n}.npz" for n in (0, 5, 7)}
    assert failed == {(file, "prompt-length-mismatch") for file in files}
    (hint,) = {error["hint"] for error in report["errors"]}
    assert "all 8 have the trace's length when they are tokenized without the leading space" in hint
    assert "--prompt_prefix none" in hint
    warnings = {run["dataset"]: run["warnings"] for run in report["runs"]}
    (doubtful,) = warnings["exp/exp2/data/morehopqa.jsonl"]
    assert (doubtful["code"], doubtful["files"]) == ("doubtful-rows", _FIT)
    assert doubtful["message"].startswith("5 rows fit by accident with a leading space")
    # all prompts of the other run begin with the same word: no length tells
    (undecided,) = warnings["niah_mini"]
    assert undecided["code"] == "undecided-prefix"
    assert len(undecided["files"]) == 8
    shown = run_cli(*words, "--resume").stdout
    assert "warning: morehopqa/qwen-8B/" in shown
    assert "ex_000001.npz, ex_000002.npz, ex_000003.npz and 2 more" in shown


def test_what_doctor_says_without_the_option(spaceless: Path, qwen3: Path, tmp_path: Path) -> None:
    words = (
        *("doctor", "--traces_root", spaceless / _TRACES, "--tokenizer_model", qwen3),
        *("--out_root", tmp_path / "out"),
    )
    diagnosis = run_json(*words)
    both, niah = diagnosis["runs"]
    space, none = both["tokenizers"]
    assert (space["prompt_prefix"], space["kind"], space["matches"]) == ("space", "prefix", 5)
    assert (none["prompt_prefix"], none["kind"], none["matches"]) == ("none", "match", 8)
    assert both["chosen_prefix"] == "none"
    assert both["doubtful"] == _FIT
    assert (niah["chosen_prefix"], niah["doubtful"]) == ("space", [])
    assert niah["undecided_prefix"]
    assert [len(run["tokenizers"]) for run in diagnosis["runs"]] == [2, 1]
    assert len(diagnosis["notes"]) == 2
    converted = [run_json(*command[1:])["counts"] for command in diagnosis["commands"]]
    assert [counts["converted"] for counts in converted] == [8, 8]
    shown = run_cli(*words)
    assert "tokenized without the leading space" in shown.stdout
    assert "5 rows fit by accident with a leading space: ex_000001.npz" in shown.stdout
    # asked with the right prefix there is nothing to say
    diagnosis = run_json(*words, "--prompt_prefix", "none")
    assert [run["ready"] for run in diagnosis["runs"]] == [8, 8]
    assert len(diagnosis["commands"]) == 1
    assert diagnosis["notes"] == []


def test_usual_traces_under_the_wrong_option(genuine: Path, qwen3: Path, tmp_path: Path) -> None:
    report = run_json(
        *("convert", "--trace_dir", genuine / _TRACES / _BOTH, "--tokenizer_model", qwen3),
        *("--prompt_prefix", "none", "--out_root", tmp_path / "out"),
        code=1,
    )
    (hint,) = {error["hint"] for error in report["errors"]}
    assert "when they are tokenized with a leading space" in hint
    assert "--prompt_prefix space" in hint


# Names


def test_a_call_that_is_told_only_some_tokenizers(
    genuine: Path, qwen3: Path, tmp_path: Path
) -> None:
    words: Words = (
        *("--traces_root", genuine / _TRACES, "--out_root", tmp_path / "out"),
        *("--tokenizer_model", f"Qwen/Qwen3-8B={qwen3}", "--tokenizer_model", f"qwen-8B={qwen3}"),
    )
    report = run_json("convert", *words, code=1)
    assert report["counts"]["converted"] == 124
    assert {error["code"] for error in report["errors"]} == {"no-tokenizer", "dataset-no-match"}
    expected = genuine / "expected/proc"
    assert _files(tmp_path / "out") == _files(expected)


def test_one_dataset_less(genuine: Path, qwen3: Path, tmp_path: Path) -> None:
    shutil.copytree(genuine / "exp", tmp_path / "exp")
    (tmp_path / "exp/exp2/data/dup.jsonl").unlink()
    words = (
        *("--traces_root", tmp_path / _TRACES, "--tokenizer_model", qwen3),
        *("--out_root", tmp_path / "out"),
    )
    report = run_json("convert", *words, code=1)
    assert report["counts"]["converted"] == 125
    lost = [json.dumps(e) for e in report["errors"] if e["code"] == "no-dataset"]
    assert len(lost) == 3
    assert all(_DUP in error for error in lost)
