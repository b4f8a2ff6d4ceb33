"""The viewer with its samples in a folder, or in one file: no server, no network."""

from __future__ import annotations

import argparse

from .answers import failures_json, print_json
from .exported import add_against, add_outs, tell_failures
from .values import is_like_a_file, path, positive

EXAMPLES = """\
examples:
  exp2proc gallery exp/proc/output -o site
  exp2proc gallery OUT/math OUT/needles -o site --jobs 2
  exp2proc gallery exp/proc/output -o site --against exp/exp2/output
  exp2proc gallery --single OUT/math/qwen-8B/ifr_n1_5ex/ex_000003.npz -o one.html
  exp2proc gallery --single -o viewer.html

Open site/index.html in a browser, or put the folder on any web server. An earlier gallery in
the folder is replaced once the new one is whole; other files are never touched. With --single
everything is in one file; without samples in it, that file shows whatever npz files, folder or
zip is dropped on it.
exit codes: 0 all shown; 1 some files are no samples, told on stderr; 2 nothing was built.
"""


GO_ON = "Nothing was written. Run it again."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `exp2proc gallery`."""
    add_outs(parser, optional=True)
    parser.add_argument(
        *("-o", "--output"),
        metavar="PATH",
        required=True,
        type=path,
        help="folder of the site; with --single the file",
    )
    parser.add_argument(
        "--single", action="store_true", help="one HTML file that holds the samples, or none"
    )
    add_against(parser)
    parser.add_argument(
        "--jobs", metavar="N", type=positive, default=1, help="worker processes (default: 1)"
    )


def run(args: argparse.Namespace) -> int:
    """Build the site, say where it is."""
    from ..errors import Exp2procError
    from ..formats.names import counted, printable
    from ..terminal import progress
    from ..viewer.single import write_single
    from ..viewer.site import build_gallery
    from .targets import PAGE, check_target

    if not args.outs and not args.single:
        raise Exp2procError("usage", "no OUT was named", "Name an output folder or npz files.")
    if not args.outs and args.against is not None:
        raise Exp2procError("usage", "--against marks tokens of samples, and no OUT was named")
    if not args.single and is_like_a_file(args.output):
        hint = "Name a folder, or pass --single for one HTML file."
        raise Exp2procError("usage", f"-o: {args.output} is no folder's name", hint)
    if args.single:
        check_target(args.output, PAGE)
        count = write_single(args.outs, args.output, against=args.against)
        if args.json:
            return print_json({"samples": count, "open": str(args.output)})
        held = counted(count, "sample") if count else "no sample"
        print(f"{held} inside: open {printable(str(args.output))}")
        return 0
    with progress.reporter(1, what="samples", doing="packing") as on_progress:
        built = build_gallery(
            *(args.outs, args.output),
            against=args.against,
            jobs=args.jobs,
            on_progress=on_progress,
        )
    failures = [err for _, err in built.failures]
    code = 1 if failures else 0
    tell_failures(failures)
    if args.json:
        gold = {} if args.against is None else {"gold": built.gold}
        told = {"samples": built.samples, **gold, "open": str(built.index)}
        return print_json({**told, "failures": failures_json(failures)}, code)
    samples = counted(built.samples, "sample")
    if args.against is not None:
        samples += f", {built.gold} with gold tokens"
    print(f"{samples}: open {printable(str(built.index))}")
    return code
