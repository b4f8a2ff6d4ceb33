"""Dataset caches: which line of which JSONL holds the text with a given pair of sha1s.

A cache is scanned once, line by line; only digests and byte offsets are kept. Texts are read back
by offset, where they are needed, and their digests checked again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from ..errors import Exp2procError
from ..system.files import open_regular

MAX_LINE: Final = 1 << 26
"""Longest dataset line, in bytes (64 MiB); a longer one is skipped and counted."""

TextKey = tuple[str, str]
"""(prompt_sha1, target_sha1), both lower-case hex."""


class TextPlace(NamedTuple):
    """Where a text stands: a file and a byte range of it (one JSONL line)."""

    path: str
    offset: int
    length: int


class Text(NamedTuple):
    """The raw prompt and target of a sample, as the dataset has them."""

    prompt: str
    target: str


def text_sha1(text: str) -> str:
    """Hex sha1 over the UTF-8 bytes, as exp2 names texts.

    Raises:
        UnicodeEncodeError: the text has a lone surrogate, which UTF-8 cannot spell.
    """
    return hashlib.sha1(text.encode("utf-8"), usedforsecurity=False).hexdigest()


@dataclass(slots=True)
class DatasetIndex:
    """The texts of one dataset cache by their digests.

    Attributes:
        path: the JSONL file.
        places: where each text stands; of equal texts the first.
        rows: lines that hold a prompt and a target.
        skipped: lines that can match nothing: broken, no prompt, a null or non-string target.
    """

    path: str
    places: dict[TextKey, TextPlace] = field(default_factory=dict)
    rows: int = 0
    skipped: int = 0


def index_dataset(path: Path, wanted: frozenset[TextKey] | set[TextKey]) -> DatasetIndex:
    """Scan a JSONL cache for the texts in `wanted`.

    Raises:
        OSError: the file cannot be read.
    """
    index = DatasetIndex(str(path))
    offset = 0
    with open_regular(path) as stream:
        for line in _bounded_lines(stream):
            length = len(line)
            if length <= MAX_LINE:
                text = parse_line(line[3:] if offset == 0 and line[:3] == _BOM else line)
                if text is not None:
                    _enter(index, text, TextPlace(index.path, offset, length), wanted)
                elif line.strip():
                    index.skipped += 1
                offset += length
            else:
                index.skipped += 1
                offset += length + _skip_line(stream, line)
    return index


_BOM: Final = b"\xef\xbb\xbf"


def _bounded_lines(stream: IO[bytes]) -> Iterable[bytes]:
    return iter(lambda: stream.readline(MAX_LINE + 1), b"")


def _skip_line(stream: IO[bytes], line: bytes) -> int:
    skipped = 0
    while not line.endswith(b"\n") and (line := stream.readline(1 << 20)):
        skipped += len(line)
    return skipped


def _enter(index: DatasetIndex, text: Text, place: TextPlace, wanted: Any) -> None:
    key = _key(text)
    if key is None:
        index.skipped += 1
        return
    index.rows += 1
    if key in wanted:
        index.places.setdefault(key, place)


def _key(text: Text) -> TextKey | None:
    """The digests of a text; None when a lone surrogate keeps it from having any."""
    try:
        return text_sha1(text.prompt), text_sha1(text.target)
    except UnicodeEncodeError:
        return None


def parse_line(line: bytes) -> Text | None:
    """The text of one JSONL line, or None when the line can match no manifest row."""
    row = _parse_row(line)
    return None if row is None or row[1] is None else Text(row[0], row[1])


def _parse_row(line: bytes) -> tuple[str, str | None] | None:
    """Prompt and target of one line; None when there is no prompt, or a target of another kind."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict):
        return None
    prompt, target = row.get("prompt"), row.get("target")
    if not isinstance(prompt, str) or not (target is None or isinstance(target, str)):
        return None
    return prompt, target


def read_rows(path: Path) -> Iterator[tuple[str, str | None]]:
    """The prompt and target of every line of a cache that has a prompt; targets may be missing.

    Raises:
        OSError: the file cannot be read.
    """
    with open_regular(path) as stream:
        for number, line in enumerate(_bounded_lines(stream)):
            if len(line) > MAX_LINE:
                _skip_line(stream, line)
                continue
            row = _parse_row(line[3:] if number == 0 and line[:3] == _BOM else line)
            if row is not None:
                yield row


def read_text(place: TextPlace, key: TextKey) -> Text:
    """Read one text back and check that it is still the one that was indexed.

    Raises:
        Exp2procError: `dataset-no-match` when the file changed or cannot be read any more.
    """
    try:
        with open_regular(place.path) as stream:
            stream.seek(place.offset)
            line = stream.read(place.length)
    except OSError as err:
        raise _changed(place, err.strerror or str(err)) from None
    text = parse_line(line[3:] if place.offset == 0 and line[:3] == _BOM else line)
    if text is None or _key(text) != key:
        raise _changed(place, "another text stands there now")
    return text


def _changed(place: TextPlace, why: str) -> Exp2procError:
    return Exp2procError(
        "dataset-no-match",
        "Failed to match manifest sha1 to dataset_jsonl: byte"
        f" {place.offset} of {place.path} changed while the run was going on ({why})",
        "Run again with --resume once the dataset file is at rest.",
    )
