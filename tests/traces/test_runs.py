"""Runs: what their paths say, and each is found once."""

from __future__ import annotations

from pathlib import Path

import pytest

from exp2proc.demo.tree import DemoTree
from exp2proc.traces.runs import Run, describe_run, find_dataset, find_runs


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


def test_a_link_to_a_run_has_the_names_behind_it(tmp_path: Path) -> None:
    (tmp_path / "traces/math/qwen/run").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "traces/math/qwen/run")
    run = describe_run(tmp_path / "link", tmp_path / "OUT", None)
    assert (run.dataset, run.model_tag, run.run_tag) == ("math", "qwen", "run")
    assert describe_run(tmp_path / "link", tmp_path / "OUT", tmp_path / "x").out_dir == (
        tmp_path / "x"
    )


@pytest.mark.parametrize(
    ("dataset", "found"),
    [
        ("exp/data/math.jsonl", "exp/data/math.jsonl"),  # as the run's own path names it
        ("morehopqa", "data/morehopqa.jsonl"),
        ("deep/ruler", "data/deep/ruler.jsonl"),
        ("deep/flat", "data/flat.jsonl"),
        ("old/named.jsonl", "data/named.jsonl"),
        ("nowhere", None),
        ("", None),
    ],
)
def test_where_datasets_are_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dataset: str, found: str | None
) -> None:
    for name in (
        *("exp/data/math.jsonl", "data/math.jsonl", "data/morehopqa.jsonl", "data/.jsonl"),
        *("data/deep/ruler.jsonl", "data/ruler.jsonl", "data/flat.jsonl", "data/named.jsonl"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir("/")
    trace_dir = tmp_path / "traces" / dataset / "qwen/run"
    run = Run(trace_dir, tmp_path / "OUT", dataset, "qwen", "run")
    path = find_dataset(run, Path("data"))
    assert path == (None if found is None else tmp_path / found)
