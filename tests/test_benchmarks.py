"""The benchmarks in their small form: they run, compare outputs and say what they found."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from exp2proc.demo.tree import DemoTree

_ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def from_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """The benchmarks are a folder of the checkout, not an installed package."""
    monkeypatch.chdir(_ROOT)
    monkeypatch.syspath_prepend(_ROOT)


def _run(*words: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *map(str, words)],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


class Found(NamedTuple):
    """What a small run of the benchmarks found.

    Attributes:
        shown: on standard output.
        results: the JSON.
        pairs: all costs that were taken side by side.
        markdown: the tables of the JSON.
    """

    shown: str
    results: dict[str, Any]
    pairs: list[dict[str, dict[str, float]]]
    markdown: str

    def assert_goals(self, *lines: tuple[str, str]) -> None:
        """Each of these lines of a table has its goal."""
        for measured, goal in lines:
            (line,) = (line for line in self.markdown.splitlines() if measured in line)
            assert goal in line


def _quick(demo: DemoTree, tmp_path: Path, *only: str) -> Found:
    """The quick form, with what is right whatever was measured."""
    out = tmp_path / "results.json"
    sizes = ("--tokens_scale", "0.1", "--planning_rows", "200", "--many_rows", "1000")
    where = ("--tokenizer_model", demo.tokenizer, "--data", tmp_path / "data", "--json", out)
    shown = _run("--quick", *sizes, *where, *(word for one in only for word in ("--only", one)))
    found = json.loads(out.read_text())
    assert found["workload"]["rows"] == 72
    assert found["workload"]["texts"] == 8
    assert found["machine"]["versions"]["transformers"]
    pairs = [cost for pairs in found.values() if isinstance(pairs, list) for cost in pairs]
    for cost in [one for costs in pairs for one in costs.values()]:
        assert cost["wall"] > 0
        assert cost["cpu"] > 0
        assert cost["memory"] > 1 << 20
    assert not list((tmp_path / "data").glob("out-*"))
    places = (str(tmp_path), str(_ROOT))
    assert not any(place in out.read_text() for place in places)
    return Found(shown, found, pairs, _run("--show", out, "--markdown"))


@pytest.mark.thorough
def test_one_of_each_kind(demo: DemoTree, tmp_path: Path) -> None:
    """Next to the plain way, to the floor, by a probe inside a process."""
    only = ("short", "floor", "planning_many")
    quick = _quick(demo, tmp_path, *only)
    found = quick.results
    assert not {"bulk", "look", "steps"} & set(found)
    (pair,) = found["short"]
    assert set(pair) == {"plain", "empty", "again"}
    assert 0 < pair["again"]["first_file"] < pair["again"]["wall"]
    assert found["floor"][0]["floor"]["bytes"] == found["floor"][0]["again"]["bytes"]
    assert found["planning_many"]["again"]["runs"] == 10
    quick.assert_goals(("of 10 runs: peak memory", "| ≤ 350 MB |"))


@pytest.mark.slow
def test_quick_form(demo: DemoTree, tmp_path: Path) -> None:
    quick = _quick(demo, tmp_path)
    found, paired, shown = quick.results, quick.pairs, quick.shown
    (pair,) = found["bulk"]
    assert set(pair) == {"plain", "empty", "again", "resume", "double plain", "double empty"}
    assert 0 < found["first"][0]["again"]["first_file"] < found["first"][0]["again"]["wall"]
    assert found["floor"][0]["floor"]["bytes"] == found["floor"][0]["again"]["bytes"]
    for run in ("gallery", "pack", "unpack"):
        assert any(pair[run]["bytes"] > 10_000 for pair in paired if run in pair), run
    assert pair["double empty"]["bytes"] > 1.5 * pair["empty"]["bytes"]
    assert found["planning"]["again"]["rows"] == 200
    assert found["planning_many"]["again"]["runs"] == 10
    assert found["memory"]["rows"][-1] == 144
    assert len(found["steps"]["datasets"]) == 4
    assert "exp2proc --help" in shown
    quick.assert_goals(
        ("`check --against` traces", "| ≤ 1.00 |"),
        ("`unpack` of that", "| ≤ 2.5 s |"),
        ("first file, again", "| ≤ 0.35 s |"),
        ("of 10 runs: peak memory", "| ≤ 350 MB |"),
    )
    assert sum(line.startswith("|") for line in quick.markdown.splitlines()) > 40


@pytest.mark.usefixtures("from_root")
@pytest.mark.parametrize(
    ("again", "first", "shown"),
    [
        (
            0.3334,
            0.3501,
            ("| 1/2.999 | ≤ 1/3 | missed |", "| 0.3501 s | 1/2.9 | ≤ 0.35 s | missed |"),
        ),
        (0.3332, 0.3499, ("| 1/3 | ≤ 1/3 | met |", "| 0.35 s | 1/2.9 | ≤ 0.35 s | met |")),
        (0.3, 0.34, ("| 1/3.3 | ≤ 1/3 | met |", "| 0.34 s | 1/2.9 | ≤ 0.35 s | met |")),
    ],
)
def test_a_verdict_agrees_with_what_is_shown(
    again: float, first: float, shown: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A little beside the goal is not shown as the goal."""
    from benchmarks import tables

    latest = json.loads((_ROOT / "benchmarks/latest.json").read_text(encoding="utf-8"))
    walls = {"plain": 1.0, "empty": 1.0, "again": again}
    short = [{run: {"wall": wall} for run, wall in walls.items()}]
    begun = [{"again": {"wall": 1.0, "first_file": first}}]
    some = {name: latest[name] for name in ("machine", "workload")}
    tables.show({**some, "short": short, "first": begun}, markdown=True)
    lines = capsys.readouterr().out.splitlines()
    for ending in shown:
        assert any(line.endswith(ending) for line in lines), lines


@pytest.mark.usefixtures("from_root")
def test_comparison_sees_any_difference(tmp_path: Path) -> None:
    from benchmarks.compare import Comparison

    have, want = tmp_path / "have", tmp_path / "want"
    for folder in (have, want):
        folder.mkdir()
        np.savez(folder / "ex_000000.npz", attr=np.arange(3, dtype=np.float32))
    comparison = Comparison()
    comparison.check(have, want)
    np.savez(have / "ex_000000.npz", attr=np.array([0, 1, 3], dtype=np.float32))
    with pytest.raises(AssertionError, match="attr"):
        comparison.check(have, want)
    (have / "ex_000000.npz").unlink()
    with pytest.raises(AssertionError):
        comparison.check(have, want)


@pytest.mark.usefixtures("from_root")
def test_meter_counts_descendants() -> None:
    """A grandchild that is never waited for costs CPU and memory like any other process."""
    from benchmarks.meter import measure

    burn = "import time\nwhile time.process_time() < 0.3: pass\nx = bytearray(80 << 20)"
    child = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {burn!r}])"
    cost = measure([sys.executable, "-c", child])
    assert cost.cpu > 0.3
    assert cost.memory > 80 << 20
    with pytest.raises(RuntimeError, match="exit code 3"):
        measure([sys.executable, "-c", "raise SystemExit(3)"])
