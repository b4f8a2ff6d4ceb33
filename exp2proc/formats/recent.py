"""What was made of bytes that come again, such as the token pieces of a text, once a method."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from .deflate import Bytes

T = TypeVar("T")

_EACH = 256
"""Bytes that remembering a value takes, whatever it is."""


class Recent(Generic[T]):
    """Values by the content that they were made of; those asked for last stay. Safe for threads.

    >>> lengths = Recent(limit=1 << 20, size=lambda length: 8)
    >>> key = content_key(b"a text", 6)
    >>> lengths.put(key, len(b"a text"))
    >>> lengths.get(key), lengths.get(content_key(b"another", 7))
    (6, None)

    Args:
        limit: bytes that are kept at most.
        size: the bytes of a value.
    """

    def __init__(self, limit: int, size: Callable[[T], int]) -> None:
        self._limit = limit
        self._size = size
        self._kept: OrderedDict[bytes, T] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: bytes) -> T | None:
        """What was made of this content, or None."""
        with self._lock:
            value = self._kept.get(key)
            if value is not None:
                self._kept.move_to_end(key)
            return value

    def put(self, key: bytes, value: T) -> None:
        """Remember what was made of a content; whatever is too much goes, the oldest first."""
        with self._lock:
            if key in self._kept:
                return
            self._kept[key] = value
            self._bytes += self._size(value) + _EACH
            while self._bytes > self._limit:
                _, gone = self._kept.popitem(last=False)
                self._bytes -= self._size(gone) + _EACH


def content_key(data: Bytes | memoryview, *more: int | bytes) -> bytes:
    """Tells contents apart: SHA-256, as a value must never be that of another content.

    Args:
        data: the content.
        more: what else the value depends on, always as many and of the same kinds.
    """
    found = hashlib.sha256(data)
    found.update(repr(more).encode())
    return found.digest()
