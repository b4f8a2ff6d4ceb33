"""Text to token pieces, exactly as exp2 aligned tokens with its vectors.

The prompt is tokenized with a leading space (or without, see `prefixes`), the target with the eos
token behind it. The generation's pieces are cut from what its ids decode to, which is another text
where the tokenizer normalises (Qwen3 composes combining marks); where decoding gives the very text
that went in, the first pass has already given the answer and the second is not made.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from ..errors import Exp2procError
from ..formats.npz import Member, unpack
from ..formats.sample import pack_text
from ..formats.zipped import NpzError
from ..traces.datasets import Text
from .prefixes import DEFAULT_PREFIX, PREFIXES

_HEAD: Final = struct.Struct("<4IQI")

Offsets = Sequence[tuple[int, int]]


class OffsetTokenizer(Protocol):
    """What alignment needs of a tokenizer. No special tokens are ever added."""

    @property
    def eos_token(self) -> str:
        """The text of the end-of-sequence token."""
        ...

    def encode(self, text: str) -> tuple[list[int], Offsets]:
        """Token ids, and for each the character range `[start, end)` of `text` it stands for."""
        ...

    def decode(self, ids: list[int]) -> str:
        """The text of these ids, special tokens kept, spaces not cleaned up."""
        ...


class Alignment(NamedTuple):
    """What a text became under a tokenizer.

    Attributes:
        prompt_len: P, tokens of the prompt and what stands before it.
        gen_len: G, tokens of target + eos, the last of which has no piece in `tok`.
        prompt_empty, gen_empty: how many of those pieces are empty. Those of white space, which
            some tokenizers trim, count only where most others are empty, too.
        tok: the pieces, str[P + G - 1], packed as a member of an npz.
    """

    prompt_len: int
    gen_len: int
    prompt_empty: int
    gen_empty: int
    tok: Member

    def to_bytes(self) -> bytes:
        """As the cache keeps it."""
        return _HEAD.pack(*self[:4], self.tok.size, self.tok.crc) + self.tok.data

    @classmethod
    def from_bytes(cls, value: bytes) -> Alignment | None:
        """What `to_bytes` gave; None for bytes that it cannot have given.

        Everything that can be told is checked, for what passes is written into samples: the pieces
        inflate, are as many as the lengths say, and so many of them at least are empty.
        """
        if len(value) < _HEAD.size:
            return None
        prompt, gen, prompt_empty, gen_empty, size, crc = _HEAD.unpack_from(value)
        tok = Member(size, crc, value[_HEAD.size :])
        try:
            array = unpack(tok)
        except NpzError:
            return None
        alignment = cls(prompt, gen, prompt_empty, gen_empty, tok)
        return alignment if alignment._fits(array) else None

    def _fits(self, pieces: npt.NDArray[np.generic]) -> bool:
        if pieces.dtype.kind != "U" or pieces.shape != (self.prompt_len + self.gen_len - 1,):
            return False
        empty = pieces == ""
        ahead = int(np.count_nonzero(empty[: self.prompt_len]))
        behind = int(np.count_nonzero(empty[self.prompt_len :]))
        # The piece of the eos token may be counted, but is not among those that are kept.
        return self.prompt_empty <= ahead and self.gen_empty <= behind + 1


def pieces(text: str, offsets: Offsets) -> list[str]:
    """The part of `text` that each token stands for; parts may overlap or be empty."""
    return [text[start:end] for start, end in offsets]


def prompt_pieces(
    tokenizer: OffsetTokenizer, prompt: str, prefix: str = DEFAULT_PREFIX
) -> list[str]:
    """The P pieces of a prompt; `prefix` is a key of `PREFIXES`."""
    return _prompt(tokenizer, prompt, prefix)[1]


def _prompt(tokenizer: OffsetTokenizer, prompt: str, prefix: str) -> tuple[list[int], list[str]]:
    text = PREFIXES[prefix] + prompt
    ids, offsets = tokenizer.encode(text)
    return ids, pieces(text, offsets)


def generation_pieces(tokenizer: OffsetTokenizer, target: str) -> list[str]:
    """The G pieces of a generation, the eos's among them."""
    return _generation(tokenizer, target)[1]


def _generation(tokenizer: OffsetTokenizer, target: str) -> tuple[list[int], list[str]]:
    text = target + tokenizer.eos_token
    ids, offsets = tokenizer.encode(text)
    decoded = tokenizer.decode(ids)
    if decoded != text:
        ids, offsets = tokenizer.encode(decoded)
    return ids, pieces(decoded, offsets)


def _empty(tokenizer: OffsetTokenizer, ids: Sequence[int], found: Sequence[str]) -> int:
    """How many pieces are empty; see `Alignment`."""
    empty = Counter(token for token, piece in zip(ids, found, strict=True) if not piece)
    lost = sum(count for token, count in empty.items() if tokenizer.decode([token]).strip())
    return empty.total() if lost > len(found) - empty.total() else lost


def align(tokenizer: OffsetTokenizer, text: Text, prefix: str = DEFAULT_PREFIX) -> Alignment:
    """Tokenize a text and pack its pieces; `prefix` is a key of `PREFIXES`."""
    prompt_ids, prompt = _prompt(tokenizer, text.prompt, prefix)
    gen_ids, generation = _generation(tokenizer, text.target)
    # numpy makes the strings as wide as the longest piece, and at least 1, as the format wants it.
    tok = np.array(prompt + generation[:-1], dtype=np.str_)
    return Alignment(
        len(prompt),
        len(generation),
        _empty(tokenizer, prompt_ids, prompt),
        _empty(tokenizer, gen_ids, generation),
        pack_text(tok),
    )


def check_lengths(alignment: Alignment, prompt_len: int, gen_len: int) -> None:
    """Compare an alignment with the P and G of a manifest row.

    Old `tokenizers` releases give every token of some models an empty offset, so that lengths match
    while the text is lost. Tokens of white space may be empty under a good tokenizer, too: where
    offsets are trimmed, an empty prompt is one piece, " ", of which nothing is left. So the tokens
    that show something decide: more of them empty than not, and all empty pieces count. A text of
    white space only has none of them and passes; of "Hi" one token is enough to see it by.

    Raises:
        Exp2procError: `prompt-length-mismatch`, `generation-length-mismatch`, or
            `degenerate-offsets` when more than half of either part's pieces are empty.
    """
    if alignment.prompt_len != prompt_len:
        raise Exp2procError(
            "prompt-length-mismatch",
            f"Prompt token length mismatch: expected {prompt_len}, got {alignment.prompt_len}",
        )
    if alignment.gen_len != gen_len:
        raise Exp2procError(
            "generation-length-mismatch",
            f"Generation token length mismatch: expected {gen_len}, got {alignment.gen_len}",
        )
    for part, empty, total in (
        ("prompt", alignment.prompt_empty, prompt_len),
        ("generation", alignment.gen_empty, gen_len),
    ):
        if 2 * empty > total:
            raise Exp2procError("degenerate-offsets", f"{empty} of {total} {part} pieces are empty")
