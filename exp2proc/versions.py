"""The version of this program, and of the libraries that decide what it makes."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

__version__ = "0.1.0"


def library_versions() -> dict[str, str]:
    """The versions of what decides the result, without importing any of it."""
    found = {"python": platform.python_version()}
    for name in ("numpy", "tokenizers", "transformers", "joblib"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = ""
    return found
