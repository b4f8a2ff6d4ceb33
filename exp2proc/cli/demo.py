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

    root: Path = args.dir
    try:
        problem = _claim(root)
        if problem is None:
            tree = _write(root, broken=args.plant)
    except OSError as err:
        problem = f"{root}: {err.strerror or err}"
    if problem is not None:
        print(printable(f"exp2proc: {problem}"), file=sys.stderr)
        return 2
    return _convert(tree)


def _claim(root: Path) -> str | None:
    """Take `root` for the demo, unless somebody else's files are there."""
    root.mkdir(parents=True, exist_ok=True)
    if any(root.iterdir()) and not (root / _MARKER).exists():
        return f"{root} is not empty and not a demo: choose another --dir"
    (root / _MARKER).touch()
    return None


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
    from ..terminal.errors import print_problems
    from ..terminal.progress import reporter
    from ..terminal.report import Summary

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
    Summary(report, resume=f"{command} --resume").print()
    _show_outputs(tree)
    return report.exit_code


def _show_outputs(tree: DemoTree) -> None:
    from rich.text import Text
    from rich.tree import Tree

    from ..formats.names import printable
    from ..formats.sample import load_sample
    from ..terminal.console import console

    out = console()
    first: Path | None = None
    branches = {tree.out: Tree(Text(printable(str(tree.out))))}
    for folder in sorted(at for at in tree.out.rglob("*") if at.is_dir()):
        files = sorted(folder.glob("*.npz"))
        count = f"  {files[0].name} ... {files[-1].name} ({len(files)})" if files else ""
        branches[folder] = branches[folder.parent].add(Text(folder.name + count))
        first = first or (files[0] if files else None)
    out.print(branches[tree.out])
    if first is None:
        return
    sample = load_sample(first)
    print(f"\n{printable(str(first))}")
    hop = "none" if sample.hop is None else f"float32{list(sample.hop.shape)}"
    print(f"  attr float32[{len(sample.attr)}], hop {hop}")
    print(f"  span_in {sample.span_in}, span_cot {sample.span_cot}, span_out {sample.span_out}")
    print(f"  rise {sample.rise:.3f}, mas {sample.mas:.3f}, recovery {sample.recovery:.3f}")
    for name in ("in", "cot", "out"):
        pieces = getattr(sample, f"tokens_{name}")
        shown = "|".join(pieces[:14]) + ("|..." if len(pieces) > 14 else "")
        print(f"  tokens_{name}: {printable(shown)}")
    print("\nnext, look at it:")
    for words in (
        ("summary", tree.out),
        ("show", first),
        ("gallery", tree.out, "-o", tree.root / "site"),
    ):
        print(f"  {printable(shlex.join(['exp2proc', *map(str, words)]))}")
    print("see what failures look like:")
    again = shlex.join(["exp2proc", "demo", "--dir", str(tree.root), "--break"])
    print(f"  {printable(again)}")
    print("load a sample in Python:")
    print(f"  import exp2proc; exp2proc.load_sample({str(first)!r})")
