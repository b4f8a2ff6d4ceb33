"""Traces: what is read of one, and what makes it unusable."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exp2proc.errors import Exp2procError
from exp2proc.traces import trace
from exp2proc.traces.trace import Trace, read_trace

P, G = 3, 4
GOOD: dict[str, Any] = {
    "v_row_all": np.arange(P + G, dtype=np.float32),
    "prompt_len": np.int64(P),
    "gen_len": np.int64(G),
    "indices_to_explain_gen": np.array([1, 2]),
    "sink_span_gen": np.array([2, 2]),
    "thinking_span_gen": np.array([0, 1]),
    "faithfulness_scores": np.arange(9.0).reshape(3, 3),
    "recovery_scores": np.array([0.1, 0.2, 0.3]),
    "vh": np.arange(2 * (P + G), dtype=np.float32).reshape(2, -1),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ex_000000.npz"


def _read(path: Path, *, hops: bool = True, **changes: Any) -> Trace:
    arrays = {key: value for key, value in {**GOOD, **changes}.items() if value is not ...}
    np.savez_compressed(path, **arrays)
    return read_trace(path, P, G, hops=hops)


def test_what_is_exported_of_a_trace(path: Path) -> None:
    read = _read(path)
    assert read.row_all.tolist() == list(range(P + G))
    assert read.hops is not None
    assert read.hops.tolist() == GOOD["vh"].tolist()
    assert (read.sink, read.thinking) == ((2, 2), (0, 1))
    assert read.scores == {"rise": 3.0, "mas": 4.0, "recovery": 0.2}
    assert read.finite
    assert _read(path, hops=False).hops is None


def test_what_may_be_missing(path: Path) -> None:
    keys = ("vh", "sink_span_gen", "thinking_span_gen", "faithfulness_scores")
    absent: dict[str, Any] = dict.fromkeys(keys, ...)
    read = _read(path, **absent)
    assert (read.hops, read.sink, read.thinking) == (None, (1, 2), None)
    assert math.isnan(read.scores["rise"])
    assert math.isnan(read.scores["mas"])
    assert read.scores["recovery"] == 0.2


@pytest.mark.parametrize("at", [0, P + G - 2, P + G - 1])
@pytest.mark.parametrize("key", ["v_row_all", "vh"])
def test_finite_is_said_of_what_is_exported(path: Path, key: str, at: int) -> None:
    """The last token is the EOS, which no sample has."""
    array = GOOD[key].copy()
    array[..., at] = np.inf
    assert _read(path, **{key: array}).finite == (at == P + G - 1)


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        ({"prompt_len": np.int64(5)}, "manifest-trace-disagree", "prompt_len is 3 in the manifest"),
        ({"gen_len": np.int64(5)}, "manifest-trace-disagree", "gen_len is 4 in the manifest"),
        ({"gen_len": ...}, "trace-missing-field", "gen_len is not in the npz"),
        ({"gen_len": np.array([4, 4])}, "trace-shape-mismatch", "gen_len has 2 entries"),
        ({"gen_len": np.array([])}, "trace-shape-mismatch", "gen_len has 0 entries"),
        ({"gen_len": np.float64(4.5)}, "trace-shape-mismatch", "gen_len holds [4.5]"),
        ({"gen_len": np.float64("nan")}, "trace-shape-mismatch", "gen_len holds [nan]"),
        ({"gen_len": np.float64("inf")}, "trace-shape-mismatch", "gen_len holds [inf]"),
        ({"gen_len": np.str_("4")}, "trace-shape-mismatch", "gen_len has dtype"),
        ({"v_row_all": ...}, "trace-missing-field", "v_row_all is not in the npz"),
        ({"v_row_all": np.zeros(6)}, "trace-shape-mismatch", "has shape [6], expected [7]"),
        ({"v_row_all": np.zeros(8)}, "trace-shape-mismatch", "has shape [8], expected [7]"),
        ({"v_row_all": np.zeros((1, 7))}, "trace-shape-mismatch", "[1, 7], expected [7]"),
        ({"vh": np.zeros((2, 6))}, "trace-shape-mismatch", "[2, 6], expected [H, 7]"),
        ({"vh": np.zeros(7)}, "trace-shape-mismatch", "[7], expected [H, 7]"),
        ({"recovery_scores": np.zeros(2)}, "trace-shape-mismatch", "[2], expected [3]"),
        ({"thinking_span_gen": np.zeros(1)}, "trace-shape-mismatch", "expected a closed span [2]"),
        (
            {"sink_span_gen": ..., "indices_to_explain_gen": np.array([0])},
            "trace-missing-field",
            "neither sink_span_gen nor a two-entry indices_to_explain_gen",
        ),
        (
            {"sink_span_gen": ..., "indices_to_explain_gen": np.zeros(999)},
            "trace-missing-field",
            "neither sink_span_gen nor a two-entry indices_to_explain_gen",
        ),
    ],
)
def test_what_is_wrong_is_said(path: Path, changes: dict[str, Any], code: str, says: str) -> None:
    with pytest.raises(Exp2procError) as caught:
        _read(path, **changes)
    assert caught.value.code == code
    assert says in caught.value.message


def test_lengths_may_be_whole_floats_of_any_shape(path: Path) -> None:
    read = _read(path, gen_len=np.array([[4.0]]), sink_span_gen=np.array([1.0, 2.0]))
    assert read.sink == (1, 2)


def test_hops_up_to_the_most_there_may_be(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "MAX_HOPS", 2)
    assert _read(path).hops is not None
    with pytest.raises(Exp2procError, match=r"vh has shape \[3, 7\]"):
        _read(path, vh=np.zeros((3, P + G), np.float32))


def test_files_that_are_no_traces(path: Path) -> None:
    def code() -> str:
        with pytest.raises(Exp2procError) as caught:
            read_trace(path, P, G, hops=True)
        return caught.value.code

    assert code() == "trace-missing"
    path.write_bytes(b"PK")
    assert code() == "trace-corrupt"
    outside = path.parent.parent / f"{path.parent.name}.npz"
    path.rename(outside)
    path.symlink_to(outside)
    assert code() == "unsafe-path"
    path.unlink()
    _read(path)
    inside = path.rename(path.with_name("real.npz"))
    path.symlink_to(inside)
    assert read_trace(path, P, G, hops=True).sink == (2, 2)
