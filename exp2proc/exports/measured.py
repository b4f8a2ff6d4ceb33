"""Scores and sizes of samples, one record each, for tables and figures. Vectors are not read."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from ..formats.layouts import SCORES
from ..formats.names import Source, counted, short_datasets
from ..formats.sample import Measured, load_measured
from ..formats.spans import size
from ..system.extras import require
from .find import Outs, Where, find_sources
from .read import OnError, read_each, successes

_TEXTS: Final = ("dataset", "dataset_path", "model", "method", "run_tag", "file")
_SIZES: Final = ("tokens", "tokens_in", "tokens_cot", "tokens_out")


def measured_fields() -> tuple[str, ...]:
    """The keys of each of `Scores.records`, in their order."""
    return (*_TEXTS, "example", *SCORES, *_SIZES)


@dataclass(frozen=True, slots=True, repr=False)
class Scores:
    """The scores and sizes of samples.

    Attributes:
        records: one a sample, in the order of names. Texts: `dataset` (short where that tells
            it from the others), `dataset_path`, `model`, `method`, `run_tag`, `file`, "" for what
            a path does not tell. `example`: int or None. `rise`, `mas`, `recovery`: float, NaN
            when not measured. `tokens` (all), `tokens_in`, `tokens_cot`, `tokens_out`: int, 0
            where there is no such span. CoT and output may share tokens.

    >>> found = exp2proc.scores(demo.out)
    >>> found, found.records[0]["method"], found.records[0]["tokens_cot"]
    (Scores(96 samples), 'attnlrp', 35)
    """

    records: list[dict[str, Any]]

    def __len__(self) -> int:
        return len(self.records)

    def __repr__(self) -> str:
        return f"Scores({counted(len(self), 'sample')})"

    def to_dict(self) -> dict[str, Any]:
        """`{"records": [...]}` for JSON: what is not finite is None."""
        return {"records": [{k: _plain(v) for k, v in one.items()} for one in self.records]}

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame`, a row a sample: texts, `example` Int64, float64, int64.

        Raises:
            Exp2procError: `missing-extra`, when pandas is not installed.
        """
        pandas = require("pandas", "frames")
        types = dict.fromkeys(_TEXTS, "str") | {"example": "Int64"}
        types |= dict.fromkeys(SCORES, "float64") | dict.fromkeys(_SIZES, "int64")
        return pandas.DataFrame(self.records, columns=list(measured_fields())).astype(types)

    def to_polars(self) -> Any:
        """A `polars.DataFrame`, a row a sample: String, Int64, Float64 (NaN, not null).

        Raises:
            Exp2procError: `missing-extra`, when polars is not installed.
        """
        polars = require("polars", "frames")
        types = dict.fromkeys(_TEXTS, polars.String) | {"example": polars.Int64}
        types |= dict.fromkeys(SCORES, polars.Float64) | dict.fromkeys(_SIZES, polars.Int64)
        return polars.DataFrame(self.records, schema=types)


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def scores(
    outs: Outs, *, where: Where | None = None, jobs: int = 1, on_error: OnError | None = None
) -> Scores:
    """The scores and sizes of all samples below one or more output folders, sorted by name.

    >>> few = exp2proc.scores(demo.out, where=lambda source: source.short_dataset == "needles")
    >>> len(few), sorted(few.records[0])[:4]
    (32, ['dataset', 'dataset_path', 'example', 'file'])

    Args:
        outs: an output folder, an npz, or several of either.
        where: which samples count, by their `Source`.
        jobs: worker processes that read; 1 reads here.
        on_error: is told of each file that is not a sample, which is then left out. Without it
            the first such file raises.

    Raises:
        Exp2procError: `no-samples`, also when `where` leaves none; `samples-collide`,
            `sample-invalid`.
    """
    sources = find_sources(outs, where)
    return scores_of(successes(read_each(sources, measure, jobs=jobs), on_error))


def measure(source: Source) -> tuple[Source, Measured]:
    """A source, and what there is to know of its sample without its vectors.

    Raises:
        Exp2procError: `sample-invalid`.
    """
    return source, load_measured(source.place)


def scores_of(measured: Iterable[tuple[Source, Measured]]) -> Scores:
    """Of what `measure` gave."""
    found = list(measured)
    short = short_datasets(source.dataset for source, _ in found)
    records: list[dict[str, Any]] = []
    for source, (tokens, spans, scored) in found:
        shown = short[source.dataset] if source.dataset else ""
        sizes = zip(_SIZES, (tokens, *map(size, spans)), strict=True)
        records.append({**source.to_dict(), "dataset": shown, **scored, **dict(sizes)})
    return Scores(records)
