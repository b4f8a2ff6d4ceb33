"""Scores over many samples: mean, standard error and n of RISE, MAS and Recovery@10%. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..formats.layouts import SCORES
from ..formats.names import UNKNOWN, Source, promised_by
from ..formats.names import short_datasets as short_datasets


def record_fields() -> tuple[str, ...]:
    """The fields of `ScoreRow.to_dict`."""
    parts = ("mean", "sem", "n", "best")
    scored = (f"{key}_{part}" for key in SCORES for part in parts)
    names = ("dataset", "dataset_path", "model", "method", "run_tag")
    return (*names, "samples", "promised", "partial", *scored)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over samples. A sample without the score (NaN) is not counted.

    Attributes:
        n: samples that have the score.
        mean: over these; None when n is 0.
        sem: standard error of the mean (sample deviation / sqrt n); None when n is below 2.
    """

    n: int
    mean: float | None
    sem: float | None


def estimate(values: Iterable[float]) -> Estimate:
    """Mean and standard error of the values that are not NaN.

    >>> estimate([0.25, 0.75, float("nan")])
    Estimate(n=2, mean=0.5, sem=0.25)
    """
    present = [value for value in values if not math.isnan(value)]
    n = len(present)
    if n == 0:
        return Estimate(0, None, None)
    if not all(map(math.isfinite, present)):
        return Estimate(n, sum(present) / n, None)
    mean = math.fsum(present) / n
    if n == 1:
        return Estimate(1, mean, None)
    variance = math.fsum((value - mean) ** 2 for value in present) / (n - 1)
    return Estimate(n, mean, math.sqrt(variance / n))


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """The scores of one method on one dataset with one model.

    Two runs of a method with different settings are two rows, told apart by their run_tag: means
    over different settings would mean nothing.

    Attributes:
        dataset, model, method, run_tag: of the run.
        short_dataset: the dataset as it is shown: short where that tells it from the others.
        label: for people: the method, or the run_tag where another run has the same method.
        samples: how many there are, with scores or not.
        promised: how many the run's name says (`..._8ex`); None when it does not.
        estimates: by the key of the score.
        best: keys of the scores in which no other row of this dataset and model is better, given
            that another one has the score; partial rows do not take part.
    """

    dataset: str
    model: str
    method: str
    run_tag: str
    short_dataset: str
    label: str
    samples: int
    promised: int | None
    estimates: Mapping[str, Estimate]
    best: frozenset[str]

    @property
    def partial(self) -> bool:
        """Whether there are fewer samples than the run's name promises."""
        return is_partial(self.run_tag, self.samples)

    @property
    def count(self) -> str:
        """How many samples there are, for people: "4 of 8" of a partial run."""
        return f"{self.samples} of {self.promised}" if self.partial else str(self.samples)

    def to_dict(self) -> dict[str, Any]:
        """One flat record, absent values None. `dataset` is the short spelling."""
        short = self.short_dataset if self.dataset else ""
        values: list[Any] = [short, self.dataset, self.model, self.method, self.run_tag]
        values += (self.samples, self.promised, self.partial)
        for score in SCORES.values():
            found = self.estimates[score.key]
            values += (_finite(found.mean), found.sem, found.n, score.key in self.best)
        return dict(zip(record_fields(), values, strict=True))


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


RunKey = tuple[str, str, str, str]


def score_rows(scored: Iterable[tuple[Source, Mapping[str, float]]]) -> list[ScoreRow]:
    """The table: a row for each dataset, model and run, sorted by these names.

    Args:
        scored: for each sample where it is from and its scores by key, NaN when absent.

    >>> from pathlib import Path
    >>> source = Source(Path("ex_000000.npz"), "math", "qwen-8B", "ifr_n1_1ex")
    >>> (row,) = score_rows([(source, {"rise": 0.25, "mas": 0.5, "recovery": float("nan")})])
    >>> row.label, row.samples, row.estimates["rise"]
    ('ifr', 1, Estimate(n=1, mean=0.25, sem=None))
    """
    values: dict[RunKey, dict[str, list[float]]] = {}
    for source, scores in scored:
        key = (source.dataset, source.model, source.method, source.run_tag)
        lists = values.setdefault(key, {score.key: [] for score in SCORES.values()})
        for score in SCORES.values():
            lists[score.key].append(scores[score.key])
    estimates = {
        key: {name: estimate(numbers) for name, numbers in lists.items()}
        for key, lists in values.items()
    }
    labels = _labels(list(values))
    short = short_datasets(key[0] for key in values)
    samples = {key: len(lists["rise"]) for key, lists in values.items()}
    whole = {key: estimates[key] for key in values if not is_partial(key[3], samples[key])}
    return [
        ScoreRow(
            *key,
            short_dataset=short[key[0]],
            label=labels[key],
            samples=samples[key],
            promised=promised_by(key[3]),
            estimates=estimates[key],
            best=_best(key, whole),
        )
        for key in sorted(values)
    ]


def is_partial(run_tag: str, samples: int) -> bool:
    """Whether a run has fewer samples than its name promises: it was cut, or is still going.

    >>> is_partial("ifr_n1_8ex", 4), is_partial("ifr_n1_8ex", 8), is_partial("ifr_n1", 4)
    (True, False, False)
    """
    promised = promised_by(run_tag)
    return promised is not None and samples < promised


def _labels(keys: list[RunKey]) -> dict[RunKey, str]:
    runs: dict[tuple[str, ...], int] = {}
    for key in keys:
        runs[key[:3]] = runs.get(key[:3], 0) + 1
    return {key: (key[2] if runs[key[:3]] == 1 else key[3]) or UNKNOWN for key in keys}


def _best(key: RunKey, estimates: Mapping[RunKey, Mapping[str, Estimate]]) -> frozenset[str]:
    best: set[str] = set()
    if key not in estimates:
        return frozenset()
    for score in SCORES.values():
        rivals = [
            found[score.key].mean for other, found in estimates.items() if other[:2] == key[:2]
        ]
        means = [mean for mean in rivals if mean is not None]
        mine = estimates[key][score.key].mean
        winner = (max if score.higher_is_better else min)(means, default=None)
        if len(means) > 1 and mine is not None and mine == winner:
            best.add(score.key)
    return frozenset(best)
