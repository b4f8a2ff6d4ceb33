"""A cache that cannot be used costs time only: the conversion is the same."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.arrays import assert_same_tree
from support.cli import run_json

from exp2proc.demo.tree import DemoTree


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
