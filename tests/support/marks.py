"""Which tests start processes, read off the code that they run."""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator
from typing import Any

import pytest

_STARTERS = frozenset(
    (
        *("concurrent.futures.process", "multiprocessing", "parallel_config", "pty", "subprocess"),
        *("support.browser", "support.cli", "support.cluster", "support.processes"),
    )
)
"""Modules, and one function of joblib, by which tests start processes."""


def starts_processes(item: pytest.Item) -> bool:
    """Whether a test, a fixture of it, or a helper of theirs starts processes."""
    if not isinstance(item, pytest.Function):
        return False  # an example in a docstring
    fixtures = item._fixtureinfo.name2fixturedefs.values()
    seen: set[int] = set()
    return _starts(item.function, seen) or any(
        _starts(definition.func, seen) for definitions in fixtures for definition in definitions
    )


def _starts(what: Any, seen: set[int]) -> bool:
    """Whether a function, a class or a module is a starter or names one, however deep."""
    name = what.__name__ if isinstance(what, types.ModuleType) else getattr(what, "__module__", "")
    if name in _STARTERS or getattr(what, "__name__", "") in _STARTERS:
        return True
    if id(what) in seen or not _is_of_the_tests(name):
        return False
    seen.add(id(what))
    if isinstance(what, type):
        return any(_starts(value, seen) for value in vars(what).values())
    function = getattr(getattr(what, "hypothesis", None), "inner_test", inspect.unwrap(what))
    if not isinstance(function, types.FunctionType):
        return False
    known = function.__globals__
    names = set(_names(function.__code__))
    return "COMMAND" in names or any(_starts(known[name], seen) for name in names if name in known)


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _names(inner)


def _is_of_the_tests(module: str) -> bool:
    return module.split(".")[0] in ("tests", "support", "hostile", "conftest")
