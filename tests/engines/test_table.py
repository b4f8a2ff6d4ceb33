"""The table of engines: what it offers, what joblib's contexts may name, one from outside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import metadata
from pathlib import Path
from typing import Any, get_args

import pytest
from joblib import parallel_config
from support.arrays import assert_same_tree

import exp2proc
from exp2proc.cli import main
from exp2proc.demo.tree import DemoTree
from exp2proc.engines import Task, Work, open_engine
from exp2proc.engines.choice import BACKENDS, ENGINES, Active, Backend, EngineChoice, EngineKind


def test_the_type_of_the_option_says_what_the_table_has() -> None:
    assert tuple(BACKENDS) == get_args(Backend)


def test_extras_are_this_packages_own() -> None:
    extras = {kind.extra for kind in ENGINES.values()} - {None}
    assert extras == {"dask", "ray"}
    assert extras <= set(metadata("exp2proc").get_all("Provides-Extra") or ())


def test_a_joblib_backend_that_nobody_serves_is_refused(demo: DemoTree, tmp_path: Path) -> None:
    def convert(backend: Backend | None) -> exp2proc.Report:
        return exp2proc.convert(
            traces_root=demo.traces, layout="proc_1", out_root=tmp_path / "out", backend=backend
        )

    with parallel_config(backend="multiprocessing", n_jobs=2):
        with pytest.raises(exp2proc.PlanError) as caught:
            convert(None)
        assert not (tmp_path / "out").exists()
        assert convert("threading").counts.converted == 96
    assert caught.value.code == "usage"
    assert "MultiprocessingBackend" in caught.value.message
    assert all(name in caught.value.hint for name in BACKENDS)


class BackwardsEngine:
    """Two workers, it says, and does the work itself; the last piece first."""

    remote = False

    def __init__(self) -> None:
        self.done = 0
        self.closed = False

    def workers(self, seconds: float) -> int:
        return 2

    def run(self, task: Task, works: Iterable[Work], workers: int) -> Iterator[Any]:
        for work in reversed(list(works)):
            self.done += 1
            yield task(work)

    def everywhere(self, check: Callable[[], Any]) -> Iterator[tuple[str, Any]]:
        return iter(())

    def stop(self) -> list[Any]:
        return []

    def close(self) -> None:
        self.closed = True


def test_an_engine_from_outside(
    demo: DemoTree,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One row of the table, and every command knows it."""
    opened: list[BackwardsEngine] = []

    def connect(choice: EngineChoice, active: Active | None) -> BackwardsEngine:
        assert active is None
        opened.append(BackwardsEngine())
        return opened[-1]

    words = ["--traces_root", str(demo.traces), "--tokenizer_model", str(demo.tokenizer)]
    assert main(["convert", *words, "--out_root", str(tmp_path / "here")]) == 0
    there = [*words, "--out_root", str(tmp_path / "there"), "--backend", "backwards"]
    assert main(["convert", *there]) == 2
    assert "backwards" in capsys.readouterr().err

    monkeypatch.setitem(ENGINES, "backwards", EngineKind(connect))
    assert main(["convert", *there]) == 0
    assert assert_same_tree(tmp_path / "there", tmp_path / "here") == 96
    assert main(["check", str(tmp_path / "there"), "--backend", "backwards"]) == 0
    assert "96 samples" in capsys.readouterr().out
    assert [engine.closed for engine in opened] == [True, True]
    assert all(engine.done > 1 for engine in opened)


def test_an_unknown_name_is_told_by_planning(demo: DemoTree) -> None:
    with pytest.raises(exp2proc.PlanError) as caught:
        exp2proc.convert(traces_root=demo.traces, backend="slurm")  # type: ignore[arg-type]
    assert any("backend is 'slurm'" in problem.message for problem in caught.value.problems)
    with open_engine(EngineChoice("slurm")) as engine:  # type: ignore[arg-type]
        assert not engine.remote
