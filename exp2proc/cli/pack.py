"""All samples of output folders in one Parquet file, a row a sample (extra: parquet)."""

from __future__ import annotations

import argparse

from .answers import failures_json, print_json
from .exported import add_outs, failures_told
from .values import file_ending

EXAMPLES = """\
examples:
  exp2proc pack exp/proc/output -o samples.parquet
  exp2proc pack OUT/math OUT/needles -o two.parquet --overwrite

columns: dataset, dataset_path, model, method, run_tag, file, example, tok, tok_width, attr, hop,
span_in, span_cot, span_out, rise, mas, recovery. A score that was not measured is null.
exit codes: 0 all packed; 1 some files are no samples, told on stderr; 2 nothing was written.
"""


GO_ON = "Nothing was written. Run it again."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `exp2proc pack`."""
    add_outs(parser)
    parser.add_argument(
        *("-o", "--output"),
        metavar="FILE.parquet",
        required=True,
        type=file_ending(".parquet"),
        help="what to write",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace FILE.parquet")


def run(args: argparse.Namespace) -> int:
    """Read the samples, write the file."""
    from ..exports.packing import pack
    from ..formats.names import counted, printable
    from ..terminal import progress

    with (
        failures_told() as failures,
        progress.reporter(1, what="samples", doing="reading") as on_progress,
    ):
        count = pack(
            args.outs,
            args.output,
            overwrite=args.overwrite,
            on_error=lambda _, err: failures.append(err),
            on_progress=on_progress,
        )
    code = 1 if failures else 0
    size = args.output.stat().st_size
    if args.json:
        told = {"path": str(args.output), "samples": count, "bytes": size}
        return print_json({**told, "failures": failures_json(failures)}, code)
    name = printable(str(args.output))
    print(f"{name}: {counted(count, 'sample')}, {size / 1e6:.1f} MB")
    return code
