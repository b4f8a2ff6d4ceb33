"""Shards: every row once, balanced, the longest first."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.rows import row

from exp2proc.planning import shards
from exp2proc.planning.shards import (
    TextWork,
    alignment_seconds,
    make_shards,
    single_rows,
    text_seconds,
    without_rows,
)

_rows = st.lists(st.integers(1, 6000), min_size=1, max_size=30)


@given(st.lists(st.tuples(_rows, st.booleans()), max_size=40), st.integers(1, 8))
@settings(max_examples=100, deadline=None)
def test_shards_hold_every_row_once_and_are_balanced(
    texts: list[tuple[list[int], bool]], jobs: int
) -> None:
    works: list[TextWork] = []
    number = 0
    for lengths, known in texts:
        rows = []
        for length in lengths:
            rows.append(row(number, number % 3, length=length))
            number += 1
        works.append(TextWork(("a", "b"), 0, None, known, tuple(rows)))
    made = make_shards(works, [("t", "o")] * 3, jobs)
    numbers = [each.number for shard in made for each in shard.rows()]
    assert sorted(numbers) == list(range(number))
    for shard in made:
        assert shard.texts
        assert shard.folders.keys() == {row.run for row in shard.rows()}
        assert len(list(shard.rows())) <= shards._MAX_ROWS
    costs = [max(map(text_seconds, shard.texts)) for shard in made]
    assert costs == sorted(costs, reverse=True)


def test_a_text_with_very_many_rows_is_divided() -> None:
    rows = tuple(row(n) for n in range(1000))
    made = make_shards([TextWork(("a", "b"), 0, None, False, rows)], [("t", "o")], 2)
    assert len(made) == 4
    assert sum(len(list(shard.rows())) for shard in made) == 1000
    assert [len(list(shard.rows())) for shard in made] == [256, 256, 256, 232]


def _works(count: int, rows: int, *, known: bool = True) -> list[TextWork]:
    """Texts that the cache knows: what they cost is their rows."""
    return [
        TextWork(("a", "b"), 0, None, known, tuple(row(at * rows + n) for n in range(rows)))
        for at in range(count)
    ]


def test_a_shard_has_as_many_rows_as_it_may_and_no_more() -> None:
    """Work enough for shards of 512 rows by their time: the bound on rows is what divides it."""
    made = make_shards(_works(64, 64), [("t", "o")], 1)
    assert [len(list(shard.rows())) for shard in made] == [shards._MAX_ROWS] * 16
    made = make_shards(_works(60, 100), [("t", "o")], 1)
    assert {len(list(shard.rows())) for shard in made} == {200}
    (whole,) = make_shards(_works(1, shards._MAX_ROWS), [("t", "o")], 8)
    assert len(whole.texts) == 1
    assert len(make_shards(_works(1, shards._MAX_ROWS + 1), [("t", "o")], 8)) == 2


def test_a_shard_is_no_longer_than_half_a_second() -> None:
    texts = _works(3000, 1, known=False)
    texts = [text._replace(rows=(row(n, length=20_000),)) for n, text in enumerate(texts)]
    made = make_shards(texts, [("t", "o")], 2)
    work = [sum(map(text_seconds, shard.texts)) for shard in made]
    assert shards._MAX_SECONDS - text_seconds(texts[0]) < max(work) <= shards._MAX_SECONDS


def test_what_a_cache_knows_or_needs_no_text_is_not_aligned() -> None:
    (text,) = _works(1, 3, known=False)
    rows = text_seconds(text._replace(known=True))
    assert text_seconds(text._replace(key=None)) == rows > 0
    assert text_seconds(text) == rows + alignment_seconds(text)
    assert alignment_seconds(text) == alignment_seconds(text._replace(rows=text.rows[:1])) > 0


def test_rows_taken_out_and_rows_alone() -> None:
    works = _works(2, 3)
    assert without_rows(works, ()) is works
    left = without_rows(works, {1, 3, 4, 5})
    assert [[each.number for each in text.rows] for text in left] == [[0, 2]]
    (shard,) = make_shards(works, [("t", "o")], 1)[:1]
    alone = list(single_rows(shard, {0, 2, 99}))
    assert [[each.number for each in text.rows] for text in alone] == [[0], [2]]


def _cheap_texts(count: int, rows: int) -> list[TextWork]:
    """Texts of a known alignment, with so little to do that only the bound on rows divides them."""
    return [
        TextWork(None, -1, None, False, tuple(row(text * rows + n) for n in range(rows)))
        for text in range(count)
    ]


@pytest.mark.parametrize(("rows", "together"), [(64, 4), (100, 2), (128, 2), (129, 1), (256, 1)])
def test_a_shard_has_as_many_rows_as_it_may(rows: int, together: int) -> None:
    """Progress is told by the shard, and a killed worker costs one: neither waits for seconds."""
    assert shards._MAX_ROWS == 256
    made = make_shards(_cheap_texts(64, rows), [("t", "o")], 1)
    assert [len(shard.texts) for shard in made] == [together] * (64 // together)


def test_a_shard_lasts_half_a_second_at_most() -> None:
    """However long the export is; a short one is cut so that every worker gets several."""
    lengths = 30_000
    texts = [TextWork(("a", "b"), 0, None, False, (row(n, length=lengths),)) for n in range(400)]
    seconds = text_seconds(texts[0])
    made = make_shards(texts, [("t", "o")], 1)
    assert {len(shard.texts) for shard in made[:-1]} == {int(0.5 / seconds)}


@pytest.mark.parametrize("jobs", [2, 4, 32])
def test_the_last_shards_are_small(jobs: int) -> None:
    """No worker waits long for the one that has the last; a single one waits for nobody."""
    texts = _works(512 * jobs, 4)
    work = [sum(map(text_seconds, shard.texts)) for shard in make_shards(texts, [("t", "o")], jobs)]
    share = sum(work) / jobs
    assert 0.9 * share / 8 < max(work) == work[0] <= 1.01 * share / 8
    assert max(work[-2 * jobs :]) <= share / 30
    assert len(work) < 16 * jobs
    alone = make_shards(texts, [("t", "o")], 1)
    assert len({len(shard.texts) for shard in alone[:-1]}) == 1
