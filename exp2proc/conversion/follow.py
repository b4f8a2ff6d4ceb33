"""Converting while exp2 still writes: in rounds, each of which goes on where the last one ended.

A round is a conversion with `--resume`: what is there is kept when it is what would be written. It
is over when every run has the rows that its name promises, or when nothing has changed for long.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from attrs import evolve

from ..engines import Engine, open_engine
from ..errors import Exp2procError, PlanError
from ..options import Following, Options
from ..planning.plan import Plan
from ..planning.planner import draft_plan, outputs_exist
from ..results import Counts, Replaced, Report, StopReason
from ..system.signals import Terminated
from .run import run_plan
from .tally import blank_report


class Round(NamedTuple):
    """One round, when it has ended.

    Attributes:
        number: from 1.
        report: of all that is there; None where there is no run yet.
        made: samples that this round wrote.
        rest: seconds until the next round; 0 when this was the last one.
        problems: runs that are away or cannot be read, each with why.
    """

    number: int
    report: Report | None
    made: int
    rest: float
    problems: list[Exp2procError]


_UNFINISHED: Final = frozenset({"trace-missing", "trace-corrupt"})

OnRound = Callable[[Round], None]


class _Seen(NamedTuple):
    """What a round found, as far as it can change.

    Attributes:
        report: of the conversion; None where there is no run.
        state: differs when something has changed.
        complete: whether every run has the rows that its name promises.
    """

    report: Report | None
    state: object
    complete: bool


def follow(
    options: Options, following: Following | None = None, on_round: OnRound | None = None
) -> Report:
    """Convert in rounds while runs are being written.

    >>> report = follow(Options(traces_root=demo.traces, layout="proc_1", out_root=folder))
    >>> report.counts.converted, report.exit_code  # all rows are there: one round
    (96, 0)

    Args:
        options: of each round; all but the first go on where the last one ended.
        following: how often to look, and for how long nothing may change; by default half a minute
            and half an hour.
        on_round: told of each round when it has ended.

    Returns:
        The report of the last round, in which what earlier rounds made counts as made.

    Raises:
        PlanError: a round could not start; where there was no run yet, after patience was lost.
    """
    following = following or Following()
    if problems := following.problems():
        raise PlanError(problems)
    began = changed = time.monotonic()
    state: object = None
    earlier: dict[str, Counts] = {}
    own: dict[Path, set[str]] | None = None if options.resume or options.overwrite else {}
    replaced: dict[tuple[str, str], Replaced] = {}
    last: Report | None = None
    with open_engine(options.engine) as engine:
        for number in itertools.count(1):
            try:
                plan, problems = draft_plan(options)
                away = [*plan.away.values(), *_gone(plan, earlier)]
                seen = _round(plan, problems, engine, own)
                if seen.state != state:
                    state, changed = seen.state, time.monotonic()
                patient = time.monotonic() - changed < following.patience
                if seen.report is None and not patient:
                    raise PlanError(away or problems)
            except PlanError as err:
                if last is None:
                    raise
                last.stopped, last.problems = "blocked", list(err.problems)
                _count_as_left(last, plan)
                return last
            except (KeyboardInterrupt, Terminated) as stop:  # while it planned
                if last is None:
                    raise
                last.stopped, last.seconds = _reason(stop), time.monotonic() - began
                return last
            made, over = 0, False
            if seen.report is not None:
                last = seen.report
                options = evolve(options, resume=True, overwrite=False)
                made = _made(last.counts)
                _count_as_made(last, earlier)
                replaced.update(((one.trace_dir, one.file), one) for one in last.replaced)
                last.replaced = list(replaced.values())
                last.seconds = time.monotonic() - began
                last.problems = away
                complete = seen.complete and not away
                over = complete or last.stopped is not None or not patient
                if over and away:
                    last.stopped = last.stopped or "blocked"
            rest = 0.0 if over else following.every
            done = Round(number, seen.report, made, rest, away or problems)
            stopped = _tell_and_rest(done, on_round)
            if last is not None and (over or stopped is not None):
                last.stopped = last.stopped or stopped
                return last
            if stopped is not None:
                raise KeyboardInterrupt if stopped == "interrupted" else Terminated
    raise AssertionError("rounds end by themselves")


def _tell_and_rest(done: Round, on_round: OnRound | None) -> StopReason | None:
    """Say that a round has ended; what ended the rest after it early, if anything did."""
    try:
        if on_round is not None:
            on_round(done)
        time.sleep(done.rest)
    except (KeyboardInterrupt, Terminated) as stop:
        return _reason(stop)
    return None


def _reason(stop: BaseException) -> StopReason:
    return "terminated" if isinstance(stop, Terminated) else "interrupted"


def _round(
    plan: Plan,
    problems: list[Exp2procError],
    engine: Engine,
    own: dict[Path, set[str]] | None,
) -> _Seen:
    """One round, of the runs that are there.

    Args:
        plan: of the round, a draft.
        problems: of the draft.
        engine: where the workers are.
        own: names of the outputs of each run, by trace_dir, that nothing lay at when this following
            set out to make them, where others are refused; the round's are added.

    Raises:
        PlanError: something else is in the way than that runs are away.
    """
    away = list(plan.away.values())
    barring = [problem for problem in problems if problem not in away]
    if not barring and own is not None:
        barring = outputs_exist(plan, own)
    if any(problem.code != "no-runs" for problem in barring):
        raise PlanError([*barring, *away])
    if barring or not plan.runs:
        return _Seen(None, [str(problem) for problem in problems], complete=False)
    report = run_plan(plan, None, engine)
    if own is not None:
        for planned in plan.runs:
            own.setdefault(planned.run.trace_dir, set()).update(planned.files)
    state = (
        [
            (run.trace_dir, planned.sha256, run.record and run.record["samples_digest"])
            for planned, run in zip(plan.runs, report.runs, strict=True)
        ],
        [str(problem) for problem in away],
    )
    # A trace that cannot be read may be one that is still being written.
    unread = any(error.code in _UNFINISHED for error in report.errors)
    all_there = all(planned.awaited(plan.options.limit) == 0 for planned in plan.runs)
    complete = all_there and not report.counts.pending and not unread
    return _Seen(report, state, complete)


def _gone(plan: Plan, earlier: Iterable[str]) -> list[Exp2procError]:
    """Of the runs of earlier rounds those that nothing is said about, in a plan."""
    there = {str(planned.run.trace_dir) for planned in plan.runs}
    return [
        Exp2procError("no-runs", f"{one} is gone")
        for one in sorted(set(earlier) - there)
        if not any(Path(one).is_relative_to(place) for place in plan.away)
    ]


def _count_as_left(report: Report, plan: Plan) -> None:
    """Let the rows that a plan has more than a report count as not reached."""
    runs = {run.trace_dir: run for run in report.runs}
    for planned in plan.runs:
        run = blank_report(planned)
        if run.trace_dir not in runs:
            report.runs.append(run)
        told = runs.setdefault(run.trace_dir, run).counts
        told.planned = max(told.planned, run.counts.planned)
        told.settle()


def _made(counts: Counts) -> int:
    return counts.converted + counts.replaced


def _count_as_made(report: Report, earlier: dict[str, Counts]) -> None:
    """Let what earlier rounds made, and this one kept, count as made."""
    for run in report.runs:
        counts, before = run.counts, earlier.get(run.trace_dir, Counts())
        # Of a manifest that is being written anew some rows are away: they are not forgotten.
        shorter = counts.planned < before.planned
        for name in ("converted", "replaced"):
            known, new = getattr(before, name), getattr(counts, name)
            moved = min(known, counts.kept)
            counts.kept -= moved
            setattr(counts, name, new + moved)
            setattr(before, name, known + new)
        earlier[run.trace_dir] = before if shorter else replace(counts)
