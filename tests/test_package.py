"""The package itself: what it promises to installers, type checkers and readers."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

import exp2proc
from exp2proc import errors

_ROOT = Path(__file__).resolve().parents[1]


def test_metadata() -> None:
    metadata = distribution("exp2proc").metadata
    assert metadata["Version"] == exp2proc.__version__
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.10"
    assert (_ROOT / "CHANGELOG.md").read_text(encoding="utf-8").count(exp2proc.__version__)


def test_public_names() -> None:
    for name in exp2proc.__all__:
        assert getattr(exp2proc, name).__doc__, f"{name} has no docstring"
        assert name in dir(exp2proc)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = exp2proc.nonsense


def test_the_public_interface_type_checks_as_a_caller_uses_it() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "tests/typed/api.py"],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if "No module named mypy" in done.stderr:
        pytest.skip("mypy is not installed (it is in the dev extra)")
    assert done.returncode == 0, done.stdout


def test_every_code_says_what_to_do() -> None:
    for code, kind in errors.CATALOGUE.items():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", code)
        assert kind.when
        assert kind.hint.endswith(".")


def test_nothing_of_this_machine_is_written_down() -> None:
    """No text of the project names a package index or somebody's folders."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=_ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    private = re.compile(rb"https?://[^\s\"')>]*(?:simple/|registry)|/(?:root|home|Users)/\w")
    for name in filter(None, listed.stdout.split("\0")):
        path = _ROOT / name
        if path.is_file() and path != Path(__file__):
            assert not private.search(path.read_bytes()), name
