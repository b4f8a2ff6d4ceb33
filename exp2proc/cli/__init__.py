"""The command line: parse, call one public function, render what it returns.

Each command is a module of this folder with `EXAMPLES`, `add_arguments(parser)` and
`run(args) -> exit code`; what it raises is told here. `GO_ON`, where it has one, says what to do
after Ctrl-C. Modules are imported when their command is used, so that `--help` stays quick. May
import every room; nobody imports this one.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import Final

from ..errors import Exp2procError
from ..system.signals import Terminated, hear_stops, ignore_stops
from ..system.status import busy, show_on
from ..system.streams import StandardStreams
from ..versions import __version__
from .answers import add_json, refuse, refused_by_system, stop
from .parser import Parser, try_help

COMMANDS = {
    "convert": "convert trace runs to samples",
    "plan": "show what convert would do, and what stands in its way",
    "doctor": "find the dataset and tokenizer of runs, and the command that converts them",
    "check": "check samples, also against their traces",
    "demo": "write a small exp2 tree and convert it: needs nothing",
    "summary": "scores per dataset, model and method, as a table",
    "compare": "a method next to others on the same examples: differences, tests",
    "figure": "figures for print, and the numbers in them",
    "show": "one sample, tokens coloured: in the terminal, or as .html, .svg, .tex",
    "view": "look at samples in a browser, from a server of this machine",
    "gallery": "the same as a folder that needs no server, or as one file",
    "bundle": "samples to hand over: one folder or .zip with card, sums, provenance, viewer",
    "pack": "all samples in one Parquet file",
    "unpack": "the npz files of a Parquet file again",
    "cache": "show or clear what is remembered between runs",
    "env": "versions, codecs, cores, cache and extras: what a bug report needs",
    "completion": "a script that lets a shell complete commands and options",
    "help": "the help of a command, or this",
}

_TELLING: Final = ("help", "completion")
"""Commands that do nothing that a variable of the environment could spoil."""

_EPILOG = """\
examples:
  exp2proc demo
  exp2proc convert --traces_root exp/exp2/output/traces --tokenizer_model models/Qwen3-8B
  exp2proc convert --trace_dir RUN --layout proc_1 --out_dir OUT
  exp2proc doctor --traces_root traces --tokenizer_model A --tokenizer_model B

exit codes: 0 all done; 1 some rows failed, all others written; 2 nothing could start, or no command
was given; 130 interrupted (Ctrl-C); 143 terminated.

With --json every command prints one object with its exit_code; one that ends with 2, 130 or 143 has
code, message and hint in it.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0].startswith("--") and words[0] not in ("--help", "--version"):
        words.insert(0, "convert")  # a command line of the script that this program replaces
    # No linear algebra is done here: threads for it would only cost each process its start.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Most of what a command makes stays until its end: look for garbage less often.
    gc.set_threshold(50_000, 20, 100)
    streams = StandardStreams()
    show_on(None if "--quiet" in words else streams.terminal)
    asked = _Asked(words)
    try:
        hear_stops()
        _stand_somewhere()
        code = _answer(asked)
    except SystemExit as end:  # of argparse: help or version were asked for
        code = int(end.code or 0)
    except KeyboardInterrupt:
        code = stop("interrupted", asked.go_on, as_json=asked.json)
    except Terminated:
        code = stop("terminated", asked.go_on, as_json=asked.json)
    if argv is None:
        ignore_stops()  # all is done: the exit code of this process stands
    return streams.settle(code)


class _Asked:
    """What was asked for, as far as it is known.

    Attributes:
        words: of the command line.
        prog: the command, as its help calls it.
        json: whether the answer is to be JSON.
        go_on: what to do after the command was stopped, or "".
    """

    def __init__(self, words: list[str]) -> None:
        self.words = words
        self.prog = "exp2proc"
        self.json = "--json" in words
        self.go_on = ""


def _answer(asked: _Asked) -> int:
    """Run the command, or say why it does not; stops are for `main`."""
    try:
        return _run(asked)
    except Exp2procError as err:
        return refuse(err, prog=asked.prog, as_json=asked.json)
    except OSError as err:
        return refuse(refused_by_system(err), prog=asked.prog, as_json=asked.json)


def _run(asked: _Asked) -> int:
    words = asked.words
    if not words:
        top_parser()[0].print_help(sys.stderr)
        return 2
    if words[0].startswith("-"):
        parser, _ = top_parser()
        parser.parse_args(words)
        parser.error(f"the first word is to be a command, not {words[0]}")
    command = known_command(words[0])
    asked.prog = prog = f"exp2proc {command}"
    busy("starting")
    module = import_module(f".{command}", __name__)
    asked.go_on = getattr(module, "GO_ON", "")
    args = command_parser(command).parse_args(_underscored(words[1:]))
    asked.json = args.json
    if command not in _TELLING:
        asked.prog = "exp2proc"  # whatever the command is
        _check_environment()
        asked.prog = prog
    return int(module.run(args))


def known_command(word: str) -> str:
    """A word that is a command.

    Raises:
        Exp2procError: `usage`, with the command that was meant.
    """
    if word not in COMMANDS:
        from ..formats.names import did_you_mean

        said = f"there is no command {word!r}{did_you_mean(word, COMMANDS)}"
        raise Exp2procError("usage", said, try_help("exp2proc"))
    return word


def top_parser() -> tuple[Parser, dict[str, Parser]]:
    """The parser of what stands before a command, and those of commands, without their options."""
    parser = Parser(
        prog="exp2proc",
        description="Convert trace runs of the exp2 attribution experiment into lean per-sample"
        " npz files.",
        epilog=_EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"exp2proc {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    return parser, {name: commands.add_parser(name, help=of) for name, of in COMMANDS.items()}


def command_parser(command: str) -> Parser:
    """The parser of a command's options."""
    parser = Parser(prog=f"exp2proc {command}")
    add_command(parser, command)
    return parser


def add_command(parser: Parser, command: str) -> None:
    """Give a parser what a command has: its description, options and examples."""
    module = import_module(f".{command}", __name__)
    parser.description, parser.epilog = module.__doc__, module.EXAMPLES
    module.add_arguments(parser)
    add_json(parser)
    parser.set_defaults(prog=parser.prog)


_NOWHERE: Final = "/proc/sys"
"""A folder in which nothing can be made, and no name of ours is found."""


def _stand_somewhere() -> None:
    """Leave a working directory that was removed: the libraries need one, full paths do not."""
    try:
        os.getcwd()
    except OSError:
        said = "exp2proc: the working directory was removed: only full paths can work"
        print(said, file=sys.stderr)
        with suppress(OSError):
            os.chdir(_NOWHERE)


_READERS: Final = {
    "EXP2PROC_CACHE_MB": ("tokens.cache", "usual_limit"),
    "EXP2PROC_DEFLATE": ("formats.deflate", "check_choice"),
    "LOKY_MAX_CPU_COUNT": ("engines.choice", "check_cores"),
}
"""Environment variables, and who raises `usage` for a value that may not be."""


def _check_environment() -> None:
    """See whether an environment variable is what it may not be."""
    for name, (module, check) in _READERS.items():
        if name in os.environ:  # importing its reader takes its time
            getattr(import_module(f"..{module}", __package__), check)()


def _underscored(words: list[str]) -> list[str]:
    """`--trace-dir=x` as `--trace_dir=x`: options may be spelled either way."""
    spelled: list[str] = []
    for at, word in enumerate(words):
        if word == "--":
            return spelled + words[at:]
        name, equals, value = word.partition("=")
        if name.startswith("--") and len(name) > 2:
            # argparse before 3.13 takes a value of two dashes for none at all
            value = "./--" if value == "--" else value
            word = "--" + name[2:].replace("-", "_") + equals + value
        spelled.append(word)
    return spelled
