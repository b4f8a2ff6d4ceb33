"""Figures for print of exported samples, and the numbers in them (extra: figures)."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from .answers import failures_json, print_json
from .exported import add_arrangement, add_outs, read_all
from .values import file_ending, several

if TYPE_CHECKING:
    from ..figures.arrange import Request

EXAMPLES = """\
examples:
  exp2proc figure length OUT -o length.pdf
  exp2proc figure length OUT -o fig5.pdf --width 6.75in --method FT-IFR=ifr_multi_hop_both \\
      --method IFR=ifr_all_positions --panel Needles=niah_q1,niah_q2 --panel MATH=math
  exp2proc figure scores OUT -o scores.svg --score recovery --label ifr_multi_hop_both=FT-IFR
  exp2proc figure shares OUT/math -o shares.pdf --order ifr_multi_hop_both
  exp2proc figure hops OUT/math -o hops.pdf --width 82mm
  exp2proc figure sample OUT/math/qwen-8B/RUN/ex_000000.npz -o tokens.png --hop 1

Beside FILE.pdf stands FILE.csv with the numbers that are drawn. The same samples give the same
bytes. Fonts are embedded (.pdf) or drawn as shapes (.svg); earlier figures are replaced, other
files never. length: the bins are fifths of the first method's CoT lengths, a point is 1 / mean MAS
(or the mean of another --score) of at least two samples, its bar one standard error; in the CSV
low <= length < high. scores: box, median and mean with its 95 % interval (Student's t).
A run is named by its method (ifr), setting (ifr_n1) or run_tag, a dataset by its short or full
name.
exit codes: 0 drawn of all; 1 some files are no samples, told on stderr; 2 nothing was drawn.
"""


GO_ON = "Nothing was written. Run it again."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `exp2proc figure`."""
    from ..figures.kinds import KINDS
    from ..formats.layouts import SCORES
    from ..viewer.heat import SCALES

    said = "; ".join(f"{name}: {kind.about}" for name, kind in KINDS.items())
    parser.add_argument("kind", metavar="KIND", choices=tuple(KINDS), help=said)
    add_outs(parser)
    parser.add_argument(
        *("-o", "--output"),
        metavar="FILE",
        required=True,
        type=_file,
        help="FILE.pdf, FILE.svg or FILE.png",
    )
    parser.add_argument(
        "--score",
        choices=tuple(SCORES),
        help="which to show (default: mas in length, all in scores)",
    )
    parser.add_argument(
        "--method",
        metavar="NAME=RUN,...",
        type=several,
        action="append",
        default=[],
        help="show only these runs, as NAME, several averaged example by example; may be repeated",
    )
    parser.add_argument(
        "--panel",
        metavar="NAME=DATASET,...",
        type=several,
        action="append",
        default=[],
        help="show only these datasets, together as NAME; may be repeated",
    )
    add_arrangement(parser)
    parser.add_argument(
        "--width",
        metavar="WIDTH",
        type=_width,
        default=3.25,
        help="of the figure, such as 3.25in, 82mm, 17cm (default: 3.25in, a column)",
    )
    parser.add_argument("--hop", metavar="K", type=int, help="sample: hop K (from 0), not attr")
    parser.add_argument(
        "--scale",
        choices=SCALES,
        default="linear",
        help="sample: of the colours (default: %(default)s)",
    )


def _file(value: str) -> Path:
    from ..figures.style import ENDINGS

    return file_ending(*ENDINGS)(value)


def _width(value: str) -> float:
    from ..figures.style import inches

    try:
        return inches(value)
    except ValueError as err:
        raise argparse.ArgumentTypeError(str(err)) from None


def run(args: argparse.Namespace) -> int:
    """Read the samples, draw, write figure and numbers."""
    from ..figures.kinds import KINDS, check_heeded
    from ..figures.plot import plot, told_missing
    from ..figures.style import drawing, file_bytes
    from ..formats.names import counted, printable
    from ..system.atomic_write import replaced_together
    from ..traces.runs import refuse_traces
    from .targets import Kind, check_target

    file: Path = args.output
    table = file.with_suffix(".csv")
    request = _request(args)
    check_heeded(args.kind, request)
    refuse_traces(file.parent)
    headers = [",".join(kind.columns).encode() + b"\n" for kind in KINDS.values()]
    check_target(file, Kind("figure of exp2proc", _is_figure))
    check_target(table, Kind("table of exp2proc figure", lambda s: s.readline(256) in headers))
    os.environ["MPLBACKEND"] = "agg"  # nothing is shown, whatever was asked for elsewhere
    with drawing():
        with read_all(args, KINDS[args.kind].read) as reading:
            read = list(reading.items())
        drawn = plot(args.kind, read, request)
        data = file_bytes(drawn.figure, file.suffix.lower())
    if drawn.missing:
        print(f"exp2proc: {told_missing(drawn.missing)}", file=sys.stderr)
    file.parent.mkdir(parents=True, exist_ok=True)
    with replaced_together(file.parent, [table.name, file.name]) as new:
        (new / table.name).write_bytes(drawn.table.csv().encode())
        (new / file.name).write_bytes(data)
    if args.json:
        told = {
            "figure": str(file),
            "bytes": len(data),
            "table": str(table),
            "rows": len(drawn.table.rows),
            "missing": told_missing(drawn.missing) if drawn.missing else None,
            "failures": failures_json(reading.failures),
        }
        return print_json(told, reading.exit_code)
    rows = counted(len(drawn.table.rows), "row")
    print(f"{printable(str(file))}: {len(data) / 1e3:.0f} kB; {printable(str(table))}: {rows}")
    return reading.exit_code


_ENDS: Final = 1 << 16
"""The program's name stands near the beginning or, in a PDF, near the end."""


def _is_figure(stream: BinaryIO) -> bool:
    from ..figures.style import MARK

    head = stream.read(_ENDS)
    stream.seek(max(0, stream.seek(0, os.SEEK_END) - _ENDS))
    return MARK in head or MARK in stream.read()


def _request(args: argparse.Namespace) -> Request:
    from ..figures.arrange import Request

    return Request(
        methods=_joined(args.method) or None,
        panels=_joined(args.panel) or None,
        groups=_joined(args.group),
        labels=dict(args.label),
        order=args.order,
        score=args.score,
        hop=args.hop,
        scale=args.scale,
        width=args.width,
    )


def _joined(given: list[tuple[str, list[str]]]) -> dict[str, list[str]]:
    """What was given for each name, also where it was named twice."""
    found: dict[str, list[str]] = {}
    for name, members in given:
        found.setdefault(name, []).extend(members)
    return found
