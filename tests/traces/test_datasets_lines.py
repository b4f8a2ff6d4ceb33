"""Datasets: which lines hold a text, where they stand, and whether they still do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from exp2proc.errors import Exp2procError
from exp2proc.traces import datasets
from exp2proc.traces.datasets import (
    Text,
    TextKey,
    TextPlace,
    index_dataset,
    read_rows,
    read_text,
    text_sha1,
)


def _line(prompt: object, target: object = "t") -> bytes:
    return json.dumps({"prompt": prompt, "target": target}).encode() + b"\n"


def _key(prompt: str, target: str = "t") -> TextKey:
    return text_sha1(prompt), text_sha1(target)


def test_lines_are_found_by_their_digests(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    lines = [
        b"\xef\xbb\xbf" + _line("first"),
        b"\n",
        _line("no target", None),
        _line("a number", 7),
        _line(None),
        b"[1]\n",
        b"{broken\n",
        _line("\ud800"),
        _line("twice"),
        _line("twice"),
        _line("last").rstrip(b"\n"),
    ]
    path.write_bytes(b"".join(lines))
    wanted = [_key("first"), _key("twice"), _key("last"), _key("nowhere")]
    index = index_dataset(path, wanted)
    assert index.rows == 4
    starts = [sum(map(len, lines[:at])) for at in range(len(lines))]
    assert index.places == {
        _key(prompt): TextPlace(str(path), starts[at], len(lines[at]))
        for prompt, at in (("first", 0), ("twice", 8), ("last", 10))
    }
    for prompt in ("first", "twice", "last"):
        assert read_text(index.places[_key(prompt)], _key(prompt)) == Text(prompt, "t")
    told = ["first", "no target", "\ud800", "twice", "twice", "last"]
    assert [prompt for prompt, _ in read_rows(path)] == told
    assert index_dataset(path, [_key("twice")]).places.keys() == {_key("twice")}


def test_a_line_that_is_too_long_is_passed_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to the limit it is read; what follows a longer one is found where it stands."""
    longest = _line("x" * 100)
    monkeypatch.setattr(datasets, "MAX_LINE", len(longest))
    path = tmp_path / "d.jsonl"
    far_too_long = _line("z" * (3 << 20))
    path.write_bytes(_line("y" * 101) + longest + far_too_long + _line("short"))
    index = index_dataset(path, [_key("short")])
    assert index.rows == 2
    assert read_text(index.places[_key("short")], _key("short")) == Text("short", "t")


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (_line("another"), "another text stands there now"),
        (_line("prompt", "u"), "another text stands there now"),
        (_line("prompt", None), "another text stands there now"),
        (b"{broken\n", "another text stands there now"),
        (b"", "another text stands there now"),
        (None, "No such file or directory"),
    ],
)
def test_a_text_that_changed_is_not_taken(tmp_path: Path, now: bytes | None, why: str) -> None:
    """The dataset is read again by whoever needs the text, perhaps hours after it was scanned."""
    path = tmp_path / "d.jsonl"
    before = _line("before")
    path.write_bytes(before + _line("prompt"))
    place = index_dataset(path, [_key("prompt")]).places[_key("prompt")]
    if now is None:
        path.unlink()
    else:
        path.write_bytes(before + now)
    with pytest.raises(Exp2procError) as caught:
        read_text(place, _key("prompt"))
    assert caught.value.code == "dataset-no-match"
    assert f"byte {len(before)} of {path} changed" in caught.value.message
    assert caught.value.message.endswith(f"({why})")
