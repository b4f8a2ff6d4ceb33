"""The main job: plan -> shards -> workers -> outcomes -> report."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ..engines import Engine, local, open_engine
from ..errors import Exp2procError
from ..options import ConvertOptions, Options, keywords_of
from ..planning.planner import Plan, make_plan
from ..planning.shards import Shard, TextWork, make_shards, text_seconds
from ..results import OnProgress, Outcome, Report, StopReason
from ..system.scratch import scratch_folder
from ..system.signals import Terminated, undisturbed
from ..system.writing import sweep
from ..tokens import cache as caching
from ..tokens.tokenizer import fingerprint
from . import align_ahead as ahead
from .cluster import check_workers, this_environment, tokenizer_path
from .execution import Execution
from .tally import Tally
from .worker import UNWRITABLE_LIMIT, Existing, Settings, TokenizerSource, is_unwritable, preload


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
    plan: Plan, on_progress: OnProgress | None = None, engine: Engine | None = None
) -> Report:
    """Carry out a plan, on an open engine or on the one that its options ask for.

    Ctrl-C (and `Terminated`) end it early with a report that says so.

    Raises:
        PlanError: the workers of a cluster cannot be reached or do not see what they need.
    """
    if engine is None:
        with open_engine(plan.options.engine) as engine:
            return run_plan(plan, on_progress, engine)
    began = time.monotonic()
    check_workers(plan, engine)
    tally = Tally(plan, on_progress)
    for number, error in plan.failures.items():
        tally.add(_failed(number, error))
    for number in plan.pending:
        tally.add(Outcome(number, "pending"))
    stopped: StopReason | None = None
    try:
        if plan.options.fail_fast and tally.failed:
            stopped = "fail_fast"
        else:
            unreachable = _prepare_outputs(plan)
            for number, error in unreachable.items():
                tally.add(_failed(number, error))
            stopped = _execute(plan, tally, unreachable, engine)
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
            for planned in plan.runs:
                sweep(str(planned.run.out_dir))
    report = tally.report(stopped)
    report.seconds = time.monotonic() - began
    return report


def _failed(number: int, error: Exp2procError) -> Outcome:
    return Outcome(number, "failed", error=(error.code, error.message, error.hint))


def _prepare_outputs(plan: Plan) -> dict[int, Exp2procError]:
    """Make the output folders; returns an error for each row of those that cannot be made."""
    errors: dict[int, Exp2procError] = {}
    barred: dict[int, Exp2procError] = {}
    for run, planned in enumerate(plan.runs):
        out = planned.run.out_dir
        try:
            out.mkdir(parents=True, exist_ok=True)
            sweep(str(out))
        except OSError as err:
            barred[run] = Exp2procError("output-unwritable", f"{out}: {err.strerror or err}")
    if barred:
        for text in plan.texts:
            errors.update((row.number, barred[row.run]) for row in text.rows if row.run in barred)
    return errors


def _execute(
    plan: Plan, tally: Tally, skip: dict[int, Exp2procError], engine: Engine
) -> StopReason | None:
    texts = plan.texts
    if skip:
        kept = (t._replace(rows=tuple(r for r in t.rows if r.number not in skip)) for t in texts)
        texts = [text for text in kept if text.rows]
    options = plan.options
    workers = engine.workers(sum(map(text_seconds, texts)))
    shards = make_shards(texts, plan.folders(), workers)
    workers = max(1, min(workers, len(shards)))
    # With --resume most texts may not be needed at all, and only a worker sees which.
    align_ahead = not engine.remote and not options.resume and ahead.pays(texts, workers)
    with scratch_folder() as scratch:
        settings = (
            _remote_settings(plan) if engine.remote else make_settings(plan, scratch, workers)
        )
        work: Iterable[Shard] = shards
        if align_ahead:
            settings = replace(settings, cache_folder=settings.cache_folder or str(scratch))
            work = ahead.aligned_ahead(shards, settings)
        execution = Execution(work, settings, engine, workers, scratch)
        try:
            stopped = _follow(execution, tally, fail_fast=options.fail_fast)
        except BaseException:
            _cut_short(execution, tally)
            raise
        if stopped is not None:
            _cut_short(execution, tally)
        if stopped != "unwritable" and tally.failed:
            from .hints import explain_lengths  # most runs have nothing to explain

            explain_lengths(plan, tally, settings)
        return stopped


def _cut_short(execution: Execution, tally: Tally) -> None:
    with undisturbed():
        execution.close()
        tally.add_missed(execution.salvage())


def choose_jobs(options: Options, texts: list[TextWork]) -> int:
    """How many workers of this machine serve these texts; "auto" goes by estimated work."""
    return local.connect(options.engine, None).workers(sum(map(text_seconds, texts)))


def _follow(execution: Execution, tally: Tally, *, fail_fast: bool) -> StopReason | None:
    unwritable = 0
    for outcome in execution.outcomes():
        tally.add(outcome)
        unwritable = unwritable + 1 if is_unwritable(outcome) else 0
        if unwritable >= UNWRITABLE_LIMIT:
            return "unwritable"
        if fail_fast and outcome.status == "failed":
            return "fail_fast"
    return None


def _written(path: Path, data: bytes) -> Path | None:
    """None where there is no room: workers then load the tokenizer by its name."""
    try:
        path.write_bytes(data)
    except OSError:
        return None
    return path


def make_settings(plan: Plan, scratch: Path, jobs: int) -> Settings:
    """The settings of a plan's shards; tokenizers that workers need are written to `scratch`."""
    run_id = uuid.uuid4().hex
    sources: list[TokenizerSource] = []
    for number, tokenizer in enumerate(plan.tokenizers):
        portable: Path | None = None
        if tokenizer.portable is not None and (jobs > 1 or tokenizer.loaded is None):
            portable = _written(scratch / f"tokenizer-{number}", tokenizer.portable)
        source = TokenizerSource(
            tokenizer.name, tokenizer.fingerprint, None if portable is None else str(portable)
        )
        if tokenizer.loaded is not None:
            preload(source, run_id, tokenizer.loaded.tokenizer)
        sources.append(source)
    settings = _common_settings(plan, run_id, tuple(sources))
    folder = os.fspath(caching.cache_folder()) if plan.options.cache else None
    return replace(settings, cache_folder=folder)


def _remote_settings(plan: Plan) -> Settings:
    """For workers on other machines: tokenizers by name, to be compared with the planner's.

    They use no cache: the locks of its file do not hold on every shared file system.
    """
    sources = []
    for tokenizer in plan.tokenizers:
        name, planned = tokenizer_path(tokenizer.name), tokenizer.fingerprint
        planned = planned or fingerprint(name)
        sources.append(TokenizerSource(name, tokenizer.fingerprint, None, planned))
    settings = _common_settings(plan, uuid.uuid4().hex, tuple(sources))
    return replace(settings, planner=this_environment())


def _common_settings(plan: Plan, run_id: str, sources: tuple[TokenizerSource, ...]) -> Settings:
    options = plan.options
    existing: Existing = "keep" if options.resume else "replace" if options.overwrite else "refuse"
    return Settings(
        run_id=run_id,
        layout=options.layout,
        existing=existing,
        allow_missing_ft_hops=options.allow_missing_ft_hops,
        tokenizers=sources,
        cache_folder=None,
    )
