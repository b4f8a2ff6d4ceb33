"""What is asked of a sample once it is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.exported import write_export

from exp2proc.formats.sample import Sample, load_sample


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    path = write_export(
        tmp_path / "ex_000000.npz",
        ["a", "b", "c", "d", "e"],
        hop=[[1, 2, 3, 4, 5], [5, 4, 3, 2, 1]],
        spans=((0, 1), (2, 3), (4, 4)),
        scores=(0.1, 0.2, 0.3),
    )
    return load_sample(path)


def test_hops_are_counted_from_0(sample: Sample) -> None:
    assert sample.scores_of().tolist() == [1, 2, 3, 4, 5]
    assert sample.scores_of(0).tolist() == [1, 2, 3, 4, 5]
    assert sample.scores_of(1).tolist() == [5, 4, 3, 2, 1]
    for absent in (-1, 2):
        with pytest.raises(IndexError, match=f"hop {absent} of a sample with 2 hops"):
            sample.scores_of(absent)


def test_a_sample_without_hops(tmp_path: Path) -> None:
    plain = load_sample(write_export(tmp_path / "ex_000000.npz", ["a"]))
    with pytest.raises(IndexError, match="hop 0 of a sample with 0 hops"):
        plain.scores_of(0)


def test_parts_and_their_strongest_tokens(sample: Sample) -> None:
    assert (sample.tokens_in, sample.tokens_cot, sample.tokens_out) == (
        ["a", "b"],
        ["c", "d"],
        ["e"],
    )
    assert (sample.rise, sample.mas, sample.recovery) == (0.1, 0.2, 0.3)
    assert sample.top_tokens(1) == [(1, "b", 2.0)]
    assert sample.top_tokens(9, "cot") == [(3, "d", 4.0), (2, "c", 3.0)]
    assert sample.top_tokens(1, "out", hop=1) == [(4, "e", 1.0)]
    assert sample.top_tokens(2, "all", hop=1) == [(0, "a", 5.0), (1, "b", 4.0)]
    with pytest.raises(ValueError, match="span is 'none'"):
        sample.top_tokens(1, "none")  # type: ignore[arg-type]
