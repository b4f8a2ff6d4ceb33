"""Loading what was exported, as a collaborator would."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import exp2proc
from exp2proc.demo.tree import DemoTree


@pytest.fixture
def exported(demo: DemoTree, tmp_path: Path) -> Path:
    run = next((demo.traces / "needles").rglob("ifr_in_all_gen*"))
    for layout in ("proc", "proc_1"):
        exp2proc.convert(
            trace_dir=run,
            tokenizer_model=demo.tokenizer,
            out_dir=tmp_path / layout,
            layout=layout,
            limit=1,
        )
    return tmp_path


def test_fields_are_those_of_the_file(exported: Path) -> None:
    path = exported / "proc" / "ex_000000.npz"
    sample = exp2proc.load_sample(path)
    with np.load(path) as npz:
        for key in ("attr", "tok", "hop"):
            assert np.array_equal(getattr(sample, key), npz[key])
        for key in ("span_in", "span_cot", "span_out"):
            assert getattr(sample, key) == tuple(npz[key].tolist())
        for key in ("rise", "mas", "recovery"):
            assert getattr(sample, key) == float(npz[key])
        tok = npz["tok"].tolist()
    assert sample.layout == "proc"
    assert sample.tokens_in + sample.tokens_cot + sample.tokens_out == tok
    with pytest.raises(dataclasses.FrozenInstanceError):
        sample.rise = 0.0  # type: ignore[misc]
    for array in (sample.attr, sample.hop, sample.tok):
        assert array is not None
        assert not array.flags.writeable


def test_a_sample_without_text(exported: Path) -> None:
    sample = exp2proc.load_sample(exported / "proc_1" / "ex_000000.npz")
    assert (sample.layout, sample.tok) == ("proc_1", None)
    with pytest.raises(exp2proc.Exp2procError, match="proc_1 has no token pieces"):
        _ = sample.tokens_in


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"attr": np.zeros(3)}, "attr is float64"),
        ({"attr": np.zeros((2, 2), np.float32)}, "attr is float32"),
        ({"span_in": np.array([0, 10**6])}, "span_in is [0, 1000000], outside"),
        ({"span_out": np.array([5, 2])}, "span_out is [5, 2], outside"),
        ({"span_out": np.array([1, 2, 3])}, "span_out is int64[3]"),
        ({"rise": np.zeros(1)}, "rise is float64[1]"),
        ({"tok": np.array(["x"])}, "tok is"),
        ({"hop": np.zeros((2, 3), np.float32)}, "hop is float32[2, 3]"),
        ({"extra": np.zeros(1)}, "keys"),
        ({"tok": None}, "keys"),
    ],
)
def test_what_is_no_sample_is_refused(
    exported: Path, changes: dict[str, np.ndarray | None], says: str
) -> None:
    path = exported / "proc" / "ex_000000.npz"
    with np.load(path) as npz:
        arrays = {**{key: npz[key] for key in npz.files}, **changes}
    np.savez_compressed(path, **{k: v for k, v in arrays.items() if v is not None})
    with pytest.raises(exp2proc.Exp2procError) as caught:
        exp2proc.load_sample(path)
    assert caught.value.code == "sample-invalid"
    assert says in caught.value.message


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    for path, says in ((tmp_path, "holds no sample"), (tmp_path / "x.npz", "does not exist")):
        with pytest.raises(exp2proc.Exp2procError, match=says):
            exp2proc.load_sample(path)
