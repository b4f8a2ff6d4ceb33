"""What is asked of a sample once it is loaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.exported import write_export

from exp2proc.errors import Exp2procError
from exp2proc.formats import sample as samples
from exp2proc.formats.layouts import LAYOUTS
from exp2proc.formats.names import Source
from exp2proc.formats.sample import Sample, encode, load_sample, values_of
from exp2proc.formats.spans import NONE, SampleSpans

NO_SCORES = dict.fromkeys(("rise", "mas", "recovery"), float("nan"))


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


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_finite_are_all_numbers_or_it_is_not(tmp_path: Path, odd: float) -> None:
    def is_finite(attr: float, hop: float | None) -> bool:
        hops = None if hop is None else [[1.0, 1.0], [1.0, hop]]
        path = write_export(tmp_path / "ex_000000.npz", ["a", "b"], attr=[1.0, attr], hop=hops)
        return load_sample(path).is_finite()

    assert is_finite(1.0, None)
    assert is_finite(1.0, 1.0)
    assert not is_finite(odd, None)
    assert not is_finite(odd, 1.0)
    assert not is_finite(1.0, odd)


_REFUSED: list[tuple[str, Any, str]] = [
    ("attr", np.zeros(5), "attr is float64[5], not float32[L]"),
    ("attr", np.zeros((1, 5), np.float32), "attr is float32[1, 5], not float32[L]"),
    ("tok", np.array(["a"] * 4), "tok is str32[4], not str[5]"),
    ("tok", np.array([b"a"] * 5), "tok is bytes8[5], not str[5]"),
    ("span_cot", np.array([2, 3], np.int32), "span_cot is int32[2], not int64[2]"),
    ("span_cot", np.array([2]), "span_cot is int64[1], not int64[2]"),
    ("span_cot", np.array([2, 5]), "span_cot is [2, 5], outside 0..4"),
    ("span_cot", np.array([-1, 3]), "span_cot is [-1, 3], outside 0..4"),
    ("span_cot", np.array([3, 2]), "span_cot is [3, 2], outside 0..4"),
    ("mas", np.float32(0.2), "mas is float32[], not a float64 scalar"),
    ("mas", np.array([0.2]), "mas is float64[1], not a float64 scalar"),
    ("hop", np.zeros((2, 5)), "hop is float64[2, 5], not float32[H, 5]"),
    ("hop", np.zeros((2, 4), np.float32), "hop is float32[2, 4], not float32[H, 5]"),
    ("hop", np.zeros(5, np.float32), "hop is float32[5], not float32[H, 5]"),
    ("length", np.array([2, 2, 2]), "length is int64[3] [2, 2, 2], not int64[3] [2, 2, 1]"),
    ("length", np.array([2, 2]), "length is int64[2] [2, 2], not int64[3] [2, 2, 1]"),
    (
        "length",
        np.array([2, 2, 1], np.int32),
        "length is int32[3] [2, 2, 1], not int64[3] [2, 2, 1]",
    ),
]


@pytest.mark.parametrize(("key", "value", "says"), _REFUSED)
def test_an_array_that_is_not_as_its_layout_has_it(
    sample: Sample, tmp_path: Path, key: str, value: Any, says: str
) -> None:
    path = tmp_path / "ex_000000.npz"
    with np.load(path) as npz:
        arrays = dict(npz)
    if key == "length":
        del arrays["tok"]
        scores = [(name, arrays.pop(name)) for name in ("rise", "mas", "recovery", "hop")]
        arrays |= {"length": np.array([2, 2, 1]), **dict(scores)}
    np.savez_compressed(path, **arrays)
    assert load_sample(path).attr.tolist() == sample.attr.tolist()
    arrays[key] = value
    np.savez_compressed(path, **arrays)
    with pytest.raises(Exp2procError) as caught:
        load_sample(path)
    assert caught.value.code == "sample-invalid"
    assert caught.value.message == f"{path}: {says}"


@pytest.mark.parametrize(
    ("bound", "most", "says"),
    [
        ("MAX_TOKENS", 4, "attr has 5 tokens, at most 4 are read"),
        ("MAX_BYTES", 1000, "its arrays claim 1308 bytes, those of a sample have at most 1000"),
    ],
)
def test_what_would_not_be_read_is_not_written(
    sample: Sample, monkeypatch: pytest.MonkeyPatch, bound: str, most: int, says: str
) -> None:
    values = {key: value for key, value in values_of(sample).items() if key != "tok"}
    assert encode(LAYOUTS["proc_1"], values)
    monkeypatch.setattr(samples, bound, most)
    with pytest.raises(ValueError, match=says):
        encode(LAYOUTS["proc_1"], values)


def test_it_is_told_in_two_lines(sample: Sample) -> None:
    assert repr(sample) == (
        "Sample(proc, 5 tokens, 2 hops, in (0, 1), cot (2, 3), out (4, 4),\n"
        "       rise 0.100, mas 0.200, recovery 0.300)"
    )
    plain = Sample("proc_1", np.zeros(1, np.float32), SampleSpans(NONE, NONE, NONE), NO_SCORES)
    assert repr(plain) == "Sample(proc_1, 1 token, 0 hops)"
    source = Source(Path("/out/ex_000000.npz"), "math", "qwen-8B", "ifr\x1b_5ex")
    with_source = repr(replace(plain, source=source))
    assert "'math/qwen-8B/ifr\\x1b_5ex/ex_000000.npz'" in with_source
    assert len(with_source.splitlines()) <= 2
