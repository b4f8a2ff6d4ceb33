"""Whether a file is the sample that would be written, and in which words it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exp2proc.conversion.stale import Stale, stale
from exp2proc.formats.layouts import LAYOUTS
from exp2proc.formats.sample import encode, pack_text, sample_values
from exp2proc.formats.spans import SampleSpans

_PROC = LAYOUTS["proc"]


def _values(**other: Any) -> dict[str, Any]:
    """What a sample of 6 tokens with hops holds; `other` arrays, None for none."""
    values = sample_values(
        np.arange(6, dtype=np.float32),
        SampleSpans((0, 2), (3, 3), (4, 5)),
        {"rise": 0.25, "mas": 0.5, "recovery": float("nan")},
        np.ones((2, 6), np.float32),
    )
    values["tok"] = pack_text(np.array(["a", "b", "c", "d", "e", "f"]))
    return {key: value for key, value in {**values, **other}.items() if value is not None}


def _found(folder: Path, there: dict[str, Any], wanted: dict[str, Any]) -> Stale | None:
    path = folder / "ex_000000.npz"
    path.write_bytes(encode(_PROC, there))
    return stale(str(path), _PROC, wanted)


_TABLE = [
    ({"hop": None}, "hop", "hop is missing, but should not be"),
    ({"hop": np.ones((3, 6), np.float32)}, "hop", "hop has shape [3, 6], [2, 6] by the trace"),
    (
        {"attr": np.array([0, 1, 2, 9, 4, 9], np.float32)},
        "attr",
        "attr differs from the trace in 2 of 6 numbers",
    ),
    (
        {"attr": np.array([-0.0, 1, 2, 3, 4, 5], np.float32)},
        "attr",
        "attr differs from the trace in 1 of 6 numbers",
    ),
    ({"span_cot": (-1, -1)}, "span_cot", "span_cot is [-1, -1], [3, 3] by the trace"),
    ({"mas": 0.75}, "mas", "mas is 0.75, 0.5 by the trace"),
    ({"recovery": 0.5}, "recovery", "recovery is 0.5, nan by the trace"),
    (
        {"tok": pack_text(np.array(["a", "b", "x", "d", "e", "y"]))},
        "tok",
        "tok differs from the text in 2 of 6 pieces: piece 2 is 'x', not 'c'",
    ),
]


@pytest.mark.parametrize(("other", "key", "told"), _TABLE, ids=lambda value: str(value)[:30])
def test_what_differs_is_told(tmp_path: Path, other: dict[str, Any], key: str, told: str) -> None:
    found = _found(tmp_path, _values(**other), _values())
    assert found == Stale(f"{key} differs", told)


def test_an_array_too_many(tmp_path: Path) -> None:
    found = _found(tmp_path, _values(), _values(hop=None))
    assert found == Stale("hop differs", "hop is there, but should not be")


def test_several_things_at_once(tmp_path: Path) -> None:
    found = _found(tmp_path, _values(mas=0.75, rise=0.5, hop=None), _values())
    assert found is not None
    assert found.reason == "rise, mas and hop differ"
    assert found.message.count(";") == 2


def test_a_wider_dtype_is_another_array(tmp_path: Path) -> None:
    wide = np.array(["a", "b", "c", "d", "e", "f"], "U7")
    found = _found(tmp_path, _values(tok=pack_text(wide)), _values())
    assert found == Stale("tok differs", "tok is <U7, <U1 by the text")


@given(st.sampled_from(sorted(_values())), st.data())
def test_any_number_that_changes_is_found(
    tmp_path_factory: pytest.TempPathFactory, key: str, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("any")
    values = _values()
    assert _found(folder, values, values) is None
    value = values[key]
    if isinstance(value, np.ndarray):
        value = value.copy()
        value.flat[data.draw(st.integers(0, value.size - 1))] += 0.5
    elif key in ("rise", "mas", "recovery"):
        value = data.draw(st.floats(0, 1).filter(lambda other: other != value))
    elif key == "tok":
        pieces = data.draw(st.lists(st.sampled_from("abcdef"), min_size=6, max_size=6))
        if pieces == list("abcdef"):
            return
        value = pack_text(np.array(pieces))
    elif key == "length":
        return
    else:
        value = data.draw(st.sampled_from([(0, 5), (1, 1), (-1, -1)]).filter(lambda v: v != value))
    found = _found(folder, {**values, key: value}, values)
    assert found is not None
    assert key in found.reason
