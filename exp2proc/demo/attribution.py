"""Attributions that find what the answer rests on, and scores that agree with them.

A method finds the evidence of a text as well as its skill says; the rest of its mass is noise. The
model that scores are measured on is as plain as can be: its answer rests on the gold tokens alone,
nine parts of ten, and a little on every other token of the prompt.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]

_RESTS_ON_GOLD: Final = 0.9


def attribution(
    rng: np.random.Generator,
    total: int,
    gold: Sequence[int],
    thoughts: Sequence[int],
    skill: float,
    *,
    thinking: float = 0.3,
) -> Floats:
    """A vector over all tokens that sums to 1.

    Args:
        rng: draws the noise, and how evenly the evidence is found.
        total: T.
        gold: tokens of the prompt that hold the evidence.
        thoughts: tokens of the generation that repeat it.
        skill: the share of mass that is on evidence.
        thinking: the share of that which is on `thoughts`, where there are any.
    """
    noise = rng.gamma(0.4, 1.0, total) * (rng.random(total) < 0.8)
    mass: Floats = (1 - skill) * noise / max(float(noise.sum()), 1e-9)
    for tokens, share in ((gold, 1 - thinking if thoughts else 1.0), (thoughts, thinking)):
        if tokens:
            weights = rng.gamma(2.0, 1.0, len(tokens))
            mass[list(tokens)] += skill * share * weights / weights.sum()
    mass /= mass.sum()
    return mass


def faithfulness(scores: Floats, gold: Sequence[int]) -> tuple[float, float, float]:
    """RISE, MAS and RISE+AP of an attribution of the prompt, by deletion.

    Tokens are taken away, the highest score first; after each the model's answer is as sure as what
    it rests on is still there. RISE is the area under that curve. MAS adds at each step how far the
    share of the attribution that is left is from it, and scales the sum to reach from 0 to 1.

    >>> sure, lost = np.array([0.0, 0.9, 0.1, 0.0]), np.array([0.5, 0.0, 0.2, 0.3])
    >>> [round(score, 2) for score in faithfulness(sure, [1])]
    [0.17, 0.2, 0.2]
    >>> [round(score, 2) for score in faithfulness(lost, [1])]
    [0.83, 0.75, 1.35]
    """
    rests = np.full(len(scores), (1 - _RESTS_ON_GOLD) / max(1, len(scores) - len(gold)))
    rests[list(gold)] = _RESTS_ON_GOLD / max(1, len(gold))
    rests /= rests.sum()
    order = np.argsort(-scores, kind="stable")
    answer = _left(rests[order])
    apart = np.abs(answer - _left(scores[order] / max(float(scores.sum()), 1e-9)))
    both = answer + apart
    scaled = (both - both.min()) / max(float(np.ptp(both)), 1e-9)
    return _area(answer), _area(scaled), _area(both)


def _left(shares: Floats) -> Floats:
    """What is left before the first is taken, after it, and so on."""
    return 1 - np.concatenate([[0.0], np.cumsum(shares)])


def _area(curve: Floats) -> float:
    return float(np.mean((curve[1:] + curve[:-1]) / 2))


def recovery(scores: Floats, gold: Sequence[int]) -> float:
    """Recovery@10%: the share of gold tokens among the tenth with the highest scores.

    >>> recovery(np.arange(20.0), [18, 3])
    0.5
    """
    highest = np.argsort(-scores, kind="stable")[: math.ceil(len(scores) / 10)]
    return len({*highest.tolist()} & {*gold}) / max(1, len(gold))
