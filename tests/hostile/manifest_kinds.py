"""Manifests. `make(rows)` gives the bytes of a manifest whose rows' traces are all there."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from .kind import CONVERTS, Kind, table

Row = dict[str, Any]
Make = Callable[[list[Row]], bytes]
_INVALID = "manifest-invalid"
_UNSAFE = "unsafe-path"


def _lines(*rows: Row | bytes) -> bytes:
    parts = [r if isinstance(r, bytes) else json.dumps(r).encode() for r in rows]
    return b"".join(part + b"\n" for part in parts)


def _between(line: bytes) -> Make:
    """A hostile line between two good rows."""
    return lambda rows: _lines(rows[0], line, rows[2])


def _field(name: str, value: Any) -> Make:
    return lambda rows: _lines(rows[0], {**rows[1], name: value}, rows[2])


def _literal(name: str, literal: bytes) -> Make:
    """A value that json.dumps would not write."""

    def make(rows: list[Row]) -> bytes:
        line = json.dumps({**rows[1], name: "@"}).encode().replace(b'"@"', literal)
        return _lines(rows[0], line, rows[2])

    return make


def _without(name: str) -> Make:
    return lambda rows: _lines(
        rows[0], {key: value for key, value in rows[1].items() if key != name}, rows[2]
    )


def _bytes(change: Callable[[bytes], bytes]) -> Make:
    return lambda rows: change(_lines(*rows))


def _upper(rows: list[Row]) -> bytes:
    return _lines(*({**row, "prompt_sha1": row["prompt_sha1"].upper()} for row in rows))


def _bad(name: str, make: Make, code: str = _INVALID, other_rows: int = 2) -> Kind:
    return Kind(name, code, make, other_rows)


def _good(name: str, make: Make, rows: int = 3) -> Kind:
    return Kind(name, CONVERTS, make, rows)


KINDS = table(
    # lines that are no rows
    _bad("broken JSON", _between(b'{"example_idx": 1, "file": ')),
    _bad("two objects in a line", _between(b"{} {}")),
    _bad("an array", _between(b"[1, 2, 3]")),
    _bad("a string", _between(b'"ex_000001.npz"')),
    _bad("a number", _between(b"7")),
    _bad("null", _between(b"null")),
    _bad("an empty object", _between(b"{}")),
    _bad("NaN alone", _between(b"NaN")),
    _bad("a hundred thousand brackets", _between(b"[" * 100_000)),
    _bad("a hundred thousand objects", _between(b'{"a":' * 100_000)),
    _bad("NUL bytes", _between(bytes(100))),
    _bad("NUL in the middle", _bytes(lambda d: d.replace(b'"file"', b'"fi\0le"', 1))),
    _bad("invalid UTF-8", _between(b'{"file": "\xff\xfe.npz"}')),
    _bad("a surrogate in UTF-8", _between(b'{"file": "\xed\xa0\x80.npz"}')),
    _bad("a BOM in the middle", _bytes(lambda d: d.replace(b"\n", b"\n\xef\xbb\xbf", 1))),
    _bad("terminal escapes", _between(b"\x1b[2J\x1b]0;title\x07")),
    _bad(
        "a line of 50 MB", lambda rows: _lines(rows[0], {**rows[1], "x": "y" * 50_000_000}, rows[2])
    ),
    _bad("a line of 50 MB of brackets", _between(b"[]," * 17_000_000)),
    # fields
    *(
        _bad(f"no {name}", _without(name))
        for name in (
            *("example_idx", "attr_func", "file", "prompt_sha1", "target_sha1"),
            *("prompt_len", "gen_len"),
        )
    ),
    _bad("length as text", _field("prompt_len", "6")),
    _bad("length as float", _field("prompt_len", 6.0)),
    _bad("length true", _field("prompt_len", True)),
    _bad("length null", _field("gen_len", None)),
    _bad("length of a list", _field("gen_len", [8])),
    _bad("length negative", _field("gen_len", -1)),
    _bad("length of 2 to the 63", _field("gen_len", 2**63)),
    _bad("length of 400 digits", _field("prompt_len", 10**400)),
    _bad("length of 5000 digits", _literal("prompt_len", b"9" * 5000)),
    _bad("length NaN", _literal("prompt_len", b"NaN")),
    _bad("length infinite", _literal("prompt_len", b"-Infinity")),
    _bad("length 1e999", _literal("prompt_len", b"1e999")),
    _bad("length below the trace's", _field("prompt_len", 5), "manifest-trace-disagree"),
    _bad("largest length allowed", _field("gen_len", 1 << 26), "manifest-trace-disagree"),
    _bad("index as text", _field("example_idx", "1")),
    _bad("method null", _field("attr_func", None)),
    _bad("method of a list", _field("attr_func", ["ifr"])),
    _bad("digest null", _field("prompt_sha1", None)),
    _bad("digest too short", _field("prompt_sha1", "ab")),
    _bad("digest not hex", _field("target_sha1", "g" * 40)),
    _bad("digest with a newline", _field("target_sha1", "a" * 39 + "\n")),
    _bad("digest with escapes", _field("target_sha1", "\x1b[31m" + "a" * 35)),
    # names
    _bad("file null", _field("file", None)),
    _bad("file a number", _field("file", 1)),
    *(
        _bad(f"file {what}", _field("file", name), _UNSAFE)
        for what, name in {
            "empty": "",
            "of two dots": "..",
            "one up": "../ex_000001.npz",
            "up and down": "x/../ex_000001.npz",
            "in a folder": "sub/ex_000001.npz",
            "absolute": "/etc/passwd",
            "absolute npz": "/tmp/ex_000001.npz",
            "with backslashes": "..\\ex_000001.npz",
            "with a drive": "C:ex_000001.npz",
            "hidden": ".ex_000001.npz",
            "of a suffix only": ".npz",
            "of another suffix": "ex_000001.npy",
            "the manifest": "manifest.jsonl",
            "with a newline": "ex\n000001.npz",
            "with a return": "ex\r000001.npz",
            "with escapes": "\x1b[31mEVIL\x1b[0m.npz",
            "with C1 escapes": "\x9b31mEVIL.npz",
            "with a bell": "ex\x07.npz",
            "that is written backwards": "ex\u202ezpn.npz",
            "with a NUL": "ex\0.npz",
            "with a lone surrogate": "ex\ud800.npz",
            "of 300 letters": "x" * 300 + ".npz",
        }.items()
    ),
    _bad("file that is not there", _field("file", "nope.npz"), "trace-missing"),
    _bad("file a folder", _field("file", "folder.npz"), "trace-corrupt"),
    _bad("file a link out of the folder", _field("file", "link.npz"), _UNSAFE),
    # rows twice
    _bad("a row twice", lambda rows: _lines(*rows, rows[1]), other_rows=3),
    _bad("a row a hundred times", lambda rows: _lines(*rows, *[rows[1]] * 99), other_rows=3),
    _bad("a file for two rows", lambda rows: _lines(*rows, {**rows[1], "gen_len": 9})),
    # nothing wrong with these
    _good("nothing in it", lambda rows: b"", 0),
    _good("a BOM", _bytes(lambda data: b"\xef\xbb\xbf" + data)),
    _good("CRLF", _bytes(lambda data: data.replace(b"\n", b"\r\n"))),
    _good("no last newline", _bytes(lambda data: data[:-1])),
    _good(
        "ten thousand blank lines", _bytes(lambda data: data.replace(b"\n", b"\n \t\n" * 10_000))
    ),
    _good("fields nobody knows", _field("time\x1b[31m", {"nested": [None] * 9})),
    _good("an index of 400 digits", _field("example_idx", -(10**400))),
    _good("a method with escapes", _field("attr_func", "\x1b[31mifr")),
    _good("a method of a lone surrogate", _field("attr_func", "\ud800")),
    _good("upper-case digests", _upper),
    _good("target null", _field("target_sha1", None)),
    _good("scores NaN", _literal("faithfulness_scores", b"[NaN, Infinity]")),
    _good("a key twice", _literal("gen_len", b'1, "gen_len": 8')),
)
