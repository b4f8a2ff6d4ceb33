"""Comparing npz files array for array."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from exp2proc.formats.record import RECORDS


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


def files_below(root: Path) -> set[Path]:
    """The files of an export, relative to its root, its records left out."""
    files = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return {path for path in files if path.parts[0] != RECORDS}


def assert_same_tree(actual: Path, expected: Path) -> int:
    """Both folders hold the same npz files and nothing else; returns how many.

    Where both have records, these are the same, too.
    """
    have, want = files_below(actual), files_below(expected)
    assert have == want, sorted(map(str, have ^ want))[:10]
    for name in want:
        assert_same_npz(actual / name, expected / name)
    if (actual / RECORDS).exists() and (expected / RECORDS).exists():
        assert records_of(actual) == records_of(expected)
    return len(want)


def records_of(root: Path) -> dict[str, str]:
    """The records below an output root, by their place."""
    folder = root / RECORDS
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }
