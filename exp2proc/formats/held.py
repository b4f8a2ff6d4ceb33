"""Samples that lie in other files: what readers take instead of a path."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol


class Held(Protocol):
    """A sample that lies in another file: in a zip archive, or as a row of a Parquet file."""

    @property
    def name(self) -> str:
        """Its path inside that file."""

    def __str__(self) -> str:
        """The path of that file, and the sample's inside it."""

    def read(self) -> bytes | bytearray:
        """The whole npz.

        Raises:
            NpzError: it cannot be had.
            OSError: the file that it lies in cannot be read.
        """


Place = str | Path | Held
"""Where a sample lies: its own file, or in another."""


class Kept(NamedTuple):
    """A sample whose file was read already; see `Held`.

    Attributes:
        content: of the file.
        name: where it was.
    """

    content: bytes | bytearray
    name: str

    def __str__(self) -> str:
        return self.name

    def read(self) -> bytes | bytearray:
        """The whole npz."""
        return self.content
