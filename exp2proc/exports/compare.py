"""Two methods on the same examples: paired differences of a score, and how alike attributions are.

Bootstrap and permutation test are scipy's (extra `stats`), in batches, so that memory stays small.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import Exp2procError
from ..formats.layouts import SCORES
from ..formats.names import Source, printable, short_datasets, spelled
from ..formats.sample import Sample
from ..formats.spans import size
from ..results import OnProgress, Progress
from ..system.extras import require
from .find import Names, Outs, Where, find_sources, several
from .read import OnError, load_source, read_each

Floats = npt.NDArray[np.float64]

TIE: Final = 1e-12
"""Scores that differ by no more are equal."""
DRAWS: Final = 50_000
"""Of the bootstrap, and of the permutation test where all sign changes are more than these."""
TERCILES: Final = ("low", "middle", "high")
_BATCH: Final = 1 << 17
"""Numbers that are drawn at a time: few enough for the processor's caches."""
_LEAST: Final = 256
"""Sign changes at a time; scipy handles each example of a batch by itself, whatever its size."""


@dataclass(frozen=True, slots=True)
class Paired:
    """A method next to ours, on the examples that both have. None: it cannot be told.

    Attributes:
        dataset: short; "" for all together, where there are several.
        dataset_path, model: likewise.
        method: the other one: as it was named, else its method, or setting where it has several.
        tercile: "all", or which third of the examples by the length of their CoT.
        cot_min, cot_max: tokens of the shortest and the longest CoT among them.
        n: examples that both have, with the score.
        ours_mean, other_mean: over these.
        difference: mean of ours minus the other's.
        ci_low, ci_high: its 95 % interval, by the percentiles of a bootstrap; from n = 2.
        wins, ties, losses: of ours, by the direction of the score.
        p: of a two-sided sign-flip test of the difference.
        p_holm: the same, by Holm for all methods of this dataset, model and tercile.
        spearman: mean rank correlation of the two attributions over all tokens.
        top10: mean share that their highest 10 % of tokens have in common.
        agreement_n: examples whose attributions are finite and not constant.
        only_ours, only_other: examples that one of them lacks (or that cannot be read).
        absent: examples for which a score was not measured, or is infinite.
        other_text: examples of one name that are not of one text.
    """

    dataset: str
    dataset_path: str
    model: str
    method: str
    tercile: str
    cot_min: int | None
    cot_max: int | None
    n: int
    ours_mean: float | None
    other_mean: float | None
    difference: float | None
    ci_low: float | None
    ci_high: float | None
    wins: int
    ties: int
    losses: int
    p: float | None
    p_holm: float | None
    spearman: float | None
    top10: float | None
    agreement_n: int
    only_ours: int
    only_other: int
    absent: int
    other_text: int

    @property
    def left_out(self) -> int:
        """Examples that one of them has and that are in no number here."""
        return self.only_ours + self.only_other + self.absent + self.other_text


@dataclass(frozen=True, slots=True, repr=False)
class Comparison:
    """One method next to others.

    Attributes:
        ours: its name.
        score: the key of what was compared.
        draws, seed: of bootstrap and permutation test.
        rows: a dataset and model after the other, then all together; of each method all examples
            and then the terciles. Of terciles what was left out is not told.
    """

    ours: str
    score: str
    draws: int
    seed: int
    rows: list[Paired]

    def __repr__(self) -> str:
        methods = {row.method for row in self.rows}
        return f"Comparison({self.ours}, {self.score}, with {len(methods)} methods)"

    @property
    def records(self) -> list[dict[str, Any]]:
        """The rows as plain dicts."""
        return [asdict(row) for row in self.rows]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        better = "higher" if SCORES[self.score].higher_is_better else "lower"
        about = {"ours": self.ours, "score": self.score, "better": better}
        return {**about, "draws": self.draws, "seed": self.seed, "rows": self.records}


def record_fields() -> tuple[str, ...]:
    """The keys of each of `Comparison.records`."""
    return tuple(one.name for one in fields(Paired))


def compare(
    outs: Outs,
    *,
    ours: str,
    others: Names = (),
    score: str = "mas",
    where: Where | None = None,
    jobs: int = 1,
    seed: int = 0,
    draws: int = DRAWS,
    on_error: OnError | None = None,
    on_progress: OnProgress | None = None,
) -> Comparison:
    """One method next to others, example by example (same dataset, model and file name).

    >>> found = exp2proc.compare(demo.out, ours="ifr_multi_hop_both", others=["attnlrp"], draws=999)
    >>> row = found.rows[-4]  # all datasets together
    >>> row.method, row.n, row.wins + row.ties + row.losses
    ('attnlrp', 24, 24)

    Args:
        outs: an output folder, an npz, or several of either.
        ours: a run's method (`ifr`), setting (`ifr_n1`) or run_tag.
        others: what it is compared with, named likewise; by default all, each setting of them.
        score: the key of the score.
        where: which samples count, by their `Source`.
        jobs: worker processes that read; 1 reads here.
        seed: of the random draws.
        draws: how many.
        on_error: is told of each file that is not a sample, which is then left out. Without it
            the first such file raises.
        on_progress: is told how many examples were read.

    Raises:
        Exp2procError: `no-samples`, `samples-collide`, `sample-invalid`; `missing-extra` without
            scipy; `usage` for a name that no run has, two runs of one name that differ, or where
            no example is of both.
    """
    require("scipy.stats", "stats")
    if score not in SCORES:
        raise Exp2procError("usage", f"score is {score!r}: it may be {', '.join(SCORES)}")
    sources = find_sources(outs, where)
    works = _works(sources, ours, _others(sources, ours, several(others)), score)
    pairs: list[_Pair] = []
    failures = 0
    for done, (_, result) in enumerate(read_each(works, _read, jobs=jobs), 1):
        if isinstance(result, Exp2procError):
            raise result
        pairs += result.pairs
        for source, err in result.failures:
            failures += 1
            if on_error is None:
                raise err
            on_error(source, err)
        if on_progress is not None:
            on_progress(Progress(done, len(works), failures))
    if not any(pair.counts for pair in pairs):
        raise Exp2procError(
            "usage",
            f"no example is of {ours} and another method, with {SCORES[score].label} of both",
            "exp2proc summary shows which run has which score.",
        )
    return Comparison(ours, score, draws, seed, _rows(pairs, score, draws, seed))


class _Pair(NamedTuple):
    """What is known of one example and one other method."""

    dataset: str
    model: str
    method: str
    state: str
    mine: float = math.nan
    theirs: float = math.nan
    cot: int = 0
    spearman: float = math.nan
    top10: float = math.nan

    @property
    def counts(self) -> bool:
        return self.state == "both"


class _Work(NamedTuple):
    dataset: str
    model: str
    ours: tuple[Source, ...]
    others: tuple[tuple[str, tuple[Source, ...]], ...]
    score: str


class _Read(NamedTuple):
    pairs: list[_Pair]
    failures: list[tuple[Source, Exp2procError]]


def _others(sources: Sequence[Source], ours: str, names: Sequence[str]) -> list[str]:
    for name in (ours, *names):
        if not any(source.is_of(name) for source in sources):
            there = ", ".join(sorted({source.setting for source in sources}))
            raise Exp2procError("usage", f"no run is called {name!r}: there is {there}")
    if names:
        return list(dict.fromkeys(names))
    settings: dict[str, set[str]] = {}
    for source in sources:
        settings.setdefault(source.method, set()).add(source.setting)
    rest = {
        source.method if len(settings[source.method]) == 1 else source.setting
        for source in sources
        if not source.is_of(ours)
    }
    if not rest:
        raise Exp2procError("usage", f"there is nothing that {ours} could be compared with")
    return sorted(rest)


def _works(sources: Sequence[Source], ours: str, others: Sequence[str], score: str) -> list[_Work]:
    """The examples, each with the samples of both sides."""
    examples: dict[tuple[str, str, str], list[Source]] = {}
    for source in sources:
        name = spelled(source.path.name)
        examples.setdefault((source.dataset, source.model, name), []).append(source)
    works = []
    for (dataset, model, _), some in sorted(examples.items()):
        mine = tuple(source for source in some if source.is_of(ours))
        theirs = tuple(
            (name, tuple(s for s in some if s.is_of(name) and s not in mine)) for name in others
        )
        works.append(_Work(dataset, model, mine, theirs, score))
    return works


def _read(work: _Work) -> _Read:
    """The pairs of one example."""
    failures: list[tuple[Source, Exp2procError]] = []
    samples: dict[Source, Sample] = {}
    for source in {*work.ours, *(source for _, some in work.others for source in some)}:
        try:
            samples[source] = load_source(source)
        except Exp2procError as err:
            failures.append((source, err))
    mine = _chosen(work.ours, samples, work.score)
    pairs = []
    for name, some in work.others:
        theirs = _chosen(some, samples, work.score)
        pair = _Pair(work.dataset, work.model, name, "none")
        if mine is not None and theirs is not None:
            pair = _pair(pair, mine, theirs, work.score)
        elif mine is not None or theirs is not None:
            pair = pair._replace(state="only_other" if mine is None else "only_ours")
        pairs.append(pair)
    return _Read(pairs, sorted(failures, key=lambda one: one[0].name))


def _chosen(
    sources: Sequence[Source], samples: Mapping[Source, Sample], score: str
) -> Sample | None:
    """The sample among those of one name that has the score: runs that agree are one."""
    read = [samples[source] for source in sources if source in samples]
    having = [sample for sample in read if not math.isnan(sample.scores[score])]
    if len({sample.scores[score] for sample in having}) > 1:
        runs = ", ".join(sorted(printable(s.source.run_tag) for s in having if s.source))
        raise Exp2procError(
            "usage",
            f"runs of one name differ in {score}, such as {runs}",
            "Name a setting (ifr_n1) or a run_tag, with --ours and --with.",
        )
    return next(iter(having or read), None)


def _pair(pair: _Pair, mine: Sample, theirs: Sample, score: str) -> _Pair:
    if not _of_one_text(mine, theirs):
        return pair._replace(state="other_text")
    one, other = mine.scores[score], theirs.scores[score]
    if not (math.isfinite(one) and math.isfinite(other)):
        return pair._replace(state="absent")
    return pair._replace(
        state="both",
        mine=one,
        theirs=other,
        cot=size(mine.span_cot),
        spearman=spearman(mine.attr, theirs.attr),
        top10=top_overlap(mine.attr, theirs.attr),
    )


def _of_one_text(one: Sample, other: Sample) -> bool:
    """As far as the samples say: by their pieces, or where they have none by lengths."""
    if len(one.attr) != len(other.attr) or one.span_in != other.span_in:
        return False
    return one.tok is None or other.tok is None or np.array_equal(one.tok, other.tok)


def spearman(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> float:
    """Rank correlation; NaN where numbers are not finite, or all alike."""
    if not (_varies(one) and _varies(other)):
        return math.nan
    rank = require("scipy.stats", "stats").rankdata
    return float(np.corrcoef(rank(one), rank(other))[0, 1])


def top_overlap(one: npt.NDArray[Any], other: npt.NDArray[Any], share: float = 0.1) -> float:
    """The share that the highest tokens of both have in common; of equals the first count.

    NaN where numbers are not finite, or all alike.

    >>> one = np.arange(20.0)
    >>> top_overlap(one, one), top_overlap(one, -one), top_overlap(one, np.roll(one, 1))
    (1.0, 0.0, 0.5)
    """
    if not (_varies(one) and _varies(other)):
        return math.nan
    k = math.ceil(len(one) * share)
    first, second = (set(np.argsort(-v, kind="stable")[:k].tolist()) for v in (one, other))
    return len(first & second) / k


def _varies(vector: npt.NDArray[Any]) -> bool:
    return bool(len(vector) and np.isfinite(vector).all() and vector.min() < vector.max())


def _rows(pairs: Sequence[_Pair], score: str, draws: int, seed: int) -> list[Paired]:
    by_table: dict[tuple[str, str], list[_Pair]] = {}
    for pair in pairs:
        by_table.setdefault((pair.dataset, pair.model), []).append(pair)
    shorts = short_datasets(dataset for dataset, _ in by_table)
    rows: list[Paired] = []
    for (dataset, model), some in by_table.items():
        if any(pair.counts for pair in some):
            names = (shorts[dataset] if dataset else "", dataset, model)
            rows += _table(names, some, score, draws, seed)
    if len({(row.dataset_path, row.model) for row in rows}) > 1:
        rows += _table(("", "", ""), pairs, score, draws, seed)
    return rows


def _table(
    names: tuple[str, str, str], pairs: Sequence[_Pair], score: str, draws: int, seed: int
) -> list[Paired]:
    """All methods of one dataset and model, each with its terciles."""
    by_method: dict[str, list[_Pair]] = {}
    for pair in pairs:
        by_method.setdefault(pair.method, []).append(pair)
    parts: dict[str, list[Paired]] = {}
    for method, some in by_method.items():
        both = [pair for pair in some if pair.counts]
        left: dict[str, Any] = {state: sum(p.state == state for p in some) for state in _LEFT_OUT}
        whole = _paired((*names, method, "all"), both, score, draws, seed)
        parts.setdefault("all", []).append(replace(whole, **left))
        for tercile, third in zip(TERCILES, terciles(both), strict=True):
            row = _paired((*names, method, tercile), third, score, draws, seed)
            parts.setdefault(tercile, []).append(row)
    corrected = {part: _with_holm(rows) for part, rows in parts.items()}
    return [rows[at] for at in range(len(by_method)) for rows in corrected.values()]


_LEFT_OUT: Final = ("only_ours", "only_other", "absent", "other_text")


def terciles(pairs: Sequence[_Pair]) -> tuple[list[_Pair], list[_Pair], list[_Pair]]:
    """The pairs by length of CoT: up to its lower tercile, up to its upper one, beyond.

    Equal lengths stay together, so that the thirds may differ in size.
    """
    if not pairs:
        return [], [], []
    lower, upper = np.quantile([pair.cot for pair in pairs], [1 / 3, 2 / 3])
    return (
        [pair for pair in pairs if pair.cot <= lower],
        [pair for pair in pairs if lower < pair.cot <= upper],
        [pair for pair in pairs if pair.cot > upper],
    )


def _paired(
    names: tuple[str, str, str, str, str],
    pairs: Sequence[_Pair],
    score: str,
    draws: int,
    seed: int,
) -> Paired:
    n = len(pairs)
    mine, theirs = (np.array([getattr(p, k) for p in pairs]) for k in ("mine", "theirs"))
    differences: Floats = mine - theirs
    gain = differences if SCORES[score].higher_is_better else -differences
    low, high = interval(differences, draws, seed) if n > 1 else (None, None)
    left: dict[str, Any] = dict.fromkeys(_LEFT_OUT, 0)
    agreeing = [pair for pair in pairs if not math.isnan(pair.spearman)]
    return Paired(
        *names,
        cot_min=min((pair.cot for pair in pairs), default=None),
        cot_max=max((pair.cot for pair in pairs), default=None),
        n=n,
        ours_mean=_mean(mine),
        other_mean=_mean(theirs),
        difference=_mean(differences),
        ci_low=low,
        ci_high=high,
        wins=int((gain > TIE).sum()),
        ties=int((np.abs(gain) <= TIE).sum()),
        losses=int((gain < -TIE).sum()),
        p=sign_flip(differences, draws, seed) if n else None,
        p_holm=None,
        spearman=_mean([pair.spearman for pair in agreeing]),
        top10=_mean([pair.top10 for pair in agreeing]),
        agreement_n=len(agreeing),
        **left,
    )


def _mean(values: Iterable[float]) -> float | None:
    some = [float(value) for value in values]
    return math.fsum(some) / len(some) if some else None


def _batch(n: int) -> int:
    return max(1, _BATCH // max(1, n))


def _average(values: Floats, axis: int = -1) -> Any:
    return np.mean(values, axis=axis)


def interval(differences: Floats, draws: int, seed: int) -> tuple[float, float]:
    """The 95 % interval of the mean, by the percentiles of a bootstrap; from two values on."""
    found = require("scipy.stats", "stats").bootstrap(
        (differences,),
        _average,
        n_resamples=draws,
        batch=_batch(len(differences)),
        vectorized=True,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def sign_flip(differences: Floats, draws: int, seed: int) -> float:
    """The two-sided p of a mean of 0 when each sign is a coin's; exact where draws allow it."""
    if len(differences) < 2 or not differences.any():
        return 1.0  # both signs of one value are as far from 0
    # scipy 1.15, the last one for Python 3.10, counts the flips of 1,024 values as infinity, which
    # serves (it is more than the draws) but would be warned about
    with np.errstate(over="ignore"):
        found = require("scipy.stats", "stats").permutation_test(
            (differences,),
            _average,
            permutation_type="samples",
            n_resamples=draws,
            batch=max(_LEAST, _batch(len(differences))),
            vectorized=True,
            rng=np.random.default_rng(seed),
        )
    return float(found.pvalue)


def holm(values: Sequence[float]) -> list[float]:
    """p-values corrected for their number by Holm's steps, in the order they came.

    >>> holm([0.25, 0.01, 0.5])
    [0.5, 0.03, 0.5]
    """
    found = [0.0] * len(values)
    highest = 0.0
    for step, at in enumerate(sorted(range(len(values)), key=lambda at: values[at])):
        highest = max(highest, min(1.0, (len(values) - step) * values[at]))
        found[at] = highest
    return found


def _with_holm(rows: Sequence[Paired]) -> list[Paired]:
    tested = [row for row in rows if row.p is not None]
    corrected = iter(holm([row.p for row in tested if row.p is not None]))
    return [row if row.p is None else replace(row, p_holm=next(corrected)) for row in rows]
