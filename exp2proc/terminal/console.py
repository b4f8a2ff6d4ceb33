"""The console: text as it is, wide enough in a log."""

from __future__ import annotations

import sys
from typing import Final

from rich.console import Console

_LOG_WIDTH: Final = 140
_NARROWEST: Final = 80


def console(*, stderr: bool = False, narrowest: int = _NARROWEST) -> Console:
    """A console that takes text as it is, and is wide enough in a log.

    Args:
        stderr: on standard error instead of standard output.
        narrowest: what is printed needs so many columns.
    """
    stream = sys.stderr if stderr else sys.stdout
    plain = Console(stderr=stderr, markup=False, emoji=False, highlight=False)
    if not stream.isatty():
        plain.width = _LOG_WIDTH
    elif plain.width < narrowest:
        plain.width = narrowest  # lines that the terminal wraps, rather than numbers cut short
    return plain
