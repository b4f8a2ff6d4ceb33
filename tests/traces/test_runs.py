"""Runs: what their paths say, and each is found once."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.cli import run_cli, run_json

from exp2proc.demo.tree import DemoTree
from exp2proc.traces.runs import Run, describe_run, find_runs, found_datasets, readings


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


_ROOT = "exp/exp2/data"


@pytest.mark.parametrize(
    ("dataset", "found", "in_given"),
    [
        # as the run's own path names it, unless a folder was given that has one of that name
        ("caches/math.jsonl", "caches/math.jsonl", f"{_ROOT}/math.jsonl"),
        ("caches/only.jsonl", "caches/only.jsonl", "caches/only.jsonl"),
        ("morehopqa", f"{_ROOT}/morehopqa.jsonl", f"{_ROOT}/morehopqa.jsonl"),
        ("deep/ruler", f"{_ROOT}/deep/ruler.jsonl", f"{_ROOT}/deep/ruler.jsonl"),
        ("deep/flat", f"{_ROOT}/flat.jsonl", f"{_ROOT}/flat.jsonl"),
        ("old/named.jsonl", f"{_ROOT}/named.jsonl", f"{_ROOT}/named.jsonl"),
        ("nowhere", None, None),
        ("", None, None),
    ],
)
def test_where_datasets_are_looked_for(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    dataset: str,
    found: str | None,
    in_given: str | None,
) -> None:
    in_root = ("math", "morehopqa", "", "deep/ruler", "ruler", "flat", "named")
    for name in ("caches/math", "caches/only", *(f"{_ROOT}/{name}" for name in in_root)):
        (tmp_path / f"{name}.jsonl").parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{name}.jsonl").touch()
    monkeypatch.chdir("/")
    trace_dir = tmp_path / "traces" / dataset / "qwen/run"
    run = Run(trace_dir, tmp_path / "OUT", dataset, "qwen", "run")
    for root, expected in ((None, found), (Path(_ROOT), in_given)):
        path = next((one.path for one in found_datasets(run, root)), None)
        assert path == (None if expected is None else tmp_path / expected)


@pytest.mark.parametrize(
    ("names", "means"),
    [
        ("ruler/qwen", ["ruler|qwen"]),
        ("qwen", []),
        ("niah_mini/Qwen/Qwen3-8B", ["niah_mini/Qwen|Qwen3-8B", "niah_mini|Qwen/Qwen3-8B"]),
        # a part that is a cache file's name ends the dataset
        ("vt.jsonl/Qwen/Qwen3-8B", ["vt.jsonl|Qwen/Qwen3-8B", "vt.jsonl/Qwen|Qwen3-8B"]),
        ("a/b/vt.jsonl/qwen", ["a/b/vt.jsonl|qwen", "a/b|vt.jsonl/qwen"]),
    ],
)
def test_what_a_path_can_mean(names: str, means: list[str]) -> None:
    run = describe_run(Path("/traces", names, "run"), Path("/OUT"), None)
    assert [f"{one.dataset}|{one.model_tag}" for one in readings(run)] == means


@pytest.mark.parametrize("alias", ["a-latest", "z-latest"])
@pytest.mark.parametrize("kind", ["beside", "elsewhere", "named twice"])
def test_a_run_with_two_names_has_the_real_one(
    demo: DemoTree, tmp_path: Path, alias: str, kind: str
) -> None:
    """`latest -> demo-1B`, whichever name is listed first."""
    models = demo.traces / "needles"
    if kind == "elsewhere":  # the folder that has the name is a link itself
        (models / "demo-1B").rename(tmp_path / "demo-1B")
        (models / "demo-1B").symlink_to(tmp_path / "demo-1B")
    (models / alias).symlink_to("demo-1B")
    words: tuple[str | Path, ...] = ("--traces_root", demo.traces)
    if kind == "named twice":
        (run,) = models.glob("demo-1B/attnlrp*")
        words = ("--trace_dir", models / alias / run.name, "--trace_dir", run)
        words = words if alias < "m" else (*words[2:], *words[:2])
    words = (*words, "--out_root", tmp_path / "out", "--layout", "proc_1")
    report = run_json("convert", *words)
    assert report["counts"]["converted"] == (8 if kind == "named twice" else 96)
    assert [path.name for path in (tmp_path / "out/needles").iterdir()] == ["demo-1B"]


def test_a_folder_of_runs_in_place_of_a_run(demo: DemoTree) -> None:
    words = ("plan", "--layout", "proc_1", "--json", "--trace_dir")
    for folder in (demo.traces, min(demo.traces.rglob("manifest.jsonl")).parents[1]):
        (problem,) = run_json(*words, folder, code=2)["problems"]
        assert problem["message"] == f"trace_dir {folder} holds no manifest.jsonl"
        assert problem["hint"] == f"Runs lie below it: pass it with --traces_root {folder}"
    (problem,) = run_json(*words, demo.data, code=2)["problems"]
    assert problem["hint"] == "A trace run is a folder with a manifest.jsonl."


def test_a_relative_folder_that_is_not_there(tmp_path: Path) -> None:
    said = f"traces_root {tmp_path / 'x'} is not a folder"
    relative = (
        "hint: A relative path counts from the working directory: go there, or name it whole."
    )
    for given, hint in (("x", relative), (tmp_path / "x", "hint: A trace run is a folder with")):
        done = run_cli("doctor", "--traces_root", given, cwd=tmp_path)
        assert done.returncode == 2
        assert said in done.stderr
        assert hint in done.stderr
    (tmp_path / "file").touch()
    assert "A relative" not in run_cli("doctor", "--traces_root", "file", cwd=tmp_path).stderr
