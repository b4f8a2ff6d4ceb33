"""The console: text as it is, within the terminal's width, and wide enough in a log."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any, Final

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

_LOG_WIDTH: Final = 140
_NARROWEST: Final = 80
_HANGING: Final = 2


class _Trimmed:
    """Something of whose lines no blanks are printed at the end, but for coloured ones."""

    def __init__(self, what: RenderableType) -> None:
        self._what = what

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for line in console.render_lines(self._what, options, pad=False):
            yield from _without_blanks(line)
            yield Segment.line()


def _without_blanks(line: Iterable[Segment]) -> list[Segment]:
    kept = list(line)
    while kept and not (kept[-1].style and kept[-1].style.bgcolor):
        last = kept.pop()
        if text := last.text.rstrip():
            return [*kept, last._replace(text=text)]
    return kept


class _Plain(Console):
    def print(self, *objects: Any, **how: Any) -> None:
        """As always; tables and the like without blanks at the ends of lines."""
        told = (one if isinstance(one, (str, Text)) else _Trimmed(one) for one in objects)
        super().print(*told, **how)


def console(*, stderr: bool = False, narrowest: int = _NARROWEST) -> Console:
    """A console that takes text as it is, and is wide enough in a log.

    Args:
        stderr: on standard error instead of standard output.
        narrowest: what is printed needs so many columns.
    """
    stream = sys.stderr if stderr else sys.stdout
    plain = _Plain(stderr=stderr, markup=False, emoji=False, highlight=False)
    if not stream.isatty():
        plain.width = _LOG_WIDTH
    elif plain.width < narrowest:
        plain.width = narrowest  # lines that the terminal wraps, rather than numbers cut short
    return plain


def tell(out: Console, text: Text) -> None:
    """Print a sentence: on a terminal in lines that end between words, in a log in one."""
    lines = wrapped(text, out.width) if out.file.isatty() else [text]
    for line in lines:
        out.print(line, soft_wrap=True)


def wrapped(text: Text, width: int) -> list[Text]:
    """A text in lines that end between words; the later ones stand a little more to the right.

    A word that is too long, such as a path, stays whole and where it is: it can be copied.

    >>> [line.plain for line in wrapped(Text("  one two three"), 10)]
    ['  one two', '    three']
    """
    plain = text.plain
    lead = len(plain) - len(plain.lstrip())
    ends: list[int] = []
    begin, room, at = 0, width, lead
    for word in plain[lead:].split(" "):
        end = at + len(word)
        fits_below = cell_len(word) <= width - lead - _HANGING
        if fits_below and cell_len(plain[begin:end]) > room and at > max(begin, lead):
            ends.append(at)
            begin, room = at, width - lead - _HANGING
        at = end + 1
    first, *later = text.divide(ends)
    lines = [first, *(Text(" " * (lead + _HANGING)).append_text(line) for line in later)]
    for line in lines:
        line.rstrip()
    return lines
