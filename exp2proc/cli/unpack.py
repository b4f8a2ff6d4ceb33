"""The npz files of a Parquet file of `exp2proc pack` again, array for array (extra: parquet)."""

from __future__ import annotations

import argparse

from .answers import failures_json, print_json
from .exported import failures_told
from .selection import add_options
from .values import folder, path

EXAMPLES = """\
examples:
  exp2proc unpack samples.parquet -o OUT

Files go to OUT/<dataset>/<model>/<run_tag>/<file>. Where one of them is already there nothing is
written without --overwrite.
exit codes: 0 all written; 1 some rows are no samples or have names that this file system does not
take, told on stderr; 2 nothing was written, or the system refused to go on.
"""


GO_ON = "Run it again with --overwrite to complete it."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `exp2proc unpack`."""
    parser.add_argument("file", metavar="FILE.parquet", type=path, help="what pack wrote")
    parser.add_argument(
        *("-o", "--output"), metavar="OUT", required=True, type=folder, help="where to write"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    add_options(parser, "jobs", jobs="worker processes (default: auto)")


def run(args: argparse.Namespace) -> int:
    """Read the file, write the samples."""
    from ..exports.packing import unpack
    from ..formats.names import counted, printable
    from ..terminal import progress

    with (
        failures_told() as failures,
        progress.reporter(1, what="samples", doing="writing") as on_progress,
    ):
        done = unpack(
            args.file,
            args.output,
            overwrite=args.overwrite,
            jobs=args.jobs,
            on_error=failures.append,
            on_progress=on_progress,
        )
    code = 1 if failures else 0
    if args.json:
        told = {"path": str(args.output), "samples": done}
        return print_json({**told, "failures": failures_json(failures)}, code)
    print(f"{printable(str(args.output))}: {counted(done, 'sample')}")
    return code
