"""From declared options to a parser's arguments, and from parsed arguments to options."""

from __future__ import annotations

import argparse
from typing import Any, TypeVar

from ..options import Option, Options, grouped
from .values import READERS

T = TypeVar("T")


def add_groups(parser: argparse.ArgumentParser, kind: type = Options) -> None:
    """All options that a class declares, under their headings."""
    for title, options in grouped(kind).items():
        names = (option.name for option in options)
        add_options(parser.add_argument_group(title), *names, kind=kind)


def add_options(
    group: argparse._ActionsContainer, *names: str, kind: type = Options, **instead: str
) -> None:
    """Some of the options that a class declares; `instead` has other helps for some of them."""
    known = {option.name: option for option in _spelled(kind)}
    excluding = {option.excludes: option.name for option in known.values()}
    beside: dict[str, Any] = {}
    for name in names:
        option = known[name]
        if name in excluding:
            beside[excluding[name]] = place = group.add_mutually_exclusive_group()
        else:
            place = beside.get(name, group)
        _add(place, option, instead.get(name, option.help))


def _add(group: argparse._ActionsContainer, option: Option, text: str) -> None:
    more: dict[str, Any] = {"dest": option.name, "help": text}
    if option.is_flag:
        more["action"] = "store_false" if option.default else "store_true"
    else:
        # argparse appends to a copy of the default, which must be a list
        default = [*option.default] if option.repeatable else option.default
        more.update(default=default, metavar=option.metavar, type=READERS.get(option.kind))
        if option.repeatable:
            more["action"] = "append"
        if option.choices:
            more["choices"] = tuple(option.choices)
    group.add_argument(option.spelled, **more)


def options_of(args: argparse.Namespace, kind: type[T]) -> T:
    """Parsed arguments as the options that a class declares."""
    return kind(**{option.name: getattr(args, option.name) for option in _spelled(kind)})


def _spelled(kind: type) -> list[Option]:
    """The options of a class that the command line has."""
    return [option for options in grouped(kind).values() for option in options]
