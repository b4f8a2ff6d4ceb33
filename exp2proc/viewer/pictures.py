"""What a sample can be drawn as, by the ending of the file; a new one is an entry here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from .heatmap import page_html
from .svg import svg
from .tex import tex

PICTURES: Final[dict[str, Callable[..., str]]] = {".html": page_html, ".svg": svg, ".tex": tex}
"""Each takes a sample and its name, and `hop` and `scale`; the svg `columns`, too."""

MARK: Final = b"exp2proc show"
"""Stands near the beginning of each."""
