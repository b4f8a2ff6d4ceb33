"""A script that lets a shell complete commands, options, their values, and files."""

from __future__ import annotations

import argparse
from typing import Final

from .answers import print_json

EXAMPLES = """\
examples:
  eval "$(exp2proc completion bash)"     (in ~/.bashrc)
  exp2proc completion zsh > ~/.zfunc/_exp2proc     (a folder of $fpath)
  exp2proc completion tcsh > ~/.exp2proc.tcsh     (and in ~/.tcshrc: source ~/.exp2proc.tcsh)

The script is of this release: make it again after an upgrade.
"""

SHELLS: Final = ("bash", "zsh", "tcsh")

FOLDERS: Final = ("DIR", "TRACES_ROOT", "EXP2_OUTPUT")
FILES: Final = ("FILE", "SAMPLE", "PATH", "OUT", "[TAG=]NAME_OR_DIR")
"""What arguments that are paths are called in help, or how that begins. Of files, folders too."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `exp2proc completion`."""
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=" or ".join(SHELLS))


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    import shtab

    script = shtab.complete(whole_parser(), args.shell)
    if args.json:
        return print_json({"shell": args.shell, "script": script})
    print(script)
    return 0


def whole_parser() -> argparse.ArgumentParser:
    """The parser of all commands with their options; arguments that are paths say so to shtab."""
    from . import COMMANDS, add_command, top_parser

    parser, commands = top_parser()
    for name in COMMANDS:
        add_command(commands[name], name)
        for action in commands[name]._actions:  # shtab reads them, too
            if (kind := _kind(action)) is not None:
                action.complete = kind  # type: ignore[attr-defined]
    return parser


def _kind(action: argparse.Action) -> object:
    """What shtab is to complete, or None where it is no path."""
    import shtab

    if not isinstance(action.metavar, str):
        return None
    if action.metavar in FOLDERS:
        return shtab.DIRECTORY
    return shtab.FILE if action.metavar.startswith(FILES) else None
