"""The command line: parse, call one public function, render what it returns.

Each command is a module of this folder with `add_arguments(parser)` and `run(args) -> exit code`.
Modules are imported when their command is used, so that `--help` stays quick. May import every
room; nobody imports this one.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any, Final, NoReturn

from ..system.signals import Terminated, hear_stops, ignore_stops
from ..system.streams import StandardStreams
from ..versions import __version__

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
}

_EPILOG = """\
examples:
  exp2proc demo
  exp2proc convert --traces_root exp/exp2/output/traces --tokenizer_model models/Qwen3-8B
  exp2proc convert --trace_dir RUN --layout proc_1 --out_dir OUT
  exp2proc doctor --traces_root traces --tokenizer_model A --tokenizer_model B

exit codes: 0 all done; 1 some rows failed, all others written; 2 nothing could start;
130 interrupted (Ctrl-C); 143 terminated.
"""


class _Parser(argparse.ArgumentParser):
    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(**kwargs)

    def error(self, message: str) -> NoReturn:
        from ..formats.names import printable

        # Words of the command line may come from file names.
        lines = "\n".join(map(printable, message.splitlines()))
        self.exit(2, f"{self.prog}: {lines}\nTry: {self.prog} --help\n")


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
    try:
        hear_stops()
        _stand_somewhere()
        code = _run(words)
    except SystemExit as end:  # of argparse
        code = int(end.code or 0)
    except KeyboardInterrupt:
        print("exp2proc: interrupted", file=sys.stderr)
        code = 130
    except Terminated:
        print("exp2proc: terminated", file=sys.stderr)
        code = 143
    if argv is None:
        ignore_stops()  # all is done: the exit code of this process stands
    return streams.settle(code)


def _run(words: list[str]) -> int:
    command = next((word for word in words if not word.startswith("-")), None)
    parser = _Parser(
        prog="exp2proc",
        description="Convert trace runs of the exp2 attribution experiment into lean per-sample"
        " npz files.",
        epilog=_EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"exp2proc {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    module: Any = None
    for name, summary in COMMANDS.items():
        if name != command:
            commands.add_parser(name, help=summary)
            continue
        module = import_module(f".{name}", __name__)
        sub = commands.add_parser(
            name, help=summary, description=module.__doc__, epilog=module.EXAMPLES
        )
        module.add_arguments(sub)
    args = parser.parse_args(_underscored(words))
    if why := _wrong_environment():
        parser.exit(2, f"{parser.prog}: {why}\n")
    return int(module.run(args))


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


def _wrong_environment() -> str | None:
    """What is wrong with an environment variable, or None."""
    from ..errors import Exp2procError

    for name, (module, check) in _READERS.items():
        if name not in os.environ:
            continue  # importing its reader takes its time
        try:
            getattr(import_module(f"..{module}", __package__), check)()
        except Exp2procError as err:
            return err.message
    return None


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
