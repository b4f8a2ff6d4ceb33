"""Converting while exp2 still writes: in rounds, each of which goes on where the last one ended.

A round is a conversion with `--resume`: what is there is kept when it is what would be written. It
is over when every run has the rows that its name promises, or when nothing has changed for long.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from attrs import evolve

from ..engines import Engine, open_engine
from ..errors import Exp2procError, PlanError
from ..formats.names import promised_by
from ..options import Following, Options
from ..planning.plan import Plan
from ..planning.planner import existing, make_plan, outputs_exist
from ..results import Counts, Replaced, Report, StopReason
from ..system.signals import Terminated
from .run import run_plan


class Round(NamedTuple):
    """One round, when it has ended.

    Attributes:
        number: from 1.
        report: of all that is there; None where there is no run yet.
        made: samples that this round wrote.
        rest: seconds until the next round; 0 when this was the last one.
    """

    number: int
    report: Report | None
    made: int
    rest: float


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
    own: dict[str, set[str]] | None = None if options.resume or options.overwrite else {}
    replaced: dict[tuple[str, str], Replaced] = {}
    last: Report | None = None
    with open_engine(options.engine) as engine:
        for number in itertools.count(1):
            try:
                seen = _round(options, engine, own)
                if seen.state != state:
                    state, changed = seen.state, time.monotonic()
                patient = time.monotonic() - changed < following.patience
                if seen.report is None and not patient:
                    make_plan(options)  # says why
            except PlanError as err:
                if last is None:
                    raise
                last.stopped, last.problems = "blocked", list(err.problems)
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
                gone = sorted(earlier.keys() - {run.trace_dir for run in last.runs})
                complete = seen.complete and not gone
                over = complete or last.stopped is not None or not patient
                if over and gone:
                    last.stopped = last.stopped or "blocked"
                    last.problems = [Exp2procError("no-runs", f"{one} is gone") for one in gone]
            done = Round(number, seen.report, made, 0.0 if over else following.every)
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
    except KeyboardInterrupt:
        return "interrupted"
    except Terminated:
        return "terminated"
    return None


def _round(options: Options, engine: Engine, own: dict[str, set[str]] | None) -> _Seen:
    """One round.

    Args:
        options: of the round.
        engine: where the workers are.
        own: names of the outputs of each run, by trace_dir, that are there by this following's own
            doing, where others are refused; the round's are added.
    """
    try:
        plan = make_plan(options)
        if own is not None:
            _refuse_others(plan, own)
    except PlanError as err:
        if {problem.code for problem in err.problems} != {"no-runs"}:
            raise
        return _Seen(None, (), complete=False)
    report = run_plan(plan, None, engine)
    if own is not None:
        for planned in plan.runs:
            own.setdefault(str(planned.run.trace_dir), set()).update(existing(plan, planned))
    state = [
        (run.trace_dir, planned.sha256, run.record and run.record["samples_digest"])
        for planned, run in zip(plan.runs, report.runs, strict=True)
    ]
    # A trace that cannot be read may be one that is still being written.
    unread = any(error.code in _UNFINISHED for error in report.errors)
    complete = _is_complete(plan) and not report.counts.pending and not unread
    return _Seen(report, state, complete)


def _refuse_others(plan: Plan, own: dict[str, set[str]]) -> None:
    others = (
        (planned, len(existing(plan, planned) - own.get(str(planned.run.trace_dir), set())))
        for planned in plan.runs
    )
    if problems := outputs_exist(others):
        raise PlanError(problems)


def _is_complete(plan: Plan) -> bool:
    limit = plan.options.limit
    for planned in plan.runs:
        promised = promised_by(planned.run.run_tag)
        if promised is None:
            return False
        if len(planned.rows) < (promised if limit is None else min(promised, limit)):
            return False
    return True


def _made(counts: Counts) -> int:
    return counts.converted + counts.replaced


def _count_as_made(report: Report, earlier: dict[str, Counts]) -> None:
    """Let what earlier rounds made, and this one kept, count as made."""
    for run in report.runs:
        counts, before = run.counts, earlier.get(run.trace_dir, Counts())
        for name in ("converted", "replaced"):
            moved = min(getattr(before, name), counts.kept)
            counts.kept -= moved
            setattr(counts, name, getattr(counts, name) + moved)
        earlier[run.trace_dir] = counts
