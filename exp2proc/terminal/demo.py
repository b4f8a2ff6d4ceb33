"""What the demo does, and what to look at next, on screen: a few lines, the same each time."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from ..demo.tree import DemoTree
from ..formats.names import counted, printable
from ..results import Report
from .console import console
from .errors import print_errors

_SHOWN = "needles/*/*both*/ex_000000.npz"


def print_command(words: Sequence[str]) -> None:
    """A command as it is typed, an option a line."""
    lines = [shlex.quote(word) for word in words[:2]]
    for word in words[2:]:
        quoted = printable(shlex.quote(word))
        lines += [f"\\\n      {quoted}"] if word.startswith("--") else [quoted]
    print(f"$ {' '.join(lines)}")


def print_made(tree: DemoTree, report: Report, breaking: Sequence[str] | None) -> None:
    """What was made, how to look at it, and how to see failures.

    Args:
        tree: that was converted.
        report: of the conversion.
        breaking: the command that shows failures; None after it, which is about them alone.
    """
    print_errors(console(), report.errors)
    counts = report.counts
    done = f"{counts.converted} of {counted(counts.planned, 'row')} of {len(report.runs)} runs done"
    print(f"{done}: {printable(str(tree.out))}")
    if breaking is None:
        return
    print("look at them:")
    out = shlex.quote(str(tree.out))
    site = shlex.quote(str(tree.root / "site"))
    for words in (f"summary {out}", f"show {out}/{_SHOWN}", f"gallery {out} -o {site}"):
        print(f"  exp2proc {printable(words)}")
    print(f"see what failures look like:\n  {printable(shlex.join(breaking))}")
