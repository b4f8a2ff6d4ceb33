"""Token pieces to cells: what is drawn as one, so that a character is shown once.

A byte-level tokenizer cuts rare characters into several tokens, and each of them carries the whole
character as its piece: an emoji of three tokens is there three times. A sample does not say which
pieces overlap, so it is inferred, from what UTF-8 and such tokenizers leave possible:
- an ASCII character is one byte and never cut;
- a character of n bytes is cut into n tokens at most, one of four bytes into three: byte pair
  encoding knows the first two of them as one. Only where every repetition of a sample may be made
  of single bytes, as some tokenizers write what they do not know, four are possible;
- a character that stands twice at the end of a piece is whole there;
- the same character is cut the same way each time, but for one place: after a space in the same
  token, when the space was merged with its first bytes (" 游" + "游" + "戏", and elsewhere "游戏").
  Where a sample has it whole in one of the two even once, its repetitions there are real ("哈哈").
  Else it takes after a space as many tokens as its shortest repetition there, and elsewhere the
  most that divide all its repetitions.

Where a sample leaves both readings open (a doubled emoji that occurs nowhere else), the character
is shown once.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd
from typing import Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt


class Tokens(Protocol):
    """What there is to know of a sample here."""

    @property
    def attr(self) -> npt.NDArray[np.float32]:
        """float32[L]."""

    @property
    def tok(self) -> npt.NDArray[np.str_] | None:
        """str[L], or None."""


class Cell(NamedTuple):
    """Tokens that are drawn as one.

    Attributes:
        start, stop: the tokens, a half-open range of sample indices.
        text: what they show.
    """

    start: int
    stop: int
    text: str


_START: Final = ""
_AFTER_SPACE: Final = " "
_MOST: Final = 3
"""Tokens that one character may take where tokens are not single bytes."""


class _Chain(NamedTuple):
    """Neighbouring pieces `first..last` that each end or begin with the same character.

    Its first stands after a space in its token, or not: `_AFTER_SPACE`, `_START`.
    """

    first: int
    last: int
    char: str
    place: str

    @property
    def length(self) -> int:
        return self.last - self.first + 1


NO_TEXT: Final = "·"
"""What a token shows where there are no pieces (layout proc_1)."""


def sample_cells(sample: Tokens) -> list[Cell]:
    """The cells of a sample of either layout."""
    if sample.tok is None:
        return [Cell(at, at + 1, NO_TEXT) for at in range(len(sample.attr))]
    return cells(sample.tok.tolist())


def cells(pieces: Sequence[str]) -> list[Cell]:
    """Group pieces so that each character of the text is shown once; in order, none left out."""
    chains = _chains(pieces)
    if not chains:
        return [Cell(at, at + 1, piece) for at, piece in enumerate(pieces)]
    whole = _seen_whole(pieces, chains)
    units = _units(chains, whole)
    cut_after = bytearray(b"\1" * len(pieces))
    hidden = [0] * len(pieces)  # leading characters that the cell before already shows
    for chain in chains:
        first = units[chain.place, chain.char]
        unit = units.get((_START, chain.char), first)
        for at in range(chain.first, chain.last):
            before = at - chain.first + 1
            if before < first or (before - first) % unit:
                cut_after[at] = 0
                hidden[at + 1] = 1
    found: list[Cell] = []
    start = 0
    for at in range(len(pieces)):
        if cut_after[at]:
            text = "".join(pieces[i][hidden[i] :] for i in range(start, at + 1))
            found.append(Cell(start, at + 1, text))
            start = at + 1
    return found


def _chains(pieces: Sequence[str]) -> list[_Chain]:
    chains: list[_Chain] = []
    at, end = 0, len(pieces) - 1
    while at < end:
        piece = pieces[at]
        if not _may_share(piece, pieces[at + 1]):
            at += 1
            continue
        last = at + 1
        while last < end and len(pieces[last]) == 1 and _may_share(piece[-1], pieces[last + 1]):
            last += 1
        place = _AFTER_SPACE if piece[-2:-1] == " " else _START
        chains.append(_Chain(at, last, piece[-1], place))
        at = last
    return chains


def _may_share(piece: str, following: str) -> bool:
    """Whether the last character of a piece may be the first of the one that follows."""
    if not piece or piece[-1] < "\x80" or following[:1] != piece[-1]:
        return False
    return piece[-2:-1] != piece[-1] and following[1:2] != piece[-1]


def _seen_whole(pieces: Sequence[str], chains: Sequence[_Chain]) -> set[tuple[str, str]]:
    """Places and characters of `chains` that also stand in a single token somewhere."""
    chars = {chain.char for chain in chains}
    ending, beginning = {chain.first for chain in chains}, {chain.last for chain in chains}
    inner = {at for chain in chains for at in range(chain.first + 1, chain.last)}
    whole: set[tuple[str, str]] = set()
    for at, piece in enumerate(pieces):
        if at in inner:
            continue
        begin = 1 if at in beginning else 0
        stop = len(piece) - 1 if at in ending else len(piece)
        for i in range(begin, stop):
            if piece[i] in chars:
                place = _AFTER_SPACE if i > 0 and piece[i - 1] == " " else _START
                whole.add((place, piece[i]))
    return whole


def _units(chains: Sequence[_Chain], whole: set[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """How many tokens make up a character in its place; 1 where its repetitions are real."""
    in_bytes = all(
        chain.place == _START and chain.length % _size(chain.char) == 0 for chain in chains
    )
    lengths: dict[tuple[str, str], int] = {}
    for chain in chains:
        key = (chain.place, chain.char)
        combine = gcd if chain.place == _START else min
        lengths[key] = combine(lengths.get(key, chain.length), chain.length)
    units = dict.fromkeys(whole, 1)
    for key, length in lengths.items():
        if key not in whole:
            size = _size(key[1])
            units[key] = min(length, size if in_bytes else min(size, _MOST))
            while key[0] == _START and length % units[key]:
                units[key] -= 1
    return units


def _size(char: str) -> int:
    return len(char.encode("utf-8", "surrogatepass"))
