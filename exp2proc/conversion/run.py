"""The main job: plan -> shards -> workers -> outcomes -> report."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from attrs import evolve

from ..engines import Engine, open_engine
from ..errors import Exp2procError
from ..formats.names import is_plain_name
from ..options import ConvertOptions, Rules, keywords_of
from ..planning.plan import Plan
from ..planning.planner import make_plan
from ..planning.shards import Shard, make_shards, text_seconds, without_rows
from ..results import OnProgress, Outcome, Report, StopReason
from ..system.leftovers import sweep
from ..system.scratch import scratch_folder
from ..system.signals import Terminated, undisturbed
from ..tokens.cache import cache_folder
from ..traces.manifest import Row
from .align_ahead import aligned_ahead, pays
from .cluster import Mark, Unseen, check_workers, new_mark, this_environment, tokenizer_path
from .explain_lengths import explain_lengths
from .record import write_records
from .row import with_leftover
from .tally import Tally
from .worker import UNWRITABLE_LIMIT, Settings, enter, is_unwritable, leave
from .worker_losses import Execution


class Interrupted(KeyboardInterrupt):
    """Ctrl-C ended a conversion.

    Attributes:
        report: what was done until then.
    """

    def __init__(self, report: Report) -> None:
        super().__init__("interrupted")
        self.report = report


@keywords_of(ConvertOptions)
def convert(options: ConvertOptions) -> Report:
    """Convert trace runs to samples. The options are those of `exp2proc convert`.

    An example, on the tree that `exp2proc demo` writes:

    >>> report = exp2proc.convert(
    ...     traces_root=demo.traces,
    ...     data_root=demo.data,
    ...     tokenizer_model=demo.tokenizer,
    ...     out_root=folder,
    ... )
    >>> report.counts.converted, report.errors, report.exit_code
    (96, [], 0)

    Args:
        options: as keyword arguments.

    Returns:
        What was done, with an error for every row that failed.

    Raises:
        PlanError: nothing could start and nothing was written; it carries every reason.
        Interrupted: on Ctrl-C; it carries the report of what was done.
    """
    with open_engine(options.engine) as engine:
        report = run_plan(make_plan(options), options.on_progress, engine)
    if report.stopped == "interrupted":
        raise Interrupted(report)
    return report


def run_plan(
    plan: Plan,
    on_progress: OnProgress | None = None,
    engine: Engine | None = None,
    *,
    write: bool = True,
) -> Report:
    """Carry out a plan, on an open engine or on the one that its options ask for.

    Ctrl-C (and `Terminated`) end it early with a report that says so.

    Args:
        plan: what to do.
        on_progress: called in this process whenever rows have ended.
        engine: where the workers are.
        write: False to find out only what would be written; the report then says what would be.

    Raises:
        PlanError: the workers of a cluster cannot be reached or do not see what they need.
    """
    if engine is None:
        with open_engine(plan.options.engine) as engine:
            return run_plan(plan, on_progress, engine, write=write)
    began = time.monotonic()
    check_workers(plan, engine)
    tally = Tally(plan, on_progress)
    mark = new_mark() if engine.remote and write else None
    _count_settled(plan, tally)
    stopped: StopReason | None = None
    try:
        if plan.options.fail_fast and tally.failed:
            stopped = "fail_fast"
        else:
            barred = _prepare_outputs(plan, mark) if write else []
            for row, error in barred:
                tally.add(Outcome.failed(row, error))
            barred_rows = {row.number for row, _ in barred}
            rules = evolve(plan.options.rules, write=write)
            stopped = _execute(plan, tally, barred_rows, engine, rules, mark)
    except KeyboardInterrupt:
        stopped = "interrupted"
    except Terminated:
        stopped = "terminated"
    except Exp2procError as err:
        if err.code != "no-cluster":
            raise
        stopped = "cluster_lost"
    finally:
        with undisturbed():
            for planned in plan.runs if write else ():
                if mark is not None:
                    mark.remove(planned.run.out_dir)
                sweep(str(planned.run.out_dir))
    report = tally.report(stopped)
    if write:
        with undisturbed():
            write_records(plan, report)
    report.seconds = time.monotonic() - began
    return report


def _count_settled(plan: Plan, tally: Tally) -> None:
    """Count the rows whose outcome planning knows."""
    for planned in plan.runs if plan.failures or plan.pending else ():
        sound = {row.file for row in planned.rows if row.number not in plan.failures}
        for row in planned.rows:
            if row.number in plan.failures:
                error = plan.failures[row.number]
                if row.file and row.file not in sound and is_plain_name(row.file):
                    place = f"{planned.run.out_dir}/{row.file}"
                    error = with_leftover(error, place, plan.options.rules)
                tally.add(Outcome.failed(row, error))
            elif row.number in plan.pending:
                tally.add(Outcome(row.number, row.run, "pending"))


def _prepare_outputs(plan: Plan, mark: Mark | None) -> list[tuple[Row, Exp2procError]]:
    """Make the output folders; returns the rows of those that cannot be made, and why."""
    barred: dict[int, Exp2procError] = {}
    for number, planned in enumerate(plan.runs):
        if planned.problems or not planned.rows:
            continue
        out = planned.run.out_dir
        try:
            out.mkdir(parents=True, exist_ok=True)
            sweep(str(out))
            if mark is not None:
                mark.put(out)
        except OSError as err:
            barred[number] = Exp2procError("output-unwritable", f"{out}: {err.strerror or err}")
    rows = (row for text in plan.texts for row in text.rows) if barred else ()
    return [(row, barred[row.run]) for row in rows if row.run in barred]


def _execute(
    plan: Plan,
    tally: Tally,
    barred: set[int],
    engine: Engine,
    rules: Rules,
    mark: Mark | None,
) -> StopReason | None:
    """Hand out the work, count what comes back; returns why it ended early, or None."""
    options = plan.options
    texts = without_rows(plan.texts, barred)
    workers = engine.workers(sum(map(text_seconds, texts)))
    shards = make_shards(texts, plan.folders(), workers)
    workers = max(1, min(workers, len(shards)))
    align_ahead = not engine.remote and pays(texts, workers)
    with scratch_folder() as scratch:
        settings = replace(settings_of(plan, engine, scratch, workers, rules), mark=mark)
        tokenizers = plan.open_tokenizers()
        work: Iterable[Shard] = shards
        cache = settings.cache_folder
        if align_ahead:
            folder = cache or str(scratch)
            settings = replace(settings, cache_folder=folder)
            work = aligned_ahead(shards, tokenizers, folder, options.prompt_prefix)
        execution = Execution(work, settings, engine, workers, scratch)
        unseen = Unseen(plan) if mark is not None else None

        def count(outcome: Outcome) -> None:
            if unseen is None or not unseen.holds(outcome):
                tally.add(outcome)

        enter(settings.run_id, tokenizers)
        try:
            stopped = _follow(execution, count, fail_fast=options.fail_fast)
        except BaseException:
            _cut_short(execution, count)
            raise
        else:
            if stopped is not None:
                _cut_short(execution, count)
        finally:
            leave(settings.run_id)
            for outcome in unseen.settled() if unseen is not None else ():
                tally.add(outcome)
        if stopped != "unwritable" and tally.failed:
            explain_lengths(plan, tally, tokenizers, cache)
        return stopped


def _cut_short(execution: Execution, count: Callable[[Outcome], None]) -> None:
    with undisturbed():
        execution.close()
        for outcome in execution.salvage():
            count(outcome)


def _follow(
    execution: Execution, count: Callable[[Outcome], None], *, fail_fast: bool
) -> StopReason | None:
    unwritable = 0
    for outcome in execution.outcomes():
        count(outcome)
        unwritable = unwritable + 1 if is_unwritable(outcome) else 0
        if unwritable >= UNWRITABLE_LIMIT:
            return "unwritable"
        if fail_fast and outcome.status == "failed":
            return "fail_fast"
    return None


def settings_of(plan: Plan, engine: Engine, scratch: Path, workers: int, rules: Rules) -> Settings:
    """What all shards have in common.

    Workers on other machines load tokenizers by name, and compare them with the planner's. They use
    no cache: the locks of its file do not hold on every shared file system.
    """
    run_id = uuid.uuid4().hex
    if engine.remote:
        remote = (replace(t.source(None), name=tokenizer_path(t.name)) for t in plan.tokenizers)
        return Settings(run_id, rules, tuple(remote), planner=this_environment())
    sources = []
    for number, tokenizer in enumerate(plan.tokenizers):
        portable = None
        if tokenizer.portable is not None and workers > 1:
            portable = _written(scratch / f"tokenizer-{number}", tokenizer.portable)
        sources.append(tokenizer.source(portable))
    folder = str(cache_folder()) if plan.options.cache else None
    return Settings(run_id, rules, tuple(sources), folder)


def _written(path: Path, data: bytes) -> str | None:
    """None where there is no room: workers then load the tokenizer by its name."""
    try:
        path.write_bytes(data)
    except OSError:
        return None
    return str(path)
