"""Mean, standard error and n of RISE, MAS and Recovery@10% per dataset, model and method."""

from __future__ import annotations

import argparse

from .exported import add_outs, guarded, read_all

EXAMPLES = """\
examples:
  exp2proc summary exp/proc/output
  exp2proc summary OUT --format csv > scores.csv
  exp2proc summary OUT --format latex > table.tex

RISE and MAS: lower is better; Recovery@10%: higher is better. A score that was not measured (NaN)
is absent: it is in no mean and no n. Two runs of one method are two rows. A run with fewer samples
than its name says (..._8ex) is partial: shown as "4 of 8", never the best.
exit codes: 0 all read; 1 some files are no samples, told on stderr; 2 there are no samples.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `exp2proc summary`."""
    add_outs(parser)
    parser.add_argument(
        "--format",
        choices=("table", "csv", "json", "markdown", "latex"),
        default="table",
        help="what to print (default: %(default)s)",
    )


@guarded
def run(args: argparse.Namespace) -> int:
    """Read the scores, print the table."""
    from ..exports.score_formats import FORMATS
    from ..exports.scores import score_rows
    from ..formats.sample import load_scores

    with read_all(args, lambda source: (source, load_scores(source.path))) as reading:
        rows = score_rows(reading.items())
    if args.format == "table":
        from ..terminal.console import console
        from ..terminal.scores import score_tables

        console().print(score_tables(rows))
    else:
        print(FORMATS[args.format](rows), end="")
    return reading.exit_code
