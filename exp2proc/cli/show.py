"""One exported sample in the terminal: tokens coloured by attribution, the strongest listed."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .exported import guarded
from .values import path

if TYPE_CHECKING:
    from ..formats.sample import Sample

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
    from ..terminal.console import console
    from ..terminal.sample import NARROWEST, sample_view

    sample = _load(args.sample)
    out = console(narrowest=NARROWEST)
    colour = out.color_system is not None and not out.no_color
    name, shown = str(args.sample), {"hop": args.hop, "top": args.top}
    try:
        view = sample_view(sample, name, **shown, colour=colour, width=out.width)
    except IndexError as err:
        print(f"exp2proc: {err}", file=sys.stderr)
        return 2
    out.print(view)
    return 0


def _load(name: Path) -> Sample:
    """The sample that is named.

    Raises:
        Exp2procError: `no-samples` where there is no file, `sample-invalid`.
    """
    from ..errors import Exp2procError
    from ..formats.sample import load_sample
    from ..system.files import is_missing

    if name.is_dir():
        raise Exp2procError("no-samples", f"{name} is a folder", _of_folder(name))
    try:
        name.stat()
    except OSError as err:
        if is_missing(err):
            raise Exp2procError("no-samples", f"{name} does not exist") from None
    return load_sample(name)


def _of_folder(folder: Path) -> str:
    """What to do about a folder: name one of its samples, or look at all."""
    from ..errors import Exp2procError
    from ..exports.find import find_sources

    try:
        first = str(find_sources(folder)[0].path)
    except Exp2procError:
        return "Name one sample."
    one, every = (
        shlex.join(["exp2proc", *words])
        for words in (["show", first], ["gallery", str(folder), "-o", "site"])
    )
    return f"Name one sample: {one}; or look at all: {every}"
