"""The version of this program, and of the libraries that decide what it makes."""

from __future__ import annotations

__version__ = "0.1.0"


_found: dict[str, str] = {}


def library_versions() -> dict[str, str]:
    """The versions of what decides the result, without importing any of it."""
    if not _found:  # looking takes milliseconds, and every record has them
        import platform  # here: where a working directory goes first on the path, this one is read
        from importlib.metadata import PackageNotFoundError, version

        _found["python"] = platform.python_version()
        for name in ("numpy", "tokenizers", "transformers", "joblib"):
            try:
                _found[name] = version(name)
            except PackageNotFoundError:
                _found[name] = ""
    return dict(_found)
