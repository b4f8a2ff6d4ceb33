"""Token pieces to cells: what is drawn as one, so that a character is shown once.

A byte-level tokenizer cuts rare characters into several tokens, and each of them carries the whole
character as its piece: an emoji of three tokens is there three times. A sample does not say which
pieces overlap, so it is inferred, from what UTF-8 and such tokenizers leave possible:
- an ASCII character is one byte and never cut;
- a character of n bytes is cut into n tokens at most;
- the same character is cut the same way each time. Where a sample has it as one token even once,
  repetitions of it are real ("哈哈"); else the shortest repetition is taken for one character.

Where a sample leaves both readings open (a doubled emoji that occurs nowhere else), the character
is shown once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from ..formats.sample import Sample


class Cell(NamedTuple):
    """Tokens that are drawn as one.

    Attributes:
        start, stop: the tokens, a half-open range of sample indices.
        text: what they show.
    """

    start: int
    stop: int
    text: str


class _Chain(NamedTuple):
    """Neighbouring pieces `first..last` that each end or begin with the same character."""

    first: int
    last: int
    char: str

    @property
    def length(self) -> int:
        return self.last - self.first + 1


NO_TEXT: Final = "·"
"""What a token shows where there are no pieces (layout proc_1)."""


def sample_cells(sample: Sample) -> list[Cell]:
    """The cells of a sample of either layout."""
    if sample.tok is None:
        return [Cell(at, at + 1, NO_TEXT) for at in range(len(sample.attr))]
    return cells(sample.tok.tolist())


def cells(pieces: Sequence[str]) -> list[Cell]:
    """Group pieces so that each character of the text is shown once; in order, none left out."""
    chains = _chains(pieces)
    if not chains:
        return [Cell(at, at + 1, piece) for at, piece in enumerate(pieces)]
    units = _units(pieces, chains)
    cut_after = bytearray(b"\1" * len(pieces))
    hidden = [0] * len(pieces)  # leading characters that the cell before already shows
    for chain in chains:
        unit = units[chain.char]
        for at in range(chain.first, chain.last):
            if (at - chain.first + 1) % unit:
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
        if not piece or piece[-1] < "\x80" or pieces[at + 1][:1] != piece[-1]:
            at += 1
            continue
        last = at + 1
        while last < end and pieces[last] == piece[-1] and pieces[last + 1][:1] == piece[-1]:
            last += 1
        chains.append(_Chain(at, last, piece[-1]))
        at = last
    return chains


def _units(pieces: Sequence[str], chains: Sequence[_Chain]) -> dict[str, int]:
    """How many tokens make up each repeated character; 1 where its repetitions are real."""
    units: dict[str, int] = {}
    for chain in chains:
        longest = len(chain.char.encode("utf-8", "surrogatepass"))
        units[chain.char] = min(units.get(chain.char, longest), chain.length)
    for char in _seen_whole(pieces, chains, frozenset(units)):
        units[char] = 1
    return units


def _seen_whole(pieces: Sequence[str], chains: Sequence[_Chain], chars: frozenset[str]) -> set[str]:
    """Repeated characters that also stand in a single token somewhere."""
    ending, beginning = {chain.first for chain in chains}, {chain.last for chain in chains}
    inner = {at for chain in chains for at in range(chain.first + 1, chain.last)}
    whole: set[str] = set()
    for at, piece in enumerate(pieces):
        if at in inner:
            continue
        begin = 1 if at in beginning else 0
        stop = len(piece) - 1 if at in ending else len(piece)
        whole.update(chars.intersection(piece[begin:stop]))
    return whole
