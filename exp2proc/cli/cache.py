"""Show what is remembered between runs (what texts became under which tokenizer), or forget it."""

from __future__ import annotations

import argparse
import json
import sys

EXAMPLES = """\
examples:
  exp2proc cache
  exp2proc cache --clear
  EXP2PROC_CACHE_DIR=/scratch/me/cache exp2proc cache

EXP2PROC_CACHE_DIR moves the cache, EXP2PROC_CACHE_MB bounds it (default: 1024).
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `exp2proc cache`."""
    parser.add_argument("--clear", action="store_true", help="forget everything")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Show or clear."""
    from ..formats.names import printable
    from ..tokens.cache import Cache, cache_folder

    cache = Cache(cache_folder())
    before = cache.size()
    if args.clear:
        try:
            cache.clear()
        except OSError as err:
            print(printable(f"exp2proc: {cache.path}: {err.strerror or err}"), file=sys.stderr)
            return 1
    now = cache.size()
    path = printable(str(now.path))
    if args.json:
        fields = {"path": str(now.path), "entries": now.entries}
        print(json.dumps({**fields, "bytes": now.size, "limit": now.limit}))
    elif args.clear:
        print(f"forgot {before.entries} entries ({before.size / 1e6:.1f} MB) of {path}")
    else:
        print(
            f"{path}: {now.entries} entries, {now.size / 1e6:.1f} MB"
            f" of at most {now.limit / 1e6:.0f} MB"
        )
    return 0
