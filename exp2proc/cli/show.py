"""One exported sample, tokens coloured by attribution: in the terminal, or as a page or picture."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from .answers import print_json
from .values import not_negative, path, positive

if TYPE_CHECKING:
    from ..formats.sample import Sample

EXAMPLES = """\
examples:
  exp2proc show OUT/math/qwen-8B/RUN/ex_000000.npz
  exp2proc show ex_000000.npz --hop 1 --top 20
  exp2proc show ex_000000.npz --scale log -o sample.html
  exp2proc show ex_000000.npz -o figure.svg --width 80
  FORCE_COLOR=1 exp2proc show ex_000000.npz | less -R

Colours go to a terminal only (NO_COLOR and FORCE_COLOR are heard); without them the strongest
tokens stand between « and ». An .html is one page without script; an .svg names its fonts; a .tex
is a snippet that needs xcolor alone, and says at its top for which engine.
"""

_ENDINGS = (".html", ".svg", ".tex")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `exp2proc show`."""
    parser.add_argument("sample", metavar="SAMPLE.npz", type=path, help="an exported sample")
    parser.add_argument(
        *("-o", "--output"),
        metavar="FILE",
        type=_picture,
        help="write FILE.html, FILE.svg or FILE.tex instead; an earlier one is replaced",
    )
    parser.add_argument("--hop", metavar="K", type=int, help="show hop K (from 0), not attr")
    parser.add_argument(
        "--scale",
        choices=("linear", "log", "rank"),
        default="linear",
        help="of the colours (default: %(default)s)",
    )
    parser.add_argument(
        "--top",
        metavar="K",
        type=not_negative,
        help="list the K strongest tokens of each part (default: 8; terminal only)",
    )
    parser.add_argument(
        "--width",
        metavar="N",
        type=positive,
        help="columns of a line (default: the terminal's; 100 in an .svg)",
    )


def _picture(value: str) -> Path:
    """A file to write, whose ending says what."""
    file = path(value)
    if file.suffix.lower() not in _ENDINGS:
        raise argparse.ArgumentTypeError(f"{value} ends with none of {', '.join(_ENDINGS)}")
    return file


def run(args: argparse.Namespace) -> int:
    """Load the sample, print or write it."""
    from ..errors import Exp2procError

    if why := _unfit(args):
        raise Exp2procError("usage", why)
    try:
        return _print(args) if args.output is None else _write(args)
    except IndexError as err:  # no such hop
        raise Exp2procError("usage", str(err)) from None


def _unfit(args: argparse.Namespace) -> str | None:
    """Which option is not for what is shown."""
    if args.output is None:
        return None
    if args.top is not None:
        return "--top is for the terminal, not for -o"
    if args.width is not None and args.output.suffix.lower() != ".svg":
        return "--width is for the terminal and .svg: elsewhere lines are as wide as the page"
    return None


def _print(args: argparse.Namespace) -> int:
    from ..terminal.console import console
    from ..terminal.sample import NARROWEST, sample_view

    sample = _load(args.sample)
    if args.json:
        sample.scores_of(args.hop)
        return print_json({"file": str(args.sample), **sample.to_dict()})
    out = console(narrowest=NARROWEST)
    if args.width is not None:
        out.width = max(NARROWEST, args.width)
    view = sample_view(
        sample,
        str(args.sample),
        hop=args.hop,
        scale=args.scale,
        top=8 if args.top is None else args.top,
        colour=out.color_system is not None and not out.no_color,
        width=out.width,
    )
    out.print(view)
    return 0


def _write(args: argparse.Namespace) -> int:
    from ..exports.find import source_of
    from ..formats.names import printable
    from ..system.atomic_write import written_whole
    from ..system.files import absolute
    from ..traces.runs import refuse_traces
    from ..viewer.pictures import MARK, PICTURES
    from .targets import Kind, check_target

    ending = args.output.suffix.lower()
    refuse_traces(args.output.parent)
    kind = Kind(f"{ending} of exp2proc show", lambda stream: MARK in stream.read(1024))
    check_target(args.output, kind)
    sample = _load(args.sample)
    file = absolute(args.sample)
    more = {} if args.width is None else {"columns": args.width}
    name = source_of(file, file).short_name
    text = PICTURES[ending](sample, name, hop=args.hop, scale=args.scale, **more)
    with written_whole(args.output) as temporary:
        temporary.write_bytes(text.encode())
    size = args.output.stat().st_size
    if args.json:
        return print_json({"path": str(args.output), "bytes": size})
    print(f"{printable(str(args.output))}: {size / 1e3:.0f} kB")
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
    words = ["show", first], ["gallery", str(folder), "-o", "site"]
    one, every = (shlex.join(["exp2proc", *some]) for some in words)
    return f"Name one sample: {one}; or look at all: {every}"
