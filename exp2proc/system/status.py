"""What a command is busy with until it has something to show: a line on a terminal, then gone.

In a log, and in a program that uses this package, nothing is shown.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Final

_WIPE: Final = b"\r\x1b[K"
_WIDTH: Final = 80

_terminal: int | None = None
"""The descriptor of the terminal, until something else is written to it."""
_shown = False


def show_on(terminal: int | None) -> None:
    """Show it on a terminal from now on, or nowhere."""
    global _terminal, _shown
    _terminal = None if os.environ.get("TERM") in (None, "dumb") else terminal
    _shown = False


def busy(doing: str) -> None:
    """Say what is being done, such as "loading the tokenizer"; instead of what was said before.

    Args:
        doing: printable text.
    """
    global _shown
    if _terminal is None:
        return
    line = f"exp2proc: {doing} ..."
    with suppress(OSError):
        width = os.get_terminal_size(_terminal).columns or _WIDTH
        shown = line if len(line) < width else line[: max(0, width - 4)] + "..."
        os.write(_terminal, _WIPE + shown.encode(errors="replace"))
        _shown = True


def over() -> None:
    """Wipe it away: something else is about to be written, and stays."""
    global _terminal, _shown
    if _terminal is not None and _shown:
        with suppress(OSError):
            os.write(_terminal, _WIPE)
    _terminal, _shown = None, False
