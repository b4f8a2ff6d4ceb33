"""Show what convert would do and what stands in its way. Nothing is written."""

from __future__ import annotations

import argparse
import json

from ..options import Options
from .reports import write_report
from .selection import add_groups, options_of

EXAMPLES = """\
examples:
  exp2proc plan --traces_root exp/exp2/output/traces --tokenizer_model models/Qwen3-8B
  exp2proc plan --traces_root traces --layout proc_1 --json
  exp2proc convert ... --dry_run     (the same)

exit codes: those that convert would end with: 0 all rows can work; 1 some cannot; 2 it could not
start.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `exp2proc plan`: those of convert that decide what is done."""
    add_groups(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Plan and show."""
    from ..planning.forecast import forecast

    made = forecast(options_of(args, Options))
    if getattr(args, "report", None) is not None:  # of convert --dry_run
        write_report(args.report, made.to_dict())
    if args.json:
        print(json.dumps(made.to_dict(), indent=2))
    else:
        from ..terminal.forecast import print_forecast

        print_forecast(made)
    return made.exit_code
