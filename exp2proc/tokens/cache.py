"""What texts became, remembered between runs: one SQLite file in the user's cache folder.

A cache may be wrong in only one way, by not knowing. Every entry carries a digest of its key and
value that is checked when it is read; whatever is damaged, locked or unreadable is a miss, and a
file that SQLite cannot use any more is started afresh. Several processes may use it at once.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from ..errors import Exp2procError
from .prefixes import DEFAULT_PREFIX

_T = TypeVar("_T")

_FORMAT: Final = "exp2proc-2"
_FILE: Final = "alignments.sqlite3"
_CHUNK: Final = 500
_DAY: Final = 86400
_DIGEST: Final = 16
_NOWHERE: Final = Path(os.devnull, "exp2proc")
_WAIT: Final = 5.0
"""Seconds to wait for a cache that another process has locked; after that, not again."""
LIMIT: Final = "EXP2PROC_CACHE_MB"
"""The environment variable that bounds the cache."""
DEFAULT_LIMIT: Final = 1 << 30
"""Bytes the cache may hold before the entries unused for longest are dropped (1 GiB)."""


def cache_folder() -> Path:
    """`EXP2PROC_CACHE_DIR`, else the user's cache folder of this platform.

    For a user without a home it is one that cannot be: everything is a miss.
    """
    if moved := os.environ.get("EXP2PROC_CACHE_DIR"):
        return Path(os.path.expanduser(moved))
    from platformdirs import user_cache_dir

    try:
        folder = Path(user_cache_dir("exp2proc", appauthor=False))
    except RuntimeError:
        return _NOWHERE
    return folder if folder.is_absolute() else _NOWHERE  # "~" as it is, of earlier platformdirs


def usual_limit() -> int:
    """Bytes that `EXP2PROC_CACHE_MB` lets the cache hold, by default `DEFAULT_LIMIT`.

    Raises:
        Exp2procError: `usage`.
    """
    given = os.environ.get(LIMIT)
    if not given:
        return DEFAULT_LIMIT
    try:
        size = float(given) * (1 << 20)
        if size >= 0:
            return int(size)
    except (ValueError, OverflowError):
        pass
    why = f"{LIMIT} is {given!r}: it may be a number from 0"
    raise Exp2procError("usage", why, f"Set it to a number of MiB, or unset {LIMIT}.")


def alignment_key(
    fingerprint: str, prompt_sha1: str, target_sha1: str, prefix: str = DEFAULT_PREFIX
) -> bytes:
    """The key of one text under one tokenizer, with its prompt tokenized one way."""
    others = () if prefix == DEFAULT_PREFIX else (prefix,)
    return _key("alignment", fingerprint, prompt_sha1, target_sha1, *others)


def tokenizer_key(fingerprint: str) -> bytes:
    """The key of a tokenizer's portable form."""
    return _key("tokenizer", fingerprint)


def _key(*parts: str) -> bytes:
    return hashlib.blake2b("\0".join((_FORMAT, *parts)).encode(), digest_size=20).digest()


_locked: Final[set[str]] = set()
"""Cache files that this process has waited for in vain."""


class CacheSize(NamedTuple):
    """Entries and bytes in use, and where."""

    path: Path
    entries: int
    size: int
    limit: int


class Cache:
    """The cache file in one folder. Opened for each call, so it may be shared by anyone."""

    def __init__(self, folder: str | Path, limit: int | None = None) -> None:
        self.path = Path(folder) / _FILE
        self.limit = usual_limit() if limit is None else limit

    def known(self, keys: Sequence[bytes]) -> set[bytes]:
        """Which keys have an entry; whether it is whole shows when it is read."""

        def look(db: sqlite3.Connection) -> set[bytes]:
            return {key for (key,) in _select(db, "key", keys)}

        return self._use(look) or set()

    def get(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The values of these keys; missing and damaged entries are left out."""
        today = int(time.time()) // _DAY
        found: dict[bytes, bytes] = {}

        def read(db: sqlite3.Connection) -> None:
            stale: list[tuple[int, bytes]] = []
            for key, used, digest, value in _select(db, "key, used, digest, value", keys):
                if isinstance(value, bytes) and digest == _digest(key, value):
                    found[key] = value
                    if used != today:
                        stale.append((today, key))
            if stale:
                with db:
                    db.executemany("UPDATE entries SET used = ? WHERE key = ?", stale)

        self._use(read)
        return found

    def put(self, values: Mapping[bytes, bytes]) -> None:
        """Remember these values, dropping the entries unused for longest when it gets too full."""
        today = int(time.time()) // _DAY

        def write(db: sqlite3.Connection) -> None:
            with db:
                db.executemany(
                    "INSERT OR REPLACE INTO entries (key, used, digest, value) VALUES (?,?,?,?)",
                    ((key, today, _digest(key, value), value) for key, value in values.items()),
                )
            if _in_use(db) > self.limit:
                _trim(db, self.limit * 3 // 4)

        if values and self.limit > 0:
            self._use(write, create=True)

    def size(self) -> CacheSize:
        """What the cache holds now."""

        def count(db: sqlite3.Connection) -> tuple[int, int]:
            return db.execute("SELECT count(*) FROM entries").fetchone()[0], _in_use(db)

        entries, size = self._use(count) or (0, 0)
        return CacheSize(self.path, entries, size, self.limit)

    def clear(self) -> None:
        """Forget everything.

        Raises:
            OSError: the file cannot be removed.
        """
        for path in (self.path, self.path.with_name(f"{_FILE}-journal")):
            with suppress(FileNotFoundError, NotADirectoryError):
                path.unlink()

    def _use(
        self, action: Callable[[sqlite3.Connection], _T], *, create: bool = False
    ) -> _T | None:
        """What `action` returns; None when there is no cache, or none that works just now."""
        if not create and not os.path.exists(self.path):
            return None
        place = str(self.path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            wait = 0.0 if place in _locked else _WAIT
            with closing(sqlite3.connect(place, timeout=wait)) as db:
                # Entries prove themselves by digest, so waiting for the disk would buy nothing.
                db.execute("PRAGMA synchronous = OFF")
                db.execute(_SCHEMA)
                result = action(db)
                _locked.discard(place)
                return result
        except sqlite3.OperationalError as err:
            if "locked" in str(err):
                _locked.add(place)
            return None  # locked, full, read-only: a miss now, perhaps not next time
        except sqlite3.Error:
            with suppress(OSError):
                self.clear()  # "not a database", "malformed"
            return None
        except OSError:
            return None


_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS entries (
    key BLOB PRIMARY KEY, used INTEGER NOT NULL, digest BLOB NOT NULL, value BLOB NOT NULL
)
"""


def _digest(key: bytes, value: bytes) -> bytes:
    return hashlib.blake2b(value, digest_size=_DIGEST, key=key).digest()


def _select(db: sqlite3.Connection, columns: str, keys: Sequence[bytes]) -> Iterator[Any]:
    for at in range(0, len(keys), _CHUNK):
        some = keys[at : at + _CHUNK]
        marks = ",".join("?" * len(some))
        yield from db.execute(f"SELECT {columns} FROM entries WHERE key IN ({marks})", some)


def _in_use(db: sqlite3.Connection) -> int:
    pages, free, size = (
        int(db.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def _trim(db: sqlite3.Connection, target: int) -> None:
    surplus = _in_use(db) - target
    oldest: list[tuple[int]] = []
    for rowid, length in db.execute(
        "SELECT rowid, length(value) FROM entries ORDER BY used, rowid"
    ):
        if surplus <= 0:
            break
        oldest.append((rowid,))
        surplus -= length
    with db:
        db.executemany("DELETE FROM entries WHERE rowid = ?", oldest)
