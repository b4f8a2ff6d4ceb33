"""Which samples go together: into panels by dataset, in each into methods by run. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from ..errors import Exp2procError
from ..formats.names import UNKNOWN, did_you_mean, method_of, short_dataset
from ..viewer.heat import Scale

Record = Mapping[str, Any]
"""A sample: as `exports.measured` has it, and what a kind of figure adds to that."""

BETWEEN: Final = " · "


@dataclass(frozen=True, slots=True)
class Request:
    """What a figure is to show. A run is named by its method, setting or run_tag.

    Attributes:
        methods: name -> runs: which to show, in this order. Several are averaged example by
            example. None: all.
        panels: name -> datasets: which to show, in this order, several together. None: each.
        groups: name -> datasets that are taken together, in their place; not with `panels`.
        labels: run -> name for people.
        order: runs and datasets, or their names here, that come first, in this order.
        score: key of the score; None: the kind's own choice.
        hop: of a single sample: this hop instead of `attr`.
        scale: of the colours of a single sample.
        width: of the figure, in inches.
    """

    methods: Mapping[str, Sequence[str]] | None = None
    panels: Mapping[str, Sequence[str]] | None = None
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    order: Sequence[str] = ()
    score: str | None = None
    hop: int | None = None
    scale: Scale = "linear"
    width: float = 3.25


class Series(NamedTuple):
    """The samples of one method in one panel.

    Attributes:
        name: for people.
        examples: for each example the samples of it: one, or one of each run that is averaged.
    """

    name: str
    examples: list[list[Record]]


class Panel(NamedTuple):
    """What is drawn in one pair of axes: samples of one model.

    Attributes:
        name: for people.
        series: by method; none is empty.
    """

    name: str
    series: list[Series]


def arrange(records: Sequence[Record], request: Request) -> list[Panel]:
    """The panels of a figure; with several models one for each of them.

    Raises:
        Exp2procError: `usage`: there is no such run, dataset or name, or it is two.

    >>> names = ("dataset", "dataset_path", "model", "method", "run_tag", "file", "example")
    >>> of = lambda tag: dict(zip(names, ("math", "math", "m", "ifr", tag, "ex_000000.npz", 0)))
    >>> (panel,) = arrange([of("ifr_n1_5ex"), of("ifr_n2_5ex")], Request())
    >>> panel.name, [one.name for one in panel.series]
    ('math', ['ifr_n1_5ex', 'ifr_n2_5ex'])
    >>> (panel,) = arrange([of("ifr_n1_5ex")], Request(labels={"ifr": "IFR"}))
    >>> panel.series[0].name
    'IFR'
    """
    runs = list(dict.fromkeys(map(_run, records)))
    by_run: dict[_Run, list[Record]] = {}
    for record in records:
        by_run.setdefault(_run(record), []).append(record)
    methods, datasets = _methods(runs, request), _datasets(_dataset_names(records), request)
    first = [name for one in request.order for name in _meant(one, methods, datasets, records)]
    models = sorted({run.model for run in runs})
    panels: list[Panel] = []
    for name in _ordered(datasets, first):
        for model in models:
            series: list[Series] = []
            for method in _ordered(methods, first):
                examples: dict[tuple[Any, ...], list[Record]] = {}
                for path in datasets[name]:
                    for run in runs:
                        if run.path == path and run.model == model and run.tag in methods[method]:
                            for one in by_run[run]:
                                examples.setdefault((path, one["file"]), []).append(one)
                if examples:
                    series.append(Series(method, list(examples.values())))
            if series:
                shown = name if len(models) == 1 else f"{name}{BETWEEN}{model or UNKNOWN}"
                panels.append(Panel(shown, series))
    if not panels:
        raise Exp2procError(
            "nothing-to-draw", "none of these methods has samples of these datasets"
        )
    return panels


class _Run(NamedTuple):
    path: str
    model: str
    tag: str


def _run(record: Record) -> _Run:
    return _Run(record["dataset_path"], record["model"], record["run_tag"])


def _methods(runs: Sequence[_Run], request: Request) -> dict[str, set[str]]:
    """Name -> run_tags, in order."""
    if request.methods is not None:
        return {
            name: {found for tag in tags for found in _matching(tag, runs)}
            for name, tags in request.methods.items()
        }
    alike: dict[tuple[str, str, str], set[str]] = {}
    for run in runs:
        alike.setdefault((run.path, run.model, method_of(run.tag)), set()).add(run.tag)
    twice = {key[2] for key, tags in alike.items() if len(tags) > 1}
    named: dict[str, str] = {}
    for run in runs:
        method = method_of(run.tag)
        named[run.tag] = (run.tag if method in twice else method) or UNKNOWN
    for tag, name in request.labels.items():
        named |= dict.fromkeys(_matching(tag, runs), name)
    found: dict[str, set[str]] = {}
    for tag in sorted(named, key=lambda tag: (method_of(tag), tag)):
        found.setdefault(named[tag], set()).add(tag)
    return found


def _matching(wanted: str, runs: Sequence[_Run]) -> set[str]:
    """The run_tags that a word means, one for each dataset and model at most."""
    tags = {run.tag for run in runs}
    found = _candidates(wanted, tags)
    if not found:
        raise _unknown("run", wanted, {*tags, *map(method_of, tags)})
    _refuse_two(wanted, found, runs)
    return found


def _candidates(wanted: str, tags: set[str]) -> set[str]:
    """Itself; else those of a method; else those of a setting, which have more in their names."""
    if wanted in tags:
        return {wanted}
    return {tag for tag in tags if method_of(tag) == wanted} or {
        tag for tag in tags if tag.startswith(f"{wanted}_") and len(method_of(tag)) < len(wanted)
    }


def _refuse_two(wanted: str, tags: set[str], runs: Sequence[_Run]) -> None:
    """Means over runs with different settings would mean nothing, unless they were named."""
    first: dict[tuple[str, str], str] = {}
    for run in runs:
        if run.tag in tags and first.setdefault((run.path, run.model), run.tag) != run.tag:
            two = f"{first[run.path, run.model]} and {run.tag}"
            raise Exp2procError("usage", f"{wanted} is two runs: {two}", "Name them by run_tag.")


def _dataset_names(records: Sequence[Record]) -> dict[str, str]:
    """Path -> name of each dataset, sorted by name."""
    found = {one["dataset_path"]: one["dataset"] or UNKNOWN for one in records}
    return dict(sorted(found.items(), key=lambda one: (one[1], one[0])))


def _datasets(names: Mapping[str, str], request: Request) -> dict[str, list[str]]:
    """Name -> dataset paths, in order."""
    together = request.groups if request.panels is None else request.panels
    if request.panels is not None and request.groups:
        raise Exp2procError("usage", "panels and groups exclude each other", "Give one of the two.")
    found = {
        name: [path for one in wanted for path in _paths(one, names)]
        for name, wanted in together.items()
    }
    if request.panels is not None:
        return found
    group_of = {path: name for name, paths in found.items() for path in paths}
    shown = {group_of.get(path, name): [path] for path, name in names.items()}
    return {name: found.get(name, paths) for name, paths in shown.items()}


def _paths(wanted: str, names: Mapping[str, str]) -> list[str]:
    found = _candidate_paths(wanted, names)
    if not found:
        raise _unknown("dataset", wanted, set(names.values()))
    if len(found) > 1:
        two = " and ".join(found[:2])
        raise Exp2procError("usage", f"{wanted} is two datasets: {two}", "Name the path.")
    return found


def _candidate_paths(wanted: str, names: Mapping[str, str]) -> list[str]:
    """Itself; else what is shown or spelled so."""
    if wanted in names:
        return [wanted]
    return [path for path, name in names.items() if wanted in (name, short_dataset(path))]


def _meant(
    wanted: str,
    methods: Mapping[str, set[str]],
    datasets: Mapping[str, list[str]],
    records: Sequence[Record],
) -> list[str]:
    """The names of methods or panels that a word of the order means."""
    if wanted in methods or wanted in datasets:
        return [wanted]
    tags = _candidates(wanted, {one["run_tag"] for one in records})
    paths = _candidate_paths(wanted, _dataset_names(records))
    found = [name for name, members in methods.items() if members & tags]
    found += [name for name, members in datasets.items() if {*members} & {*paths}]
    if found:
        return found
    raise _unknown("run or dataset", wanted, [*methods, *datasets])


def _ordered(names: Iterable[str], order: Sequence[str]) -> list[str]:
    given = list(names)
    first = [name for name in order if name in given]
    return first + [name for name in given if name not in first]


def _unknown(what: str, wanted: str, known: Iterable[str]) -> Exp2procError:
    names = sorted(filter(None, known))
    said = f"there is no {what} {wanted!r}{did_you_mean(wanted, names)}"
    return Exp2procError("usage", said, f"Known: {', '.join(names) or 'none'}.")
