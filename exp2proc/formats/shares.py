"""Where the attribution of a sample goes: by part of the text, and to which tokens. Pure."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from .spans import NONE, SampleSpans, Span

Part = Literal["in", "cot", "out", "rest"]
PARTS: Final[tuple[Part, ...]] = ("in", "cot", "out", "rest")
"""Prompt, chain of thought, explained output, and the tokens that are in none of these."""

SpanName = Literal["in", "cot", "out", "all"]


class TopToken(NamedTuple):
    """One token of a ranking.

    Attributes:
        index: in sample indices (0 is the first prompt token).
        token: its piece; None in layout proc_1.
        score: its attribution.
    """

    index: int  # type: ignore[assignment]  # nobody looks a token up by value
    token: str | None
    score: float


def part_numbers(length: int, spans: SampleSpans) -> npt.NDArray[np.int8]:
    """int8[L]: for each token its place in `PARTS`. A token of both CoT and output is output."""
    numbers = np.full(length, PARTS.index("rest"), np.int8)
    for number, span in enumerate(spans):
        if span != NONE:
            numbers[span[0] : span[1] + 1] = number
    return numbers


def both(spans: SampleSpans) -> int:
    """How many tokens are of both CoT and output: they count, and are drawn, as output.

    >>> both(SampleSpans((0, 2), (3, 6), (5, 6)))
    2
    """
    cot, out = spans.span_cot, spans.span_out
    return 0 if NONE in (cot, out) else max(0, min(cot[1], out[1]) - max(cot[0], out[0]) + 1)


def shares(scores: npt.NDArray[np.float32], spans: SampleSpans) -> dict[Part, float]:
    """The share of the absolute attribution that each part of the text holds.

    Args:
        scores: float32[L]; NaN and infinite entries do not count.
        spans: in sample indices.

    Returns:
        A number in [0, 1] for each of `PARTS`, together 1; all NaN when there is no mass at all.
    """
    mass = np.abs(scores.astype(np.float64))
    mass[~np.isfinite(mass)] = 0.0
    by_part = np.bincount(part_numbers(len(scores), spans), mass, len(PARTS))
    total = float(by_part.sum())
    return {
        part: float(value) / total if total else float("nan")
        for part, value in zip(PARTS, by_part, strict=True)
    }


def top(scores: npt.NDArray[np.float32], span: Span, k: int) -> list[tuple[int, float]]:
    """(index, score) of the k highest scores in a span, highest first, ties by index, no NaN."""
    if span == NONE or k <= 0:
        return []
    inside = scores[span[0] : span[1] + 1].astype(np.float64)
    order = np.argsort(-inside, kind="stable")  # NaN sorts last
    best = [(span[0] + int(at), float(inside[at])) for at in order[:k]]
    return [(at, score) for at, score in best if score == score]


def strongest(
    scores: npt.NDArray[np.float32], among: npt.NDArray[np.bool_], k: int
) -> list[tuple[int, float]]:
    """(index, score) of the k largest |scores|, largest first, ties by index; no NaN and no 0.

    Args:
        scores: float32[L].
        among: bool[L], the tokens that count.
        k: how many at most.

    >>> strongest(np.float32([0.25, -0.5, 0.0]), np.array([True, True, True]), 5)
    [(1, -0.5), (0, 0.25)]
    """
    plain = scores.astype(np.float64)
    inside = np.flatnonzero(among & (plain != 0) & ~np.isnan(plain))
    order = inside[np.argsort(-np.abs(plain[inside]), kind="stable")]
    return [(int(at), float(plain[at])) for at in order[: max(0, k)]]
