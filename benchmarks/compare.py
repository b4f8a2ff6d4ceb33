"""Whether two output trees hold the same samples, array for array."""

from __future__ import annotations

import hashlib
from pathlib import Path

from .support import assert_same_npz, files_below


class Comparison:
    """Compares trees; two files that were found equal before are not unpacked again."""

    def __init__(self) -> None:
        self._equal: set[tuple[bytes, bytes]] = set()

    def check(self, actual: Path, expected: Path) -> None:
        """Compare every sample of two trees, and see that there is no other file but records.

        Raises:
            AssertionError: a file is missing or too many, or an array differs.
        """
        have, want = files_below(actual), files_below(expected)
        assert have == want, sorted(map(str, have ^ want))[:10]
        assert want, f"{expected} holds no sample"
        for name in sorted(want):
            pair = _digest(actual / name), _digest(expected / name)
            if pair not in self._equal:
                assert_same_npz(actual / name, expected / name)
                self._equal.add(pair)


def _digest(path: Path) -> bytes:
    return hashlib.blake2b(path.read_bytes(), digest_size=16).digest()


def bytes_in(folder: Path) -> int:
    """The size of all files below a folder; of one file its own, 0 of what is not there."""
    files = [folder, *folder.rglob("*")]
    return sum(path.stat().st_size for path in files if path.is_file())
