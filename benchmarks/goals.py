"""From measurements to the lines of the table: medians, ratios of paired runs, goals."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any, Final, NamedTuple

Figure = Callable[[dict[str, Any]], float]


class Spec(NamedTuple):
    """What a line is made of.

    Attributes:
        name: what is measured; may name counts of rows, as `{rows}`.
        unit: of both figures.
        goal: the largest ratio that meets the goal, or with `limit` the largest figure; None where
            there is none.
        figure: of exp2proc, in a pair.
        baseline: the figure that it is next to, in the same pair.
        limit: whether the goal is one of the figure itself.
        needs: a run that may have been left out of the pairs, and the line with it.
    """

    name: str
    unit: str
    goal: float | None
    figure: Figure
    baseline: Figure | None = None
    limit: bool = False
    needs: str | None = None


class Line(NamedTuple):
    """One line of the table.

    Attributes:
        name, unit, goal, limit: see `Spec`.
        baseline: median; None where there is none.
        exp2proc: median.
        ratio: median over pairs of exp2proc / baseline; None without one.
    """

    name: str
    unit: str
    goal: float | None
    limit: bool
    baseline: float | None
    exp2proc: float
    ratio: float | None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None where there is none."""
        reached = self.exp2proc if self.limit else self.ratio
        return None if self.goal is None or reached is None else reached <= self.goal


def _of(run: str, name: str = "wall", scale: float = 1.0) -> Figure:
    return lambda pair: pair[run][name] / scale


def _beside(
    name: str, goal: float | None, run: str, figure: str = "wall", to: str = "plain"
) -> Spec:
    """One figure of two runs."""
    unit, scale = {"bytes": ("MB", 1e6), "memory": ("MB", 1e6)}.get(figure, ("s", 1.0))
    return Spec(name, unit, goal, _of(run, figure, scale), _of(to, figure, scale))


def _within(
    name: str, limit: float | None, run: str, figure: str = "wall", to: str = "again"
) -> Spec:
    """One figure of two runs, where the goal is a limit of its own."""
    return _beside(name, limit, run, figure, to)._replace(limit=True)


def _per_extra_row(run: str) -> Figure:
    return lambda pair: 1000 * (pair[f"double {run}"]["cpu"] - pair[run]["cpu"]) / pair["rows"]


def _growth(found: dict[str, Any]) -> float:
    rows, sizes = found["rows"], found["resident"]
    half = len(sizes) // 2
    return float((sizes[-1] - sizes[half - 1]) / (rows[-1] - rows[half - 1]) / 1e3)


def _planning(name: str, run: str, seconds: float, megabytes: float) -> tuple[Spec, Spec]:
    size: Figure = lambda found: found[run]["process"]["memory"] / 1e6  # noqa: E731
    return (
        Spec(f"{name}: wall", "s", seconds, _of(run, "seconds"), limit=True),
        Spec(f"{name}: peak memory", "MB", megabytes, size, limit=True),
    )


_BULK: Final = "bulk, {rows:,} rows, 2 workers: "
_SHORT: Final = "one run of {short_rows} short samples: wall, "
_HELP: Final = "`exp2proc --help`, next to `import rich.console`: "
_AGAIN: Final = ", next to `convert` again"

LINES: Final[dict[str, tuple[Spec, ...]]] = {
    "bulk": (
        _beside(_BULK + "wall, empty cache", 1 / 10, "empty"),
        _beside(_BULK + "wall, again", 1 / 30, "again"),
        _beside(_BULK + "CPU, empty cache", 1 / 6, "empty", "cpu"),
        _beside(_BULK + "CPU, again", 1 / 9, "again", "cpu"),
        _beside(
            _BULK + "wall, --resume of the unchanged tree next to making it again",
            *(1.0, "resume", "wall", "again"),
        ),
        _beside("bytes written (bulk)", 1.10, "empty", "bytes"),
        _beside("peak memory of the largest process (bulk, empty cache)", 1.3, "empty", "memory"),
        _beside("peak memory of the largest process (bulk, again)", 1.3, "again", "memory"),
        Spec(
            "twice the methods on the same texts: CPU per extra row",
            *("ms", 1 / 8, _per_extra_row("empty"), _per_extra_row("plain")),
            needs="double plain",
        ),
    ),
    "short": (
        _beside(_SHORT + "empty cache", 0.8, "empty"),
        _beside(_SHORT + "again", 1 / 3, "again"),
    ),
    "first": (
        Spec(
            _BULK + "first file, again, next to all of them",
            *("s", 0.35, _of("again", "first_file"), _of("again")),
            limit=True,
        ),
    ),
    "floor": (
        _beside(
            _BULK + "wall, again, next to reading and writing as much and nothing else",
            *(4.0, "again", "wall", "floor"),
        ),
    ),
    "gallery": (
        _within("`gallery` of the bulk, 2 workers: wall" + _AGAIN, 5.0, "gallery"),
        _beside("`gallery`: bytes, next to the samples'", 1.3, "gallery", "bytes", "again"),
    ),
    "look": (
        Spec(
            "the viewer: from a key to the next hop, {tokens:,} tokens",
            *("ms", 50.0, lambda found: 1000 * found["hop"]),
            limit=True,
        ),
        Spec(
            "the viewer: list of {samples:,} samples, from opening to drawn",
            *("s", 2.0, lambda found: found["list"]),
            limit=True,
        ),
    ),
    "check": (
        _beside("`check` of the bulk, 2 workers: wall" + _AGAIN, None, "check", to="again"),
        _beside(
            "`check --against` traces and texts, 2 workers: wall" + _AGAIN,
            *(1.0, "against", "wall", "again"),
        ),
    ),
    "pack": (
        _within("`pack` of the bulk: wall" + _AGAIN, 2.5, "pack"),
        _within("`unpack` of that: wall" + _AGAIN, 2.5, "unpack"),
        _beside("`pack`: bytes, next to the samples'", None, "pack", "bytes", "again"),
    ),
    "help": (
        Spec(_HELP + "wall", "ms", 2.0, _of("help", scale=1e-3), _of("plain", scale=1e-3)),
        Spec(_HELP + "CPU", "ms", 2.0, _of("help", "cpu", 1e-3), _of("plain", "cpu", 1e-3)),
    ),
    "planning": (
        *_planning("planning {rows:,} rows, tokenizer never seen", "first", 3.0, 300.0),
        *_planning("planning {rows:,} rows, again", "again", 3.0, 300.0),
    ),
    "planning_many": _planning("planning {rows:,} rows of {runs:,} runs", "again", 7.0, 350.0),
    "memory": (
        Spec(
            "memory of a worker, growth over rows {half:,} to {rows:,}",
            *("kB a row", 1.0, _growth),
            limit=True,
        ),
    ),
}
"""The lines of each measurement, in the order of the table."""


def _counts(section: str, results: dict[str, Any]) -> dict[str, int]:
    """What the names of lines may name."""
    found, work = results[section], results["workload"]
    if section == "memory":
        rows = found["rows"]
        return {"half": rows[len(rows) // 2 - 1], "rows": rows[-1]}
    if section == "look":
        return {"tokens": found["tokens"], "samples": found["samples"]}
    if section.startswith("planning"):
        return {"rows": found["again"]["rows"], "runs": found["again"].get("runs", 0)}
    return {"rows": work["rows"], "short_rows": work["short_rows"]}


def _line(spec: Spec, pairs: list[dict[str, Any]], name: str) -> Line:
    made = [spec.figure(pair) for pair in pairs]
    if spec.baseline is None:
        return Line(name, spec.unit, spec.goal, spec.limit, None, median(made), None)
    beside = [spec.baseline(pair) for pair in pairs]
    ratio = median(figure / other for figure, other in zip(made, beside, strict=True))
    return Line(name, spec.unit, spec.goal, spec.limit, median(beside), median(made), ratio)


def lines(results: dict[str, Any]) -> list[Line]:
    """The lines for whatever was measured."""
    made: list[Line] = []
    for section, specs in LINES.items():
        if section not in results:
            continue
        found, counts = results[section], _counts(section, results)
        pairs = [{**counts, **pair} for pair in (found if isinstance(found, list) else [found])]
        made += [
            _line(spec, pairs, spec.name.format(**counts))
            for spec in specs
            if spec.needs is None or spec.needs in pairs[0]
        ]
    return made
