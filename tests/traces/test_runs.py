"""Runs: what their paths say, and each is found once."""

from __future__ import annotations

from pathlib import Path

import pytest

from exp2proc.demo.tree import DemoTree
from exp2proc.traces.runs import describe_run, find_runs


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
