"""Show what a bug report needs: versions, codecs, cores, cache, extras."""

from __future__ import annotations

import argparse
import os
import textwrap
from collections.abc import Mapping
from typing import Any, Final

from .answers import print_json

EXAMPLES = """\
examples:
  exp2proc env
  exp2proc env --json

The packages are those that this installation declares, also where one of them is missing.
"""


_HEEDED: Final = ("EXP2PROC_", "LOKY_", "HF_HUB_OFFLINE", "HF_HOME", "TRANSFORMERS_OFFLINE")
"""How the names of environment variables begin that change what is done."""
_WIDTH: Final = 80


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """There are no options of its own."""


def run(args: argparse.Namespace) -> int:
    """Look, and show it."""
    found = _environment()
    if args.json:
        return print_json(found)
    from ..formats.names import printable

    for line in _lines(found):
        print(printable(line))
    return 0


def _environment() -> dict[str, Any]:
    import platform

    from ..engines.processes import available_cores
    from ..formats.deflate import IN_USE
    from ..system.extras import packages
    from ..tokens.cache import Cache, cache_folder
    from ..versions import __version__, library_versions

    cache = Cache(cache_folder()).size()
    declared = packages()
    return {
        "exp2proc": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {**library_versions(), **declared.pop("", {})},
        "codecs": dict(IN_USE),
        "cores": {"machine": os.cpu_count(), "usable": available_cores()},
        "cache": {
            "path": str(cache.path),
            "entries": cache.entries,
            "bytes": cache.size,
            "limit": cache.limit,
        },
        "extras": declared,
        "variables": {
            name: value for name, value in sorted(os.environ.items()) if name.startswith(_HEEDED)
        },
    }


def _lines(found: Mapping[str, Any]) -> list[str]:
    from ..formats.names import counted
    from .cache import used

    cores, cache = found["cores"], found["cache"]
    in_use = used(cache["bytes"], cache["limit"])
    rows = [
        ("exp2proc", found["exp2proc"]),
        ("python", found["python"]),
        ("platform", found["platform"]),
        *((name, of or "missing") for name, of in found["packages"].items() if name != "python"),
        ("codecs", ", ".join(f"{codec} for {what}" for what, codec in found["codecs"].items())),
        ("cores", f"{cores['usable']} of {cores['machine']} may be used"),
        ("cache", cache["path"]),
        ("", f"{counted(cache['entries'], 'entry', 'entries')}, {in_use}"),
        *((f"[{extra}]", _versions(of)) for extra, of in found["extras"].items()),
        *((name, value) for name, value in found["variables"].items()),
    ]
    width = max(len(name) for name, _ in rows)
    return [line for name, value in rows for line in _wrapped(f"{name:<{width}}  ", value)]


def _wrapped(lead: str, value: str) -> list[str]:
    """A line, or several that begin below each other."""
    later = " " * len(lead)
    lines = textwrap.wrap(
        f"{value}", _WIDTH - len(lead), break_long_words=False, break_on_hyphens=False
    )
    return [(later if at else lead) + line for at, line in enumerate(lines)]


def _versions(packages: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {of or 'missing'}" for name, of in packages.items())
