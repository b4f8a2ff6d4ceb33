"""Samples to hand over: one folder or archive, readable by everyone, traceable to its source."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from .answers import failures_json, print_json
from .exported import add_outs, failures_told
from .values import is_like_a_file, path

EXAMPLES = """\
examples:
  exp2proc bundle exp/proc/output -o data.zip
  exp2proc bundle OUT -o hub --parquet --title "Attributions on math" --license cc-by-4.0
  exp2proc bundle OUT -o hub --authors "Doe, Jane" --authors "The Lab" --cite
  exp2proc check data.zip

In it: data/<dataset>/<model>/<method>/ex_NNNNNN.npz under short names, README.md (a dataset card),
SHA256SUMS, provenance.json, viewer.html; with --parquet parquet/<dataset>.parquet. The same samples
make the same bytes. Stopped, it goes on where it was when it is run again.
exit codes: 0 all is in it; 1 some files are no samples, told on stderr; 2 nothing was written;
130 stopped by Ctrl-C.
"""
GO_ON = "Run it again: it goes on where it was."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `exp2proc bundle`."""
    add_outs(parser)
    parser.add_argument(
        *("-o", "--output"),
        metavar="FILE.zip|DIR",
        required=True,
        type=_place,
        help="a new or empty folder, or an archive",
    )
    parser.add_argument(
        "--parquet",
        action="store_true",
        help="a Parquet file a dataset, too, which load_dataset takes (extra: parquet)",
    )
    parser.add_argument(
        "--no_npz", action="store_true", help="no npz files: a hub takes under 100,000 files"
    )
    parser.add_argument("--title", help="of the dataset (default: Attributions of exp2)")
    parser.add_argument("--license", metavar="ID", default="", help="such as cc-by-4.0 or mit")
    parser.add_argument(
        "--authors",
        metavar="NAME",
        action="append",
        default=[],
        help='"Family, Given" for a person, anything else as it is; may be repeated',
    )
    parser.add_argument("--cite", action="store_true", help="write CITATION.cff; needs --authors")
    parser.add_argument("--overwrite", action="store_true", help="replace a bundle that is there")


def _place(value: str) -> Path:
    place = path(value)
    if is_like_a_file(place) and place.suffix.lower() != ".zip":
        raise argparse.ArgumentTypeError(f"{value} is no .zip, nor a folder's name")
    return place


def run(args: argparse.Namespace) -> int:
    """Read the samples, write the bundle."""
    from ..bundling.bundle import bundle
    from ..formats.names import counted, printable
    from ..terminal import progress

    title = {} if args.title is None else {"title": args.title}
    with (
        failures_told() as failures,
        progress.reporter(1, what="samples", doing="bundling") as on_progress,
    ):
        made = bundle(
            args.outs,
            args.output,
            parquet=args.parquet,
            npz=not args.no_npz,
            license=args.license,
            authors=args.authors,
            cite=args.cite,
            overwrite=args.overwrite,
            on_error=lambda _, err: failures.append(err),
            on_progress=on_progress,
            **title,
        )
    code = 1 if failures else 0
    if args.json:
        return print_json({**made.to_dict(), "failures": failures_json(failures)}, code)
    name = printable(str(args.output))
    samples, files = counted(made.samples, "sample"), counted(made.files, "file")
    print(f"{name}: {samples}, {files}, {made.size / 1e6:.1f} MB")
    if made.unknown:
        first = next(iter(made.unknown.items()))
        print(f"of {counted(len(made.unknown), 'run')} it is not known what they were made from:")
        print(f"  {printable(first[0])}: {printable(first[1])}")
    print("look at all of it again: " + shlex.join(["exp2proc", "check", str(args.output)]))
    words = ["hf", "upload", "USER/NAME", str(args.output)]
    words += [args.output.name] if args.output.suffix.lower() == ".zip" else ["."]
    print("publish it: " + shlex.join([*words, "--repo-type", "dataset"]))
    return code
