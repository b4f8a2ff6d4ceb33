"""Convert trace runs to samples, every mismatch collected."""

from __future__ import annotations

import argparse
import json
import re
import shlex
from typing import TYPE_CHECKING, Any

from ..errors import Exp2procError, PlanError
from . import plan
from .reports import unwritable, write_report
from .selection import add_execution, add_selection, options_of
from .values import path

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
    add_selection(parser)
    add_execution(parser)
    add_reporting(parser)
    parser.add_argument(
        "--dry_run", action="store_true", help="write nothing: the same as exp2proc plan"
    )


def add_reporting(parser: argparse.ArgumentParser) -> None:
    """Options that say what is told, where."""
    told = parser.add_argument_group("report")
    told.add_argument(
        "--report", metavar="FILE.json", type=path, help="write the JSON report to a file"
    )
    told.add_argument(
        "--json", action="store_true", help="print the JSON report on stdout, and nothing else"
    )
    told.add_argument("--quiet", action="store_true", help="no progress, no summary of success")
    told.add_argument("--verbose", action="store_true", help="tracebacks of internal errors")


def run(args: argparse.Namespace) -> int:
    """Plan, convert, report."""
    if args.report is not None and (why := unwritable(args.report)) is not None:
        return refuse(PlanError([Exp2procError("usage", why)]), args)
    if args.dry_run:
        return plan.run(args)
    from ..engines import open_engine
    from ..planning.planner import make_plan
    from ..system.signals import hear_sigterm

    hear_sigterm()
    try:
        options = options_of(args)
        with open_engine(options.engine) as engine:
            return carry_out(make_plan(options), args, engine)
    except PlanError as err:
        return refuse(err, args)


def carry_out(made: Plan, args: argparse.Namespace, engine: Engine | None = None) -> int:
    """Carry a plan out with progress, then report."""
    from ..conversion.run import run_plan
    from ..system.signals import ignore_stops
    from ..terminal import progress

    with progress.reporter(made.row_count, quiet=args.quiet) as on_progress:
        report = run_plan(made, on_progress, engine)
    if report.exit_code in (130, 143):
        ignore_stops()
    written = _deliver(report, args)
    ignore_stops()  # all is done and told: the exit code stands
    return report.exit_code if written else max(report.exit_code, 1)


def _deliver(report: Report, args: argparse.Namespace) -> bool:
    """Tell what was done; False when a report that was asked for could not be written."""
    from ..terminal.report import print_report

    written = args.report is None or write_report(args.report, report.to_dict())
    if args.json:
        print(json.dumps(report.to_dict(), indent=2))
        return written
    resume = _resume_command(args.words)
    print_report(report, quiet=args.quiet, verbose=args.verbose, resume=resume)
    return written


def _resume_command(words: list[str]) -> str:
    # argparse takes an option's beginning for the option
    replaced = re.compile("--(ov|ove|over|overw.*|res|resu.*)")
    kept = [word for word in words if not replaced.fullmatch(word)]
    return shlex.join(["exp2proc", *kept, "--resume"])


def refuse(err: Any, args: argparse.Namespace) -> int:
    """Say everything that keeps a run from starting; exit code 2."""
    problems = [{"code": p.code, "message": p.message, "hint": p.hint} for p in err.problems]
    data = {"exit_code": 2, "problems": problems}
    report = getattr(args, "report", None)  # check has none
    if report is not None and unwritable(report) is None:
        write_report(report, data)
    if args.json:
        print(json.dumps(data, indent=2))
    else:
        from ..terminal.errors import print_problems

        print_problems(err.problems)
    return 2
