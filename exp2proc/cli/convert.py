"""Convert trace runs to samples, every mismatch collected."""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING, Any

from attrs import evolve

from ..errors import PlanError
from ..options import Following, Options, to_argv
from . import plan
from .answers import STOPPED, print_json, refusal, stopped
from .reports import Telling, check_report, write_report
from .selection import add_groups, options_of

if TYPE_CHECKING:
    from ..engines import Engine
    from ..planning.plan import Plan
    from ..results import Report

EXAMPLES = """\
examples:
  all runs below a folder, with one tokenizer:
    exp2proc convert --traces_root exp/exp2/output/traces --tokenizer_model models/Qwen3-8B
  two models:
    exp2proc convert --traces_root traces --tokenizer_model qwen-8B=models/Qwen3-8B \\
        --tokenizer_model llama-8B=models/Llama-3.1-8B --out_root OUT
  go on after an interruption:
    exp2proc convert --traces_root traces --tokenizer_model models/Qwen3-8B --resume
  while exp2 still writes:
    exp2proc convert --traces_root traces --tokenizer_model models/Qwen3-8B --follow
  on a cluster (extras dask and ray):
    exp2proc convert --traces_root traces --tokenizer_model models/Qwen3-8B \\
        --backend dask --scheduler tcp://head:8786
  without text:
    exp2proc convert --trace_dir RUN --layout proc_1 --out_dir OUT

Options may be spelled with underscores or dashes.
exit codes: 0 all done; 1 some rows failed, all others written; 2 nothing could start, nothing
written; 130 interrupted (Ctrl-C); 143 terminated.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `exp2proc convert`."""
    add_groups(parser)
    add_groups(parser, Following)
    add_groups(parser, Telling)
    parser.add_argument(
        "--dry_run", action="store_true", help="write nothing: the same as exp2proc plan"
    )


def run(args: argparse.Namespace) -> int:
    """Plan, convert, report."""
    if args.report is not None:
        check_report(args.report)
    if args.dry_run:
        return plan.run(args)
    from ..engines import open_engine
    from ..planning.planner import make_plan

    try:
        options = options_of(args, Options)
        if args.follow:
            return _follow(options, args)
        with open_engine(options.engine) as engine:
            return carry_out(make_plan(options), args, engine)
    except PlanError as err:
        if args.report is not None:
            write_report(args.report, refusal(err))
        raise


def _follow(options: Options, args: argparse.Namespace) -> int:
    """Convert in rounds, a line for each, then report."""
    from ..conversion.follow import follow
    from ..terminal.progress import say_round

    following = options_of(args, Following)
    return _end(follow(options, following, None if args.quiet else say_round), options, args)


def carry_out(made: Plan, args: argparse.Namespace, engine: Engine | None = None) -> int:
    """Carry a plan out with progress, then report."""
    from ..conversion.run import run_plan
    from ..terminal import progress

    with progress.reporter(made.row_count, quiet=args.quiet) as on_progress:
        report = run_plan(made, on_progress, engine)
    return _end(report, made.options, args)


def _end(report: Report, options: Options, args: argparse.Namespace) -> int:
    """Report, and undisturbed from now on."""
    from ..system.signals import ignore_stops

    if report.exit_code in (130, 143):
        ignore_stops()
    written = _deliver(report, options, args)
    ignore_stops()  # all is done and told: the exit code stands
    return report.exit_code if written else max(report.exit_code, 1)


def _deliver(report: Report, options: Options, args: argparse.Namespace) -> bool:
    """Tell what was done; False when a report that was asked for could not be written."""
    from ..terminal.report import print_report

    again = shlex.join(_go_on(options, options_of(args, Telling), options_of(args, Following)))
    data: dict[str, Any] = report.to_dict()
    if report.stopped in STOPPED:
        data |= stopped(report.stopped, f"To go on: {again}")
    written = args.report is None or write_report(args.report, data)
    if args.json:
        print_json(data)
        return written
    print_report(report, quiet=args.quiet, verbose=args.verbose, resume=again)
    return written


def _go_on(options: Options, telling: Telling, following: Following | None = None) -> list[str]:
    """The command that keeps what is done and makes the rest."""
    rest = evolve(options, overwrite=False, resume=False)
    return [
        "exp2proc",
        "convert",
        *to_argv(rest),
        *to_argv(following or Following()),
        *to_argv(telling),
        "--resume",
    ]
