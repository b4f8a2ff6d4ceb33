"""Write a small exp2 tree with a tokenizer trained on the spot, and convert it. Needs nothing."""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .values import path

if TYPE_CHECKING:
    from ..demo.tree import DemoTree

EXAMPLES = """\
examples:
  exp2proc demo
  exp2proc demo --dir /tmp/demo --break     (shows what failures look like; exit code 1)
"""

_MARKER: Final = ".exp2proc-demo"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `exp2proc demo`."""
    parser.add_argument(
        "--dir",
        metavar="DIR",
        type=path,
        default=Path("exp2proc-demo"),
        help="where to write it (default: ./%(default)s)",
    )
    parser.add_argument(
        "--break",
        dest="plant",
        action="store_true",
        help="also plant a wrong tokenizer, a truncated npz and a row without its text",
    )


def run(args: argparse.Namespace) -> int:
    """Write the tree, convert it, show what came out."""
    from ..formats.names import printable
    from ..system.atomic_write import claim_folder

    root: Path = args.dir
    try:
        if claim_folder(root, _MARKER):
            tree, problem = _write(root, broken=args.plant), None
        else:
            problem = f"{root} is not empty and not a demo: choose another --dir"
    except OSError as err:
        problem = f"{root}: {err.strerror or err}"
    if problem is not None:
        print(printable(f"exp2proc: {problem}"), file=sys.stderr)
        return 2
    return _convert(tree)


def _write(root: Path, *, broken: bool) -> DemoTree:
    from ..demo.tree import write_broken, write_tree

    tree = write_tree(root)
    if broken:
        write_broken(tree)
    return tree


def _convert(tree: DemoTree) -> int:
    from ..conversion.run import convert
    from ..errors import PlanError
    from ..formats.names import printable
    from ..options import Options, to_argv
    from ..terminal.demo import print_first_look
    from ..terminal.errors import print_problems
    from ..terminal.progress import reporter
    from ..terminal.report import print_report

    asked: dict[str, Any] = {
        "traces_root": tree.traces,
        "data_root": tree.data,
        "tokenizer_model": tree.tokenizer,
        "out_root": tree.out,
    }
    command = shlex.join(["exp2proc", "convert", *to_argv(Options(**asked))])
    print(f"$ {printable(command)}")
    shutil.rmtree(tree.out, ignore_errors=True)  # of an earlier demo: claimed above
    try:
        with reporter(96) as on_progress:
            report = convert(**asked, on_progress=on_progress)
    except PlanError as err:
        print_problems(err.problems)
        return 2
    print_report(report, resume=f"{command} --resume")
    print_first_look(tree)
    return report.exit_code
