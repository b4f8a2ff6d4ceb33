"""File formats: bytes <-> records, one format a module, and the tables of what a sample holds.

Knows arrays, names and layouts, not runs. Imports `system` and the catalogue of errors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

notebook_drawer: Callable[[Any], str] | None = None
"""Draws a sample as HTML for notebooks. Set by the package: drawing knows samples, samples do not
know drawing."""

notebook_viewer: Callable[..., Any] | None = None
"""Puts a sample into the viewer. Set by the package, likewise."""
