"""Check samples: each against its layout's schema and itself, and with --against its trace."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .answers import print_json
from .selection import add_options

if TYPE_CHECKING:
    from ..exports.check import CheckReport

EXAMPLES = """\
examples:
  exp2proc check exp/proc/output
  exp2proc check data.zip
  exp2proc check OUT1 OUT2 --against exp/exp2/output/traces
  exp2proc check OUT --against traces --tokenizer_model models/Qwen3-8B

exit codes: 0 nothing is wrong; 1 something is; 2 it could not start: no run below --against, or a
tokenizer that does not load.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `exp2proc check`."""
    parser.add_argument(
        "out", metavar="OUT", nargs="+", help="output folders, roots of them, bundles"
    )
    parser.add_argument(
        "--against",
        metavar="TRACES_ROOT",
        help="compare attr, hop, spans and scores, array by array, with what these traces give, and"
        " expect a sample for every row",
    )
    add_options(
        parser.add_argument_group("token pieces", "with --against: from texts, by tokenizers"),
        *("tokenizer_model", "dataset_jsonl", "data_root", "prompt_prefix", "cache"),
    )
    add_options(
        parser,
        *("jobs", "backend", "scheduler", "address"),
        jobs="worker processes (default: auto)",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress, no word of success")


def run(args: argparse.Namespace) -> int:
    """Check and show."""
    from ..errors import Exp2procError, PlanError
    from ..exports.check import check
    from ..terminal.progress import reporter

    try:
        with reporter(1, quiet=args.quiet or args.json, what="samples", doing="checking") as show:
            report = check(
                args.out,
                against=args.against,
                tokenizer_model=args.tokenizer_model,
                dataset_jsonl=args.dataset_jsonl,
                data_root=args.data_root,
                prompt_prefix=args.prompt_prefix,
                cache=args.cache,
                jobs=args.jobs,
                backend=args.backend,
                scheduler=args.scheduler,
                address=args.address,
                on_progress=show,
            )
    except Exp2procError as err:
        raise err if isinstance(err, PlanError) else PlanError([err]) from None
    if args.json:
        return print_json(report.to_dict(), report.exit_code)
    _print(report, quiet=args.quiet, compared=bool(args.against))
    return report.exit_code


def _print(report: CheckReport, *, quiet: bool, compared: bool) -> None:
    from ..formats.names import counted, printable
    from ..terminal.console import console
    from ..terminal.errors import print_errors

    print_errors(console(stderr=quiet), report.errors)
    if quiet:
        return
    if report.tok_left_out:
        tok = counted(report.tok_left_out, "sample")
        print(f"tok of {tok} was not compared: that takes --tokenizer_model")
    if left := report.leftovers:
        print(
            f"{counted(len(left), 'temporary file')} of runs that were killed or are under way,"
            f" such as {printable(left[0])}: the next run there removes what is left behind"
        )
    if report.files:
        print(f"{counted(report.files, 'file')} of bundles compared with their sums")
    folders = counted(report.folders, "folder")
    if report.recorded:
        have = "has" if report.folders == 1 else "have"
        print(f"{report.recorded} of {folders} {have} a record")
    told = f", {report.compared} compared with their traces" if compared else ""
    problems = counted(len(report.errors), "problem") if report.errors else "no problems"
    print(f"{counted(report.samples, 'sample')} in {folders} checked{told}: {problems}")
