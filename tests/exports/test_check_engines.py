"""`check` runs where it is told to."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

import exp2proc
from exp2proc.demo.tree import DemoTree
from exp2proc.engines.choice import Backend
from exp2proc.exports.check import _loader


@pytest.mark.parametrize("backend", ["threading", "sequential"])
def test_the_backend_that_was_asked_for(
    demo: DemoTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: Backend
) -> None:
    """Seen from this process: worker processes would not run what is patched here."""
    out = tmp_path / "out"
    exp2proc.convert(traces_root=demo.traces, layout="proc_1", out_root=out, jobs=1)
    read: list[tuple[int, bool]] = []
    load = _loader.load

    def noted(path: Any) -> Any:
        read.append((os.getpid(), threading.current_thread() is threading.main_thread()))
        return load(path)

    monkeypatch.setattr(_loader, "load", noted)
    report = exp2proc.check(out, backend=backend, jobs=2)
    assert (report.samples, report.errors) == (96, [])
    assert len(read) == 96
    assert set(read) == {(os.getpid(), backend == "sequential")}


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("backend", [None, "loky", "threading", "sequential"])
def test_every_way_finds_the_same(
    demo: DemoTree, tmp_path: Path, backend: Backend | None, jobs: int
) -> None:
    out = tmp_path / "out"
    exp2proc.convert(traces_root=demo.traces, layout="proc_1", out_root=out, jobs=1)
    victims = sorted(out.rglob("*.npz"))[::17]
    for victim in victims:
        victim.write_bytes(victim.read_bytes()[:-20])
    seen: list[exp2proc.Progress] = []
    report = exp2proc.check(out, backend=backend, jobs=jobs, on_progress=seen.append)
    assert [f"{error.trace_dir}/{error.file}" for error in report.errors] == list(map(str, victims))
    assert {error.code for error in report.errors} == {"sample-invalid"}
    assert (seen[-1].done, seen[-1].failed) == (96, len(victims))


def test_options_that_do_not_go_together(tmp_path: Path) -> None:
    with pytest.raises(exp2proc.PlanError, match="--scheduler goes with --backend dask"):
        exp2proc.check(tmp_path, scheduler="tcp://head:8786")
    with pytest.raises(exp2proc.PlanError, match="backend is 'slurm'"):
        exp2proc.check(tmp_path, backend="slurm")  # type: ignore[arg-type]
