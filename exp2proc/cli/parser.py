"""The parser of a command: help that fits the terminal, and errors that lead on."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from typing import Any, Final, NoReturn

from ..errors import Exp2procError


class Parser(argparse.ArgumentParser):
    """A parser whose errors are `usage` ones that name its own help."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", _Formatter)
        super().__init__(**kwargs)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """The arguments; of words that are none, what was meant, or where they belong."""
        words = sys.argv[1:] if args is None else args
        try:
            found, unknown = self.parse_known_args(words, namespace)
        except Exp2procError:  # perhaps that an option is required, which was mistyped
            unknown = self._unknown_options(words)
            if not unknown:
                raise
        if unknown:
            said = f"unrecognized arguments: {' '.join(unknown)}{self._meant(unknown)}"
            self.error(said, self._belonging(unknown, words))
        return found

    def error(self, message: str, hint: str | None = None) -> NoReturn:
        """Refuse the words of the command line.

        Raises:
            Exp2procError: `usage`.
        """
        raise Exp2procError("usage", message, hint or try_help(self.prog))

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as err:
            from ..formats.names import did_you_mean

            err.message += did_you_mean(str(value), map(str, action.choices or ()))
            raise

    def _unknown_options(self, words: Iterable[str]) -> list[str]:
        """The words that can only be options, and are none."""
        known = self._option_string_actions
        return [
            word
            for word in takewhile(lambda word: word != "--", words)
            if word.startswith("--")
            and " " not in word
            and not any(name.startswith(word.partition("=")[0]) for name in known)
        ]

    def _meant(self, unknown: Iterable[str]) -> str:
        words = (word.partition("=")[0] for word in unknown if word.startswith("--"))
        word = next(words, "")
        if others := _commands_with(word):
            return f" ({', '.join(others)} {'has' if len(others) == 1 else 'have'} it)"
        from ..formats.names import did_you_mean

        known = self._option_string_actions  # has no public name; shtab reads it, too
        return did_you_mean(word, known)

    def _belonging(self, unknown: Iterable[str], words: Sequence[str]) -> str | None:
        """What to do with a word that stands by itself: several after an option, or runs."""
        stray = next((word for word in unknown if not word.startswith("-")), None)
        if stray is None:
            return None
        before = words[: words.index(stray)]
        at = max((at for at, word in enumerate(before) if word.startswith("-")), default=-1)
        if at >= 0:
            option, _, value = before[at].partition("=")
            values = [*filter(None, [value]), *before[at + 1 :]]
            if values and self._may_be_repeated(option, stray):
                again = shlex.join([option, values[0], option, stray])
                return f"{option} takes one value: repeat it for each, as in {again}"
        if "--traces_root" in self._option_string_actions:
            return "Runs are named with --traces_root FOLDER (all below it) or --trace_dir RUN."
        return None

    def _may_be_repeated(self, option: str, value: str) -> bool:
        """Whether an option, of which the first letters are enough, is a list of such values."""
        known = self._option_string_actions.items()
        action = next((found for name, found in known if name.startswith(option)), None)
        if action is None or action.nargs is not None or not isinstance(action.default, list):
            return False
        try:
            self._get_value(action, value)
        except argparse.ArgumentError:
            return False
        return True


def _commands_with(option: str) -> list[str]:
    """The commands that have an option of just this name."""
    from . import COMMANDS, command_parser

    if not option:
        return []
    return [name for name in COMMANDS if option in command_parser(name)._option_string_actions]


def try_help(prog: str) -> str:
    """Where a usage error leads.

    >>> try_help("exp2proc convert")
    'Try: exp2proc convert --help'
    """
    return f"Try: {prog} --help"


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
