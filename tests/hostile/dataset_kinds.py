"""Datasets. `make(good)` gives the bytes of a cache, of the JSON line of the run's only text."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from .kind import CONVERTS, Kind, table

Make = Callable[[bytes], bytes]
_NO_MATCH = "dataset-no-match"


def _before(*lines: bytes) -> Make:
    """Hostile lines, then the good one."""
    return lambda good: b"\n".join([*lines, good]) + b"\n"


def _changed(**fields: Any) -> Make:
    """The good line with other fields."""
    return lambda good: json.dumps({**json.loads(good), **fields}).encode() + b"\n"


def _line(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def _huge_line() -> bytes:
    return b'{"prompt": "' + b"x" * 100_000_000 + b'"}'


KINDS = table(
    Kind("broken lines", CONVERTS, _before(b'{"prompt": "x', b"}", b"{", b"nonsense")),
    Kind("a line without prompt", CONVERTS, _before(_line(target="x"))),
    Kind("a line without target", CONVERTS, _before(_line(prompt="x"))),
    Kind("a null target", CONVERTS, _before(_line(prompt="x", target=None))),
    Kind("a target of a number", CONVERTS, _before(_line(prompt="x", target=5))),
    Kind("a target of a list", CONVERTS, _before(_line(prompt="x", target=["y"]))),
    Kind("a prompt of an object", CONVERTS, _before(_line(prompt={}, target="y"))),
    Kind("arrays and scalars", CONVERTS, _before(b"[]", b"1", b"null", b'"text"', b"NaN")),
    Kind("a lone surrogate", CONVERTS, _before(_line(prompt="\ud800", target="\udfff"))),
    Kind("a surrogate in UTF-8", CONVERTS, _before(b'{"prompt": "\xed\xa0\x80", "target": "y"}')),
    Kind("invalid UTF-8", CONVERTS, _before(b'{"prompt": "\xff\xfe", "target": "y"}')),
    Kind("NUL bytes", CONVERTS, _before(bytes(1000))),
    Kind("nested deeply", CONVERTS, _before(b"[" * 100_000, b'{"a":' * 100_000)),
    Kind("a number of 5000 digits", CONVERTS, _before(b'{"prompt": ' + b"9" * 5000 + b"}")),
    Kind("terminal escapes", CONVERTS, _before(b"\x1b[2J", _line(prompt="\x1b[2J", target="x"))),
    Kind("a line of 100 MB", CONVERTS, lambda good: _before(_huge_line())(good)),
    Kind("100 MB behind", CONVERTS, lambda good: good + b"\n" + b"x" * 100_000_000),
    Kind("ten thousand blank lines", CONVERTS, _before(b"\n" * 10_000)),
    Kind("the same text a thousand times", CONVERTS, lambda good: (good + b"\n") * 1000),
    Kind("a BOM", CONVERTS, lambda good: b"\xef\xbb\xbf" + good + b"\n"),
    Kind("CRLF", CONVERTS, lambda good: b"{}\r\n" + good + b"\r\n"),
    Kind("no last newline", CONVERTS, lambda good: good),
    Kind("escaped characters", CONVERTS, _changed()),
    Kind("fields nobody knows", CONVERTS, _changed(**{"\x1b[31m": [None] * 9, "id": 10**400})),
    Kind("an empty file", _NO_MATCH, lambda good: b""),
    Kind("only broken lines", _NO_MATCH, lambda good: good[:-1] + b"\n" + good[1:]),
    Kind("binary garbage", _NO_MATCH, lambda good: bytes(range(256)) * 1000),
    Kind("UTF-16", _NO_MATCH, lambda good: ("{}\n" + good.decode()).encode("utf-16")),
    Kind("its target null", _NO_MATCH, _changed(target=None)),
    Kind("a space more", _NO_MATCH, lambda good: good.replace(b'"prompt": "', b'"prompt": " ')),
    Kind("cut in the middle", _NO_MATCH, lambda good: good[: len(good) // 2]),
    Kind("keys in capitals", _NO_MATCH, lambda good: good.replace(b'"prompt"', b'"PROMPT"')),
)
