"""What a command is busy with is on the terminal before the work begins, and gone with the end."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
from pathlib import Path

import pytest
from support.cli import COMMAND, import_first, run_cli

from exp2proc.demo.tree import DemoTree

_TELLING = """\
import os, sys
os.write(2, b"<{name} is imported>")
sys.path.remove(os.path.dirname(__file__))
del sys.modules["{name}"]
import {name}
"""


def _on_a_terminal(*words: str | Path, **env: str) -> str:
    """All that a command writes to a terminal, as it comes."""
    parent, child = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, *map(str, words)],
        stdout=child,
        stderr=child,
        env={**os.environ, "TERM": "xterm", "NO_COLOR": "1", **env},
    ):
        os.close(child)
        shown = b""
        with contextlib.suppress(OSError):
            while chunk := os.read(parent, 4096):
                shown += chunk
    os.close(parent)
    return shown.decode()


def _words(demo: DemoTree, *more: str) -> tuple[str | Path, ...]:
    where = ("--traces_root", demo.traces / "needles", "--data_root", demo.data)
    out = ("--tokenizer_model", demo.tokenizer, "--out_root", demo.out, "--no_cache")
    return ("convert", *where, *out, *more)


def test_it_is_told_before_what_takes_long_is_imported(demo: DemoTree, tmp_path: Path) -> None:
    for name in ("numpy", "transformers"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / f"{name}.py").write_text(_TELLING.format(name=name))
    paths = [import_first(tmp_path / name)["PYTHONPATH"] for name in ("numpy", "transformers")]
    shown = _on_a_terminal(*_words(demo), PYTHONPATH=os.pathsep.join(paths))
    places = [
        shown.index(text)
        for text in (
            "exp2proc: starting ...",
            "<numpy is imported>",
            "exp2proc: loading the tokenizer ...",
            "<transformers is imported>",
            "32 of 32 rows done",
        )
    ]
    assert places == sorted(places)
    assert "exp2proc: reading the manifests ..." in shown


def _left(shown: str) -> list[str]:
    """The lines that stay when lines were wiped by carriage return and erase."""
    lines = [line.rpartition("\r\x1b[K")[2].strip("\r") for line in shown.split("\n")]
    return [line for line in lines if line.strip()]


def test_nothing_of_it_stays(demo: DemoTree) -> None:
    shown = _on_a_terminal("cache", EXP2PROC_CACHE_DIR=str(demo.root / "cache"))
    assert shown.startswith("\r\x1b[Kexp2proc: starting ...\r\x1b[K")
    assert "".join(_left(shown)).startswith(str(demo.root / "cache"))
    assert "0 entries" in shown
    refused = _on_a_terminal("summary", demo.root / "nothing")
    assert "exp2proc: looking for samples ..." in refused
    assert _left(refused)[0].startswith("exp2proc: no-samples: ")
    doctor = _on_a_terminal("doctor", "--traces_root", demo.traces / "needles")
    assert "exp2proc: reading 32 traces ..." in doctor
    assert "exp2proc: " not in "".join(_left(doctor))


@pytest.mark.thorough
def test_logs_quiet_runs_and_dumb_terminals_have_none(demo: DemoTree) -> None:
    assert run_cli(*_words(demo)).stderr == ""
    for more, env in ((("--quiet",), {}), ((), {"TERM": "dumb"})):
        shown = _on_a_terminal(*_words(demo, "--overwrite", *more), **env)
        assert "loading" not in shown
        assert "starting" not in shown
