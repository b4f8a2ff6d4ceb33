"""The parser of a command: help that fits the terminal, and errors that lead on."""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NoReturn

from ..errors import Exp2procError


class Parser(argparse.ArgumentParser):
    """A parser whose errors are `usage` ones that name its own help."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", _Formatter)
        super().__init__(**kwargs)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """The arguments; of an option that is none, the one that was meant is named."""
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}{self._meant(unknown)}")
        return found

    def error(self, message: str) -> NoReturn:
        """Refuse the words of the command line.

        Raises:
            Exp2procError: `usage`.
        """
        raise Exp2procError("usage", message, try_help(self.prog))

    def _meant(self, unknown: Iterable[str]) -> str:
        words = (word.partition("=")[0] for word in unknown if word.startswith("--"))
        known = self._option_string_actions  # has no public name; shtab reads it, too
        return did_you_mean(next(words, ""), known)


def try_help(prog: str) -> str:
    """Where a usage error leads.

    >>> try_help("exp2proc convert")
    'Try: exp2proc convert --help'
    """
    return f"Try: {prog} --help"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """What is added to the message about a word that is not known.

    >>> did_you_mean("convrt", ["convert", "plan"]), did_you_mean("zebra", ["convert", "plan"])
    (' (did you mean convert?)', '')
    """
    from difflib import get_close_matches

    alike = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean {alike[0]}?)" if alike else ""


_LABEL: Final = re.compile(r"[a-z][a-z ]*: ?")
"""What begins a paragraph of its own, such as "exit codes: 0 all done"."""
_COMMAND: Final = re.compile(r"(?:[A-Z0-9_]+=\S+ )*exp2proc ")
_NOTE: Final = re.compile(r" {2,}(?=\()")
"""Between an example and what is said of it."""


class _Formatter(argparse.HelpFormatter):
    """Descriptions and epilogs as they stand, wrapped at the terminal's width.

    Lines that are indented stay lines. A command that is too long goes on behind a backslash.
    """

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines = (line for part in _paragraphs(text) for line in _wrapped(part, width, indent))
        return "\n".join(lines)


def _paragraphs(text: str) -> Iterator[str]:
    """Paragraphs, each in one line; "" for a blank one."""
    found = ""
    for line in text.strip("\n").splitlines():
        if found.endswith("\\"):
            found = f"{found[:-1].rstrip()} {line.strip()}"
        elif found and line and not line.startswith(" ") and not found.startswith(" "):
            if _LABEL.match(line):
                yield found
                found = line
            else:
                found = f"{found} {line}"
        else:
            if found:
                yield found
            found = line
            if not line:
                yield ""
    if found:
        yield found


def _wrapped(paragraph: str, width: int, indent: str) -> list[str]:
    text = paragraph.lstrip()
    lead = indent + " " * (len(paragraph) - len(text))
    if _COMMAND.match(text):
        command, *note = _NOTE.split(text, maxsplit=1)
        if len(lead + text) <= width:
            return [lead + text]
        return [*_command_lines(command, width, lead), *(_filled(one, width, lead) for one in note)]
    return _filled(text, width, lead).split("\n") if text else [""]


def _filled(text: str, width: int, lead: str) -> str:
    return textwrap.fill(
        text,
        width,
        initial_indent=lead,
        subsequent_indent=lead,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _command_lines(command: str, width: int, lead: str) -> list[str]:
    """A command in lines of at most `width`, an option beside its value where that fits."""
    lines, line = [], lead
    for part in _with_values(command.split()):
        for word in [part] if len(lead) + 6 + len(part) <= width else part.split():
            longer = f"{line} {word}" if line.strip() else line + word
            if len(longer) + 2 > width and line.strip():
                lines.append(f"{line} \\")
                longer = f"{lead}    {word}"
            line = longer
    return [*lines, line]


def _with_values(words: Sequence[str]) -> list[str]:
    """The words, options joined with the value that follows."""
    parts: list[str] = []
    for word in words:
        if parts and parts[-1].startswith("-") and " " not in parts[-1] and word[0] not in "-|>":
            parts[-1] += f" {word}"
        else:
            parts.append(word)
    return parts
