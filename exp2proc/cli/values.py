"""Values of options: what they may be, said at once when they are something else."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from ..options import Jobs


def path(value: str) -> Path:
    """A file or folder. An empty value, of an unset variable perhaps, is not the current one."""
    if not value:
        raise argparse.ArgumentTypeError("it is empty")
    return Path(value)


def file_ending(*endings: str) -> Callable[[str], Path]:
    """How a file to write is read, whose ending says what it is."""

    def read(value: str) -> Path:
        file = path(value)
        if file.suffix.lower() not in endings:
            raise argparse.ArgumentTypeError(f"{value} {wrong}")
        return file

    several = f"ends with none of {', '.join(endings)}"
    wrong = several if len(endings) > 1 else f"does not end with {endings[0]}"
    return read


_FILES: Final = (
    *(".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".txz", ".zst", ".7z", ".rar"),
    *(".parquet", ".npz", ".npy", ".json", ".csv"),
    *(".html", ".htm", ".pdf", ".svg", ".png", ".tex"),
)
"""Endings by which everybody takes a name for a file's; other names of folders may have dots."""


def is_like_a_file(place: Path) -> bool:
    """Whether what is named would be a file: no folder should be made of that name."""
    return place.suffix.lower() in _FILES


def folder(value: str) -> Path:
    """A folder to write."""
    place = path(value)
    if is_like_a_file(place):
        raise argparse.ArgumentTypeError(f"{value} is no folder's name")
    return place


def named(value: str) -> tuple[str, str]:
    """A name and what it stands for, NAME=VALUE."""
    name, equals, meant = value.partition("=")
    if not (name and equals and meant):
        raise argparse.ArgumentTypeError("it may be NAME=VALUE")
    return name, meant


def names(value: str) -> list[str]:
    """Names between commas."""
    some = [name for name in value.split(",") if name]
    if not some:
        raise argparse.ArgumentTypeError("it may be names between commas")
    return some


def several(value: str) -> tuple[str, list[str]]:
    """A name and the names that it stands for, NAME=VALUE,..."""
    name, members = named(value)
    return name, names(members)


def positive(value: str) -> int:
    """A number from 1."""
    number = int(value) if value.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError("it may be a number from 1")
    return number


def not_negative(value: str) -> int:
    """A number from 0."""
    if not value.isdecimal():
        raise argparse.ArgumentTypeError("it may be a number from 0")
    return int(value)


def port(value: str) -> int:
    """A port; 0 for any that is free."""
    number = int(value) if value.isdecimal() else -1
    if not 0 <= number < 65536:
        raise argparse.ArgumentTypeError("it may be a number from 0 to 65535")
    return number


def positive_or_auto(value: str) -> int | str:
    """A number of workers, or their choice left to the program."""
    if value == "auto":
        return value
    try:
        return positive(value)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError("it may be auto or a number from 1") from None


def seconds(value: str) -> float:
    """A time; whether it may be so long, or so short, its option says."""
    try:
        return float(value)
    except ValueError:
        raise argparse.ArgumentTypeError("it may be a number of seconds") from None


READERS: Final[dict[Any, Callable[[str], Any]]] = {
    Path: path,
    int: int,
    float: seconds,
    Jobs: positive_or_auto,
}
"""How a value of a declared option is read, by its type; text as it is."""
