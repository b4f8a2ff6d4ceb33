"""Options -> plan: every row that will be converted, and everything that stands in the way.

Planning writes nothing. It finds all problems that would keep a run from starting and reports them
together; what concerns single rows is kept as the outcome of that row.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from ..errors import Exp2procError, PlanError
from ..formats.layouts import LAYOUTS
from ..formats.names import counted, promised_by
from ..options import Options, parse_tokenizers
from ..results import RunWarning
from ..system.files import absolute
from ..system.status import busy
from ..tokens.cache import Cache, alignment_key, cache_folder, tokenizer_key, usual_limit
from ..tokens.tokenizer import load_tokenizer
from ..traces.manifest import NAME, BadLine, Row, load_manifest
from ..traces.runs import describe_run, find_runs, refuse_traces, why_unread
from .matching import choose_tokenizers, group_by_text, match_texts, name_runs
from .plan import Plan, PlannedRun
from .shards import without_rows

_YOUNG = 60.0
"""Seconds since its last change during which a manifest counts as still being written."""


def make_plan(options: Options) -> Plan:
    """Plan a conversion.

    >>> plan = make_plan(Options(traces_root=demo.traces, layout="proc_1", out_root=folder))
    >>> len(plan.runs), plan.row_count, plan.failures
    (12, 96, {})

    Raises:
        PlanError: with every problem that keeps it from starting.
    """
    plan, problems = draft_plan(options)
    if problems:
        raise PlanError(problems)
    return plan


def draft_plan(options: Options, *, outputs: bool = True) -> tuple[Plan, list[Exp2procError]]:
    """As much of a plan as can be made, and every problem that keeps it from being carried out.

    A run without a dataset or a tokenizer is a problem where no other run can start, or with
    `strict`; else its rows are failures, and the others are converted. One that is away is always a
    problem, which who waits for it may pass over (`Plan.away`). Texts of runs without a
    tokenizer have the number -1 for it where they are in the draft at all. Without `outputs` it
    does not matter what lies where samples would go.
    """
    plan = Plan(options)
    problems = options.problems()
    if options.cache is True:
        try:
            usual_limit()
        except Exp2procError as err:
            problems.append(err)
    if problems:
        return plan, problems
    busy("reading the manifests")
    try:
        tokenizers = parse_tokenizers(options.tokenizer_model)
        _enter_runs(plan, problems)
    except Exp2procError as err:
        return plan, [*problems, *plan.away.values(), err]
    problems += plan.away.values()
    if outputs and not any(problem.code == "usage" for problem in problems):
        _check_outputs(plan, problems)
    if LAYOUTS[options.layout].needs_text:
        places = match_texts(plan, problems)
        choose_tokenizers(plan, tokenizers)
        group_by_text(plan, places)
        _ready_tokenizers(plan)
    else:
        name_runs(plan)
        group_by_text(plan, None)
    _leave_out_runs(plan, problems)
    return plan, problems


def _leave_out_runs(plan: Plan, problems: list[Exp2procError]) -> None:
    """Let what keeps a run from starting cost its rows; all of them where no run can start."""
    barred = [planned for planned in plan.runs if planned.rows and planned.problems]
    if plan.options.strict or len(barred) == sum(bool(planned.rows) for planned in plan.runs):
        problems += {id(error): error for run in barred for error in run.problems}.values()
        return
    for planned in barred:
        for number, error in plan.barred(planned).items():
            plan.failures.setdefault(number, error)
    if barred:
        plan.texts = [*without_rows(plan.texts, plan.failures)]


def _enter_runs(plan: Plan, problems: list[Exp2procError]) -> None:
    options = plan.options
    folders = find_runs(options.trace_dir, options.traces_root, plan.away.__setitem__)
    if options.out_dir is not None and len(folders) != 1:
        said = f"--out_dir goes with exactly one run, not {len(folders)}"
        hint = "Name one run with --trace_dir; for several there is --out_root."
        problems.append(Exp2procError("usage", said, hint))
    for folder in folders:
        run = describe_run(folder, options.output_root, options.out_dir)
        number, first = len(plan.runs), plan.row_count
        try:
            manifest = load_manifest(folder / NAME, options.limit, run=number, first=first)
            # A date far ahead says nothing: a clock was set back, or was another machine's.
            young = abs(time.time() - (folder / NAME).stat().st_mtime) < _YOUNG
        except OSError as err:
            plan.away[folder] = why_unread(folder, err)
            continue
        planned = PlannedRun(run, manifest.rows, manifest.sha256, manifest.cut, first, young=young)
        _look_for_all_rows(planned, options, problems)
        _refuse_hidden(planned, options)
        plan.row_count += len(planned.rows)
        plan.runs.append(planned)
        _sort_out(plan, planned)


def _look_for_all_rows(
    planned: PlannedRun, options: Options, problems: list[Exp2procError]
) -> None:
    """Say so where a manifest is empty, or shorter than the run's name promises."""
    run, count, promised = planned.run, len(planned.rows), promised_by(planned.run.run_tag)
    if count == options.limit or (count and not planned.awaited(options.limit)):
        return
    where = f" where the run's name promises {promised}" if promised else ""
    if not count and options.fail_on_empty_manifest:
        problems.append(
            Exp2procError("empty-manifest", f"{run.trace_dir / NAME} has no rows{where}")
        )
    elif not count:
        said = f"no rows{where}: nothing to convert, no folder is made"
        planned.warnings.append(RunWarning("empty-run", said))
    else:
        rows = counted(len(planned.files), "row")
        said = f"{rows}{where}: the run was cut, or is still being written"
        planned.warnings.append(RunWarning("fewer-rows", said))


def _refuse_hidden(planned: PlannedRun, options: Options) -> None:
    """Samples in a folder that the readers of exports pass by would be lost."""
    out, root = planned.run.out_dir, absolute(options.output_root)
    if options.out_dir is None and any(p.startswith(".") for p in out.relative_to(root).parts):
        said = f"{out} would be hidden from every reader of samples"
        planned.problems.append(Exp2procError("output-hidden", said))


def _sort_out(plan: Plan, planned: PlannedRun) -> None:
    """Find the rows that are no rows, and those that name the same file twice."""
    seen: dict[str, Row] = {}
    for row in planned.rows:
        if isinstance(row, BadLine):
            if planned.young and row.open_ended:
                plan.pending.add(row.number)
            else:
                plan.failures[row.number] = row.error
            continue
        first = seen.setdefault(row.file, row)
        if first is row:
            continue
        where = f"manifest.jsonl line {row.line}: {row.file} was named by line {first.line} already"
        if _identity(first) == _identity(row):
            plan.failures[row.number] = Exp2procError(
                "manifest-invalid",
                f"{where}, with the same fields",
                "The sample is written once; remove the repeated line.",
            )
        else:
            error = Exp2procError("manifest-invalid", f"{where}, with other fields")
            plan.failures[row.number] = plan.failures[first.number] = error


def _identity(row: Row) -> tuple[object, ...]:
    return row.attr_func, row.prompt_sha1, row.target_sha1, row.prompt_len, row.gen_len


def _check_outputs(plan: Plan, problems: list[Exp2procError]) -> None:
    owners: dict[str, list[PlannedRun]] = defaultdict(list)
    for planned in plan.runs:
        owners[os.path.realpath(planned.run.out_dir)].append(planned)
        try:
            refuse_traces(planned.run.out_dir)
        except Exp2procError as err:
            problems.append(err)
        else:
            planned.existing = _existing(plan, planned)
    for shared in owners.values():
        _check_collision(plan, shared, problems)
    if not (plan.options.overwrite or plan.options.resume):
        problems += outputs_exist(plan, {})


def outputs_exist(plan: Plan, own: Mapping[Path, set[str]]) -> list[Exp2procError]:
    """A problem for each run that has outputs which may not be replaced.

    Args:
        plan: the runs.
        own: names of outputs that may, by trace_dir.
    """
    counts = (
        (planned, len(planned.existing - own.get(planned.run.trace_dir, set())))
        for planned in plan.runs
    )
    return [
        Exp2procError(
            "outputs-exist",
            f"{count} of {len(planned.rows)} outputs are already in {planned.run.out_dir}",
        )
        for planned, count in counts
        if count
    ]


def _existing(plan: Plan, planned: PlannedRun) -> set[str]:
    """The names of a run's outputs that are there."""
    try:
        there = set(os.listdir(planned.run.out_dir))
    except OSError:
        return set()
    return {row.file for row in plan.usable(planned) if row.file in there} if there else set()


def _check_collision(plan: Plan, shared: list[PlannedRun], problems: list[Exp2procError]) -> None:
    writers: dict[str, PlannedRun] = {}
    for planned in shared:
        for row in plan.usable(planned):
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


def _ready_tokenizers(plan: Plan) -> None:
    """Load the tokenizers that are needed: not those whose every alignment is in the cache."""
    cache = Cache(cache_folder()) if plan.options.cache else None
    for number, tokenizer in enumerate(plan.tokenizers):
        unknown = True
        if cache is not None and tokenizer.fingerprint is not None:
            unknown = _mark_known(plan, number, tokenizer.fingerprint, cache)
            key = tokenizer_key(tokenizer.fingerprint)
            if not unknown and key in cache.known([key]):
                continue
            tokenizer.portable = cache.get([key]).get(key)
            if tokenizer.portable is not None:
                continue
        try:
            tokenizer.loaded = load_tokenizer(tokenizer.name)
        except Exp2procError as err:
            for planned in plan.runs:
                if planned.tokenizer == number:
                    planned.problems.append(err)
            continue
        if tokenizer.loaded.fingerprint != tokenizer.fingerprint:
            said = (
                f"the files of tokenizer {tokenizer.name} changed while it was loaded: nothing of"
                " this run is remembered; run again with --resume once they are at rest"
            )
            for planned in plan.runs:
                if planned.tokenizer == number:
                    planned.warnings.append(RunWarning("tokenizer-changed", said))
            tokenizer.fingerprint, tokenizer.cacheable = tokenizer.loaded.fingerprint, False
        tokenizer.portable = tokenizer.loaded.portable
        if tokenizer.portable is None:
            tokenizer.cacheable = False  # only the authority is exact: nothing of it is kept
        elif cache is not None and tokenizer.cache_key is not None:
            cache.put({tokenizer_key(tokenizer.cache_key): tokenizer.portable})


def _mark_known(plan: Plan, number: int, fingerprint: str, cache: Cache) -> bool:
    """Mark the texts whose alignment is in the cache; returns whether any is not."""
    keys = {
        at: alignment_key(fingerprint, *text.key, plan.options.prompt_prefix)
        for at, text in enumerate(plan.texts)
        if text.tokenizer == number and text.key is not None
    }
    known = cache.known(list(keys.values()))
    for at, key in keys.items():
        if key in known:
            plan.texts[at] = plan.texts[at]._replace(known=True)
    return not known.issuperset(keys.values())
