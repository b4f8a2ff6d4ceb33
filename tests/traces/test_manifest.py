"""Manifests: every line is a row or a BadLine with its number, whatever stands in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exp2proc.traces import manifest
from exp2proc.traces.manifest import BadLine, Row, read_manifest

GOOD: dict[str, Any] = {
    "example_idx": 7,
    "attr_func": "ifr_in_all_gen",
    "file": "ex_000007.npz",
    "prompt_sha1": "a" * 40,
    "target_sha1": "B" * 40,
    "prompt_len": 333,
    "gen_len": 10,
    "sink_span_gen": [1, 2],
}


def _line(**changes: Any) -> bytes:
    fields = {key: value for key, value in {**GOOD, **changes}.items() if value is not ...}
    return json.dumps(fields).encode()


def _read(path: Path, content: bytes, limit: int | None = None) -> list[Row | BadLine]:
    path.write_bytes(content)
    return list(read_manifest(path, limit))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "manifest.jsonl"


def test_rows_in_order_blank_lines_ignored(path: Path) -> None:
    content = b"\n" + _line() + b"\r\n  \n" + _line(target_sha1=None, file="b.npz") + b"\n"
    first, second = _read(path, content)
    assert first == Row(7, "ifr_in_all_gen", "ex_000007.npz", "a" * 40, "b" * 40, 333, 10, 0, 0, 2)
    assert isinstance(second, Row)
    assert (second.line, second.target_sha1, second.open_ended) == (4, None, True)


def test_a_prompt_or_a_generation_may_be_empty(path: Path) -> None:
    (row,) = _read(path, _line(prompt_len=0, gen_len=0))
    assert isinstance(row, Row)
    assert (row.prompt_len, row.gen_len) == (0, 0)


def test_limit_counts_rows(path: Path) -> None:
    content = b"\n" + b"\n".join(_line(file=f"{i}.npz") for i in range(5)) + b"\n"
    assert [row.file for row in _read(path, content, 3)] == ["0.npz", "1.npz", "2.npz"]
    assert not any(getattr(row, "open_ended", False) for row in _read(path, content, 3))
    assert _read(path, content, 0) == []


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"{", "not JSON"),
        (b"[1]", "a JSON list, not an object"),
        (b"null", "a JSON NoneType, not an object"),
        (b'{"a": "\xff"}', "not UTF-8 at byte 7"),
        (b"[" * 100_000, "nested too deeply"),
        (_line(prompt_len=...), "no field 'prompt_len'"),
        (_line(prompt_len="3"), "'prompt_len' is \"3\", not an integer"),
        (_line(prompt_len=True), "'prompt_len' is true"),
        (_line(prompt_len=3.0), "'prompt_len' is 3.0"),
        (_line(gen_len=-1), "'gen_len' is -1"),
        (_line(gen_len=10**30), "not in 0.."),
        (b'{"gen_len": 1' + b"0" * 5000 + b"}", "not JSON"),
        (_line(gen_len=float("nan")), "'gen_len' is NaN"),
        (_line(example_idx=None), "'example_idx' is null"),
        (_line(attr_func=5), "'attr_func' is 5, not a string"),
        (_line(file=None), "'file' is null"),
        (_line(prompt_sha1="xyz"), "not 40 hex digits"),
        (_line(prompt_sha1=None), "'prompt_sha1' is null"),
        (_line(target_sha1="a" * 39), "not 40 hex digits"),
    ],
)
def test_invalid_lines_say_why_and_where(path: Path, line: bytes, says: str) -> None:
    before, bad, after = _read(path, _line() + b"\n" + line + b"\n" + _line() + b"\n")
    assert isinstance(before, Row)
    assert isinstance(after, Row)
    assert isinstance(bad, BadLine)
    assert (bad.line, bad.error.code) == (2, "manifest-invalid")
    assert bad.error.message.startswith("manifest.jsonl line 2: ")
    assert says in bad.error.message


@pytest.mark.parametrize(
    "name",
    [
        "../ex.npz",
        "a/b.npz",
        "/etc/x.npz",
        "a\\b.npz",
        "C:x.npz",
        "..",
        ".hidden.npz",
        "x.npy",
        ".npz",
        "",
        "a\nb.npz",
        "a\x1b[31m.npz",
        "a\x00.npz",
        "\u202egnp.npz",
        "x" * 300 + ".npz",
        "\ud800.npz",
    ],
)
def test_unsafe_names(path: Path, name: str) -> None:
    (bad,) = _read(path, _line(file=name) + b"\n")
    assert isinstance(bad, BadLine)
    assert bad.error.code == "unsafe-path"
    assert bad.file == name
    assert bad.example_idx == 7
    assert bad.error.message.isprintable()


@pytest.mark.parametrize("name", ["ex_000000.npz", "样本 1.npz", "a b.npz", "🙂.npz", "a..b.npz"])
def test_plain_names(path: Path, name: str) -> None:
    (row,) = _read(path, _line(file=name) + b"\n")
    assert isinstance(row, Row)


def test_a_line_that_is_too_long_costs_itself(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "MAX_LINE", 1000)
    long = b'{"x": "' + b"y" * 5000 + b'"}'
    first, bad, last = _read(path, _line() + b"\n" + long + b"\n" + _line() + b"\n")
    assert isinstance(first, Row)
    assert isinstance(bad, BadLine)
    assert "longer than 1000 bytes" in bad.error.message
    assert isinstance(last, Row)
    assert last.line == 3


def test_a_line_up_to_the_limit_is_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its newline does not count, nor need it be there."""
    monkeypatch.setattr(manifest, "MAX_LINE", len(_line()))
    longer = _line() + b" "
    first, bad, last = _read(path, _line() + b"\n" + longer + b"\n" + _line())
    assert isinstance(first, Row)
    assert isinstance(bad, BadLine)
    assert isinstance(last, Row)
    (bad,) = _read(path, longer)
    assert isinstance(bad, BadLine)


def test_byte_order_mark(path: Path) -> None:
    (row,) = _read(path, b"\xef\xbb\xbf" + _line() + b"\n")
    assert isinstance(row, Row)


def test_only_an_unclosed_last_line_may_still_be_being_written(path: Path) -> None:
    *_, last = _read(path, _line() + b"\n" + _line()[:50])
    assert isinstance(last, BadLine)
    assert last.open_ended
    *_, last = _read(path, _line() + b"\n" + _line()[:50] + b"\n")
    assert isinstance(last, BadLine)
    assert not last.open_ended


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=3,
)


@given(st.lists(st.sampled_from(sorted(GOOD)), max_size=3), st.data())
@settings(max_examples=200, deadline=None)
def test_any_values(tmp_path_factory: Any, names: list[str], data: st.DataObject) -> None:
    """A row comes out unchanged, or a BadLine with a code of the catalogue."""
    fields = {**GOOD, **{name: data.draw(_json) for name in names}}
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    (row,) = _read(path, json.dumps(fields).encode() + b"\n")
    if isinstance(row, Row):
        for name in ("example_idx", "attr_func", "file", "prompt_len", "gen_len"):
            assert getattr(row, name) == fields[name]
            assert type(getattr(row, name)) is type(fields[name])
    else:
        assert row.error.code in ("manifest-invalid", "unsafe-path")


@given(st.lists(st.binary(max_size=80), max_size=5))
@settings(max_examples=200, deadline=None)
def test_any_bytes(tmp_path_factory: Any, lines: list[bytes]) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.jsonl"
    found = _read(path, b"\n".join(lines))
    whole = b"\n".join(lines).removeprefix(b"\xef\xbb\xbf").split(b"\n")
    assert len(found) == sum(1 for line in whole if line.strip())


def test_long_values_are_shown_short(path: Path) -> None:
    """80 characters of a value are shown, of a longer one the beginning."""
    for length, ending in ((78, "x"), (79, "...")):
        (bad,) = _read(path, _line(prompt_sha1="x" * length) + b"\n")
        assert isinstance(bad, BadLine)
        said = bad.error.message.partition("is ")[2].removesuffix(", not 40 hex digits")
        assert len(said) == 80
        assert said.rstrip('"').endswith(ending)


_ODD = [
    *(
        b'"',
        b"\\",
        b"\\x",
        b"\\ud800",
        b"\xff",
        "é".encode(),
        b"\0",
        b"1.0",
        b"1e400",
        b"NaN",
        b"-0",
        b"01",
    ),
    *(b"null", b"true", b"{", b"}", b"[", b",", b":", b" ", b"\n", b"9" * 30, b"/", b"A"),
    *(b',"file":"x.npz"', b',"file":5', b',"unknown":[1,{"a":"b"}]'),
]


@given(st.data())
@settings(max_examples=600)
def test_the_quick_way_is_the_slow_way(data: st.DataObject) -> None:
    """A line that is good, or was before something was cut out of it or put into it."""
    line = bytearray(_line(extra=[[0.5, -1e-7], "text", {"deep": None}]).strip())
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(line)))
        cut = data.draw(st.integers(0, 3))
        line[at : at + cut] = data.draw(st.sampled_from(_ODD) | st.binary(max_size=2))
    quick = manifest._row(1, 2, 3, bytes(line), True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest, "_quick", lambda content: None)
        slow = manifest._row(1, 2, 3, bytes(line), True)
    assert _told(quick) == _told(slow)


def _told(row: Row | BadLine) -> object:
    """A row, or a line that is none with its error as something that can be compared."""
    return (*row[:5], row.error.code, row.error.message) if isinstance(row, BadLine) else row


def test_most_lines_go_the_quick_way() -> None:
    assert manifest._quick(_line()) is not None
