"""What was made of bytes that come again: found by content, bounded, the oldest forgotten."""

from __future__ import annotations

import pytest

from exp2proc.formats.recent import Recent, content_key

ROOM = 3 * (1000 + 256)
"""For three values of a thousand bytes and what each takes beside."""


def filled(*names: bytes) -> Recent[bytes]:
    recent: Recent[bytes] = Recent(ROOM, lambda value: 1000)
    for name in names:
        recent.put(name, b"of " + name)
    return recent


def test_the_oldest_goes() -> None:
    recent = filled(b"a", b"b", b"c", b"d")
    assert [recent.get(name) for name in (b"a", b"b", b"c", b"d")] == [
        None,
        b"of b",
        b"of c",
        b"of d",
    ]


def test_what_was_asked_for_stays() -> None:
    recent = filled(b"a", b"b", b"c")
    assert recent.get(b"a") == b"of a"
    recent.put(b"d", b"of d")
    assert [recent.get(name) is None for name in (b"a", b"b", b"c")] == [False, True, False]


def test_what_comes_again_counts_once() -> None:
    recent = filled(b"a", b"b", b"c", b"c", b"c")
    assert [recent.get(name) for name in (b"a", b"b", b"c")] == [b"of a", b"of b", b"of c"]


def test_what_is_too_large_is_not_kept() -> None:
    recent: Recent[bytes] = Recent(ROOM, len)
    recent.put(b"small", b"x")
    recent.put(b"large", bytes(ROOM))
    assert (recent.get(b"large"), recent.get(b"small")) == (None, None)
    recent.put(b"small", b"x")
    assert recent.get(b"small") == b"x"


@pytest.mark.parametrize(
    ("one", "other"),
    [((b"a",), (b"b",)), ((b"a", 1), (b"a", 2)), ((b"a", 1, 23), (b"a", 12, 3))],
    ids=str,
)
def test_keys(one: tuple[bytes], other: tuple[bytes]) -> None:
    assert content_key(*one) == content_key(*one)
    assert content_key(*one) != content_key(*other)
