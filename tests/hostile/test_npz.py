from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import plain
from support.arrays import assert_same_npz

from exp2proc.demo.traces import write_jsonl

from .kind import CONVERTS, Kind, good_trace, named, run_measured
from .npz_kinds import KINDS


class Batch:
    """All kinds as the rows of one run, and what became of them."""

    def __init__(self, folder: Path) -> None:
        self.run, self.out = folder / "run", folder / "out"
        self.run.mkdir()
        row, arrays = good_trace()
        self.rows: dict[str, dict[str, Any]] = {}
        for number, kind in enumerate(KINDS):
            file = f"{kind.slug}.npz"
            kind.make(self.run / file, arrays)
            self.rows[kind.slug] = {**row, "example_idx": number, "file": file}
        write_jsonl(self.run / "manifest.jsonl", list(self.rows.values()))
        words = ("convert", "--trace_dir", self.run, "--layout", "proc_1", "--out_dir", self.out)
        self.report, self.peak = run_measured(folder / "peak", *words, "--jobs", "1")
        self.codes = {
            error["file"].removesuffix(".npz"): error["code"] for error in self.report["errors"]
        }


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Batch:
    return Batch(tmp_path_factory.mktemp("npz"))


@pytest.mark.parametrize("kind", KINDS, ids=named)
def test_kind(batch: Batch, kind: Kind, tmp_path: Path) -> None:
    sample = batch.out / f"{kind.slug}.npz"
    assert batch.codes.get(kind.slug, CONVERTS) == kind.expects
    assert sample.exists() == (kind.expects == CONVERTS)
    if kind.expects == CONVERTS:
        expected = tmp_path / "expected.npz"
        with np.errstate(over="ignore"):
            plain.convert_row(batch.rows[kind.slug], batch.run / sample.name, expected, None)
        assert_same_npz(sample, expected)


def test_memory_is_bounded(batch: Batch) -> None:
    """Ten gigabytes, a trillion elements: what the rows declare is a few hundred bytes."""
    assert batch.peak < 250, f"{batch.peak:.0f} MB"


def test_numbers_that_are_none_are_counted(batch: Batch) -> None:
    finite = (
        "NaN in the vector",
        "infinity in the vector",
        "NaN in a hop",
        "too large for float32",
    )
    assert batch.report["runs"][0]["non_finite"] == len(finite)
    assert {*finite} <= {kind.name for kind in KINDS}
