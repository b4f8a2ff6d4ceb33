"""What cannot work is found before anything is written, and all of it is said at once."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.cli import run_cli, run_json

import exp2proc
from exp2proc.demo.tree import DemoTree
from exp2proc.errors import PlanError
from exp2proc.planning.planner import make_plan


def _options(demo: DemoTree, tmp_path: Path, **changes: Any) -> exp2proc.Options:
    fields: dict[str, Any] = {
        "traces_root": demo.traces,
        "tokenizer_model": (str(demo.tokenizer),),
        "out_root": tmp_path / "out",
    }
    return exp2proc.Options(**{**fields, **changes})


def _problems(options: exp2proc.Options) -> dict[str, list[str]]:
    with pytest.raises(PlanError) as caught:
        make_plan(options)
    found: dict[str, list[str]] = {}
    for problem in caught.value.problems:
        assert problem.hint
        found.setdefault(problem.code, []).append(problem.message)
    return found


def test_rows_of_a_text_are_one_work(demo: DemoTree, tmp_path: Path) -> None:
    plan = make_plan(_options(demo, tmp_path))
    assert plan.row_count == 96
    assert sorted(len(text.rows) for text in plan.texts) == [4] * 24
    assert {row.number for text in plan.texts for row in text.rows} == set(range(96))
    assert not (tmp_path / "out").exists()


def test_limit_is_of_each_run(demo: DemoTree, tmp_path: Path) -> None:
    assert make_plan(_options(demo, tmp_path, limit=3)).row_count == 36
    assert make_plan(_options(demo, tmp_path, limit=0)).row_count == 0


def test_everything_is_said_at_once(demo: DemoTree, tmp_path: Path) -> None:
    """A missing dataset, a missing tokenizer and existing outputs, in one refusal."""
    (demo.data / "needles.jsonl").unlink()
    run = demo.traces / "multihop_zh" / "demo-1B" / "attnlrp_negdrop_normnorm_mfaithfulness_gen_8ex"
    out = tmp_path / "out" / run.relative_to(demo.traces)
    out.mkdir(parents=True)
    for number in range(3):
        (out / f"ex_{number:06d}.npz").touch()
    found = _problems(_options(demo, tmp_path, tokenizer_model=("other-7B=somewhere",)))
    assert found.keys() == {"no-dataset", "no-tokenizer", "outputs-exist"}
    assert len(found["no-dataset"]) == 4
    assert found["no-tokenizer"] == ["no tokenizer for 12 runs of model 'demo-1B'"]
    assert found["outputs-exist"] == [f"3 of 8 outputs are already in {out}"]


def test_outputs_that_are_there_do_not_matter_with_resume_or_overwrite(
    demo: DemoTree, tmp_path: Path
) -> None:
    exp2proc.convert(
        traces_root=demo.traces, tokenizer_model=demo.tokenizer, out_root=tmp_path / "out"
    )
    assert _problems(_options(demo, tmp_path)).keys() == {"outputs-exist"}
    for flag in ("resume", "overwrite"):
        plan = make_plan(_options(demo, tmp_path, **{flag: True}))
        assert [len(planned.existing) for planned in plan.runs] == [8] * 12


def test_an_output_folder_that_is_a_trace_run(demo: DemoTree, tmp_path: Path) -> None:
    run = next(path.parent for path in demo.traces.rglob("manifest.jsonl"))
    one = {"traces_root": None, "trace_dir": (run,)}
    assert _problems(_options(demo, tmp_path, **one, out_dir=run)).keys() == {"output-is-trace"}
    (tmp_path / "link").symlink_to(run)
    found = _problems(_options(demo, tmp_path, **one, out_dir=tmp_path / "link", overwrite=True))
    assert found.keys() == {"output-is-trace"}
    # also one that is not converted itself, and all at once by an out_root that is the traces_root
    other = sorted(path.parent for path in demo.traces.rglob("manifest.jsonl"))[-1]
    assert _problems(_options(demo, tmp_path, **one, out_dir=other)).keys() == {"output-is-trace"}
    found = _problems(_options(demo, tmp_path, out_root=demo.traces, overwrite=True))
    assert len(found["output-is-trace"]) == 12


@pytest.mark.parametrize("layout", ["proc", "proc_1"])
def test_a_run_that_no_reader_would_see(demo: DemoTree, tmp_path: Path, layout: str) -> None:
    """It costs its own rows, in plan and in convert; a place that was named is taken."""
    run = min(demo.traces.rglob("needles/*/*/manifest.jsonl")).parent
    traces = tmp_path / "traces"
    for model in ("demo-1B", ".mymodel"):
        shutil.copytree(run, traces / "needles" / model / run.name)
    text = ("--tokenizer_model", demo.tokenizer) if layout == "proc" else ()
    words = ("--traces_root", traces, "--layout", layout, "--data_root", demo.data, *text)
    told = run_json("plan", *words, "--out_root", tmp_path / "out", code=1)
    assert sum(one["failing"] for one in told["runs"]) == 8
    report = run_json("convert", *words, "--out_root", tmp_path / "out", code=1)
    assert {error["code"] for error in report["errors"]} == {"output-hidden"}
    assert (report["counts"]["converted"], report["counts"]["failed"]) == (8, 8)
    assert not (tmp_path / "out/needles/.mymodel").exists()
    one = ("--trace_dir", traces / "needles/.mymodel" / run.name, *words[2:])
    refused = run_json("convert", *one, "--out_root", tmp_path / "x", code=2)
    assert [problem["code"] for problem in refused["problems"]] == ["output-hidden"]
    run_json("convert", *one, "--out_dir", tmp_path / "here")


def test_two_runs_that_would_write_the_same_file(demo: DemoTree, tmp_path: Path) -> None:
    run = next(path.parent for path in demo.traces.rglob("manifest.jsonl"))
    for name in ("a", "b"):
        shutil.copytree(run, tmp_path / name / "run")
    options = _options(
        demo,
        tmp_path,
        traces_root=None,
        trace_dir=(tmp_path / "a" / "run", tmp_path / "b" / "run"),
        layout="proc_1",
    )
    (message,) = _problems(options)["output-collision"]
    assert str(tmp_path / "out" / "run" / "ex_000000.npz") in message


def test_out_dir_goes_with_one_run(demo: DemoTree, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x/ex_000000.npz").touch()  # neither said of each run, nor that they share it
    assert _problems(_options(demo, tmp_path, out_dir=tmp_path / "x")) == {
        "usage": ["--out_dir goes with exactly one run, not 12"]
    }


def test_tokenizers_that_do_not_work(demo: DemoTree, tmp_path: Path) -> None:
    config = demo.tokenizer / "tokenizer_config.json"
    config.write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    (message,) = _problems(_options(demo, tmp_path))["tokenizer-invalid"]
    assert "no eos_token" in message
    missing = str(tmp_path / "missing")
    found = _problems(_options(demo, tmp_path, tokenizer_model=(missing,)))
    assert found == {"tokenizer-invalid": [f"tokenizer {missing}: there is no such folder"]}


def test_no_runs(tmp_path: Path) -> None:
    for options in (
        exp2proc.Options(traces_root=tmp_path, layout="proc_1"),
        exp2proc.Options(traces_root=tmp_path / "missing", layout="proc_1"),
        exp2proc.Options(trace_dir=(tmp_path,), layout="proc_1"),
    ):
        assert _problems(options).keys() == {"no-runs"}


def test_a_link_to_a_run_has_the_names_of_the_run(demo: DemoTree, tmp_path: Path) -> None:
    run = sorted(path.parent for path in demo.traces.rglob("manifest.jsonl"))[-1]
    (tmp_path / "link").symlink_to(run)
    one = {"traces_root": None, "trace_dir": (tmp_path / "link",)}
    (planned,) = make_plan(_options(demo, tmp_path, **one)).runs
    assert (planned.run.dataset, planned.run.model_tag) == ("needles", "demo-1B")
    assert planned.run.out_dir == tmp_path / "out" / run.relative_to(demo.traces)


def test_datasets_are_found_from_anywhere(
    demo: DemoTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for where in (tmp_path, demo.root, Path("/")):
        monkeypatch.chdir(where)
        plan = make_plan(_options(demo, tmp_path))
        found = {planned.run.dataset: planned.datasets for planned in plan.runs}
        assert {Path(paths[0]).resolve() for paths in found.values()} == {
            demo.data / name for name in ("arithmetic.jsonl", "multihop_zh.jsonl", "needles.jsonl")
        }


def test_a_given_data_root_holds_the_caches_of_all_names(demo: DemoTree, tmp_path: Path) -> None:
    shutil.move(demo.data, tmp_path / "caches")
    assert len(_problems(_options(demo, tmp_path))["no-dataset"]) == 12
    plan = make_plan(_options(demo, tmp_path, data_root=tmp_path / "caches"))
    assert not plan.failures


def test_given_datasets_serve_all_runs(demo: DemoTree, tmp_path: Path) -> None:
    given = tuple(demo.data / name for name in ("arithmetic.jsonl", "needles.jsonl"))
    plan = make_plan(_options(demo, tmp_path, dataset_jsonl=given))
    assert len(plan.failures) == 32
    assert {error.code for error in plan.failures.values()} == {"dataset-no-match"}
    found = _problems(_options(demo, tmp_path, dataset_jsonl=(tmp_path / "nothing.jsonl",)))
    assert "no-dataset" in found


def test_repeated_rows(demo: DemoTree, tmp_path: Path) -> None:
    run = next(path.parent for path in demo.traces.rglob("manifest.jsonl"))
    lines = (run / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    other = lines[1].replace('"gen_len": ', '"gen_len": 1')
    (run / "manifest.jsonl").write_text("\n".join([*lines, lines[0], other]) + "\n")
    plan = make_plan(_options(demo, tmp_path, traces_root=None, trace_dir=(run,)))
    # the same row again costs the repetition; another row for the same file costs both
    assert sorted(plan.failures) == [1, 8, 9]
    assert "line 9: ex_000000.npz was named by line 1 already" in plan.failures[8].message


def test_planning_reads_and_writes_nothing_else(demo: DemoTree, tmp_path: Path) -> None:
    """Inputs are as they were, to the nanosecond of their last change."""

    def state() -> dict[Path, tuple[int, int]]:
        files = (path for path in demo.root.rglob("*") if path.is_file())
        return {path: (os.stat(path).st_mtime_ns, os.stat(path).st_size) for path in files}

    before = state()
    make_plan(_options(demo, tmp_path))
    exp2proc.convert(
        traces_root=demo.traces, tokenizer_model=demo.tokenizer, out_root=tmp_path / "out"
    )
    assert state() == before


def test_only_the_last_line_of_a_young_manifest_is_pending(demo: DemoTree, tmp_path: Path) -> None:
    """exp2 may still be writing it; half a line further up, or one that is old, is damage."""
    run = next(path.parent for path in demo.traces.rglob("manifest.jsonl"))
    lines = (run / "manifest.jsonl").read_bytes().splitlines(keepends=True)
    (run / "manifest.jsonl").write_bytes(b"".join([*lines[:3], b"{half\n", *lines[4:], b"{half"]))
    options = _options(demo, tmp_path, traces_root=None, trace_dir=(run,))
    plan = make_plan(options)
    assert (plan.pending, set(plan.failures)) == ({len(lines)}, {3})
    assert plan.runs[0].young
    os.utime(run / "manifest.jsonl", (0, 0))
    plan = make_plan(options)
    assert (plan.pending, set(plan.failures)) == (set(), {3, len(lines)})
    assert not plan.runs[0].young


def test_texts_that_the_cache_knows_are_marked(
    demo: DemoTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXP2PROC_CACHE_DIR", str(tmp_path / "cache"))
    options = _options(demo, tmp_path, resume=True)
    assert not any(text.known for text in make_plan(options).texts)
    exp2proc.convert(
        traces_root=demo.traces / "needles",
        tokenizer_model=demo.tokenizer,
        out_root=tmp_path / "out",
    )
    plan = make_plan(options)
    assert len({text.known for text in plan.texts}) == 2
    for text in plan.texts:
        datasets = {plan.runs[row.run].run.dataset for row in text.rows}
        assert text.known == (datasets == {"needles"})
    assert not any(
        text.known for text in make_plan(_options(demo, tmp_path, resume=True, cache=False)).texts
    )


def test_what_the_cache_knows_it_knows_for_one_tokenizer(
    demo: DemoTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same texts under two models: those of one are known, and the other's are not for it."""
    monkeypatch.setenv("EXP2PROC_CACHE_DIR", str(tmp_path / "cache"))
    models = demo.traces / "needles"
    shutil.copytree(models / "demo-1B", models / "other-2B")
    other = shutil.copytree(demo.tokenizer, tmp_path / "other")
    (other / "more.json").write_text("{}")
    both = (f"demo-1B={demo.tokenizer}", f"other-2B={other}")
    exp2proc.convert(
        traces_root=models / "demo-1B", tokenizer_model=demo.tokenizer, out_root=tmp_path / "out"
    )
    options = _options(demo, tmp_path, traces_root=models, tokenizer_model=both, resume=True)
    plan = make_plan(options)
    assert [tokenizer.name for tokenizer in plan.tokenizers] == [str(demo.tokenizer), str(other)]
    assert {(text.tokenizer, text.known) for text in plan.texts} == {(0, True), (1, False)}


def test_rows_are_found_by_their_number(demo: DemoTree, tmp_path: Path) -> None:
    plan = make_plan(_options(demo, tmp_path))
    for number, planned in enumerate(plan.runs):
        for row in planned.rows:
            assert planned.row(row.number) is row
        assert planned.first == 8 * number


# Runs with fewer rows than one would think


def _cut(demo: DemoTree, rows: int) -> Path:
    run = sorted(path.parent for path in demo.traces.rglob("manifest.jsonl"))[0]
    lines = (run / "manifest.jsonl").read_bytes().splitlines(keepends=True)
    (run / "manifest.jsonl").write_bytes(b"".join(lines[:rows]))
    return run


@pytest.mark.parametrize(("rows", "code"), [(0, "empty-run"), (4, "fewer-rows")])
def test_empty_and_cut_runs_are_named(demo: DemoTree, tmp_path: Path, rows: int, code: str) -> None:
    run = _cut(demo, rows)
    words = ("--traces_root", demo.traces, "--out_root", tmp_path / "out", "--layout", "proc_1")
    for command in ("plan", "convert"):
        report = run_json(command, *words)
        found = {r["trace_dir"]: r["warnings"] for r in report["runs"] if r["warnings"]}
        ((trace_dir, (warning,)),) = found.items()
        assert (trace_dir, warning["code"], warning["files"]) == (str(run), code, [])
        assert "promises 8" in warning["message"]
        shown = run_cli(command, *words, "--resume")
        assert shown.returncode == 0
        assert f"warning: arithmetic/demo-1B/{run.name}: " in shown.stdout
    out = tmp_path / "out" / run.relative_to(demo.traces)
    assert out.exists() == bool(rows)


def test_rows_that_limit_leaves_out_are_not_missing(demo: DemoTree, tmp_path: Path) -> None:
    _cut(demo, 4)
    for limit, warned in ((0, 0), (1, 0), (4, 0), (5, 1), (99, 1)):
        plan = make_plan(_options(demo, tmp_path, limit=limit, fail_on_empty_manifest=True))
        assert sum(len(planned.warnings) for planned in plan.runs) == warned, limit


def test_an_empty_manifest_may_be_an_error(demo: DemoTree, tmp_path: Path) -> None:
    _cut(demo, 4)
    options = _options(demo, tmp_path, fail_on_empty_manifest=True)
    assert make_plan(options).row_count == 92
    run = _cut(demo, 0)
    (message,) = _problems(options)["empty-manifest"]
    assert message == f"{run}/manifest.jsonl has no rows where the run's name promises 8"


def test_an_empty_run_needs_neither_dataset_nor_tokenizer(demo: DemoTree, tmp_path: Path) -> None:
    run = _cut(demo, 0)
    report = run_json("convert", "--trace_dir", run, "--out_root", tmp_path / "out")
    assert report["counts"]["planned"] == 0
    assert not (tmp_path / "out").exists()


def test_all_runs_that_are_not_there_are_named(demo: DemoTree, tmp_path: Path) -> None:
    run = next(path.parent for path in demo.traces.rglob("manifest.jsonl"))
    (tmp_path / "empty").mkdir()
    named = (tmp_path / "none", run, tmp_path / "empty")
    found = _problems(_options(demo, tmp_path, traces_root=None, trace_dir=named))
    assert found == {
        "no-runs": [
            f"trace_dir {tmp_path / 'none'} is not a folder",
            f"trace_dir {tmp_path / 'empty'} holds no manifest.jsonl",
        ]
    }
