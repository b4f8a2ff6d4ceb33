"""Show the help of a command, or the commands there are."""

from __future__ import annotations

import argparse

from .answers import print_json

EXAMPLES = """\
examples:
  exp2proc help
  exp2proc help convert     (the same as exp2proc convert --help)
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `exp2proc help`."""
    parser.add_argument("about", metavar="COMMAND", nargs="?", help="a command (default: all)")


def run(args: argparse.Namespace) -> int:
    """Print it."""
    from . import command_parser, known_command, top_parser

    about = args.about
    parser = top_parser()[0] if about is None else command_parser(known_command(about))
    if args.json:
        return print_json({"command": about, "help": parser.format_help()})
    parser.print_help()
    return 0
