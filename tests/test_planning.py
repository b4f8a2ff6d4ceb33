"""What cannot work is found before anything is written, and all of it is said at once."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import exp2proc
from exp2proc.demo.tree import DemoTree
from exp2proc.errors import Exp2procError, PlanError
from exp2proc.options import parse_tokenizers
from exp2proc.planning import shards
from exp2proc.planning.planner import make_plan
from exp2proc.planning.shards import RowWork, TextWork, make_shards, text_seconds
from exp2proc.traces.runs import describe_run, find_runs


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
        assert [planned.existing for planned in plan.runs] == [8] * 12


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
    (message,) = _problems(_options(demo, tmp_path, out_dir=tmp_path / "x"))["usage"]
    assert message == "--out_dir goes with exactly one run, not 12"


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


def test_one_value_stands_for_several(demo: DemoTree, tmp_path: Path) -> None:
    plain = exp2proc.Options(
        traces_root=str(demo.traces),  # type: ignore[arg-type]
        tokenizer_model=str(demo.tokenizer),  # type: ignore[arg-type]
        out_root=str(tmp_path / "out"),  # type: ignore[arg-type]
    )
    assert plain == _options(demo, tmp_path)


def test_a_link_to_a_run_has_the_names_of_the_run(demo: DemoTree, tmp_path: Path) -> None:
    run = sorted(path.parent for path in demo.traces.rglob("manifest.jsonl"))[-1]
    (tmp_path / "link").symlink_to(run)
    one = {"traces_root": None, "trace_dir": (tmp_path / "link",)}
    (planned,) = make_plan(_options(demo, tmp_path, **one)).runs
    assert (planned.run.dataset, planned.run.model_tag) == ("needles", "demo-1B")
    assert planned.run.out_dir == tmp_path / "out" / run.relative_to(demo.traces)


def test_usage() -> None:
    found = _problems(
        exp2proc.Options(overwrite=True, resume=True, jobs=0, limit=-1, layout="x", backend="y")  # type: ignore[arg-type]
    )
    assert len(found["usage"]) == 6


def test_tagged_and_plain_tokenizers(tmp_path: Path) -> None:
    run = describe_run(tmp_path / "traces" / "math" / "qwen-8B" / "run", tmp_path, None)
    other = describe_run(tmp_path / "traces" / "math" / "llama" / "run", tmp_path, None)
    choice = parse_tokenizers(["models/x", "qwen-8B=models/qwen=8"])
    assert (choice.of(run), choice.of(other)) == ("models/qwen=8", "models/x")
    assert parse_tokenizers(["qwen-8B=y"]).of(other) is None
    folder = tmp_path / "a=b"
    folder.mkdir()
    assert parse_tokenizers([str(folder)]).plain == str(folder)
    for values in (["a", "b"], ["t=a", "t=b"], [""]):
        with pytest.raises(Exp2procError, match="usage"):
            parse_tokenizers(values)


@pytest.mark.parametrize(
    ("path", "dataset", "model", "out"),
    [
        ("traces/exp/exp2/data/math.jsonl/qwen/run", "exp/exp2/data/math.jsonl", "qwen", None),
        ("traces/old/traces/ruler/qwen/run", "ruler", "qwen", "ruler/qwen/run"),
        ("elsewhere/qwen/run", "", "qwen", "run"),
        ("traces/run", "", "traces", "run"),
    ],
)
def test_names_in_a_path(
    tmp_path: Path, path: str, dataset: str, model: str, out: str | None
) -> None:
    run = describe_run(tmp_path / path, tmp_path / "OUT", None)
    assert (run.dataset, run.model_tag, run.run_tag) == (dataset, model, "run")
    assert run.out_dir == tmp_path / "OUT" / (out or path.removeprefix("traces/"))


def test_runs_are_found_through_links_once(demo: DemoTree, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "linked").symlink_to(demo.traces)
    (root / "loop").symlink_to(root)
    assert len(find_runs((), root)) == 12


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


_rows = st.lists(st.integers(1, 6000), min_size=1, max_size=30)


@given(st.lists(st.tuples(_rows, st.booleans()), max_size=40), st.integers(1, 8))
@settings(max_examples=100, deadline=None)
def test_shards_hold_every_row_once_and_are_balanced(
    texts: list[tuple[list[int], bool]], jobs: int
) -> None:
    works: list[TextWork] = []
    number = 0
    for lengths, known in texts:
        rows = []
        for length in lengths:
            rows.append(RowWork(number, number % 3, f"{number}.npz", "attnlrp", length, 9, False))
            number += 1
        works.append(TextWork(("a", "b"), 0, None, known, tuple(rows)))
    made = make_shards(works, [("t", "o")] * 3, jobs)
    numbers = [row.number for shard in made for row in shard.rows()]
    assert sorted(numbers) == list(range(number))
    for shard in made:
        assert shard.texts
        assert shard.folders.keys() == {row.run for row in shard.rows()}
        assert len(list(shard.rows())) <= shards._MAX_ROWS
    costs = [max(map(text_seconds, shard.texts)) for shard in made]
    assert costs == sorted(costs, reverse=True)


def test_a_text_with_very_many_rows_is_divided() -> None:
    rows = tuple(RowWork(n, 0, f"{n}.npz", "attnlrp", 10, 9, False) for n in range(1000))
    made = make_shards([TextWork(("a", "b"), 0, None, False, rows)], [("t", "o")], 2)
    assert len(made) == 4
    assert sum(len(list(shard.rows())) for shard in made) == 1000


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
