"""One exported sample, tokens coloured by attribution: in the terminal, or as a page or picture."""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING

from .answers import print_json
from .values import file_ending, not_negative, path, positive

if TYPE_CHECKING:
    from ..formats.names import Source
    from ..formats.sample import Sample

EXAMPLES = """\
examples:
  exp2proc show OUT/math/qwen-8B/RUN/ex_000000.npz
  exp2proc show OUT --dataset math --method ifr_multi_hop_both --example 3
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
    parser.add_argument(
        "out",
        metavar="OUT",
        type=path,
        help="an exported sample, or what holds it: an output folder, a bundle, a .zip, a Parquet"
        " file",
    )
    for name in ("dataset", "model", "method"):
        parser.add_argument(
            f"--{name}", metavar=name.upper(), help=f"of this {name}, where OUT holds several"
        )
    parser.add_argument("--example", metavar="N", type=int, help="the sample ex_N of a run")
    parser.add_argument(
        *("-o", "--output"),
        metavar="FILE",
        type=file_ending(*_ENDINGS),
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

    sample = _load(args)
    assert sample.source is not None
    if args.json:
        sample.scores_of(args.hop)
        return print_json({"file": str(sample.source.path), **sample.to_dict()})
    out = console(narrowest=NARROWEST)
    if args.width is not None:
        out.width = max(NARROWEST, args.width)
    view = sample_view(
        sample,
        str(sample.source.path),
        hop=args.hop,
        scale=args.scale,
        top=8 if args.top is None else args.top,
        colour=out.color_system is not None and not out.no_color,
        width=out.width,
    )
    out.print(view)
    return 0


def _write(args: argparse.Namespace) -> int:
    from ..formats.names import printable
    from ..system.atomic_write import written_whole
    from ..traces.runs import refuse_traces
    from ..viewer.pictures import MARK, PICTURES
    from .targets import Kind, check_target

    ending = args.output.suffix.lower()
    refuse_traces(args.output.parent)
    kind = Kind(f"{ending} of exp2proc show", lambda stream: MARK in stream.read(1024))
    check_target(args.output, kind)
    sample = _load(args)
    assert sample.source is not None
    more = {} if args.width is None else {"columns": args.width}
    name = sample.source.short_name
    text = PICTURES[ending](sample, name, hop=args.hop, scale=args.scale, **more)
    with written_whole(args.output) as temporary:
        temporary.write_bytes(text.encode())
    size = args.output.stat().st_size
    if args.json:
        return print_json({"path": str(args.output), "bytes": size})
    print(f"{printable(str(args.output))}: {size / 1e3:.0f} kB")
    return 0


def _load(args: argparse.Namespace) -> Sample:
    """The sample that is named.

    Raises:
        Exp2procError: `no-samples` where there is none, or more than one; `sample-invalid`.
    """
    from ..errors import Exp2procError
    from ..exports.find import chosen, find_sources
    from ..exports.read import load_source

    def numbered(source: Source) -> bool:
        return args.example in (None, source.example)

    wanted = chosen(dataset=args.dataset, model=args.model, method=args.method, where=numbered)
    sources = find_sources(args.out, wanted)
    if len(sources) == 1:
        return load_source(sources[0])
    first = sources[0]
    said = f"{args.out} holds {len(sources)} of them, such as {first.short_name}"
    names = {"dataset": first.short_dataset, "model": first.model, "method": first.setting}
    words = [f"--{key}={value}" for key, value in names.items() if value]
    words += [] if first.example is None else [f"--example={first.example}"]
    one = shlex.join(["exp2proc", "show", str(args.out), *words])
    every = shlex.join(["exp2proc", "view", str(args.out)])
    raise Exp2procError("no-samples", said, f"Choose one, as with {one}; or look at all: {every}")
