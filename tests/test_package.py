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


def test_links_of_the_description_lead_somewhere() -> None:
    """An index shows the README alone: its links between files are addresses there."""
    described = distribution("exp2proc").metadata["Description"]
    links = re.findall(r"\]\(([^)\s]+)\)", described)
    there = f"https://github.com/exp2proc/exp2proc/(?:blob|raw)/v{exp2proc.__version__}/"
    files = [link.partition("#")[0] for link in re.findall(there + r"(\S+)", "\n".join(links))]
    assert len(files) > 20
    assert [file for file in files if not (_ROOT / file).is_file()] == []
    assert [link for link in links if not link.startswith("https://")] == []


def _read(name: str) -> str:
    return (_ROOT / name).read_text(encoding="utf-8")


def _found(pattern: str, name: str) -> list[str]:
    return re.findall(pattern, _read(name), re.MULTILINE)


def test_versions_of_python_are_the_same_everywhere() -> None:
    (matrix,) = _found(r"^ +python-version: \[(.+)\]$", ".github/workflows/ci.yml")
    tested = re.findall(r'"(3\.\d+)"', matrix)
    promised = _found(r'^    "Programming Language :: Python :: (3\.\d+)",$', "pyproject.toml")
    assert tested == promised == [f"3.{minor}" for minor in range(10, 10 + len(tested))]
    assert _found(r'^requires-python = ">=(.+)"$', "pyproject.toml") == tested[:1]
    (lowest,) = _found(r"^ +python-version: \"(.+)\" # newer ones", ".github/workflows/ci.yml")
    assert lowest == tested[0]


def test_ruff_is_one_release() -> None:
    pinned = _found(r'^    "ruff==(.+)",$', "pyproject.toml")
    hooked = _found(r"ruff-pre-commit\n +rev: v(.+)$", ".pre-commit-config.yaml")
    assert len(pinned) == 1
    assert hooked == pinned


def test_actions_are_pinned_and_only_publishing_may_say_who_it_is() -> None:
    for path in (_ROOT / ".github/workflows").iterdir():
        text = path.read_text(encoding="utf-8")
        for action in re.findall(r"uses: (.+)", text):
            assert re.fullmatch(r"\./.+|[\w/.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action
        assert "\npermissions:\n  contents: read\n\n" in text
        assert text.count(": write") == (path.name == "release.yml")


def test_every_step_of_the_workflows_is_one_of_ci_run() -> None:
    steps = _found(r"^step_(\w+)\(\) \{$", ".ci/run")
    assert {"demo", "lint", "tests", "package"} <= set(steps)
    for step in _found(r"run: \.ci/run (.+)$", ".github/workflows/ci.yml"):
        assert step in steps
    done = subprocess.run(
        [_ROOT / ".ci/run", "nonsense"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (2, "no step nonsense; see the head of .ci/run\n")


def test_what_is_cited_is_this_release() -> None:
    assert _found(r"^version: (.+)$", "CITATION.cff") == [exp2proc.__version__]
    assert _found(r"^license: (.+)$", "CITATION.cff") == ["MIT"]


def test_the_changelog_keeps_its_form() -> None:
    heads = _found(r"^## (.+)$", "CHANGELOG.md")
    names = [re.fullmatch(r"\[(.+?)\](?: - \d{4}-\d\d-\d\d)?", head) for head in heads]
    versions = [name[1] for name in names if name]
    assert len(versions) == len(heads)
    assert versions[:2] == ["Unreleased", exp2proc.__version__]
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(_found(r"^### (.+)$", "CHANGELOG.md")) <= kinds
    assert _found(r"^\[(.+?)\]: https://.+$", "CHANGELOG.md") == versions


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
        pytest.skip("mypy is not installed (it is in the group dev)")
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
