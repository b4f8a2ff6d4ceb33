"""The table of papers: methods as rows, datasets as groups of columns. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..formats.layouts import SCORES, Score
from ..formats.names import UNKNOWN
from .scores import Estimate, Role, RunKey, ScoreRow, finite, labelled, ranked, told_apart

Column = tuple[str, str]
"""A dataset, as it is shown, and the key of a score."""


@dataclass(frozen=True, slots=True)
class WideRow:
    """One method with one model.

    Attributes:
        label: for people.
        model, method, run_tag: of its runs; `run_tag` without what was measured and how often,
            where that is enough to tell them from other runs.
        role: whether it is set apart.
        cells: what there is, by column.
        place: 1 where no method of this model is better, 2 where only the first are.
        partial: the columns whose run has fewer samples than its name promises.
    """

    label: str
    model: str
    method: str
    run_tag: str
    role: Role
    cells: Mapping[Column, Estimate]
    place: Mapping[Column, int]
    partial: frozenset[Column]


@dataclass(frozen=True, slots=True)
class WideTable:
    """The rows, by model, and the columns, dataset by dataset.

    Attributes:
        datasets: as they are shown -> the scores that some method has there.
        rows: those of one model together, as they were ordered.
        n: the number of samples of most cells; 0 without a cell.
    """

    datasets: Mapping[str, Sequence[Score]]
    rows: Sequence[WideRow]
    n: int

    @property
    def columns(self) -> list[Column]:
        """All columns."""
        return [(dataset, score.key) for dataset, some in self.datasets.items() for score in some]

    def by_model(self) -> list[WideTable]:
        """A table for each model, with the columns that it has."""
        found = []
        for model in dict.fromkeys(row.model for row in self.rows):
            rows = [row for row in self.rows if row.model == model]
            there = {column for row in rows for column in row.cells}
            datasets = {
                name: [score for score in scores if (name, score.key) in there]
                for name, scores in self.datasets.items()
            }
            some = {name: scores for name, scores in datasets.items() if scores}
            found.append(WideTable(some, rows, _usual(rows)))
        return found

    def to_dict(self) -> dict[str, Any]:
        """The table for JSON."""
        return {
            "datasets": {name: [s.key for s in some] for name, some in self.datasets.items()},
            "rows": [_record(row) for row in self.rows],
        }


def _record(row: WideRow) -> dict[str, Any]:
    cells: dict[str, dict[str, Any]] = {}
    for (dataset, score), found in row.cells.items():
        column = (dataset, score)
        cells.setdefault(dataset, {})[score] = {
            "mean": finite(found.mean),
            "sem": found.sem,
            "std": found.std,
            "n": found.n,
            "place": row.place.get(column),
            "partial": column in row.partial,
        }
    names = {"label": row.label, "model": row.model, "method": row.method, "run_tag": row.run_tag}
    return {**names, "role": row.role, "cells": cells}


def wide_table(rows: Sequence[ScoreRow], labels: Mapping[str, str] | None = None) -> WideTable:
    """The rows of `score_rows` with datasets side by side.

    Runs of one setting are one row: RISE and MAS may be of one run, Recovery of another. Where two
    of them differ in a score of one dataset, each run_tag of that setting is a row.

    Args:
        rows: as they were ordered.
        labels: of the arrangement.
    """
    keys = {id(row): RunKey(row.dataset, row.model, row.run_tag) for row in rows}
    apart = told_apart(
        (keys[id(row)], {name: found for name, found in row.estimates.items() if found.n})
        for row in rows
    )
    members: dict[tuple[str, str], list[ScoreRow]] = {}
    for row in rows:
        members.setdefault((row.model, apart[keys[id(row)]]), []).append(row)
    shown = {key: labelled(RunKey("", *key), labels or {}) for key in members}
    seen = Counter((key[0], label) for key, label in shown.items())
    columns = _columns(rows)
    made = []
    for key, some in members.items():
        label = shown[key]
        if seen[key[0], label] > 1:
            label = f"{label} ({key[1]})" if label != some[0].method else key[1]
        cells, partial = _cells(some, columns)
        method = some[0].method
        made.append(
            WideRow(label or UNKNOWN, key[0], method, key[1], some[0].role, cells, {}, partial)
        )
    made = _placed(made, columns)
    roles: tuple[Role, ...] = ("", "ours", "ablation")
    place = {row.model: at for at, row in reversed([*enumerate(made)])}
    made.sort(key=lambda row: (place[row.model], roles.index(row.role)))
    return WideTable(columns, made, _usual(made))


def _usual(rows: Sequence[WideRow]) -> int:
    counts = Counter(found.n for row in rows for found in row.cells.values())
    return counts.most_common(1)[0][0] if counts else 0


def _columns(rows: Sequence[ScoreRow]) -> dict[str, list[Score]]:
    found: dict[str, list[Score]] = {}
    for dataset in dict.fromkeys(row.short_dataset for row in rows):
        some = [row for row in rows if row.short_dataset == dataset]
        there = [s for s in SCORES.values() if any(row.estimates[s.key].n for row in some)]
        if there:
            found[dataset] = there
    return found


def _cells(
    rows: Sequence[ScoreRow], columns: Mapping[str, Sequence[Score]]
) -> tuple[dict[Column, Estimate], frozenset[Column]]:
    cells: dict[Column, Estimate] = {}
    partial: set[Column] = set()
    for row in rows:
        for score in columns.get(row.short_dataset, ()):
            column = (row.short_dataset, score.key)
            if row.estimates[score.key].n:
                cells[column] = row.estimates[score.key]
                partial |= {column} if row.partial else set()
    return cells, frozenset(partial)


def _placed(rows: Sequence[WideRow], columns: Mapping[str, Sequence[Score]]) -> list[WideRow]:
    place: list[dict[Column, int]] = [{} for _ in rows]
    for model in dict.fromkeys(row.model for row in rows):
        for dataset, scores in columns.items():
            some = {
                at: {
                    score.key: row.cells[dataset, score.key]
                    for score in scores
                    if (dataset, score.key) in row.cells and (dataset, score.key) not in row.partial
                }
                for at, row in enumerate(rows)
                if row.model == model
            }
            for at, found in ranked(some).items():
                place[at] |= {(dataset, key): number for key, number in found.items()}
    return [replace(row, place=found) for row, found in zip(rows, place, strict=True)]
