"""The record of what the samples in a folder were made from: where it lies, reading, removing it.

What it says is made by `conversion.record`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Any, Final

from ..system.files import open_regular

FORMAT: Final = 1
"""Of the record: goes up when a key changes its meaning."""

_LARGEST: Final = 1 << 26
"""Bytes of a record that is read (64 MiB): a dropped row takes about a hundred."""
_RECORD: Final = ".json"
_LONGEST: Final = 255
"""Bytes of a name that file systems take."""
RECORDS: Final = ".exp2proc"
"""Folder in an output root with records of what samples were made from: nobody's samples."""


def record_path(root: Path, folder: Path) -> Path:
    """Where the record of the samples in `folder` lies, `folder` being somewhere below `root`.

    Folders above it that are called like a record have a ~ more there, and a name that would be too
    long with its ending has a folder of its own.

    >>> record_path(Path("/out"), Path("/out/math/qwen-8B/ifr_5ex")).as_posix()
    '/out/.exp2proc/math/qwen-8B/ifr_5ex.json'
    >>> record_path(Path("/out"), Path("/out/math.json/qwen-8B/ifr_5ex")).as_posix()
    '/out/.exp2proc/math.json~/qwen-8B/ifr_5ex.json'
    """
    *above, name = folder.relative_to(root).parts
    place = root.joinpath(RECORDS, *(re.sub(r"\.json~*$", r"\g<0>~", part) for part in above))
    too_long = len(os.fsencode(f"{name}{_RECORD}")) > _LONGEST
    return place / name / _RECORD if too_long else place / f"{name}{_RECORD}"


def recorded_folder(root: Path, record: Path) -> Path | None:
    """The folder whose record, by `record_path`, a file is; None for another file.

    >>> record = Path("/out/.exp2proc/math.json~/qwen-8B/ifr_5ex.json")
    >>> recorded_folder(Path("/out"), record).as_posix()
    '/out/math.json/qwen-8B/ifr_5ex'
    """
    *above, name = record.relative_to(root / RECORDS).parts
    if not name.endswith(_RECORD) or (name.startswith(".") and name != _RECORD):
        return None
    parts = (re.sub(r"(\.json~*)~$", r"\1", part) for part in above)
    return root.joinpath(*parts, name.removesuffix(_RECORD))


def record_paths(folder: Path) -> Iterator[Path]:
    """Where a record of the samples in `folder` may lie: of each root above, the nearest first.

    >>> [path.as_posix() for path in record_paths(Path("/out/math/ifr_5ex"))]
    ['/out/math/.exp2proc/ifr_5ex.json', '/out/.exp2proc/math/ifr_5ex.json', \
'/.exp2proc/out/math/ifr_5ex.json']

    Args:
        folder: absolute.
    """
    for root in folder.parents:
        yield record_path(root, folder)


def remove_records(folder: Path) -> None:
    """Remove the records of the samples in `folder`, of every root above: they are to change.

    Where the way to the folder leads over links, those of its real place, too.

    Args:
        folder: absolute.

    Raises:
        OSError: one cannot be removed; all others are.
    """
    kept: OSError | None = None
    for place in dict.fromkeys((folder, Path(os.path.realpath(folder)))):
        for root in place.parents:
            if not os.path.isdir(f"{root}/{RECORDS}"):
                continue  # most have none, and workers ask often
            path = record_path(root, place)
            if os.path.isfile(path):  # no reader takes anything else for a record
                try:
                    path.unlink(missing_ok=True)
                except OSError as err:
                    kept = err
    if kept is not None:
        raise kept


def read_record(path: Path) -> dict[str, Any]:
    """A record that was written.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not a record.
    """
    with open_regular(path) as stream:
        content = stream.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError(f"longer than {_LARGEST} bytes")
    try:
        record = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None
    return checked_record(record)


def checked_record(record: Any) -> dict[str, Any]:
    """What was read as a record.

    Raises:
        ValueError: it is none.
    """
    try:
        whole = (
            record["format"] == FORMAT
            and isinstance(record["samples_digest"], str)
            and type(record["rows"]["samples"]) is int
            and 0 <= record["rows"]["samples"] < 1 << 32
            and all(type(row["file"]) in (str, NoneType) for row in record["dropped"])
        )
    except (TypeError, KeyError):
        whole = False
    if not whole:
        raise ValueError(f"not a record of format {FORMAT}")
    return dict(record)
