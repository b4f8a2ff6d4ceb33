"""Check samples: each against its layout's schema and itself, and with --against its trace."""

from __future__ import annotations

import argparse
import json

from .reports import refuse
from .selection import add_options

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
        parser.add_argument_group("token pieces, with --against (from texts, by tokenizers)"),
        *("tokenizer_model", "dataset_jsonl", "data_root", "prompt_prefix", "cache"),
    )
    add_options(
        parser,
        *("jobs", "backend", "scheduler", "address"),
        jobs="worker processes (default: auto)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
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
    except PlanError as err:
        return refuse(err, args)
    except Exp2procError as err:
        return refuse(PlanError([err]), args)
    if args.json:
        print(json.dumps(report.to_dict(), indent=2))
    else:
        from ..formats.names import printable
        from ..terminal.console import console
        from ..terminal.errors import print_errors

        out = console(stderr=args.quiet)
        print_errors(out, report.errors)
        if not args.quiet:
            compared = f", {report.compared} compared with their traces" if args.against else ""
            if report.tok_left_out:
                print(
                    f"tok of {report.tok_left_out} samples was not compared: that takes"
                    " --tokenizer_model"
                )
            if report.leftovers:
                print(
                    f"{len(report.leftovers)} temporary files of runs that were killed or are under"
                    f" way, such as {printable(report.leftovers[0])}: the next run there removes"
                    " what is left behind"
                )
            if report.files:
                print(f"{report.files} files of bundles compared with their sums")
            if report.recorded:
                print(f"{report.recorded} of {report.folders} folders have a record")
            print(
                f"{report.samples} samples in {report.folders} folders checked{compared}:"
                f" {len(report.errors) or 'no'} problem{'' if len(report.errors) == 1 else 's'}"
            )
    return report.exit_code
