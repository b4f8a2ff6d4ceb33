"""Samples that inflate to gigabytes: each costs its own file, whoever reads it, and no memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.bombs import write_bomb
from support.cli import run_cli, run_json
from support.exported import write_export

from exp2proc.demo.tree import DemoTree
from exp2proc.errors import Exp2procError
from exp2proc.formats.sample import load_sample, load_scores

from .kind import measured

_G = 1 << 28  # that many float32 are a GiB
_BOMBS: dict[str, tuple[dict[str, tuple[str, tuple[int, ...]]], str]] = {
    "all": (
        {
            "attr": ("<f4", (_G,)),
            "tok": ("<U1", (_G,)),
            "hop": ("<f4", (1, _G)),
        },
        "its arrays claim 3221226",
    ),
    "tok wide": ({"tok": ("<U100000000", (4,))}, "its arrays claim 1600001"),
    "tok of others": ({"tok": ("<U1", (40_000_000,))}, "tok is str32[40000000], not str[4]"),
    "hop of others": ({"hop": ("<f4", (4, 9_000_000))}, "hop is float32[4, 9000000], not"),
    "attr alone": ({"attr": ("<f4", (40_000_000,))}, "attr has 40000000 tokens, at most 4194304"),
    "hops": ({"hop": ("<f4", (9_000_000, 4))}, "hop has 9000000 hops, at most 1024"),
    "hops of nothing": (
        {
            "attr": ("<f4", (0,)),
            "tok": ("<U1", (0,)),
            "hop": ("<f4", (1 << 50, 0)),
        },
        f"hop has {1 << 50} hops, at most 1024",
    ),
    "span": ({"span_in": ("<i8", (40_000_000,))}, "span_in claims 320000"),
    "score": ({"mas": ("<f8", (40_000_000,))}, "mas claims 320000"),
}


@pytest.mark.parametrize("bomb", _BOMBS)
def test_nothing_of_it_is_inflated(tmp_path: Path, bomb: str) -> None:
    arrays, says = _BOMBS[bomb]
    path = write_bomb(tmp_path / "ex_000000.npz", **arrays)
    assert path.stat().st_size < 6e6
    with pytest.raises(Exp2procError) as caught:
        load_sample(path)
    assert caught.value.code == "sample-invalid"
    assert says in caught.value.message
    if bomb not in ("hops of nothing", "span"):  # nothing that is large; not asked for scores
        with pytest.raises(Exp2procError, match=r"sample-invalid: \S+ex_000000\.npz: "):
            load_scores(path)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine bombs and two samples."""
    run = tmp_path_factory.mktemp("bombs") / "math/qwen-8B/ifr_n1"
    for number, (arrays, _) in enumerate(_BOMBS.values()):
        write_bomb(run / f"ex_{number:06}.npz", **arrays)
    for number in (100, 101):
        write_export(run / f"ex_{number:06}.npz", ["a", "b", "c"], hop=[[1, 2, 3]])
    return run.parents[2]


@pytest.mark.parametrize("command", ["check", "pack", "gallery", "summary"])
def test_each_costs_its_own_file(out: Path, tmp_path: Path, command: str) -> None:
    if command == "pack":
        pytest.importorskip("pyarrow")
    target = {"pack": ("-o", tmp_path / "x.parquet"), "gallery": ("-o", tmp_path / "site")}
    done, peak = measured(tmp_path / "peak", command, out, *target.get(command, ()))
    assert done.returncode == 1, done
    assert b"Traceback" not in done.stderr
    said = (done.stdout + done.stderr).decode()
    if command == "check":
        assert f"sample-invalid ({len(_BOMBS)})" in said
    else:
        assert "and 4 more" in said or command == "summary"
        assert "its arrays claim" in said
    assert peak < 250, f"{peak:.0f} MB"


def test_show_says_it_in_a_line(out: Path, tmp_path: Path) -> None:
    path = next(iter(sorted(out.rglob("*.npz"))))
    done, peak = measured(tmp_path / "peak", "show", path)
    assert done.returncode == 2
    assert f"exp2proc: sample-invalid: {path}: its arrays" in done.stderr.decode()
    assert peak < 150, f"{peak:.0f} MB"


def test_a_bomb_at_a_samples_place_is_made_again(demo: DemoTree, tmp_path: Path) -> None:
    runs = sorted(path.parent for path in demo.traces.rglob("manifest.jsonl"))
    run, out = runs[0], tmp_path / "out"
    words = ("--trace_dir", run, "--layout", "proc_1", "--out_dir", out, "--jobs", "1")
    run_json("convert", *words)
    good = sorted(out.glob("*.npz"))
    want = [path.read_bytes() for path in good]
    for path, (arrays, _) in zip(good, _BOMBS.values(), strict=False):
        write_bomb(path, **arrays)
    done, peak = measured(tmp_path / "peak", "convert", *words, "--resume", "--json")
    assert done.returncode == 0
    assert [path.read_bytes() for path in good] == want
    assert b'"reason": "too large"' in done.stdout
    assert peak < 250, f"{peak:.0f} MB"


def test_no_address_space_is_needed_for_what_is_claimed(out: Path, tmp_path: Path) -> None:
    """The real command where the system gives a process no more than a gigabyte."""
    limited = (
        "import resource, runpy, sys;"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30));"
        "sys.argv[0] = 'exp2proc'; runpy.run_module('exp2proc', run_name='__main__')"
    )
    words = ["check", str(out), "--jobs", "1"]
    done = subprocess.run(
        [sys.executable, "-c", limited, *words], capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 1, done.stderr
    assert f"sample-invalid ({len(_BOMBS)})".encode() in done.stdout


def test_what_is_large_and_genuine_is_read(tmp_path: Path) -> None:
    """Many tokens, and a piece of many characters: 60 MB in `tok`, 3 in `attr`."""
    pieces = np.full(30_000, "word", "U500")
    pieces[17] = " " * 500
    path = write_export(tmp_path / "ex_000000.npz", pieces.tolist())
    sample = load_sample(path)
    assert sample.tok is not None
    assert sample.tok.dtype.itemsize == 2000
    assert sample.tok[17] == " " * 500


def test_show_of_a_good_one_still_works(out: Path) -> None:
    assert run_cli("show", next(out.rglob("ex_000100.npz"))).returncode == 0
