"""What the demo has made, on screen: its folders, one sample, what to look at next."""

from __future__ import annotations

import shlex
from pathlib import Path

from rich.text import Text
from rich.tree import Tree

from ..demo.tree import DemoTree
from ..formats.names import printable
from ..formats.sample import load_sample
from .console import console


def print_first_look(tree: DemoTree) -> None:
    """Print it on stdout."""
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
