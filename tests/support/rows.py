"""Manifest rows made for a purpose."""

from __future__ import annotations

from exp2proc.traces.manifest import Row


def row(number: int = 0, run: int = 0, *, length: int = 10, attr_func: str = "attnlrp") -> Row:
    """A row of a prompt of `length` tokens and a generation of 9."""
    return Row(number, attr_func, f"{number}.npz", "a", "b", length, 9, number, run, number + 1)
