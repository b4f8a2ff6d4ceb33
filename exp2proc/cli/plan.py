"""Show what convert would do and what stands in its way. No output is written."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from attrs import evolve

from ..errors import PlanError
from ..options import Options
from .answers import leading_to_help, print_json, refusal
from .reports import write_report
from .selection import add_groups, options_of

if TYPE_CHECKING:
    from ..planning.forecast import Forecast

EXAMPLES = """\
examples:
  exp2proc plan --traces_root exp/exp2/output/traces --tokenizer_model models/Qwen3-8B
  exp2proc plan --traces_root traces --layout proc_1 --json
  exp2proc plan --traces_root traces --tokenizer_model models/Qwen3-8B --deep
  exp2proc convert ... --dry_run     (the same as plan)

exit codes: those that convert would end with: 0 all rows can work; 1 some cannot; 2 it could not
start.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `exp2proc plan`: those of convert that decide what is done."""
    add_groups(parser)
    parser.add_argument(
        "--deep",
        action="store_true",
        help="compare the outputs that are there with what would be written, array by array, and"
        " show which are made, stale, missing, and cannot be made",
    )


def run(args: argparse.Namespace) -> int:
    """Plan and show."""
    from ..planning.forecast import forecast

    options = options_of(args, Options)
    deep = getattr(args, "deep", False)  # convert --dry_run has none
    made = forecast(evolve(options, resume=True, overwrite=False) if deep else options)
    made.problems = [leading_to_help(one, args.prog) for one in made.problems]
    if deep and not made.problems:
        return _compare(options, made, args)
    if getattr(args, "report", None) is not None:  # of convert --dry_run
        write_report(args.report, made.to_dict())
    if args.json:
        return print_json(_told(made), made.exit_code)
    from ..terminal.forecast import print_forecast

    print_forecast(made)
    return made.exit_code


def _told(made: Forecast) -> dict[str, Any]:
    """A forecast as plain data, and where nothing can start why, as any refusal says it."""
    data = made.to_dict()
    if made.problems:
        data |= refusal(PlanError(made.problems))
    return data


def _compare(options: Options, made: Forecast, args: argparse.Namespace) -> int:
    """Say how the outputs that are there stand."""
    from ..conversion.standing import standing
    from ..terminal.progress import reporter
    from ..terminal.standing import print_standing

    rows = made.total("rows")
    with reporter(rows, quiet=args.json, doing="comparing") as on_progress:
        found = standing(options, on_progress)
    code = found.report.exit_code
    if args.json:
        return print_json({**made.to_dict(), "exit_code": code, "deep": found.to_dict()}, code)
    print_standing(found)
    return code
