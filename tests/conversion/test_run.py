"""Why a run ends before its work is done."""

from __future__ import annotations

from pathlib import Path

import exp2proc
from exp2proc.demo.tree import DemoTree


def test_a_run_stops_after_five_unwritable_outputs_in_a_row(demo: DemoTree, tmp_path: Path) -> None:
    """Here folders bear the names of the outputs; of the next shard nothing is tried."""
    out = tmp_path / "out"
    for trace in demo.traces.rglob("ex_*.npz"):
        (out / trace.relative_to(demo.traces)).mkdir(parents=True)
    report = exp2proc.convert(
        traces_root=demo.traces, layout="proc_1", out_root=out, overwrite=True, jobs=1
    )
    assert report.stopped == "unwritable"
    assert [error.code for error in report.errors] == ["output-unwritable"] * 5
    assert report.counts.unfinished == 96 - 5


def test_with_fail_fast_a_run_stops_at_the_first_failure(demo: DemoTree, tmp_path: Path) -> None:
    """What was done before it is counted, and nothing after it is done."""
    sorted(demo.traces.rglob("ex_000003.npz"))[5].write_bytes(b"PK")
    report = exp2proc.convert(
        traces_root=demo.traces, layout="proc_1", out_root=tmp_path / "out", fail_fast=True, jobs=1
    )
    assert report.stopped == "fail_fast"
    assert [error.code for error in report.errors] == ["trace-corrupt"]
    written = len(list((tmp_path / "out").rglob("ex_*.npz")))
    assert report.counts.converted == written > 0
    assert report.counts.unfinished == 96 - 1 - written > 0
