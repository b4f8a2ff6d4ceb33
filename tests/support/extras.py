"""Which of the program's extras are installed: tests of what they bring skip without."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

_MODULES = {
    "dask": "distributed",
    "figures": "matplotlib",
    "frames": "pandas",
    "parquet": "pyarrow",
    "ray": "ray",
    "stats": "scipy",
}


def has(extra: str) -> bool:
    """Whether an extra is installed, without importing it: that can take a second."""
    return find_spec(_MODULES[extra]) is not None


def needs(extra: str) -> pytest.MarkDecorator:
    """Skips where an extra is not installed."""
    return pytest.mark.skipif(not has(extra), reason=f"the extra `{extra}` is not installed")
