"""Dataset caches: which line of which JSONL holds the text with a given pair of sha1s.

A cache is scanned once, line by line; only digests and byte offsets are kept. Texts are read back
by offset, where they are needed, and their digests checked again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from ..errors import Exp2procError
from ..system.files import Hashed, open_regular

MAX_LINE: Final = 1 << 26
"""Longest dataset line, in bytes (64 MiB); a longer one is skipped."""

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
        targetless: digests of the wanted prompts that stand there without a target.
        sha256: hex, of the file.
    """

    path: str
    places: dict[TextKey, TextPlace] = field(default_factory=dict)
    rows: int = 0
    targetless: set[str] = field(default_factory=set)
    sha256: str = ""


def index_dataset(path: Path, wanted: Collection[TextKey]) -> DatasetIndex:
    """Scan a JSONL cache for the texts in `wanted`.

    Raises:
        OSError: the file cannot be read.
    """
    index = DatasetIndex(str(path))
    prompts = {prompt for prompt, _ in wanted}
    with open_regular(path) as stream:
        hashed = Hashed(stream)
        for offset, length, prompt, target in _scan(hashed):
            key = _key(Text(prompt, target or ""))
            if key is not None and target is None and key[0] in prompts:
                index.targetless.add(key[0])
            if key is None or target is None:
                continue
            index.rows += 1
            if key in wanted:
                index.places.setdefault(key, TextPlace(index.path, offset, length))
        index.sha256 = hashed.hexdigest()
    return index


def read_rows(path: Path) -> Iterator[tuple[str, str | None]]:
    """The prompt and target of every line of a cache that has a prompt; targets may be missing.

    Raises:
        OSError: the file cannot be read.
    """
    with open_regular(path) as stream:
        for _, _, prompt, target in _scan(stream):
            yield prompt, target


def _scan(stream: BinaryIO | Hashed) -> Iterator[tuple[int, int, str, str | None]]:
    """(offset, length, prompt, target) of every line that has a prompt."""
    offset = 0
    while line := stream.readline(MAX_LINE + 1):
        length = len(line)
        if length > MAX_LINE:
            while not line.endswith(b"\n") and (line := stream.readline(1 << 20)):
                length += len(line)
        elif (row := _parse_row(line)) is not None:
            yield offset, length, *row
        offset += length


def _key(text: Text) -> TextKey | None:
    """The digests of a text; None when a lone surrogate keeps it from having any."""
    try:
        return text_sha1(text.prompt), text_sha1(text.target)
    except UnicodeEncodeError:
        return None


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
    prompt, target = _parse_row(line) or ("", None)
    if target is None or _key(Text(prompt, target)) != key:
        raise _changed(place, "another text stands there now")
    return Text(prompt, target)


def _changed(place: TextPlace, why: str) -> Exp2procError:
    return Exp2procError(
        "dataset-no-match",
        "Failed to match manifest sha1 to dataset_jsonl: byte"
        f" {place.offset} of {place.path} changed while the run was going on ({why})",
        "Run again with --resume once the dataset file is at rest.",
    )
