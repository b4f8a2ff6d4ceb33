"""From measurements to the lines of the table: medians, ratios of paired runs, goals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median
from typing import Any, NamedTuple

Pair = dict[str, dict[str, float]]


class Line(NamedTuple):
    """One line of the table.

    Attributes:
        name: what is compared.
        unit: of both figures.
        plain: median of the baseline; None where there is none.
        exp2proc: median of exp2proc.
        ratio: median over pairs of exp2proc / plain; without a baseline the figure itself.
        goal: the largest ratio that meets the goal.
    """

    name: str
    unit: str
    plain: float | None
    exp2proc: float
    ratio: float
    goal: float

    @property
    def met(self) -> bool:
        """Whether the goal is met."""
        return self.ratio <= self.goal


def _paired(
    name: str,
    unit: str,
    goal: float,
    pairs: list[Pair],
    plain: Callable[[Pair], float],
    exp2proc: Callable[[Pair], float],
) -> Line:
    return Line(
        name,
        unit,
        median(map(plain, pairs)),
        median(map(exp2proc, pairs)),
        median(exp2proc(pair) / plain(pair) for pair in pairs),
        goal,
    )


def _simple(
    name: str, unit: str, goal: float, pairs: list[Pair], run: str, figure: str, scale: float = 1.0
) -> Line:
    """A line that compares one figure of the run `plain` with that of another run."""
    return _paired(
        name,
        unit,
        goal,
        pairs,
        lambda pair: pair["plain"][figure] / scale,
        lambda pair: pair[run][figure] / scale,
    )


def lines(results: dict[str, Any]) -> list[Line]:
    """The lines for whatever was measured, in the order of the goals."""
    made: list[Line] = []
    if pairs := results.get("bulk"):
        rows = results["workload"]["rows"]
        what = f"bulk, {rows:,} rows, 2 workers"
        made += [
            _simple(f"{what}: wall, empty cache", "s", 1 / 8, pairs, "empty", "wall"),
            _simple(f"{what}: wall, again", "s", 1 / 12, pairs, "again", "wall"),
            _simple(f"{what}: CPU, empty cache", "s", 1 / 5, pairs, "empty", "cpu"),
            _simple(f"{what}: CPU, again", "s", 1 / 9, pairs, "again", "cpu"),
            _paired(
                f"{what}: wall, --resume of the unchanged tree next to making it again",
                "s",
                1.0,
                pairs,
                lambda pair: pair["again"]["wall"],
                lambda pair: pair["resume"]["wall"],
            ),
        ]
    if pairs := results.get("short"):
        what = f"one run of {results['workload']['short_rows']} short samples: wall"
        made += [
            _simple(f"{what}, empty cache", "s", 1.0, pairs, "empty", "wall"),
            _simple(f"{what}, again", "s", 1 / 3, pairs, "again", "wall"),
        ]
    if pairs := results.get("bulk"):
        made += [
            _simple("bytes written (bulk)", "MB", 1.10, pairs, "empty", "bytes", 1e6),
            _simple(
                "peak memory of the largest process (bulk, empty cache)",
                "MB",
                1.3,
                pairs,
                "empty",
                "memory",
                1e6,
            ),
            _simple(
                "peak memory of the largest process (bulk, again)",
                "MB",
                1.3,
                pairs,
                "again",
                "memory",
                1e6,
            ),
        ]
        made += _doubled([pair for pair in pairs if "double plain" in pair], rows)
    if pairs := results.get("help"):
        what = "`exp2proc --help`, next to `import rich.console`: "
        made += [
            _simple(what + "wall", "ms", 2.0, pairs, "help", "wall", 1e-3),
            _simple(what + "CPU", "ms", 2.0, pairs, "help", "cpu", 1e-3),
        ]
    return made + list(_limits(results))


def _doubled(pairs: list[Pair], rows: int) -> list[Line]:
    """CPU of a row more on a text that is there anyway."""

    def extra(run: str) -> Callable[[Pair], float]:
        return lambda pair: 1000 * (pair[f"double {run}"]["cpu"] - pair[run]["cpu"]) / rows

    if not pairs:
        return []
    name = "twice the methods on the same texts: CPU per extra row"
    return [_paired(name, "ms", 1 / 8, pairs, extra("plain"), extra("empty"))]


def _limits(results: dict[str, Any]) -> Iterator[Line]:
    """Figures that have a limit of their own and no baseline."""
    if found := results.get("planning"):
        what = f"planning {found['again']['rows']:,} rows"
        for when in ("first", "again"):
            seconds = found[when]["seconds"]
            size = found[when]["process"]["memory"] / 1e6
            name = f"{what}, {_WHEN[when]}"
            yield Line(f"{name}: wall", "s", None, seconds, seconds, 3.0)
            yield Line(f"{name}: peak memory", "MB", None, size, size, 300.0)
    if found := results.get("memory"):
        rows, sizes = found["rows"], found["resident"]
        half = len(sizes) // 2
        growth = (sizes[-1] - sizes[half - 1]) / (rows[-1] - rows[half - 1]) / 1e3
        name = f"memory of a worker, growth over rows {rows[half - 1]:,} to {rows[-1]:,}"
        yield Line(name, "kB a row", None, growth, growth, 1.0)


_WHEN = {"first": "tokenizer never seen", "again": "again"}
