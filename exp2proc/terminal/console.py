"""The console: text as it is, wide enough in a log."""

from __future__ import annotations

import sys
from typing import Final

from rich.console import Console

_LOG_WIDTH: Final = 140
_NARROWEST: Final = 80


def console(*, stderr: bool = False) -> Console:
    """A console that takes text as it is, and is wide enough in a log."""
    stream = sys.stderr if stderr else sys.stdout
    plain = Console(stderr=stderr, markup=False, emoji=False, highlight=False)
    if not stream.isatty():
        plain.width = _LOG_WIDTH
    elif plain.width < _NARROWEST:
        plain.width = _NARROWEST  # lines that the terminal wraps, rather than numbers cut short
    return plain
