from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
from support import plain
from support.arrays import assert_same_npz

from .kind import CONVERTS, Kind, good_trace, named, run_measured
from .manifest_kinds import KINDS


class Batch:
    """Each kind as a run of its own, all converted at once."""

    def __init__(self, folder: Path) -> None:
        self.traces, self.out = folder / "traces", folder / "out"
        row, arrays = good_trace()
        rows = [{**row, "example_idx": n, "file": f"ex_{n:06d}.npz"} for n in range(3)]
        good = folder / "good.npz"
        np.savez_compressed(good, **arrays)
        (folder / "outside.npz").write_bytes(good.read_bytes())
        for kind in KINDS:
            run = self.traces / kind.slug
            run.mkdir(parents=True)
            for trace in rows:
                os.link(good, run / trace["file"])
            (run / "folder.npz").mkdir()
            (run / "link.npz").symlink_to(folder / "outside.npz")
            manifest = run / "manifest.jsonl"
            manifest.write_bytes(kind.make(rows))
            os.utime(manifest, (time.time() - 3600,) * 2)  # nobody writes to it any more
        plain.convert_row(row, good, folder / "expected.npz", None)
        self.expected = folder / "expected.npz"
        words = ("convert", "--traces_root", self.traces, "--layout", "proc_1")
        self.report, self.peak = run_measured(
            folder / "peak", *words, "--out_root", self.out, "--jobs", "1"
        )
        self.runs = {run["run_tag"]: run for run in self.report["runs"]}


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Batch:
    return Batch(tmp_path_factory.mktemp("manifests"))


@pytest.mark.parametrize("kind", KINDS, ids=named)
def test_kind(batch: Batch, kind: Kind) -> None:
    codes = {
        error["code"]
        for error in batch.report["errors"]
        if error["trace_dir"] == str(batch.traces / kind.slug)
    }
    assert codes == ({kind.expects} - {CONVERTS})
    assert batch.runs[kind.slug]["counts"]["converted"] == kind.other_rows
    if not batch.runs[kind.slug]["counts"]["planned"]:
        assert not (batch.out / kind.slug).exists()
        return
    samples = list((batch.out / kind.slug).iterdir())
    assert len(samples) == kind.other_rows
    for sample in samples:
        assert_same_npz(sample, batch.expected)


def test_memory_is_bounded(batch: Batch) -> None:
    """Lines of 50 MB are not parsed."""
    assert batch.peak < 300, f"{batch.peak:.0f} MB"
