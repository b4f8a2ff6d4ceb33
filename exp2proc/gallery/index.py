"""The gallery's index: scores, filters, the list of samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from ..exports.scores import ScoreRow, score_rows, short_datasets
from ..formats.layouts import SCORES, directions
from ..formats.names import UNKNOWN, Source
from .heatmap import render

_BINS: Final = 16


class Entry(NamedTuple):
    """What the index needs of a sample.

    Attributes:
        source: of the sample.
        id: of its page.
        text_id: the same for all samples of one text under one tokenizer.
        snippet: how its text begins.
        tokens: how many there are.
        shares: of attr, by `PARTS`.
        scores: by key, NaN when absent.
    """

    source: Source
    id: str
    text_id: str
    snippet: str
    tokens: int
    shares: list[float]
    scores: Mapping[str, float]


def write_index(root: Path, entries: Sequence[Entry], *, failed: int) -> None:
    """Write index.html.

    Args:
        root: the folder of the site.
        entries: of all samples, in the order of the list; at least one.
        failed: how many files are no samples.
    """
    rows = score_rows((entry.source, entry.scores) for entry in entries)
    runs = {_run(row): at for at, row in enumerate(rows)}
    names = short_datasets(row.dataset for row in rows)
    datasets = sorted({names[row.dataset] for row in rows})
    models = sorted({row.model for row in rows})
    methods = sorted({row.method for row in rows})
    shown = {
        "datasets": datasets,
        "models": [model or UNKNOWN for model in models],
        "methods": [method or UNKNOWN for method in methods],
    }
    lows, highs = _limits(entries)
    text = render(
        "index.html",
        root="",
        count=len(entries),
        failed=failed,
        first=entries[0].id,
        **shown,
        rows=_table(rows, entries, names, lows, highs),
        lows=lows,
        highs=highs,
        DIRECTIONS=directions(),
        data={
            **shown,
            "samples": [
                [
                    datasets.index(names[entry.source.dataset]),
                    models.index(entry.source.model),
                    methods.index(entry.source.method),
                    entry.source.path.stem,
                    entry.snippet,
                    entry.tokens,
                    [_plain(share) for share in entry.shares],
                    *(_plain(entry.scores[score.key]) for score in SCORES.values()),
                    runs[_run(entry.source)],
                    entry.id,
                ]
                for entry in entries
            ],
        },
    )
    (root / "index.html").write_text(text, encoding="utf-8")


def _run(named: Any) -> tuple[str, str, str]:
    return named.dataset, named.model, named.run_tag


def _plain(value: float) -> float | None:
    return round(value, 5) if np.isfinite(value) else None


def _limits(entries: Sequence[Entry]) -> tuple[dict[str, float], dict[str, float]]:
    """The lowest and the highest of each score over all samples; 0 and 1 where there is none."""
    lows, highs = {}, {}
    for score in SCORES.values():
        values = [entry.scores[score.key] for entry in entries]
        present = [value for value in values if np.isfinite(value)]
        lows[score.key], highs[score.key] = min(present, default=0.0), max(present, default=1.0)
    return lows, highs


def _table(
    rows: Sequence[ScoreRow],
    entries: Sequence[Entry],
    names: Mapping[str, str],
    lows: Mapping[str, float],
    highs: Mapping[str, float],
) -> list[dict[str, Any]]:
    """The rows of the summary, each with a histogram of its samples for each score."""
    by_run: dict[tuple[str, str, str], list[Entry]] = {}
    for entry in entries:
        by_run.setdefault(_run(entry.source), []).append(entry)
    table = []
    previous: tuple[str, str] | None = None
    for at, row in enumerate(rows):
        mine = by_run[_run(row)]
        bars = {
            score.key: _histogram(
                [entry.scores[score.key] for entry in mine], lows[score.key], highs[score.key]
            )
            for score in SCORES.values()
        }
        group = (row.dataset, row.model)
        table.append(
            {
                "run": at,
                "score": row,
                "dataset": names[row.dataset],
                "model": row.model or UNKNOWN,
                "first": group != previous,
                "bars": bars,
            }
        )
        previous = group
    return table


def _histogram(values: Sequence[float], low: float, high: float) -> list[float]:
    """Heights of bars, the highest 1."""
    present = [value for value in values if np.isfinite(value)]
    counts, _ = np.histogram(present, _BINS, (low, high if high > low else low + 1.0))
    highest = max(int(counts.max()), 1)
    return [float(count) / highest for count in counts]
