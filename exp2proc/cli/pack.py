"""All samples of output folders in one Parquet file, a row a sample (extra: parquet)."""

from __future__ import annotations

import argparse

from .exported import add_outs, guarded, read_all
from .values import path

EXAMPLES = """\
examples:
  exp2proc pack exp/proc/output -o samples.parquet
  exp2proc pack OUT/math OUT/needles -o two.parquet --overwrite

columns: dataset, dataset_path, model, method, run_tag, file, example, tok, tok_width, attr, hop,
span_in, span_cot, span_out, rise, mas, recovery. A score that was not measured is null.
exit codes: 0 all packed; 1 some files are no samples, told on stderr; 2 nothing was written.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `exp2proc pack`."""
    add_outs(parser)
    parser.add_argument(
        *("-o", "--output"), metavar="FILE.parquet", required=True, type=path, help="what to write"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace FILE.parquet")


@guarded
def run(args: argparse.Namespace) -> int:
    """Read the samples, write the file."""
    from functools import partial

    from ..exports.read import load_with
    from ..exports.records import with_records
    from ..formats.names import printable, short_datasets
    from ..formats.parquet import loader, pack
    from ..traces.runs import refuse_traces
    from .targets import PARQUET, check_target

    refuse_traces(args.output.parent)
    check_target(args.output, PARQUET, overwrite=args.overwrite)
    with read_all(args, partial(load_with, loader())) as reading:
        samples, records = with_records(reading.items(), reading.sources, args.outs)
        datasets = short_datasets(source.dataset for source in reading.sources)
        count = pack(samples, args.output, records, datasets)
    name = printable(str(args.output))
    print(f"{name}: {count} samples, {args.output.stat().st_size / 1e6:.1f} MB")
    return reading.exit_code
