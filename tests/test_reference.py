"""The ground truth: samples as they were published."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet
from support.arrays import assert_same_npz
from support.cli import codes, run_json

from exp2proc.formats import deflate

_MATH = "exp/exp2/data/math.jsonl/qwen-8B/ifr_multi_hop_both_n1_mfaithfulness_gen_60ex"


_HOWS = (
    ("--jobs", "1", "--no_cache"),
    ("--jobs", "1"),
    ("--jobs=1",),  # again: now every alignment comes from the cache
    ("--jobs", "2", "--no_cache"),
    ("--jobs", "2"),
    ("--jobs", "2", "--resume", "--no_cache"),  # each worker with its own tokenizer
    ("--jobs", "2", "--backend", "threading"),
    ("--backend", "sequential"),
)
_CODECS = ("isal", "libdeflate", "zlib")


def _combinations() -> Iterator[ParameterSet]:
    """Every way with the codec that is used here, one with each of the others; more in CI."""
    for codec in _CODECS:
        for number, how in enumerate(_HOWS):
            marks = [pytest.mark.thorough] if "--resume" in how else []
            if codec != deflate.NAME:
                marks = [pytest.mark.thorough if number == 3 else pytest.mark.slow]
            yield pytest.param(
                *(how, codec),
                id=f"{codec} {' '.join(how)}",
                marks=marks,
            )


@pytest.mark.parametrize(("how", "codec"), list(_combinations()))
def test_all_published_samples(
    reference: Path, qwen3: Path, tmp_path: Path, how: tuple[str, ...], codec: str
) -> None:
    report = run_json(
        "convert",
        *("--traces_root", reference / "exp/exp2/output/traces"),
        *("--tokenizer_model", qwen3, "--out_root", tmp_path),
        *how,
        env={} if codec == deflate.NAME else {deflate.CHOICE: codec},
    )
    assert report["counts"]["converted"] == 60
    assert report["runs"][0]["with_hop"] == 60
    expected = sorted((reference / "expected").glob("*.npz"))
    assert len(expected) == 60
    assert {p.name for p in (tmp_path / _MATH).iterdir()} == {p.name for p in expected}
    for sample in expected:
        assert_same_npz(tmp_path / _MATH / sample.name, sample)


def test_runs_without_public_dataset(reference: Path, qwen3: Path, tmp_path: Path) -> None:
    traces = ("--traces_root", reference / "exp/exp3/output/traces")
    report = run_json("convert", *traces, "--layout", "proc_1", "--out_root", tmp_path / "1")
    assert report["counts"]["converted"] == 2
    report = run_json(
        "convert",
        *traces,
        *("--dataset_jsonl", reference / "exp/exp2/data/math.jsonl"),
        *("--tokenizer_model", qwen3, "--out_root", tmp_path / "2"),
        code=1,
    )
    assert codes(report) == ["dataset-no-match"] * 2
    assert all(
        error["message"].startswith("Failed to match manifest sha1 to dataset_jsonl")
        for error in report["errors"]
    )
