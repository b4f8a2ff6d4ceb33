"""manifest.jsonl of a trace run: one JSON object a line, each naming one trace.

Read line by line in binary, so that a broken line costs itself only and its number is known.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from ..errors import Exp2procError
from ..formats.names import is_plain_name
from ..system.files import Hashed, open_regular
from .datasets import TextKey

NAME: Final = "manifest.jsonl"

MAX_LINE: Final = 1 << 25
"""Longest manifest line, in bytes (32 MiB): a row carries lists of indices, never vectors."""

MAX_TOKENS: Final = 1 << 26
"""Largest prompt_len or gen_len that a row may declare (67 million tokens)."""

_SHA1 = re.compile(r"[0-9a-f]{40}")


class _Fields(msgspec.Struct, frozen=True, gc=False):
    """Those of a `Row` that its line gives."""

    example_idx: int
    attr_func: str
    file: str
    prompt_sha1: str
    target_sha1: str | None
    prompt_len: int
    gen_len: int


class Row(_Fields, frozen=True, gc=False):
    """One manifest line: what this program needs of it, from planning to the report.

    Attributes:
        example_idx: the sample's number in its run; not a line of the dataset.
        attr_func: the attribution method.
        file: name of the trace in the run folder, and of its sample in the output folder.
        prompt_sha1, target_sha1: hex digests of the raw texts; the target's may be None.
        prompt_len: P, prompt tokens.
        gen_len: G, generation tokens including the final EOS.
        number: the row's number in the plan.
        run: its run's number in the plan.
        line: 1-based line number in manifest.jsonl.
        open_ended: it is the last line of a manifest, which exp2 may still be writing: its trace
            is perhaps not there yet.
    """

    number: int
    run: int
    line: int
    open_ended: bool = False

    @property
    def text_key(self) -> TextKey | None:
        """The digests that name its text; None where it has no target."""
        return None if self.target_sha1 is None else _text_key(self.prompt_sha1, self.target_sha1)

    def left_open(self, whether: bool) -> Row:
        """The row with another `open_ended`."""
        return replace(self, open_ended=whether)


@lru_cache(1 << 16)
def _text_key(prompt: str, target: str) -> TextKey:
    """The pair, once in memory however many rows have it."""
    return prompt, target


class BadLine(NamedTuple):
    """A manifest line that is no row, with as much of it as could be told.

    Attributes:
        number, run, line: as of a `Row`.
        file, example_idx: taken from the line where they could be read.
        error: why, with the code of the catalogue.
        open_ended: it is the last line, without its newline, and does not parse: perhaps it is
            still being written.
    """

    number: int
    run: int
    line: int
    file: str | None
    example_idx: int | None
    error: Exp2procError
    open_ended: bool = False


def read_manifest(
    path: Path, limit: int | None = None, *, run: int = 0, first: int = 0
) -> Iterator[Row | BadLine]:
    """The rows of a manifest, blank lines skipped, at most `limit`.

    Args:
        path: the manifest.
        limit: rows at most.
        run: the run's number in the plan.
        first: number in the plan of the first row.

    Raises:
        OSError: it cannot be opened or read.
    """
    with open_regular(path) as stream:
        yield from _rows(stream, limit, run, first)


class Manifest(NamedTuple):
    """A manifest as it was read.

    Attributes:
        rows: at most as many as were asked for.
        sha256: hex, of the whole file.
        cut: whether there are more.
    """

    rows: list[Row | BadLine]
    sha256: str
    cut: bool


def load_manifest(
    path: Path, limit: int | None = None, *, run: int = 0, first: int = 0
) -> Manifest:
    """As `read_manifest`, all at once, and what the file was.

    Raises:
        OSError: it cannot be opened or read.
    """
    with open_regular(path) as stream:
        hashed = Hashed(stream)
        # One row more than asked for tells whether that was all.
        rows = list(_rows(hashed, None if limit is None else limit + 1, run, first))
        cut = limit is not None and len(rows) > limit
        return Manifest(rows[:limit] if cut else rows, hashed.hexdigest(), cut)


def _rows(
    stream: BinaryIO | Hashed, limit: int | None, run: int, first: int
) -> Iterator[Row | BadLine]:
    number = first
    previous: Row | BadLine | None = None
    for line, content, closed in _lines(stream):
        if limit is not None and number - first >= limit:
            break
        if previous is not None:
            yield previous
        previous = _row(number, run, line, content, closed)
        number += 1
    else:
        # Only the last line of all can be one that exp2 has not finished yet.
        if isinstance(previous, Row):
            previous = previous.left_open(True)
    if previous is not None:
        yield previous


def _lines(stream: BinaryIO | Hashed) -> Iterator[tuple[int, bytes | None, bool]]:
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


def _row(number: int, run: int, line: int, content: bytes | None, closed: bool) -> Row | BadLine:
    fields: Any = None
    try:
        if content is None:
            raise _invalid(line, f"it is longer than {MAX_LINE} bytes")
        if (quick := _quick(content)) is not None:
            return Row(*quick, number, run, line)
        fields = _parse(line, content)
        return Row(*_checked(line, fields), number, run, line)
    except Exp2procError as error:
        file = fields.get("file") if isinstance(fields, dict) else None
        idx = fields.get("example_idx") if isinstance(fields, dict) else None
        return BadLine(
            number,
            run,
            line,
            file if isinstance(file, str) else None,
            idx if type(idx) is int else None,
            error,
            open_ended=not closed and fields is None,
        )


_Given = tuple[int, str, str, str, str | None, int, int]
"""The values of `_Fields`, in order."""
_decode: Final = msgspec.json.Decoder(_Fields).decode


def _quick(content: bytes) -> _Given | None:
    """The fields of a `Row` where the line is as it should be; None where that takes a closer look.

    It checks all that the slow way checks, so that what it gives is the same.
    """
    try:
        if not content.isascii():
            content.decode()  # the decoder passes over strings that it need not keep
        fields = _decode(content)
        prompt_len, gen_len, target = fields.prompt_len, fields.gen_len, fields.target_sha1
        if not (0 <= prompt_len <= MAX_TOKENS and 0 <= gen_len <= MAX_TOKENS):
            return None
        if not _is_name(fields.file):
            return None
        return (
            fields.example_idx,
            sys.intern(fields.attr_func),
            sys.intern(fields.file),
            _digest(fields.prompt_sha1),
            None if target is None else _digest(target),
            prompt_len,
            gen_len,
        )
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


_is_name: Final = lru_cache(1 << 14)(is_plain_name)


@lru_cache(1 << 16)
def _digest(text: str) -> str:
    """A SHA-1 in small letters, once in memory however many rows have it.

    Raises:
        ValueError: it is none.
    """
    if not _SHA1.fullmatch(text.lower()):
        raise ValueError
    return sys.intern(text.lower())


def _invalid(line: int, why: str) -> Exp2procError:
    return Exp2procError("manifest-invalid", f"manifest.jsonl line {line}: {why}")


def _parse(line: int, content: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(content.decode("utf-8"))
    except UnicodeDecodeError as err:
        raise _invalid(line, f"not UTF-8 at byte {err.start}") from None
    except RecursionError:
        raise _invalid(line, "nested too deeply") from None
    except ValueError as err:
        # int() refuses numbers of thousands of digits with a ValueError of its own
        raise _invalid(line, f"not JSON ({err})") from None
    if not isinstance(fields, dict):
        raise _invalid(line, f"a JSON {type(fields).__name__}, not an object")
    return fields


def _checked(line: int, fields: dict[str, Any]) -> _Given:
    """The fields of a `Row` from `example_idx` to `gen_len`."""

    def field(name: str, kind: type, *, optional: bool = False) -> Any:
        if name not in fields:
            raise _invalid(line, f"no field {name!r}")
        value = fields[name]
        if type(value) is not kind and not (optional and value is None):
            raise _invalid(line, f"{name!r} is {_shown(value)}, not {_KINDS[kind]}")
        return value

    def sha1(name: str, *, optional: bool = False) -> Any:
        value = field(name, str, optional=optional)
        if value is not None:
            try:
                return _digest(value)
            except ValueError:
                said = f"{name!r} is {_shown(value.lower())}, not 40 hex digits"
                raise _invalid(line, said) from None
        return value

    def length(name: str) -> int:
        value: int = field(name, int)
        if not 0 <= value <= MAX_TOKENS:
            raise _invalid(line, f"{name!r} is {_shown(value)}, not in 0..{MAX_TOKENS}")
        return value

    checked = (
        field("example_idx", int),
        sys.intern(field("attr_func", str)),
        file := sys.intern(field("file", str)),
        sha1("prompt_sha1"),
        sha1("target_sha1", optional=True),
        length("prompt_len"),
        length("gen_len"),
    )
    if not is_plain_name(file):
        raise Exp2procError(
            "unsafe-path",
            f"manifest.jsonl line {line}: `file` is {_shown(file)},"
            " not a plain *.npz name in the run folder",
        )
    return checked


_KINDS: Final[dict[type, str]] = {int: "an integer", str: "a string"}


def _shown(value: object) -> str:
    """A value for a message, short and without control characters."""
    try:
        text = json.dumps(value)
    except (ValueError, RecursionError):
        text = type(value).__name__
    return text if len(text) <= 80 else text[:77] + "..."
