"""One exported sample in the terminal: tokens coloured by attribution, the strongest listed."""

from __future__ import annotations

import argparse
import sys

from .exported import guarded
from .values import path

EXAMPLES = """\
examples:
  exp2proc show OUT/math/qwen-8B/RUN/ex_000000.npz
  exp2proc show ex_000000.npz --hop 1 --top 20
  FORCE_COLOR=1 exp2proc show ex_000000.npz | less -R

Colours go to a terminal only (NO_COLOR and FORCE_COLOR are heard); without them the strongest
tokens stand between « and ».
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `exp2proc show`."""
    parser.add_argument("sample", metavar="SAMPLE.npz", type=path, help="an exported sample")
    parser.add_argument("--hop", metavar="K", type=int, help="show hop K (from 0), not attr")
    parser.add_argument(
        "--top",
        metavar="K",
        type=int,
        default=8,
        help="list the K strongest tokens of each part (default: %(default)s)",
    )


@guarded
def run(args: argparse.Namespace) -> int:
    """Load the sample, print it."""
    from ..formats.sample import load_sample
    from ..terminal.console import console
    from ..terminal.sample import sample_view

    sample = load_sample(args.sample)
    out = console()
    colour = out.color_system is not None and not out.no_color
    try:
        view = sample_view(sample, str(args.sample), hop=args.hop, top=args.top, colour=colour)
    except IndexError as err:
        print(f"exp2proc: {err}", file=sys.stderr)
        return 2
    out.print(view)
    return 0
