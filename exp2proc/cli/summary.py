"""Mean, spread and n of RISE, MAS and Recovery@10% per dataset, model and method."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from .answers import failures_json, print_json
from .exported import add_arrangement, add_format, add_outs, read_all
from .values import path

if TYPE_CHECKING:
    from ..exports.against import Against
    from ..exports.scores import Arrangement, ScoreRow

EXAMPLES = """\
examples:
  exp2proc summary exp/proc/output
  exp2proc summary OUT --format csv > scores.csv
  exp2proc summary OUT --wide --format latex > table.tex
  exp2proc summary OUT --wide --spread none --ours ifr_multi_hop_both \\
      --label ifr_multi_hop_both=Ours --group RULER=niah,vt --order math,RULER
  exp2proc summary exp/proc/output --against exp/exp2/output

RISE and MAS: lower is better; Recovery@10%: higher is better. A score that was not measured (NaN)
is absent: it is in no mean and no n. Two runs of one method are two rows. A run with fewer samples
than its name says (..._8ex) is partial: shown as "4 of 8", never the best.
A run is named by its method (ifr), setting (ifr_n1) or run_tag, a dataset by its short or full
name. With --wide runs of one setting are one row, unless two of them differ in a score.
exit codes: 0 all read; 1 some files are no samples, told on stderr, or, with --against, a score
differs; 2 there are no samples, or no CSVs.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `exp2proc summary`."""
    add_outs(parser)
    add_format(parser)
    parser.add_argument(
        "--wide", action="store_true", help="methods as rows, datasets as groups of columns"
    )
    parser.add_argument(
        "--spread",
        choices=("sem", "std", "ci95", "none"),
        default="sem",
        help="behind each mean: standard error (sem, the default); standard deviation with ddof 0,"
        " as exp2 writes it; half of the 95%% t-interval (extra: stats); nothing",
    )
    add_arrangement(parser)
    parser.add_argument(
        "--ours",
        metavar="RUN",
        action="append",
        default=[],
        help="a run that is set apart behind the others; may be repeated",
    )
    parser.add_argument(
        "--ablation",
        metavar="RUN",
        action="append",
        default=[],
        help="a run that is set apart behind those; may be repeated",
    )
    parser.add_argument(
        "--against",
        metavar="EXP2_OUTPUT",
        type=path,
        help="compare means and deviations with the CSVs that exp2 wrote in this folder",
    )


def run(args: argparse.Namespace) -> int:
    """Read the scores, print the table."""
    from ..exports.against import compare_with_exp2
    from ..exports.scores import score_rows
    from ..exports.summary import scored

    with read_all(args, scored) as reading:
        samples = list(reading.items())
    arrangement = _arrangement(args)
    rows = score_rows(samples, arrangement)
    beside = None
    if args.against is not None:
        beside = compare_with_exp2(score_rows(samples), args.against)
    code = max(reading.exit_code, 0 if beside is None else beside.exit_code)
    if args.json:
        failed = {"failures": failures_json(reading.failures)}
        return print_json(_data(args, rows, arrangement, beside) | failed, code)
    _print(args, rows, arrangement, beside)
    return code


def _arrangement(args: argparse.Namespace) -> Arrangement:
    from ..exports.scores import Arrangement

    return Arrangement(
        labels=dict(args.label),
        groups=dict(args.group),
        ours=args.ours,
        ablations=args.ablation,
        order=args.order,
    )


def _data(
    args: argparse.Namespace, rows: list[ScoreRow], arrangement: Arrangement, beside: Against | None
) -> dict[str, Any]:
    """The table as plain data."""
    from ..exports.score_formats import table_data
    from ..exports.wide import wide_table
    from ..exports.wide_formats import wide_data

    more = {} if beside is None else {"against": beside.to_dict()}
    if args.wide:
        return wide_data(wide_table(rows, arrangement.labels), args.spread, more)
    return table_data(rows, args.spread, more)


def _print(
    args: argparse.Namespace, rows: list[ScoreRow], arrangement: Arrangement, beside: Against | None
) -> None:
    from ..exports.score_formats import FORMATS, json_of
    from ..exports.wide import wide_table
    from ..exports.wide_formats import WIDE_FORMATS

    table = wide_table(rows, arrangement.labels) if args.wide else None
    if args.format == "table":
        from ..terminal.console import console
        from ..terminal.scores import beside_table, score_tables, wide_tables

        out = console()
        out.print(wide_tables(table, args.spread) if table else score_tables(rows, args.spread))
        if beside is not None:
            out.print(beside_table(beside))
        return
    if args.format == "json":
        text = json_of(_data(args, rows, arrangement, beside))
    elif table:
        text = WIDE_FORMATS[args.format](table, args.spread)
    else:
        text = FORMATS[args.format](rows, args.spread)
    print(text, end="")
    if beside is not None and args.format != "json":
        from ..terminal.console import console
        from ..terminal.scores import beside_table

        sys.stdout.flush()
        console(stderr=True).print(beside_table(beside))
