"""Hints: convert says why lengths differ, where the rows together show it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.bare import retrace_bare
from support.cli import run_json
from support.workload import load

import exp2proc
from exp2proc.conversion.run import run_plan
from exp2proc.demo.tree import DemoTree, write_broken
from exp2proc.options import Options
from exp2proc.planning.planner import make_plan
from exp2proc.tokens.pieces import prompt_pieces
from exp2proc.traces.datasets import text_sha1


def test_convert_hints_at_the_cause(demo: DemoTree) -> None:
    write_broken(demo)
    report = run_json(
        "convert",
        *("--traces_root", demo.traces, "--data_root", demo.data),
        *("--tokenizer_model", demo.tokenizer, "--out_root", demo.out),
        code=1,
    )
    hints = {e["hint"] for e in report["errors"] if e["code"] == "prompt-length-mismatch"}
    (hint,) = hints
    assert "another vocabulary" in hint
    assert "in 8 of 8 rows" in hint
    others = {e["hint"] for e in report["errors"] if e["code"] != "prompt-length-mismatch"}
    assert not any("vocabulary" in hint for hint in others)


@pytest.mark.thorough
def test_the_hint_is_the_same_from_workers_and_after_fail_fast(demo: DemoTree) -> None:
    write_broken(demo)
    base = (
        *("convert", "--traces_root", demo.traces, "--data_root", demo.data),
        *("--tokenizer_model", demo.tokenizer, "--no_cache"),
    )
    said = set()
    for n, how in enumerate((("--jobs", "2"), ("--jobs", "2", "--backend", "threading"))):
        report = run_json(*base, *how, "--out_root", Path(demo.root, str(n)), code=1)
        said |= {e["hint"] for e in report["errors"] if e["code"] == "prompt-length-mismatch"}
    run = next(demo.traces.glob("exp/exp2/data/arithmetic.jsonl/*/attnlrp*"))
    words = (*base[:1], "--trace_dir", run, *base[3:], "--fail_fast", "--out_root", demo.root / "f")
    report = run_json(*words, code=1)
    assert report["counts"]["failed"] == 1
    said |= {error["hint"] for error in report["errors"]}
    assert len(said) == 1


def test_a_hint_is_a_sentence_and_what_to_do(demo: DemoTree, tmp_path: Path) -> None:
    write_broken(demo)
    report = exp2proc.convert(
        traces_root=demo.traces,
        data_root=demo.data,
        tokenizer_model=demo.tokenizer,
        out_root=tmp_path / "out",
        jobs=1,
    )
    (hint,) = {e.hint for e in report.errors if e.code == "prompt-length-mismatch"}
    first = hint.split()[0]
    assert first[0].isupper()
    assert first[1:2] != first[0].lower(), "its first letter stands there once"
    assert hint.endswith(
        f" (tokenizer {demo.tokenizer})."
        " Pass the model's own tokenizer with --tokenizer_model TAG=DIR."
    )


# Prompts that were tokenized without the leading space


def test_rows_that_fit_by_accident_are_named(demo: DemoTree, tmp_path: Path) -> None:
    run = retrace_bare(demo, "needles")
    words = ("--trace_dir", run, "--tokenizer_model", demo.tokenizer)
    for how in (("--jobs", "1"), ("--jobs", "2", "--no_cache"), ("--jobs", "1", "--resume")):
        out = ("--out_root", tmp_path / "-".join(how), *how)
        report = run_json("convert", *words, *out, code=1)
        failed = {error["file"] for error in report["errors"]}
        (hint,) = {error["hint"] for error in report["errors"]}
        assert "all 16 have the trace's length when they are tokenized without" in hint
        assert hint.endswith("Convert this run with --prompt_prefix none.")
        (only,) = report["runs"]
        (warning,) = only["warnings"]
        assert warning["code"] == "doubtful-rows"
        assert failed | set(warning["files"]) == {f"ex_{n:06d}.npz" for n in range(16)}
        assert len(warning["files"]) == report["counts"]["converted"] > 0
    right = run_json("convert", *words, "--prompt_prefix", "none", "--out_root", tmp_path / "right")
    assert right["counts"]["converted"] == 16
    assert right["runs"][0]["warnings"] == []


def test_runs_of_other_lengths_are_not_suspected(demo: DemoTree, tmp_path: Path) -> None:
    """Another run needs the other prefix; those whose lengths rule it out are not named."""
    run = retrace_bare(demo, "needles")
    report = run_json(
        *("convert", "--traces_root", demo.traces, "--tokenizer_model", demo.tokenizer),
        *("--out_root", tmp_path / "out"),
        code=1,
    )
    warned = {r["trace_dir"]: [w["code"] for w in r["warnings"]] for r in report["runs"]}
    tokenizer, told = load(demo.tokenizer), 0
    for trace_dir, found in warned.items():
        if trace_dir == str(run):
            assert found == ["doubtful-rows"]
            continue
        rows = (Path(trace_dir) / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
        texts = {
            text_sha1(row["prompt"]): row["prompt"]
            for cache in demo.data.iterdir()
            for row in map(json.loads, cache.read_text(encoding="utf-8").splitlines())
        }
        either = all(
            len(prompt_pieces(tokenizer, texts[row["prompt_sha1"]], "none")) == row["prompt_len"]
            for row in map(json.loads, rows)
        )
        assert found == (["undecided-prefix"] if either else [])
        told += not either
    assert told, "the lengths of some runs tell"


def test_a_text_that_changed_meanwhile_does_not_cost_the_others_their_hint(
    demo: DemoTree, tmp_path: Path
) -> None:
    write_broken(demo)
    run = next(demo.traces.glob("exp/exp2/data/arithmetic.jsonl/*/attnlrp*"))
    options = Options(
        trace_dir=(run,),
        tokenizer_model=(str(demo.tokenizer),),
        out_root=tmp_path / "out",
        cache=False,
        jobs=1,
    )
    plan = make_plan(options)
    (dataset,) = plan.runs[0].datasets
    content = Path(dataset).read_bytes()
    Path(dataset).write_bytes(content.replace(b"{", b"[", 1))
    report = run_plan(plan)
    codes = [error.code for error in report.errors]
    assert sorted(codes) == ["dataset-no-match", *["prompt-length-mismatch"] * 7]
    (hint,) = {e.hint for e in report.errors if e.code == "prompt-length-mismatch"}
    assert "in 7 of 7 rows" in hint
