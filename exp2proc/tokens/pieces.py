"""Text to token pieces, exactly as exp2 aligned tokens with its vectors.

The prompt is tokenized with a leading space (or without, see `prefixes`), the target with the eos
token behind it. The generation's pieces are cut from what its ids decode to, which is another text
where the tokenizer normalises (Qwen3 composes combining marks); where decoding gives the very text
that went in, the first pass has already given the answer and the second is not made.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

import numpy as np

from ..errors import Exp2procError
from ..formats.npz import Member
from ..formats.sample import pack_text
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
        prompt_empty, gen_empty: how many of those pieces are empty.
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
    def from_bytes(cls, value: bytes) -> Alignment:
        """What `to_bytes` gave."""
        prompt, gen, prompt_empty, gen_empty, size, crc = _HEAD.unpack_from(value)
        tok = Member(size, crc, value[_HEAD.size :])
        return cls(prompt, gen, prompt_empty, gen_empty, tok)


def pieces(text: str, offsets: Offsets) -> list[str]:
    """The part of `text` that each token stands for; parts may overlap or be empty."""
    return [text[start:end] for start, end in offsets]


def prompt_pieces(
    tokenizer: OffsetTokenizer, prompt: str, prefix: str = DEFAULT_PREFIX
) -> list[str]:
    """The P pieces of a prompt; `prefix` is a key of `PREFIXES`."""
    text = PREFIXES[prefix] + prompt
    return pieces(text, tokenizer.encode(text)[1])


def generation_pieces(tokenizer: OffsetTokenizer, target: str) -> list[str]:
    """The G pieces of a generation, the eos's among them."""
    text = target + tokenizer.eos_token
    ids, offsets = tokenizer.encode(text)
    decoded = tokenizer.decode(ids)
    if decoded != text:
        offsets = tokenizer.encode(decoded)[1]
    return pieces(decoded, offsets)


def align(tokenizer: OffsetTokenizer, text: Text, prefix: str = DEFAULT_PREFIX) -> Alignment:
    """Tokenize a text and pack its pieces; `prefix` is a key of `PREFIXES`."""
    prompt = prompt_pieces(tokenizer, text.prompt, prefix)
    generation = generation_pieces(tokenizer, text.target)
    # numpy makes the strings as wide as the longest piece, and at least 1, as the format wants it.
    tok = np.array(prompt + generation[:-1], dtype=np.str_)
    return Alignment(
        len(prompt),
        len(generation),
        prompt.count(""),
        generation.count(""),
        pack_text(tok),
    )


def check_lengths(alignment: Alignment, prompt_len: int, gen_len: int) -> None:
    """Compare an alignment with the P and G of a manifest row.

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
