"""One method next to others on the same examples: differences with intervals and tests.

It needs scipy (extra: stats).
"""

from __future__ import annotations

import argparse

from .answers import failures_json, print_json
from .exported import add_format, add_outs, tell_failures
from .values import positive

EXAMPLES = """\
examples:
  exp2proc compare exp/proc/output --ours ifr_multi_hop_both
  exp2proc compare OUT/math --ours ifr_multi_hop_both_n1 --with attnlrp --with IG --score rise
  exp2proc compare OUT --ours ifr_multi_hop_both --format latex > table.tex

A pair is two samples of one dataset, model and file name, of one text. A run is named by its method
(ifr), setting (ifr_n1) or run_tag. Equal are scores that differ by no more than 1e-12. The terciles
are of the lengths of the CoT.
exit codes: 0 all compared; 1 some files are no samples, told on stderr; 2 nothing can be compared.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `exp2proc compare`."""
    from ..formats.layouts import SCORES

    add_outs(parser)
    parser.add_argument("--ours", metavar="RUN", required=True, help="the method in question")
    parser.add_argument(
        "--with",
        metavar="RUN",
        dest="others",
        action="append",
        default=[],
        help="a method to compare it with; may be repeated (default: all others)",
    )
    parser.add_argument(
        "--score",
        choices=tuple(SCORES),
        default="mas",
        help="what is compared (default: %(default)s)",
    )
    add_format(parser)
    parser.add_argument(
        "--seed", metavar="N", type=int, default=0, help="of the random draws (default: 0)"
    )
    parser.add_argument(
        "--jobs", metavar="N", type=positive, default=1, help="worker processes (default: 1)"
    )


def run(args: argparse.Namespace) -> int:
    """Compare and show."""
    from ..errors import Exp2procError
    from ..exports.compare import compare
    from ..exports.compare_formats import FORMATS
    from ..terminal import progress

    failures: list[Exp2procError] = []
    with progress.reporter(1, what="examples", doing="reading") as on_progress:
        found = compare(
            args.outs,
            ours=args.ours,
            others=args.others,
            score=args.score,
            jobs=args.jobs,
            seed=args.seed,
            on_error=lambda _, err: failures.append(err),
            on_progress=on_progress,
        )
    code = 1 if failures else 0
    tell_failures(failures)
    if args.json:
        return print_json({**found.to_dict(), "failures": failures_json(failures)}, code)
    if args.format == "table":
        from ..terminal.comparison import comparison_tables
        from ..terminal.console import console

        console().print(comparison_tables(found))
    else:
        print(FORMATS[args.format](found), end="")
    return code
