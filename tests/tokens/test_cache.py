"""The cache may forget, but never lie, and never stand in the way."""

from __future__ import annotations

import json
import multiprocessing
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.arrays import assert_same_tree
from support.cli import codes, run_cli, run_json

from exp2proc.demo.tree import DemoTree
from exp2proc.tokens import cache as caching
from exp2proc.tokens.cache import Cache, alignment_key


@given(st.dictionaries(st.binary(min_size=20, max_size=20), st.binary(max_size=200), max_size=20))
@settings(max_examples=30, deadline=None)
def test_gives_back_what_it_was_given(
    tmp_path_factory: pytest.TempPathFactory, values: dict[bytes, bytes]
) -> None:
    cache = Cache(tmp_path_factory.mktemp("cache"))
    cache.put(values)
    keys = [*values, b"x" * 20]
    assert cache.get(keys) == values
    assert cache.known(keys) == values.keys()


def _values(count: int, size: int = 1000) -> dict[bytes, bytes]:
    return {number.to_bytes(20, "big"): os.urandom(size) for number in range(count)}


def test_each_prefix_has_its_own_entries() -> None:
    usual = alignment_key("fingerprint", "prompt", "target")
    assert alignment_key("fingerprint", "prompt", "target", "space") == usual
    assert alignment_key("fingerprint", "prompt", "target", "none") != usual


def test_damaged_entries_are_misses(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    values = _values(3)
    first, second, third = values
    cache.put(values)
    with sqlite3.connect(cache.path) as db:
        flipped = bytes([values[first][0] ^ 1]) + values[first][1:]
        db.execute("UPDATE entries SET value = ? WHERE key = ?", (flipped, first))
        db.execute("UPDATE entries SET value = ? WHERE key = ?", (values[third], second))
    db.close()
    assert cache.get(list(values)) == {third: values[third]}


def test_every_damage_to_the_file_is_a_miss_and_heals(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    values = _values(40)
    cache.put(values)
    good = cache.path.read_bytes()
    damaged = [good[:length] for length in (0, 1, 99, 100, 5000, len(good) - 1)]
    damaged += [b"not a database at all, but long enough to be one" * 100]
    for at in range(0, len(good), 997):
        damaged.append(good[:at] + bytes(b ^ 0xFF for b in good[at : at + 40]) + good[at + 40 :])
    for content in damaged:
        cache.path.write_bytes(content)
        found = cache.get(list(values))
        assert all(values[key] == value for key, value in found.items())
    cache.clear()
    cache.put(values)
    assert cache.get(list(values)) == values


def test_a_file_that_is_no_database_is_started_afresh(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.path.write_bytes(b"x" * 10_000)
    values = _values(2)
    cache.put(values)  # finds the damage
    cache.put(values)
    assert cache.get(list(values)) == values


def test_bounded_in_size_the_unused_go_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path, limit=600_000)
    old, kept = _values(100, 3000), {b"k" * 20: os.urandom(1000)}
    cache.put({**old, **kept})
    with sqlite3.connect(cache.path) as db:
        db.execute("UPDATE entries SET used = used - 30")
    db.close()
    assert cache.get(list(kept)) == kept  # used today
    for number in range(7):
        cache.put({bytes([number]) * 20: os.urandom(50_000)})
        assert cache.size().size <= 600_000
    assert cache.get(list(kept)) == kept
    assert len(cache.get(list(old))) < 100


def test_no_room_and_no_folder_are_not_errors(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = Cache(tmp_path / "file" / "below")
    cache.put(_values(1))
    assert cache.get([b"x" * 20]) == {}
    assert cache.known([b"x" * 20]) == set()
    assert cache.size().entries == 0


def _hammer(folder: str, seed: int, failures: Any) -> None:
    cache = Cache(folder)
    for number in range(30):
        key = ((seed * 7 + number) % 40).to_bytes(20, "big")
        cache.put({key: key * 500})
        for found, value in cache.get([n.to_bytes(20, "big") for n in range(40)]).items():
            if value != found * 500:
                failures.put(found)


@pytest.mark.thorough
def test_several_processes_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    failures = context.Queue()
    workers = [
        context.Process(target=_hammer, args=(str(tmp_path), seed, failures)) for seed in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    assert failures.empty()
    assert len(Cache(tmp_path).get([n.to_bytes(20, "big") for n in range(40)])) == 40


def _convert(demo: DemoTree, out: Path, *more: str, **kwargs: Any) -> None:
    report = run_json(
        "convert",
        *("--traces_root", demo.traces, "--tokenizer_model", demo.tokenizer),
        *("--out_root", out),
        *more,
        **kwargs,
    )
    assert report["counts"]["converted"] == 96


def test_outputs_do_not_depend_on_it(demo: DemoTree, tmp_path: Path) -> None:
    env = {"EXP2PROC_CACHE_DIR": str(tmp_path / "cache")}
    _convert(demo, tmp_path / "none", "--no_cache", env=env)
    assert not (tmp_path / "cache").exists()
    for name in ("empty", "full"):
        _convert(demo, tmp_path / name, env=env)
        assert assert_same_tree(tmp_path / name, tmp_path / "none") == 96
    # Half of it gone, half of it damaged, on disk between two runs
    with sqlite3.connect(next((tmp_path / "cache").iterdir())) as db:
        db.execute("DELETE FROM entries WHERE rowid % 4 = 0")
        db.execute("UPDATE entries SET value = zeroblob(500) WHERE rowid % 4 = 1")
    db.close()
    for name in ("damaged", "healed"):
        _convert(demo, tmp_path / name, env=env)
        assert assert_same_tree(tmp_path / name, tmp_path / "none") == 96


_IMPORTS = """
import sys
from exp2proc.cli import main
code = main(sys.argv[1:])
loaded = [name for name in ("transformers", "tokenizers", "joblib") if name in sys.modules]
print(code, *loaded)
"""


def test_a_run_that_knows_every_text_loads_no_tokenizer(demo: DemoTree, tmp_path: Path) -> None:
    def loaded(out: str) -> str:
        done = subprocess.run(
            [
                *(sys.executable, "-c", _IMPORTS, "convert", "--quiet"),
                *("--traces_root", str(demo.traces), "--tokenizer_model", str(demo.tokenizer)),
                *("--out_root", str(tmp_path / out)),
            ],
            env={**os.environ, "EXP2PROC_CACHE_DIR": str(tmp_path / "cache")},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    assert loaded("first") == "0 transformers tokenizers\n"
    assert loaded("again") == "0\n"
    # One new text: the tokenizer is needed, but not the library that knows all of them.
    with sqlite3.connect(next((tmp_path / "cache").iterdir())) as db:
        db.execute("DELETE FROM entries WHERE rowid = (SELECT max(rowid) FROM entries)")
    db.close()
    assert loaded("one new") == "0 tokenizers\n"


def test_a_changed_tokenizer_is_another_tokenizer(demo: DemoTree, tmp_path: Path) -> None:
    env = {"EXP2PROC_CACHE_DIR": str(tmp_path / "cache")}
    _convert(demo, tmp_path / "first", env=env)
    path = demo.tokenizer / "tokenizer.json"
    changed = json.loads(path.read_text(encoding="utf-8"))
    changed["model"]["merges"] = changed["model"]["merges"][:100]
    path.write_text(json.dumps(changed), encoding="utf-8")
    report = run_json(
        "convert",
        *("--traces_root", demo.traces, "--tokenizer_model", demo.tokenizer),
        *("--out_root", tmp_path / "second"),
        env=env,
        code=1,
    )
    assert set(codes(report)) == {"prompt-length-mismatch"}


def test_the_command_shows_and_clears_it(demo: DemoTree, tmp_path: Path) -> None:
    env = {"EXP2PROC_CACHE_DIR": str(tmp_path / "cache")}
    empty = run_json("cache", env=env)
    assert (empty["entries"], empty["bytes"], empty["limit"]) == (0, 0, caching.DEFAULT_LIMIT)
    _convert(demo, tmp_path / "out", env=env)
    assert run_json("cache", env=env)["entries"] == 24 + 1  # texts, and the tokenizer itself
    shown = run_cli("cache", env=env)
    assert "25 entries" in shown.stdout
    assert str(tmp_path / "cache") in shown.stdout
    assert shown.stdout.endswith(", 0.1 of at most 1024 MiB\n")
    cleared = run_cli("cache", "--clear", env={**env, "EXP2PROC_CACHE_MB": "5"})
    assert (cleared.returncode, cleared.stdout[:26]) == (0, "forgot 25 entries (0.1 MiB")
    now = run_json("cache", env={**env, "EXP2PROC_CACHE_MB": "5"})
    assert (now["entries"], now["limit"]) == (0, 5 << 20)


@pytest.mark.parametrize("command", ["cache", "env"])
@pytest.mark.parametrize(
    ("limit", "told"), [("", "1024"), ("7", "7"), ("0.5", "0.5"), ("0", "0"), ("2000", "2000")]
)
def test_its_limit_is_told_in_the_unit_that_sets_it(command: str, limit: str, told: str) -> None:
    shown = run_cli(command, env={"EXP2PROC_CACHE_MB": limit}).stdout
    assert f" of at most {told} MiB\n" in shown


def test_help_and_page_name_the_limit_that_it_has() -> None:
    usual = f"{caching.DEFAULT_LIMIT >> 20}"
    assert f"bounds it, in MiB (default: {usual})" in " ".join(
        run_cli("cache", "--help").stdout.split()
    )
    page = Path(__file__).resolve().parents[2] / "docs/explanation/cache.md"
    assert f"{usual} MiB" in page.read_text(encoding="utf-8")
