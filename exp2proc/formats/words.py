"""Words of a sample, by a simple rule: Python has no segmenter of natural language.

The viewer's words are those of the browser (`Intl.Segmenter`): more of them, and by dictionary
where a script has no spaces.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from .cells import Cell, cells
from .shares import PARTS, Part, part_numbers
from .spans import SampleSpans

_ALONE: Final = re.compile(
    "[\u2e80-\ua4cf\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff9f\U00020000-\U0003ffff]"
)
"""Characters of Chinese and Japanese, each of which is a word of its own: ideographs, kana, and the
punctuation of these scripts."""


class Word(NamedTuple):
    """Neighbouring tokens that make up a word.

    Attributes:
        start, stop: the tokens, a half-open range of sample indices.
        text: what they show, each character once.
        part: of the text: "in", "cot", "out" or "rest".
        score: the sum of their attribution.
    """

    start: int
    stop: int
    text: str
    part: Part
    score: float


def words(pieces: Sequence[str], spans: SampleSpans, scores: npt.NDArray[np.float32]) -> list[Word]:
    """The words, in order, no token left out.

    A word is whole tokens of one part. It ends before white space (which belongs to the word after
    it), after a line break, and before and after a character of Chinese or Japanese. Punctuation
    stays with the word that it follows. A token is never divided: one of two ideographs is a word.

    Args:
        pieces: token pieces.
        spans: in sample indices.
        scores: float32[L].

    >>> spans = SampleSpans((0, 4), (-1, -1), (-1, -1))
    >>> [one.text for one in words([" un", "do", " it", "你", "好"], spans, np.float32([0] * 5))]
    [' undo', ' it', '你', '好']
    """
    numbers = part_numbers(len(scores), spans)
    groups: list[list[Cell]] = []
    text = ""
    for cell in cells(pieces):
        other_part = not groups or numbers[cell.start] != numbers[groups[-1][0].start]
        if other_part or _parted(text, cell.text):
            groups.append([])
            text = ""
        groups[-1].append(cell)
        text += cell.text
    return [_word(group, PARTS[numbers[group[0].start]], scores) for group in groups]


def _word(group: Sequence[Cell], part: Part, scores: npt.NDArray[np.float32]) -> Word:
    start, stop = group[0].start, group[-1].stop
    score = float(scores[start:stop].sum(dtype=np.float64))
    return Word(start, stop, "".join(cell.text for cell in group), part, score)


def _parted(text: str, following: str) -> bool:
    """Whether a word ends between two texts."""
    if text.endswith("\n"):
        return True
    if not text.strip() or not following:
        return False
    return bool(following[0].isspace() or _ALONE.match(text[-1]) or _ALONE.match(following[0]))
