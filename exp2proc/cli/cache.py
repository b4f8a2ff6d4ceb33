"""Show what is remembered between runs (what texts became under which tokenizer), or forget it."""

from __future__ import annotations

import argparse

from .answers import print_json

EXAMPLES = """\
examples:
  exp2proc cache
  exp2proc cache --clear
  EXP2PROC_CACHE_DIR=/scratch/me/cache exp2proc cache

EXP2PROC_CACHE_DIR moves the cache, EXP2PROC_CACHE_MB bounds it, in MiB (default: 1024).
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `exp2proc cache`."""
    parser.add_argument("--clear", action="store_true", help="forget everything")


def run(args: argparse.Namespace) -> int:
    """Show or clear."""
    from ..formats.names import counted, printable
    from ..tokens.cache import Cache, cache_folder

    cache = Cache(cache_folder())
    before = cache.size()
    if args.clear:
        cache.clear()
    now = cache.size()
    path = printable(str(now.path))
    if args.json:
        fields = {"path": str(now.path), "entries": now.entries}
        return print_json({**fields, "bytes": now.size, "limit": now.limit})
    from rich.text import Text

    from ..terminal.console import console, tell

    entries = counted((before if args.clear else now).entries, "entry", "entries")
    if args.clear:
        told = f"forgot {entries} ({_mebibytes(before.size)} MiB) of {path}"
    else:
        told = f"{path}: {entries}, {used(now.size, now.limit)}"
    tell(console(), Text(told))
    return 0


def used(size: int, limit: int) -> str:
    """Bytes of how many, in the unit of `EXP2PROC_CACHE_MB`."""
    return f"{_mebibytes(size)} of at most {_mebibytes(limit).removesuffix('.0')} MiB"


def _mebibytes(size: int) -> str:
    return f"{size / (1 << 20):.1f}"
