"""Shards of work: texts, each with all the rows of all runs that need it. Pure.

In a bulk export the same text comes back once per method, and most of a row's cost is its text's.
So the unit is the text; a shard is a handful of them, sized by estimated work, the dearest first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from ..traces.datasets import TextKey, TextPlace
from ..traces.manifest import Row


class TextWork(NamedTuple):
    """One text and the rows that need it.

    Attributes:
        key: its digests; None in layout proc_1, where rows need no text.
        tokenizer: the tokenizer's number in the plan, -1 without text.
        place: where the text stands in a dataset.
        known: whether the cache had its alignment when the run was planned.
        rows: at least one.
    """

    key: TextKey | None
    tokenizer: int
    place: TextPlace | None
    known: bool
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Shard:
    """What a worker is handed at once: paths, offsets and numbers, never texts.

    Attributes:
        number: the shard's number, in order of dispatch.
        texts: at least one.
        folders: (trace_dir, out_dir) of every run that a row names.
    """

    number: int
    texts: tuple[TextWork, ...]
    folders: dict[int, tuple[str, str]]

    def rows(self) -> Iterator[Row]:
        """All rows of all its texts."""
        return (row for text in self.texts for row in text.rows)


# Seconds, as measured on a 2-core server; only their proportions matter.
_ROW: Final = 5e-4
_ROW_TOKEN: Final = 6e-8
_TEXT_TOKEN: Final = 2e-6

_MAX_ROWS: Final = 256
"""Rows a shard may have: what a killed worker can cost, and how often progress is reported."""
_MAX_SECONDS: Final = 0.5
_MIN_SECONDS: Final = 0.03
"""A shard takes the process that hands it out half a millisecond: below this, many would wait."""


def text_seconds(text: TextWork) -> float:
    """Estimated work of a text with its rows."""
    rows = sum(_ROW + _ROW_TOKEN * (row.prompt_len + row.gen_len) for row in text.rows)
    return rows + alignment_seconds(text)


def alignment_seconds(text: TextWork) -> float:
    """Estimated work of aligning a text: none when the cache knows it, or no text is needed."""
    if text.known or text.key is None:
        return 0.0
    return _TEXT_TOKEN * (text.rows[0].prompt_len + text.rows[0].gen_len)


def make_shards(
    texts: Iterable[TextWork], folders: list[tuple[str, str]], jobs: int
) -> list[Shard]:
    """Divide texts into shards: balanced, the dearest first, every row exactly once.

    Args:
        texts: with their rows; one with very many rows is divided.
        folders: (trace_dir, out_dir) by run number.
        jobs: workers that will take shards.
    """
    costed = sorted(
        ((text_seconds(text), text) for whole in texts for text in _divided(whole)),
        key=lambda pair: -pair[0],
    )
    left = sum(seconds for seconds, _ in costed)
    largest = target = min(_MAX_SECONDS, left / (jobs * 8))
    smallest = min(largest, max(_MIN_SECONDS, largest / 4))
    groups: list[list[TextWork]] = []
    seconds = rows = 0.0
    for cost, text in costed:
        if not groups or seconds + cost > target or rows + len(text.rows) > _MAX_ROWS:
            groups.append([])
            left -= seconds
            seconds = rows = 0.0
            if jobs > 1:  # smaller towards the end, so that no worker waits long for the last one
                target = max(smallest, min(largest, left / (jobs * 4)))
        groups[-1].append(text)
        seconds += cost
        rows += len(text.rows)
    return [shard_of(number, tuple(group), folders) for number, group in enumerate(groups)]


def shard_of(number: int, texts: tuple[TextWork, ...], folders: list[tuple[str, str]]) -> Shard:
    """A shard with the folders of the runs it touches."""
    runs = {row.run for text in texts for row in text.rows}
    return Shard(number, texts, {run: folders[run] for run in sorted(runs)})


def single_rows(shard: Shard, numbers: set[int]) -> Iterator[TextWork]:
    """The rows of a shard with these numbers, each as a work of its own."""
    for text in shard.texts:
        for row in text.rows:
            if row.number in numbers:
                yield text._replace(rows=(row,))


def without_rows(texts: Sequence[TextWork], numbers: Collection[int]) -> Sequence[TextWork]:
    """The texts less the rows with these numbers, and without texts that have no other."""
    if not numbers:
        return texts
    kept = (
        text._replace(rows=tuple(row for row in text.rows if row.number not in numbers))
        for text in texts
    )
    return tuple(text for text in kept if text.rows)


def _divided(text: TextWork) -> Iterator[TextWork]:
    if len(text.rows) <= _MAX_ROWS:
        yield text
        return
    for at in range(0, len(text.rows), _MAX_ROWS):
        yield text._replace(rows=text.rows[at : at + _MAX_ROWS])
