"""Dataset caches: texts are found by their digests and checked again when they are read."""

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

TEXTS = [
    Text("Why?", "Because."),
    Text("为什么？", "因为。"),
    Text("Why?", "Who knows."),
    Text("", ""),
]


def _key(text: Text) -> TextKey:
    return text_sha1(text.prompt), text_sha1(text.target)


def _line(text: Text) -> bytes:
    return json.dumps(text._asdict(), ensure_ascii=False).encode() + b"\n"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    path = tmp_path / "cache.jsonl"
    path.write_bytes(b"".join(map(_line, TEXTS)))
    return path


def _place(cache: Path, text: Text) -> TextPlace:
    return index_dataset(cache, {_key(text)}).places[_key(text)]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_read_from_its_place(cache: Path, text: Text) -> None:
    assert read_text(_place(cache, text), _key(text)) == text


@pytest.mark.parametrize(
    "now",
    [
        {"prompt": "Why!", "target": "Because."},
        {"prompt": "Why?", "target": "Because!"},
        {"prompt": "Why?", "target": None},
        {"prompt": "Why?"},
        {"target": "Because."},
        {"prompt": "Why?", "target": "Because.", "more": "x"},  # longer: the line ends elsewhere
        ["Why?", "Because."],
    ],
    ids=str,
)
def test_a_text_that_changed_under_the_worker(cache: Path, now: object) -> None:
    place = _place(cache, TEXTS[0])
    cache.write_text(json.dumps(now) + "\n")
    with pytest.raises(Exp2procError) as caught:
        read_text(place, _key(TEXTS[0]))
    assert caught.value.code == "dataset-no-match"
    assert f"byte 0 of {cache} changed while the run was going on" in caught.value.message
    assert "another text stands there now" in caught.value.message


def test_a_text_that_moved(cache: Path) -> None:
    place = _place(cache, TEXTS[1])
    cache.write_bytes(b"".join(map(_line, TEXTS[1:])))
    with pytest.raises(Exp2procError, match=f"byte {place.offset} of"):
        read_text(place, _key(TEXTS[1]))
    assert read_text(_place(cache, TEXTS[1]), _key(TEXTS[1])) == TEXTS[1]


def test_a_file_that_is_gone(cache: Path) -> None:
    place = _place(cache, TEXTS[1])
    cache.unlink()
    with pytest.raises(Exp2procError, match="No such file or directory") as caught:
        read_text(place, _key(TEXTS[1]))
    assert caught.value.code == "dataset-no-match"


def test_of_equal_texts_the_first_place(cache: Path) -> None:
    cache.write_bytes(cache.read_bytes() * 2)
    index = index_dataset(cache, set(map(_key, TEXTS)))
    assert len(index.places) == len(TEXTS)
    assert index.rows == 2 * len(TEXTS)
    assert index.places[_key(TEXTS[0])].offset == 0
    assert index.places[_key(TEXTS[1])].offset == len(_line(TEXTS[0]))


def test_only_wanted_texts_are_kept_and_only_whole_rows_counted(cache: Path) -> None:
    with cache.open("a") as stream:
        stream.write('{"prompt": "alone"}\n{"prompt": "\\ud800", "target": "x"}\n{broken\n\n')
    index = index_dataset(cache, {_key(TEXTS[2])})
    assert list(index.places) == [_key(TEXTS[2])]
    assert index.rows == len(TEXTS)
    assert ("alone", None) in list(read_rows(cache))


def test_a_byte_order_mark_is_no_obstacle(cache: Path) -> None:
    cache.write_bytes(b"\xef\xbb\xbf" + cache.read_bytes())
    assert list(read_rows(cache)) == TEXTS
    for text in TEXTS:
        assert read_text(_place(cache, text), _key(text)) == text


def test_a_line_of_the_greatest_length_counts_and_a_longer_one_does_not(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = Text("x" * 300, "y")
    lines = [*map(_line, TEXTS[:2]), _line(long), _line(TEXTS[3])]
    cache.write_bytes(b"".join(lines))
    monkeypatch.setattr(datasets, "MAX_LINE", len(lines[2]))
    assert list(read_rows(cache)) == [TEXTS[0], TEXTS[1], long, TEXTS[3]]
    monkeypatch.setattr(datasets, "MAX_LINE", len(lines[2]) - 1)
    assert list(read_rows(cache)) == [TEXTS[0], TEXTS[1], TEXTS[3]]
    assert read_text(_place(cache, TEXTS[3]), _key(TEXTS[3])) == TEXTS[3]


def _row(prompt: object, target: object = "t") -> bytes:
    return json.dumps({"prompt": prompt, "target": target}).encode() + b"\n"


def _digests(prompt: str, target: str = "t") -> TextKey:
    return text_sha1(prompt), text_sha1(target)


def test_lines_are_found_by_their_digests(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    lines = [
        b"\xef\xbb\xbf" + _row("first"),
        b"\n",
        _row("no target", None),
        _row("a number", 7),
        _row(None),
        b"[1]\n",
        b"{broken\n",
        _row("\ud800"),
        _row("twice"),
        _row("twice"),
        _row("last").rstrip(b"\n"),
    ]
    path.write_bytes(b"".join(lines))
    wanted = [_digests("first"), _digests("twice"), _digests("last"), _digests("nowhere")]
    index = index_dataset(path, wanted)
    assert index.rows == 4
    starts = [sum(map(len, lines[:at])) for at in range(len(lines))]
    assert index.places == {
        _digests(prompt): TextPlace(str(path), starts[at], len(lines[at]))
        for prompt, at in (("first", 0), ("twice", 8), ("last", 10))
    }
    for prompt in ("first", "twice", "last"):
        assert read_text(index.places[_digests(prompt)], _digests(prompt)) == Text(prompt, "t")
    told = ["first", "no target", "\ud800", "twice", "twice", "last"]
    assert [prompt for prompt, _ in read_rows(path)] == told
    assert index_dataset(path, [_digests("twice")]).places.keys() == {_digests("twice")}


def test_a_line_that_is_too_long_is_passed_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to the limit it is read; what follows a longer one is found where it stands."""
    longest = _row("x" * 100)
    monkeypatch.setattr(datasets, "MAX_LINE", len(longest))
    path = tmp_path / "d.jsonl"
    far_too_long = _row("z" * (3 << 20))
    path.write_bytes(_row("y" * 101) + longest + far_too_long + _row("short"))
    index = index_dataset(path, [_digests("short")])
    assert index.rows == 2
    assert read_text(index.places[_digests("short")], _digests("short")) == Text("short", "t")


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (_row("another"), "another text stands there now"),
        (_row("prompt", "u"), "another text stands there now"),
        (_row("prompt", None), "another text stands there now"),
        (b"{broken\n", "another text stands there now"),
        (b"", "another text stands there now"),
        (None, "No such file or directory"),
    ],
)
def test_a_text_that_changed_is_not_taken(tmp_path: Path, now: bytes | None, why: str) -> None:
    """The dataset is read again by whoever needs the text, perhaps hours after it was scanned."""
    path = tmp_path / "d.jsonl"
    before = _row("before")
    path.write_bytes(before + _row("prompt"))
    place = index_dataset(path, [_digests("prompt")]).places[_digests("prompt")]
    if now is None:
        path.unlink()
    else:
        path.write_bytes(before + now)
    with pytest.raises(Exp2procError) as caught:
        read_text(place, _digests("prompt"))
    assert caught.value.code == "dataset-no-match"
    assert f"byte {len(before)} of {path} changed" in caught.value.message
    assert caught.value.message.endswith(f"({why})")


def test_wanted_prompts_without_a_target_are_known(tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl"
    lines = [{"prompt": "one", "target": None}, {"prompt": "two", "target": "2"}, {"prompt": "x"}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    wanted = [(text_sha1(prompt), text_sha1("gone")) for prompt in ("one", "two")]
    index = index_dataset(path, wanted)
    assert index.targetless == {text_sha1("one")}
    assert index.rows == 1
