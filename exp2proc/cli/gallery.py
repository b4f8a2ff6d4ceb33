"""A static site of exported samples: no server, no network, works from a folder."""

from __future__ import annotations

import argparse

from .exported import add_outs, guarded, tell_failures
from .values import path, positive

EXAMPLES = """\
examples:
  exp2proc gallery exp/proc/output -o site
  exp2proc gallery OUT/math OUT/needles -o site --jobs 2

Open site/index.html in a browser, or put the folder on any web server. An earlier gallery in
the folder is replaced once the new one is whole; other files are never touched.
exit codes: 0 all shown; 1 some files are no samples, told on stderr; 2 nothing was built.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `exp2proc gallery`."""
    add_outs(parser)
    parser.add_argument(
        *("-o", "--output"), metavar="DIR", required=True, type=path, help="folder of the site"
    )
    parser.add_argument(
        "--jobs", metavar="N", type=positive, default=1, help="worker processes (default: 1)"
    )


@guarded
def run(args: argparse.Namespace) -> int:
    """Build the site, say where it is."""
    from ..exports.find import find_sources
    from ..formats.names import printable
    from ..gallery.build import build_gallery
    from ..terminal import progress

    count = len(find_sources(args.outs))
    with progress.reporter(count, what="pages", doing="drawing") as on_progress:
        built = build_gallery(args.outs, args.output, jobs=args.jobs, on_progress=on_progress)
    tell_failures([(source.name, err) for source, err in built.failures])
    print(f"{built.samples} samples: open {printable(str(built.index))}")
    return 1 if built.failures else 0
