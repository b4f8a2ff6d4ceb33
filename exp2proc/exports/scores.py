"""Scores over many samples: mean, spread and n of RISE, MAS and Recovery@10%."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, Final, Literal, NamedTuple, TypeVar

from ..errors import Exp2procError
from ..formats.layouts import SCORES
from ..formats.names import UNKNOWN, Source, method_of, promised_by, setting_of, short_dataset
from ..formats.names import short_datasets as short_datasets
from ..system.extras import require

Spread = Literal["sem", "std", "ci95", "none"]
SPREADS: Final[dict[Spread, str]] = {
    "sem": "standard error",
    "std": "standard deviation (ddof 0)",
    "ci95": "half of the 95 % t-interval",
    "none": "",
}
"""What may stand behind a mean, and how captions call it."""


def record_fields() -> tuple[str, ...]:
    """The fields of `ScoreRow.to_dict`."""
    parts = ("mean", "sem", "std", "n", "best")
    scored = (f"{key}_{part}" for key in SCORES for part in parts)
    names = ("dataset", "dataset_path", "model", "method", "run_tag", "label", "role")
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

    @property
    def std(self) -> float | None:
        """Standard deviation with ddof 0, as exp2 writes it; None when n is 0."""
        if self.n == 1 and self.mean is not None and math.isfinite(self.mean):
            return 0.0
        return None if self.sem is None else self.sem * math.sqrt(self.n - 1)

    @property
    def ci95(self) -> float | None:
        """Half of the 95 % interval of the mean by Student's t; None when n is below 2.

        Raises:
            Exp2procError: `missing-extra`, when scipy is not installed.
        """
        if self.sem is None:
            return None
        quantile = require("scipy.special", "stats").stdtrit(self.n - 1, 0.975)
        return self.sem * float(quantile)

    def spread(self, kind: Spread) -> float | None:
        """What stands behind the mean; None for none."""
        return None if kind == "none" else getattr(self, kind)


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


Role = Literal["", "ours", "ablation"]
_ROLES: Final[tuple[Role, ...]] = ("", "ours", "ablation")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrangement:
    """How a table of scores is arranged. A run is named by its method, setting or run_tag.

    Attributes:
        labels: how runs are shown, by a name of theirs; the longest name decides.
        groups: datasets, short or in full, whose samples are taken together under a name.
        ours: names of the runs that stand behind the others.
        ablations: names of the runs that stand behind those.
        order: datasets (or groups) and runs that come first, in this order; others by name.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    ours: Sequence[str] = ()
    ablations: Sequence[str] = ()
    order: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """The scores of one method on one dataset with one model.

    Two runs of a method with different settings are two rows, told apart by their run_tag: means
    over different settings would mean nothing.

    Attributes:
        dataset, model, method, run_tag: of the run. Of a group: its name, and the run_tag
            without what was measured and how often, where that tells its runs apart.
        short_dataset: the dataset as it is shown: short where that tells it from the others.
        label: for people: the method, or the run_tag where another run has the same method.
        samples: how many there are, with scores or not.
        promised: how many the run's name says (`..._8ex`); None when it does not.
        estimates: by the key of the score.
        best: keys of the scores in which no other row of this dataset and model is better, given
            that another one has the score; partial rows do not take part.
        role: whether it is set apart, as "ours" or as an "ablation".
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
    role: Role = ""

    @property
    def setting(self) -> str:
        """The method and its settings."""
        return setting_of(self.run_tag)

    @property
    def partial(self) -> bool:
        """Whether there are fewer samples than the run's name promises."""
        return self.promised is not None and self.samples < self.promised

    @property
    def count(self) -> str:
        """How many samples there are, for people: "4 of 8" of a partial run."""
        return f"{self.samples} of {self.promised}" if self.partial else str(self.samples)

    def to_dict(self) -> dict[str, Any]:
        """One flat record, absent values None. `dataset` is the short spelling."""
        short = self.short_dataset if self.dataset else ""
        values: list[Any] = [short, self.dataset, self.model, self.method, self.run_tag]
        values += (self.label, self.role, self.samples, self.promised, self.partial)
        for score in SCORES.values():
            found = self.estimates[score.key]
            spreads = (found.sem, found.std)
            values += (finite(found.mean), *spreads, found.n, score.key in self.best)
        return dict(zip(record_fields(), values, strict=True))


def finite(value: float | None) -> float | None:
    """A number as JSON may hold it."""
    return value if value is not None and math.isfinite(value) else None


class RunKey(NamedTuple):
    """What a run, or a row, is told from others by."""

    dataset: str
    model: str
    run_tag: str

    @property
    def names(self) -> tuple[str, str, str]:
        """What a run may be called, the longest first."""
        return self.run_tag, setting_of(self.run_tag), method_of(self.run_tag)


def score_rows(
    scored: Iterable[tuple[Source, Mapping[str, float]]], arrangement: Arrangement | None = None
) -> list[ScoreRow]:
    """The table: a row for each dataset, model and run, sorted by these names.

    Args:
        scored: for each sample where it is from and its scores by key, NaN when absent.
        arrangement: of the table.

    Raises:
        Exp2procError: `usage`, when the arrangement names what is not there.

    >>> from pathlib import Path
    >>> source = Source(Path("ex_000000.npz"), "math", "qwen-8B", "ifr_n1_1ex")
    >>> (row,) = score_rows([(source, {"rise": 0.25, "mas": 0.5, "recovery": float("nan")})])
    >>> row.label, row.samples, row.estimates["rise"]
    ('ifr', 1, Estimate(n=1, mean=0.25, sem=None))
    """
    how = arrangement or Arrangement()
    runs: dict[RunKey, _Run] = {}
    for source, scores in scored:
        key = RunKey(source.dataset, source.model, source.run_tag)
        run = runs.setdefault(key, _Run({score.key: [] for score in SCORES.values()}, set()))
        run.files.add((source.dataset, source.path.name))
        for score in SCORES.values():
            run.values[score.key].append(scores[score.key])
    _check_names(runs, how)
    rows = _grouped(runs, how.groups)
    short = short_datasets(key.dataset for key in rows)
    made: dict[RunKey, ScoreRow] = {}
    labels = _labels(list(rows), how.labels)
    for key, members in rows.items():
        together = [runs[member] for member in members]
        made[key] = ScoreRow(
            dataset=key.dataset,
            model=key.model,
            method=method_of(key.run_tag),
            run_tag=key.run_tag,
            short_dataset=short[key.dataset],
            label=labels[key],
            samples=len(set().union(*(run.files for run in together))),
            promised=_promised(members, runs),
            estimates={
                name: estimate(chain.from_iterable(run.values[name] for run in together))
                for name in together[0].values
            },
            best=frozenset(),
            role=_role(key, how),
        )
    for group in _by_table(made).values():
        whole = {key: row.estimates for key, row in group.items() if not row.partial}
        for key, places in ranked(whole).items():
            best = frozenset(score for score, place in places.items() if place == 1)
            made[key] = replace(made[key], best=best)
    return [made[key] for key in sorted(made, key=lambda key: _place(made[key], how))]


class _Run(NamedTuple):
    values: dict[str, list[float]]
    files: set[tuple[str, str]]


def _by_table(rows: Mapping[RunKey, ScoreRow]) -> dict[tuple[str, str], dict[RunKey, ScoreRow]]:
    found: dict[tuple[str, str], dict[RunKey, ScoreRow]] = {}
    for key, row in rows.items():
        found.setdefault((key.dataset, key.model), {})[key] = row
    return found


K = TypeVar("K", bound=Hashable)


def ranked(rows: Mapping[K, Mapping[str, Estimate]]) -> dict[K, dict[str, int]]:
    """Who is first and second by each score: 1 or 2, equal means alike, others left out.

    Nobody is first without a rival that has the score, or second where all are first.
    """
    found: dict[K, dict[str, int]] = {key: {} for key in rows}
    for score in SCORES.values():
        means = {
            key: mean
            for key, estimates in rows.items()
            if score.key in estimates and (mean := estimates[score.key].mean) is not None
        }
        order = sorted(set(means.values()), reverse=score.higher_is_better)
        if len(means) < 2:
            continue
        for key, mean in means.items():
            if mean in order[:2]:
                found[key][score.key] = order.index(mean) + 1
    return found


def _grouped(
    runs: Mapping[RunKey, _Run], groups: Mapping[str, Sequence[str]]
) -> dict[RunKey, list[RunKey]]:
    """The runs that each row is made of."""
    found: dict[RunKey, list[RunKey]] = {}
    inside: list[tuple[str, RunKey]] = []
    for key in runs:
        names = [
            name
            for name, members in groups.items()
            if key.dataset in members or short_dataset(key.dataset) in members
        ]
        inside += ((name, key) for name in names)
        if not names:
            found[key] = [key]
    outside = {key.dataset for key in found}
    apart = told_apart(
        (key, {name: key for name, values in runs[key].values.items() if any(map(_known, values))})
        for _, key in inside
    )
    for name, key in inside:
        row = RunKey(name, key.model, apart[key])
        if row.dataset in outside:
            raise Exp2procError("usage", f"the group {name} is called like a dataset outside it")
        if key not in found.setdefault(row, []):
            found[row].append(key)
    return found


def told_apart(runs: Iterable[tuple[RunKey, Mapping[str, Hashable]]]) -> dict[RunKey, str]:
    """What tells the runs of one model apart when datasets are side by side, or together.

    A run_tag differs from dataset to dataset in what was measured and how often; the setting does
    not. It is enough where no dataset has two runs of it that differ in a score.

    Args:
        runs: each with what it has by the key of the score.
    """
    found = dict(runs)
    seen: dict[tuple[str, ...], set[Hashable]] = {}
    for key, scores in found.items():
        for score, value in scores.items():
            name = (key.dataset, key.model, setting_of(key.run_tag), score)
            seen.setdefault(name, set()).add(value)
    twice = {name[1:3] for name, values in seen.items() if len(values) > 1}
    return {
        key: key.run_tag if (key.model, setting_of(key.run_tag)) in twice else key.names[1]
        for key in found
    }


def _known(value: float) -> bool:
    return value == value


def _promised(members: Sequence[RunKey], runs: Mapping[RunKey, _Run]) -> int | None:
    """How many samples the names of a row's runs say: by dataset the most, together."""
    if all(promised_by(key.run_tag) is None for key in members):
        return None
    most: dict[str, int] = {}
    for key in members:
        said = promised_by(key.run_tag)
        count = len(runs[key].files) if said is None else said
        most[key.dataset] = max(count, most.get(key.dataset, 0))
    return sum(most.values())


def _role(key: RunKey, how: Arrangement) -> Role:
    if any(name in how.ablations for name in key.names):
        return "ablation"
    return "ours" if any(name in how.ours for name in key.names) else ""


def _place(row: ScoreRow, how: Arrangement) -> tuple[Any, ...]:
    order = {name: at for at, name in reversed([*enumerate(how.order)])}
    last = len(order)
    dataset = min(order.get(row.dataset, last), order.get(row.short_dataset, last))
    return (
        *(dataset, row.dataset, row.model, _ROLES.index(row.role)),
        min(order.get(name, last) for name in (row.run_tag, row.setting, row.method, row.label)),
        *(row.method, row.run_tag),
    )


def _check_names(runs: Iterable[RunKey], how: Arrangement) -> None:
    """Refuse names that nothing has: a slip of the keyboard would change a table silently."""
    keys = list(runs)
    methods = {name for key in keys for name in key.names}
    datasets = {name for key in keys for name in (key.dataset, short_dataset(key.dataset))}
    shown = methods | datasets | {*how.groups} | {*how.labels.values()}
    members = [name for names in how.groups.values() for name in names]
    for what, names, known in (
        ("run", how.labels, methods),
        ("run", how.ours, methods),
        ("run", how.ablations, methods),
        ("dataset", members, datasets),
        ("dataset or run", how.order, shown),
    ):
        for name in names:
            if name not in known:
                there = ", ".join(sorted(filter(None, known if what != "run" else _short(keys))))
                raise Exp2procError("usage", f"no {what} is called {name!r}: there is {there}")


def _short(keys: Iterable[RunKey]) -> set[str]:
    return {name for key in keys for name in key.names[1:]}


def _labels(keys: Sequence[RunKey], chosen: Mapping[str, str]) -> dict[RunKey, str]:
    """How each row is shown, which tells it from the others of its dataset and model."""
    first = {key: labelled(key, chosen) for key in keys}
    count = Counter((key.dataset, key.model, label) for key, label in first.items())
    found: dict[RunKey, str] = {}
    for key, label in first.items():
        if count[key.dataset, key.model, label] > 1:
            own = key.run_tag or UNKNOWN
            label = f"{label} ({own})" if label != method_of(key.run_tag) else own
        found[key] = label
    return found


def labelled(key: RunKey, chosen: Mapping[str, str]) -> str:
    """A run's chosen label, by the longest of its names that has one; else its method."""
    return next(
        (chosen[name] for name in key.names if name in chosen),
        method_of(key.run_tag) or key.run_tag or UNKNOWN,
    )
