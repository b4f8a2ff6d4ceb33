"""The npz files of a Parquet file of `exp2proc pack` again, array for array (extra: parquet)."""

from __future__ import annotations

import argparse

from .exported import guarded
from .values import path

EXAMPLES = """\
examples:
  exp2proc unpack samples.parquet -o OUT

Files go to OUT/<dataset>/<model>/<run_tag>/<file>. Existing ones are refused without --overwrite.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `exp2proc unpack`."""
    parser.add_argument("file", metavar="FILE.parquet", type=path, help="what pack wrote")
    parser.add_argument(
        *("-o", "--output"), metavar="OUT", required=True, type=path, help="where to write"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")


@guarded
def run(args: argparse.Namespace) -> int:
    """Read the file, write the samples."""
    from ..formats.parquet import ParquetReader, unpack
    from ..results import Progress
    from ..terminal import progress

    with ParquetReader(args.file) as reader:
        done = 0
        with progress.reporter(reader.count, what="samples", doing="writing") as on_progress:
            for done, _ in enumerate(unpack(reader, args.output, overwrite=args.overwrite), 1):
                on_progress(Progress(done, reader.count, 0))
    print(f"{args.output}: {done} samples")
    return 0
