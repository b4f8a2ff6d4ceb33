"""Write a small exp2 tree with a tokenizer trained on the spot, and convert it. Needs nothing."""

from __future__ import annotations

import argparse
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .answers import print_json
from .values import path

if TYPE_CHECKING:
    from ..demo.tree import DemoTree

EXAMPLES = """\
examples:
  exp2proc demo
  exp2proc demo --break     (shows what failures look like; exit code 1)
  exp2proc demo --dir /tmp/demo

A demo that is already in its folder is made again. That of --break has a folder of its own.
"""

_MARKER: Final = ".exp2proc-demo"
_BROKEN_MARKER: Final = ".exp2proc-demo-broken"
_DIR: Final = Path("exp2proc-demo")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `exp2proc demo`."""
    parser.add_argument(
        "--dir",
        metavar="DIR",
        type=path,
        help=f"where to write it (default: {_DIR}, or {_broken(_DIR)} with --break)",
    )
    parser.add_argument(
        "--break",
        dest="plant",
        action="store_true",
        help="also plant a wrong tokenizer, a truncated npz and a row without its text",
    )


def _broken(root: Path) -> Path:
    """Where the demo of --break goes beside one."""
    return root.with_name(f"{root.name}-broken")


def run(args: argparse.Namespace) -> int:
    """Write the tree, convert it, show what came out."""
    from ..errors import Exp2procError
    from ..system.atomic_write import claim_folder

    root: Path = args.dir or (_broken(_DIR) if args.plant else _DIR)
    if not claim_folder(root, _BROKEN_MARKER if args.plant else _MARKER):
        which = "the demo of --break" if args.plant else "a demo"
        said = f"{root} is not empty and not {which}: choose another --dir"
        raise Exp2procError("target-exists", said, "Name a folder that is empty or not there.")
    return _convert(_write(root, broken=args.plant), args)


def _write(root: Path, *, broken: bool) -> DemoTree:
    from ..demo.tree import write_broken, write_tree

    tree = write_tree(root)
    if broken:
        write_broken(tree)
    return tree


def _convert(tree: DemoTree, args: argparse.Namespace) -> int:
    from ..conversion.run import convert
    from ..options import Options, to_argv
    from ..terminal.demo import print_command, print_made
    from ..terminal.progress import reporter

    asked: dict[str, Any] = {
        "traces_root": tree.traces,
        "data_root": tree.data,
        "tokenizer_model": tree.tokenizer,
        "out_root": tree.out,
    }
    command = ["exp2proc", "convert", *to_argv(Options(**asked))]
    if not args.json:
        print_command(command)
    shutil.rmtree(tree.out, ignore_errors=True)  # of an earlier demo: claimed above
    with reporter(96, quiet=args.json) as on_progress:
        report = convert(**asked, on_progress=on_progress)
    if args.json:
        folders = {name: str(getattr(tree, name)) for name in ("root", "traces", "data", "out")}
        told = {**folders, "tokenizer": str(tree.tokenizer), "command": shlex.join(command)}
        return print_json({**told, "report": report.to_dict()}, report.exit_code)
    again = ["--dir", str(_broken(tree.root))] if args.dir else []
    print_made(tree, report, None if args.plant else ["exp2proc", "demo", *again, "--break"])
    return report.exit_code
