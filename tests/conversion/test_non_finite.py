"""NaN and infinity in a trace are exported as they are, and counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.cli import run_cli, run_json

from exp2proc.demo.tree import DemoTree

_KEYS = {"v_row_all": "attr", "vh": "hop"}


@pytest.fixture
def words(demo: DemoTree, tmp_path: Path) -> tuple[str | Path, ...]:
    """A run of 8 rows, four of which are not finite: one of them only beyond what is exported."""
    run = next(demo.traces.rglob("ifr_in_all_gen_*"))
    for number, (key, value, at) in enumerate(
        (
            ("v_row_all", np.nan, 0),
            ("v_row_all", -np.inf, 1),
            ("vh", np.inf, (1, 2)),
            ("v_row_all", np.nan, -1),  # the EOS, which no sample has
        )
    ):
        path = run / f"ex_{number:06d}.npz"
        with np.load(path) as npz:
            arrays = {name: npz[name] for name in npz.files}
        arrays[key][at] = value
        np.savez_compressed(path, **arrays)
    return (
        *("convert", "--trace_dir", run, "--data_root", demo.data),
        *("--tokenizer_model", demo.tokenizer, "--out_dir", tmp_path / "out"),
    )


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_as_they_are(words: tuple[str | Path, ...], jobs: str) -> None:
    report = run_json(*words, "--jobs", jobs)
    assert report["counts"]["converted"] == 8
    assert report["runs"][0]["non_finite"] == 3
    out, run = Path(words[-1]), Path(words[2])
    for number in range(4):
        with (
            np.load(out / f"ex_{number:06d}.npz") as sample,
            np.load(run / f"ex_{number:06d}.npz") as trace,
        ):
            for stored, exported in _KEYS.items():
                length = sample["attr"].shape[0]
                expected = trace[stored][..., :length]
                assert np.array_equal(sample[exported], expected, equal_nan=True)


def test_a_warning_and_no_failure(words: tuple[str | Path, ...]) -> None:
    done = run_cli(*words)
    assert done.returncode == 0
    assert "warning: 3 samples have NaN or infinite numbers" in done.stdout
    again = run_cli(*words, "--resume")
    assert "warning: 3 samples" in again.stdout, "kept samples count, too"
