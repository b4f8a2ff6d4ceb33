"""Closed token ranges: defaults, clamping, shifting. Pure arithmetic on Python integers.

All spans are closed, `(start, end)` with both ends inside. "Generation" indices count from the
first generation token, "sample" indices from the first prompt token. The rules are those of the
sample format: the sink is what is explained, the thinking span is the CoT before it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

Span = tuple[int, int]

NONE: Final[Span] = (-1, -1)
"""How a sample spells "there is no such span"."""


class SampleSpans(NamedTuple):
    """The three spans of a sample, in sample indices, `NONE` where there is none."""

    span_in: Span
    span_cot: Span
    span_out: Span


def sample_length(prompt_len: int, gen_len: int) -> int:
    """L: the tokens of a sample. The final EOS of the generation is not one of them."""
    return prompt_len + max(0, gen_len - 1)


def clamp(span: Span, last: int) -> Span | None:
    """Cut `span` to `[0, last]`; None when nothing is left or it was empty (end < start)."""
    start, end = max(span[0], 0), min(span[1], last)
    return (start, end) if start <= end else None


def default_thinking(sink: Span) -> Span | None:
    """The CoT when a trace names none: everything before the sink's start, as stored."""
    return (0, sink[0] - 1) if sink[0] > 0 else None


def shift(span: Span | None, by: int) -> Span:
    """Move a span by `by` tokens; `NONE` stays what it is."""
    return NONE if span is None else (span[0] + by, span[1] + by)


def size(span: Span) -> int:
    """The number of tokens in a sample span, 0 for `NONE`."""
    return 0 if span == NONE else span[1] - span[0] + 1


def sample_spans(
    prompt_len: int, gen_len: int, sink: Span, thinking: Span | None = None
) -> SampleSpans:
    """The spans of a sample from those of its trace.

    Args:
        prompt_len: P, prompt tokens.
        gen_len: G, generation tokens including the final EOS.
        sink: the sink span in generation indices, as stored.
        thinking: the thinking span in generation indices, as stored; None when the trace has none.

    Returns:
        The input, CoT and output span in sample indices.
    """
    last = max(0, gen_len - 1) - 1
    if thinking is None:
        thinking = default_thinking(sink)
    return SampleSpans(
        span_in=(0, prompt_len - 1) if prompt_len > 0 else NONE,
        span_cot=shift(None if thinking is None else clamp(thinking, last), prompt_len),
        span_out=shift(clamp(sink, last), prompt_len),
    )
