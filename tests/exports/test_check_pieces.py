"""check on token pieces: how many may be empty, how wide they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.exported import write_export

import exp2proc


@pytest.mark.parametrize(
    ("tok", "problem"),
    [
        (["a", "", "b", ""], None),  # half of them: bytes of one character that come one by one
        (["a", "", "", "b", ""], "3 of 5 pieces of tok are empty"),
        (["", "b", ""], "2 of 3 pieces of tok are empty"),
        ([""], "1 of 1 pieces of tok are empty"),
        ([], None),
    ],
)
def test_more_empty_pieces_than_others(tmp_path: Path, tok: list[str], problem: str | None) -> None:
    path = write_export(tmp_path / "m/d/r/ex_000000.npz", tok)
    found = [(error.code, error.message) for error in exp2proc.check(path).errors]
    assert found == ([] if problem is None else [("sample-inconsistent", problem)])
