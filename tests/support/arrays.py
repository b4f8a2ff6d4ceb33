"""Comparing npz files array for array."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def assert_same_npz(actual: Path, expected: Path) -> None:
    """Same keys in the same order, same dtypes, shapes and values (NaN equal to NaN)."""
    with (
        np.load(actual, allow_pickle=False) as have,
        np.load(expected, allow_pickle=False) as want,
    ):
        assert have.files == want.files, (actual, have.files, want.files)
        for key in want.files:
            a, b = have[key], want[key]
            where = f"{actual.name}: {key}"
            assert a.dtype == b.dtype, (where, a.dtype, b.dtype)
            assert a.shape == b.shape, (where, a.shape, b.shape)
            assert np.array_equal(a, b, equal_nan=a.dtype.kind == "f"), where


def assert_same_tree(actual: Path, expected: Path) -> int:
    """Both folders hold the same npz files and nothing else; returns how many."""
    have = {p.relative_to(actual) for p in actual.rglob("*") if p.is_file()}
    want = {p.relative_to(expected) for p in expected.rglob("*") if p.is_file()}
    assert have == want, sorted(map(str, have ^ want))[:10]
    for name in want:
        assert_same_npz(actual / name, expected / name)
    return len(want)
