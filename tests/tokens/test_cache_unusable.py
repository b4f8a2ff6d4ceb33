"""A cache that cannot be used costs time only: the conversion is the same."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.arrays import assert_same_tree
from support.cli import COMMAND, run_json

from exp2proc.demo.tree import DemoTree
from exp2proc.tokens.cache import Cache


@contextmanager
def _garbage(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    (folder / "alignments.sqlite3").write_bytes(b"not a database" * 1000)
    yield folder


@contextmanager
def _blocked(folder: Path) -> Iterator[Path]:
    folder.write_text("a file where the folder should be")
    yield folder


@contextmanager
def _a_folder_in_its_place(folder: Path) -> Iterator[Path]:
    (folder / "alignments.sqlite3").mkdir(parents=True)
    yield folder


@contextmanager
def _another_schema(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    with sqlite3.connect(folder / "alignments.sqlite3") as db:
        db.execute("CREATE TABLE entries (something TEXT)")
    db.close()
    yield folder


@contextmanager
def _no_room(folder: Path) -> Iterator[Path]:
    """No process has a file system that is always full, but for this device."""
    folder.mkdir()
    if not os.path.exists("/dev/full"):
        pytest.skip("this platform has no /dev/full")
    (folder / "alignments.sqlite3").symlink_to("/dev/full")
    yield folder


@pytest.mark.parametrize(
    "state", [_garbage, _blocked, _a_folder_in_its_place, _another_schema, _no_room]
)
def test_conversion_goes_on_without_it(demo: DemoTree, tmp_path: Path, state: object) -> None:
    assert callable(state)
    words = (
        *("convert", "--traces_root", demo.traces / "needles", "--data_root", demo.data),
        *("--tokenizer_model", demo.tokenizer, "--out_root"),
    )
    run_json(*words, tmp_path / "plain", "--no_cache")
    with state(tmp_path / "cache") as folder:
        env = {"EXP2PROC_CACHE_DIR": str(folder)}
        for out in ("first", "second"):
            report = run_json(*words, tmp_path / out, env=env)
            assert report["counts"]["converted"] == 32
            assert assert_same_tree(tmp_path / out, tmp_path / "plain") == 32


def test_a_locked_cache_is_waited_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exp2proc.tokens.cache._WAIT", 0.1)
    waits: list[float] = []
    connect = sqlite3.connect

    def watched(path: str, timeout: float) -> sqlite3.Connection:
        waits.append(timeout)
        return connect(path, timeout=timeout)

    used = Cache(tmp_path)
    used.put({b"key": b"value"})
    monkeypatch.setattr(sqlite3, "connect", watched)
    holder = connect(used.path)
    holder.execute("BEGIN EXCLUSIVE")
    assert used.get([b"key"]) == {}
    used.put({b"other": b"value"})
    assert Cache(tmp_path).known([b"key"]) == set()
    assert waits == [0.1, 0.0, 0.0]
    holder.rollback()
    holder.close()
    assert used.get([b"key"]) == {b"key": b"value"}  # it is free again, and so is it used
    assert used.known([b"other"]) == set()
    assert waits[3:] == [0.0, 0.1]


@pytest.mark.thorough
def test_a_user_without_a_home(demo: DemoTree, tmp_path: Path) -> None:
    """No HOME, and no entry among the users: a container started with some number as its user."""
    if os.geteuid() or not shutil.which("setpriv"):
        pytest.skip("only root, with setpriv, becomes such a user")
    out = tmp_path / "out"
    out.mkdir()
    env = {name: value for name, value in os.environ.items() if name not in _HOMES}
    may_read = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override")
    prefix = ("setpriv", "--reuid=54321", "--clear-groups", *may_read)
    if subprocess.run(
        [*prefix, *COMMAND, "--version"], capture_output=True, check=False
    ).returncode:
        pytest.skip("such a user cannot run this interpreter")
    words = ("convert", "--traces_root", demo.traces, "--tokenizer_model", demo.tokenizer)
    for command, code in (
        ([*words, "--out_root", out], 0),
        (["cache"], 0),
        (["cache", "--clear"], 0),
    ):
        done = subprocess.run(
            [*prefix, *COMMAND, *map(str, command)],
            env=env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (code, "")
    assert len(list(out.rglob("ex_*.npz"))) == 96
    assert not (tmp_path / "~").exists()


_HOMES = ("HOME", "XDG_CACHE_HOME", "EXP2PROC_CACHE_DIR")
