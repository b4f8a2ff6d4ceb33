"""Options -> plan: every row that will be converted, and everything that stands in the way.

Planning writes nothing. It finds all problems that would keep a run from starting and reports them
together; what concerns single rows is kept as the outcome of that row.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import Exp2procError, PlanError
from ..options import Options, TokenizerChoice, parse_tokenizers
from ..tokens import cache as caching
from ..tokens.tokenizer import LoadedTokenizer, fingerprint, load_tokenizer
from ..traces.datasets import DatasetIndex, TextKey, TextPlace, index_dataset
from ..traces.manifest import NAME, BadLine, ManifestRow, read_manifest
from ..traces.runs import Run, dataset_candidates, describe_run, find_dataset, find_runs
from .shards import RowWork, TextWork

_YOUNG = 60.0
"""Seconds since its last change during which a manifest counts as still being written."""


@dataclass(slots=True)
class PlannedRun:
    """A run with its rows.

    Attributes:
        run: folders and names.
        rows: one per manifest row, in order; a `BadLine` for one that cannot be used.
        first: number in the plan of the first row.
        datasets: the dataset caches its texts are looked up in.
        tokenizer: number in `Plan.tokenizers`, -1 when none is needed.
        existing: how many of its outputs are there already.
        young: whether its manifest changed so lately that exp2 may still be writing it.
    """

    run: Run
    rows: list[ManifestRow | BadLine]
    first: int = 0
    datasets: tuple[str, ...] = ()
    tokenizer: int = -1
    existing: int = 0
    young: bool = False


@dataclass(slots=True)
class PlannedTokenizer:
    """A tokenizer that the plan needs.

    Attributes:
        name: folder or hub name.
        fingerprint: of its files, or None when its alignments cannot be cached.
        portable: serialized form for the workers; None when they must load it by name.
        loaded: the tokenizer, when planning had to load it.
    """

    name: str
    fingerprint: str | None
    portable: bytes | None = None
    loaded: LoadedTokenizer | None = None


@dataclass(slots=True)
class Plan:
    """All that a conversion will do.

    Attributes:
        options: what was asked.
        runs: in order of their folders.
        tokenizers: by number.
        texts: the work, grouped by text.
        failures: rows that cannot be converted, by number: why.
        pending: numbers of rows that exp2 seems to be still writing.
        row_count: rows of all runs.
    """

    options: Options
    runs: list[PlannedRun] = field(default_factory=list)
    tokenizers: list[PlannedTokenizer] = field(default_factory=list)
    texts: list[TextWork] = field(default_factory=list)
    failures: dict[int, Exp2procError] = field(default_factory=dict)
    pending: set[int] = field(default_factory=set)
    row_count: int = 0

    def folders(self) -> list[tuple[str, str]]:
        """(trace_dir, out_dir) by run number."""
        return [(str(p.run.trace_dir), str(p.run.out_dir)) for p in self.runs]


def make_plan(options: Options) -> Plan:
    """Plan a conversion.

    Raises:
        PlanError: with every problem that keeps it from starting.
    """
    plan, problems = draft_plan(options)
    if problems:
        raise PlanError(problems)
    return plan


def draft_plan(options: Options) -> tuple[Plan, list[Exp2procError]]:
    """As much of a plan as can be made, and every problem that keeps it from being carried out.

    Rows of runs without a dataset are failures of the draft; texts of runs without a tokenizer
    have the number -1 for it.
    """
    plan = Plan(options)
    problems = options.problems()
    tokenizers = TokenizerChoice({}, None)
    try:
        tokenizers = parse_tokenizers(options.tokenizer_model)
    except Exp2procError as err:
        problems.append(err)
    if problems:
        return plan, problems
    try:
        _enter_runs(plan, problems)
    except Exp2procError as err:
        return plan, [*problems, err]
    _check_outputs(plan, problems)
    places: list[dict[TextKey, TextPlace]] = []
    if options.layout == "proc":
        places = _match_texts(plan, problems)
        _choose_tokenizers(plan, tokenizers, problems)
    _group(plan, places)
    if options.layout == "proc":
        _ready_tokenizers(plan, problems)
    return plan, problems


def _enter_runs(plan: Plan, problems: list[Exp2procError]) -> None:
    options = plan.options
    folders = find_runs(options.trace_dir, options.traces_root)
    if options.out_dir is not None and len(folders) != 1:
        problems.append(
            Exp2procError("usage", f"--out_dir goes with exactly one run, not {len(folders)}")
        )
    for folder in folders:
        run = describe_run(folder, options.output_root, options.out_dir)
        try:
            planned = PlannedRun(run, list(read_manifest(folder / NAME, options.limit)))
            planned.young = time.time() - (folder / NAME).stat().st_mtime < _YOUNG
        except OSError as err:
            problems.append(
                Exp2procError("manifest-unreadable", f"{folder / NAME}: {err.strerror or err}")
            )
            continue
        planned.first = plan.row_count
        plan.row_count += len(planned.rows)
        plan.runs.append(planned)
        _sort_out(plan, planned)


def _sort_out(plan: Plan, planned: PlannedRun) -> None:
    """Find the rows that are no rows, and those that name the same file twice."""
    seen: dict[str, tuple[int, ManifestRow]] = {}
    for number, row in enumerate(planned.rows, planned.first):
        if isinstance(row, BadLine):
            if planned.young and row.open_ended:
                plan.pending.add(number)
            else:
                plan.failures[number] = row.error
            continue
        if row.file not in seen:
            seen[row.file] = number, row
            continue
        first_number, first = seen[row.file]
        where = f"manifest.jsonl line {row.line}: {row.file} was named by line {first.line} already"
        if _identity(first) == _identity(row):
            plan.failures[number] = Exp2procError(
                "manifest-invalid",
                f"{where}, with the same fields",
                "The sample is written once; remove the repeated line.",
            )
        else:
            error = Exp2procError("manifest-invalid", f"{where}, with other fields")
            plan.failures[number] = error
            plan.failures[first_number] = error


def _identity(row: ManifestRow) -> tuple[object, ...]:
    return row.attr_func, row.prompt_sha1, row.target_sha1, row.prompt_len, row.gen_len


def _usable(plan: Plan, planned: PlannedRun) -> Iterable[tuple[int, ManifestRow]]:
    for number, row in enumerate(planned.rows, planned.first):
        if isinstance(row, ManifestRow) and number not in plan.failures:
            yield number, row


def _check_outputs(plan: Plan, problems: list[Exp2procError]) -> None:
    traces = {os.path.realpath(planned.run.trace_dir) for planned in plan.runs}
    owners: dict[str, list[PlannedRun]] = defaultdict(list)
    for planned in plan.runs:
        out = planned.run.out_dir
        real = os.path.realpath(out)
        owners[real].append(planned)
        if real in traces or os.path.exists(out / NAME):
            problems.append(
                Exp2procError("output-is-trace", f"the output folder {out} is a trace run")
            )
            continue
        _count_existing(plan, planned)
    for shared in owners.values():
        _check_collision(plan, shared, problems)
    if not (plan.options.overwrite or plan.options.resume):
        problems.extend(
            Exp2procError(
                "outputs-exist",
                f"{planned.existing} of {len(planned.rows)} outputs are already in"
                f" {planned.run.out_dir}",
            )
            for planned in plan.runs
            if planned.existing
        )


def _count_existing(plan: Plan, planned: PlannedRun) -> None:
    try:
        there = set(os.listdir(planned.run.out_dir))
    except OSError:
        return
    if there:
        planned.existing = sum(row.file in there for _, row in _usable(plan, planned))


def _check_collision(plan: Plan, shared: list[PlannedRun], problems: list[Exp2procError]) -> None:
    writers: dict[str, PlannedRun] = {}
    for planned in shared if len(shared) > 1 else ():
        for _, row in _usable(plan, planned):
            first = writers.setdefault(row.file, planned)
            if first is not planned:
                problems.append(
                    Exp2procError(
                        "output-collision",
                        f"{first.run.trace_dir} and {planned.run.trace_dir} would both write"
                        f" {planned.run.out_dir / row.file}",
                    )
                )
                break


def _match_texts(plan: Plan, problems: list[Exp2procError]) -> list[dict[TextKey, TextPlace]]:
    """Find each run's dataset caches, and where in them its texts stand; by run."""
    options = plan.options
    given = tuple(os.path.abspath(os.path.expanduser(path)) for path in options.dataset_jsonl)
    wanted: dict[str, set[TextKey]] = defaultdict(set)
    for planned in plan.runs:
        if given:
            planned.datasets = given
        elif (found := find_dataset(planned.run, options.data_root)) is not None:
            planned.datasets = (str(found),)
        else:
            problems.append(_no_dataset(planned.run, options))
        for _, row in _usable(plan, planned):
            if row.target_sha1 is not None:
                for path in planned.datasets:
                    wanted[path].add((row.prompt_sha1, row.target_sha1))
    indexes: dict[str, DatasetIndex] = {}
    for path in dict.fromkeys((*given, *wanted)):
        try:
            indexes[path] = index_dataset(Path(path), wanted[path])
        except OSError as err:
            problems.append(Exp2procError("no-dataset", f"dataset {path}: {err.strerror or err}"))
    return [_places(plan, planned, indexes) for planned in plan.runs]


def _no_dataset(run: Run, options: Options) -> Exp2procError:
    if not run.dataset:
        why = "its path names none (it is not below a folder named traces)"
    else:
        tried = len(set(dataset_candidates(run, options.data_root)))
        why = f"{run.dataset} is at none of the {tried} places that were tried"
    return Exp2procError("no-dataset", f"no dataset for {run.trace_dir}: {why}")


def _places(
    plan: Plan, planned: PlannedRun, indexes: dict[str, DatasetIndex]
) -> dict[TextKey, TextPlace]:
    """Where the run's texts stand; rows whose text stands nowhere become failures."""
    known = [indexes[path] for path in planned.datasets if path in indexes]
    places: dict[TextKey, TextPlace] = {}
    for number, row in _usable(plan, planned):
        key = (row.prompt_sha1, row.target_sha1 or "")
        place = next((index.places[key] for index in known if key in index.places), None)
        if place is not None:
            places[key] = place
        else:
            plan.failures[number] = _no_match(row, known)
    return places


def _no_match(row: ManifestRow, known: list[DatasetIndex]) -> Exp2procError:
    if not known:
        return Exp2procError("no-dataset", "there is no dataset to look its text up in")
    where = ", ".join(f"{index.path} ({index.rows} texts)" for index in known)
    return Exp2procError(
        "dataset-no-match",
        f"Failed to match manifest sha1 to dataset_jsonl: prompt_sha1 {row.prompt_sha1},"
        f" target_sha1 {row.target_sha1} is not in {where}",
    )


def _choose_tokenizers(plan: Plan, choice: TokenizerChoice, problems: list[Exp2procError]) -> None:
    numbers: dict[str, int] = {}
    missing: dict[str, int] = defaultdict(int)
    for planned in plan.runs:
        name = choice.of(planned.run)
        if name is None:
            missing[planned.run.model_tag] += 1
            continue
        if name not in numbers:
            numbers[name] = len(numbers)
            plan.tokenizers.append(PlannedTokenizer(name, fingerprint(name)))
        planned.tokenizer = numbers[name]
    for tag, count in missing.items():
        problems.append(
            Exp2procError(
                "no-tokenizer",
                f"no tokenizer for {count} {'run' if count == 1 else 'runs'} of model {tag!r}",
                f"Pass --tokenizer_model DIR, or --tokenizer_model {tag}=DIR for this model.",
            )
        )


def _group(plan: Plan, places: list[dict[TextKey, TextPlace]]) -> None:
    """Gather the usable rows of all runs by the text they need."""
    groups: dict[tuple[TextKey, int], list[RowWork]] = defaultdict(list)
    found: dict[TextKey, TextPlace] = {}
    for run, planned in enumerate(plan.runs):
        if places:
            found.update(places[run])
        for number, row in _usable(plan, planned):
            work = RowWork(
                number,
                run,
                row.file,
                row.attr_func,
                row.prompt_len,
                row.gen_len,
                row.open_ended and planned.young,
            )
            if places:
                groups[(row.prompt_sha1, row.target_sha1 or ""), planned.tokenizer].append(work)
            else:
                plan.texts.append(TextWork(None, -1, None, False, (work,)))
    plan.texts += (
        TextWork(key, tokenizer, found[key], False, tuple(rows))
        for (key, tokenizer), rows in groups.items()
    )


def _ready_tokenizers(plan: Plan, problems: list[Exp2procError]) -> None:
    """Load the tokenizers that are needed: not those whose every alignment is in the cache."""
    cache = caching.Cache(caching.cache_folder()) if plan.options.cache else None
    for number, tokenizer in enumerate(plan.tokenizers):
        unknown = True
        if cache is not None and tokenizer.fingerprint is not None:
            unknown = _mark_known(plan, number, tokenizer.fingerprint, cache)
            key = caching.tokenizer_key(tokenizer.fingerprint)
            if not unknown and key in cache.known([key]):
                continue
            tokenizer.portable = cache.get([key]).get(key)
            if tokenizer.portable is not None:
                continue
        try:
            tokenizer.loaded = load_tokenizer(tokenizer.name)
        except Exp2procError as err:
            problems.append(err)
            continue
        tokenizer.portable = tokenizer.loaded.portable
        if tokenizer.portable is None:
            tokenizer.fingerprint = None  # only the authority is exact: nothing of it is kept
        elif cache is not None and tokenizer.fingerprint is not None:
            cache.put({caching.tokenizer_key(tokenizer.fingerprint): tokenizer.portable})


def _mark_known(plan: Plan, number: int, fingerprint: str, cache: caching.Cache) -> bool:
    """Mark the texts whose alignment is in the cache; returns whether any is not."""
    keys = {
        at: caching.alignment_key(fingerprint, *text.key)
        for at, text in enumerate(plan.texts)
        if text.tokenizer == number and text.key is not None
    }
    known = cache.known(list(keys.values()))
    for at, key in keys.items():
        if key in known:
            plan.texts[at] = plan.texts[at]._replace(known=True)
    return not known.issuperset(keys.values())
