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
