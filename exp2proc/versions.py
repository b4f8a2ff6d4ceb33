"""The version of this program, and of the libraries that decide what it makes."""

from __future__ import annotations

__version__ = "0.1.0"


def library_versions() -> dict[str, str]:
    """The versions of what decides the result, without importing any of it."""
    import platform  # here: where a working directory goes first on the path, this module is read
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for name in ("numpy", "tokenizers", "transformers", "joblib"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = ""
    return found
