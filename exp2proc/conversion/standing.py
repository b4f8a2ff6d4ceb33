"""How an export stands next to its traces: what is made, stale, missing, and cannot be made.

This is a conversion with `--resume` that stops before it writes: the same plan, the same workers,
the same question for every row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from attrs import evolve

from ..engines import open_engine
from ..formats.names import method_of
from ..options import Options
from ..planning.planner import make_plan
from ..results import Counts, OnProgress, Report, RunReport
from .run import run_plan


class Combination(NamedTuple):
    """A dataset, a model and a method: a cell of the matrix."""

    dataset: str
    model: str
    method: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How the outputs of some runs stand.

    Attributes:
        report: of the conversion that would be: its counts, what it would replace and why, and
            what it cannot make.

    >>> found = standing(Options(traces_root=demo.traces, layout="proc_1", out_root=folder))
    >>> found.report.counts.converted, len(found.matrix()), found.absent()
    (96, 12, [])
    """

    report: Report

    def matrix(self) -> dict[Combination, Counts]:
        """Rows by dataset, model and method.

        The counts are of the conversion that would be: made ones are `kept`, stale ones `replaced`,
        missing ones `converted`, and those that cannot be made `failed`.
        """
        found: dict[Combination, Counts] = {}
        labels = _labels(self.report.runs)
        for run in self.report.runs:
            cell = Combination(run.dataset, run.model_tag, labels[run.run_tag])
            found.setdefault(cell, Counts()).add(run.counts)
        return found

    def absent(self) -> list[Combination]:
        """Combinations that no run exists for, of the datasets, models and methods that are there.

        A dataset counts with the models that it was traced with.
        """
        there = self.matrix()
        pairs = dict.fromkeys(cell[:2] for cell in there)
        methods = dict.fromkeys(cell.method for cell in there)
        every = (Combination(*pair, method) for pair in pairs for method in methods)
        return [cell for cell in every if cell not in there]

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        report = self.report.to_dict()
        return {
            "matrix": [
                {**cell._asdict(), **dict(_named(counts))} for cell, counts in self.matrix().items()
            ],
            "absent": [cell._asdict() for cell in self.absent()],
            "stale": report["replaced"],
            "cannot": report["errors"],
        }


NAMES = {"kept": "made", "replaced": "stale", "converted": "missing", "failed": "cannot"}
"""What the counts of a conversion that would be say of the outputs that are there."""


def _named(counts: Counts) -> Iterator[tuple[str, int]]:
    for name in ("kept", "replaced", "converted", "failed", "pending", "unfinished"):
        yield NAMES.get(name, name), getattr(counts, name)


def _labels(runs: list[RunReport]) -> dict[str, str]:
    """The method of each run_tag; the whole tag where a dataset and model has two of the method."""
    tags: dict[tuple[str, ...], set[str]] = {}
    for run in runs:
        key = (run.dataset, run.model_tag, method_of(run.run_tag))
        tags.setdefault(key, set()).add(run.run_tag)
    several = {key[2] for key, of in tags.items() if len(of) > 1}
    methods = {run.run_tag: method_of(run.run_tag) for run in runs}
    return {tag: tag if method in several else method for tag, method in methods.items()}


def standing(options: Options, on_progress: OnProgress | None = None) -> Standing:
    """Compare what is there with what a conversion would write. Nothing is written but the cache.

    Args:
        options: of the conversion; whether it would overwrite does not matter.
        on_progress: called in this process whenever rows have been compared.

    Raises:
        PlanError: the conversion could not start.
    """
    asked = evolve(options, resume=True, overwrite=False)
    with open_engine(asked.engine) as engine:
        return Standing(run_plan(make_plan(asked), on_progress, engine, write=False))
