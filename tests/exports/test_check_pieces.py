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
        (["a", "", "", "b", ""] * 2, "6 of 10 pieces of tok are empty"),
        (["", "b", ""] * 3, "6 of 9 pieces of tok are empty"),
        ([""] * 8, "8 of 8 pieces of tok are empty"),
        (["a", ""] * 4, None),
        # blank prompts and targets, under a tokenizer that trims offsets
        ([""], None),
        (["", "", ""], None),
        ([""] * 7, None),
        ([], None),
    ],
)
def test_more_empty_pieces_than_others(tmp_path: Path, tok: list[str], problem: str | None) -> None:
    path = write_export(tmp_path / "m/d/r/ex_000000.npz", tok)
    found = [(error.code, error.message) for error in exp2proc.check(path).errors]
    assert found == ([] if problem is None else [("sample-inconsistent", problem)])
