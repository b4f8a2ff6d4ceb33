"""manifest.jsonl of a trace run: one JSON object a line, each naming one trace.

Read line by line in binary, so that a broken line costs itself only and its number is known.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ..errors import Exp2procError
from ..formats.names import is_plain_name
from ..system.files import open_regular

NAME: Final = "manifest.jsonl"

MAX_LINE: Final = 1 << 25
"""Longest manifest line, in bytes (32 MiB): a row carries lists of indices, never vectors."""

MAX_TOKENS: Final = 1 << 26
"""Largest prompt_len or gen_len that a row may declare (67 million tokens)."""

FT_IFR_METHODS: Final = frozenset(
    {"ifr_in_all_gen", "ifr_multi_hop_stop_words", "ifr_multi_hop_both", "ifr_multi_hop_split_hop"}
)
"""The methods whose samples carry `hop` in layout proc (contract of the sample format)."""

_SHA1 = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """What this program needs of one manifest line.

    Attributes:
        line: 1-based line number in manifest.jsonl.
        example_idx: the sample's number in its run; not a line of the dataset.
        attr_func: the attribution method.
        file: name of the trace in the run folder, and of its sample in the output folder.
        prompt_sha1, target_sha1: hex digests of the raw texts; the target's may be None.
        prompt_len: P, prompt tokens.
        gen_len: G, generation tokens including the final EOS.
        open_ended: it is the last line of a manifest that may still be written to.
    """

    line: int
    example_idx: int
    attr_func: str
    file: str
    prompt_sha1: str
    target_sha1: str | None
    prompt_len: int
    gen_len: int
    open_ended: bool = False


@dataclass(frozen=True, slots=True)
class BadLine:
    """A manifest line that is no row, with as much of it as could be told.

    Attributes:
        line: 1-based line number.
        file, example_idx: taken from the line where they could be read.
        error: why, with the code of the catalogue.
        open_ended: it is the last line, without its newline, and does not parse: perhaps it is
            still being written.
    """

    line: int
    file: str | None
    example_idx: int | None
    error: Exp2procError
    open_ended: bool = False


def read_manifest(path: Path, limit: int | None = None) -> Iterator[ManifestRow | BadLine]:
    """The rows of a manifest, blank lines skipped, at most `limit`.

    Raises:
        OSError: it cannot be opened or read.
    """
    count = 0
    with open_regular(path) as stream:
        previous: ManifestRow | BadLine | None = None
        for number, line, closed in _lines(stream):
            if limit is not None and count >= limit:
                break
            if previous is not None:
                yield previous
            previous = _row(number, line, closed)
            count += 1
        else:
            # Only the last line of all can be one that exp2 has not finished yet.
            if isinstance(previous, ManifestRow):
                previous = _open_ended(previous)
        if previous is not None:
            yield previous


def _open_ended(row: ManifestRow) -> ManifestRow:
    return ManifestRow(
        row.line,
        row.example_idx,
        row.attr_func,
        row.file,
        row.prompt_sha1,
        row.target_sha1,
        row.prompt_len,
        row.gen_len,
        open_ended=True,
    )


def _lines(stream: Any) -> Iterator[tuple[int, bytes | None, bool]]:
    """(line number, bytes or None for one that is too long, whether its newline is there)."""
    number = 0
    while line := stream.readline(MAX_LINE + 1):
        number += 1
        closed = line.endswith(b"\n")
        if len(line) > MAX_LINE and not closed:
            while not closed and (rest := stream.readline(MAX_LINE)):
                closed = rest.endswith(b"\n")
            yield number, None, closed
        else:
            if number == 1 and line.startswith(b"\xef\xbb\xbf"):
                line = line[3:]
            if line.strip():
                yield number, line, closed


def _row(number: int, line: bytes | None, closed: bool) -> ManifestRow | BadLine:
    fields: Any = None
    try:
        if line is None:
            raise _invalid(number, f"it is longer than {MAX_LINE} bytes")
        fields = _parse(number, line)
        return _checked(number, fields)
    except Exp2procError as error:
        file = fields.get("file") if isinstance(fields, dict) else None
        idx = fields.get("example_idx") if isinstance(fields, dict) else None
        return BadLine(
            number,
            file if isinstance(file, str) else None,
            idx if type(idx) is int else None,
            error,
            open_ended=not closed and fields is None,
        )


def _invalid(number: int, why: str) -> Exp2procError:
    return Exp2procError("manifest-invalid", f"manifest.jsonl line {number}: {why}")


def _parse(number: int, line: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as err:
        raise _invalid(number, f"not UTF-8 at byte {err.start}") from None
    except RecursionError:
        raise _invalid(number, "nested too deeply") from None
    except ValueError as err:
        # int() refuses numbers of thousands of digits with a ValueError of its own
        raise _invalid(number, f"not JSON ({err})") from None
    if not isinstance(fields, dict):
        raise _invalid(number, f"a JSON {type(fields).__name__}, not an object")
    return fields


def _checked(number: int, fields: dict[str, Any]) -> ManifestRow:
    def field(name: str, kind: type, *, optional: bool = False) -> Any:
        if name not in fields:
            raise _invalid(number, f"no field {name!r}")
        value = fields[name]
        if type(value) is not kind and not (optional and value is None):
            raise _invalid(number, f"{name!r} is {_shown(value)}, not {_KINDS[kind]}")
        return value

    def sha1(name: str, *, optional: bool = False) -> Any:
        value = field(name, str, optional=optional)
        if value is not None:
            value = value.lower()
            if not _SHA1.fullmatch(value):
                raise _invalid(number, f"{name!r} is {_shown(value)}, not 40 hex digits")
            value = sys.intern(value)
        return value

    def length(name: str) -> int:
        value: int = field(name, int)
        if not 0 <= value <= MAX_TOKENS:
            raise _invalid(number, f"{name!r} is {_shown(value)}, not in 0..{MAX_TOKENS}")
        return value

    row = ManifestRow(
        line=number,
        example_idx=field("example_idx", int),
        attr_func=sys.intern(field("attr_func", str)),
        file=sys.intern(field("file", str)),
        prompt_sha1=sha1("prompt_sha1"),
        target_sha1=sha1("target_sha1", optional=True),
        prompt_len=length("prompt_len"),
        gen_len=length("gen_len"),
    )
    if not is_plain_name(row.file):
        raise Exp2procError(
            "unsafe-path",
            f"manifest.jsonl line {number}: `file` is {_shown(row.file)},"
            " not a plain *.npz name in the run folder",
        )
    return row


_KINDS: Final[dict[type, str]] = {int: "an integer", str: "a string"}


def _shown(value: object) -> str:
    """A value for a message, short and without control characters."""
    try:
        text = json.dumps(value)
    except (ValueError, RecursionError):
        text = type(value).__name__
    return text if len(text) <= 80 else text[:77] + "..."
