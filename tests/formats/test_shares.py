"""Shares and rankings of attribution, against sets of token indices."""

from __future__ import annotations

import math

import numpy as np
import pytest

from exp2proc.formats.shares import PARTS, both, part_numbers, shares, top
from exp2proc.formats.spans import NONE, SampleSpans

_SCORES = np.array([1, -2, 8, 4, 5, 0, 6, 3], np.float32)
_SPANS = SampleSpans((0, 2), (4, 5), (5, 6))


def test_every_token_belongs_to_one_part() -> None:
    """A token of both the chain of thought and the output is output."""
    parts = [PARTS[number] for number in part_numbers(len(_SCORES), _SPANS)]
    assert parts == ["in", "in", "in", "rest", "cot", "out", "out", "rest"]
    assert set(part_numbers(3, SampleSpans(NONE, NONE, NONE))) == {PARTS.index("rest")}


@pytest.mark.parametrize(
    ("cot", "out", "count"),
    [((3, 4), (5, 6), 0), ((3, 5), (5, 6), 1), ((5, 6), (5, 6), 2), (NONE, (5, 6), 0)],
)
def test_tokens_of_both_are_counted(cot: tuple[int, int], out: tuple[int, int], count: int) -> None:
    assert both(SampleSpans((0, 2), cot, out)) == count


def test_shares_are_of_what_is_finite() -> None:
    made = shares(_SCORES, _SPANS)
    assert made == {"in": 11 / 29, "cot": 5 / 29, "out": 6 / 29, "rest": 7 / 29}
    wild = np.array([np.nan, 1, np.inf, -3], np.float32)
    assert shares(wild, SampleSpans((0, 1), NONE, (2, 3))) == {
        "in": 0.25,
        "cot": 0.0,
        "out": 0.75,
        "rest": 0.0,
    }
    assert all(map(math.isnan, shares(np.zeros(8, np.float32), _SPANS).values()))


@pytest.mark.parametrize(
    ("span", "k", "best"),
    [
        ((3, 6), 2, [(6, 6.0), (4, 5.0)]),
        ((3, 6), 1, [(6, 6.0)]),
        ((3, 6), 99, [(6, 6.0), (4, 5.0), (3, 4.0), (5, 0.0)]),
        ((2, 2), 3, [(2, 8.0)]),
        ((3, 6), 0, []),
        (NONE, 3, []),
    ],
)
def test_the_strongest_tokens_of_a_span(
    span: tuple[int, int], k: int, best: list[tuple[int, float]]
) -> None:
    assert top(_SCORES, span, k) == best


def test_ties_go_by_index_and_nan_is_no_score() -> None:
    scores = np.array([np.nan, 2, 7, 2, np.nan], np.float32)
    assert top(scores, (0, 4), 5) == [(2, 7.0), (1, 2.0), (3, 2.0)]
