"""Building the gallery: what stands in its files. What they do in a browser: test_browser.py."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.cli import COMMAND, run_cli
from support.exported import NAN, write_export
from support.processes import unmeasured

import exp2proc
from exp2proc.viewer import facts

METHODS = ("attnlrp_negdrop_normnorm_2ex", "ifr_n1_2ex")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    root = tmp_path / "out"
    for run_tag in METHODS:
        for number in range(2):
            path = root / "data/math.jsonl/qwen-8B" / run_tag / f"ex_{number:06d}.npz"
            write_export(path, ["<b>", f" {number}"], scores=(0.5, NAN, 0.1), hop=[[1, 2]])
    write_export(root / "bare/qwen-8B/ifr_n1_2ex/ex_000000.npz", None, length=4)
    return root


def build(out: Path, code: int = 0, *words: str | Path) -> Path:
    site = out.parent / "site" if out.name == "out" else out.parent.parent / "site"
    done = run_cli("gallery", out, "-o", site, *words)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return site


def index_of(site: Path) -> dict[str, Any]:
    script = (site / "data/index.js").read_text(encoding="ascii")
    found = re.fullmatch(r"exp2proc\.index\((.*)\);\n", script)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def arrays_of(site: Path, name: str) -> dict[str, np.ndarray[Any, Any]]:
    """The npz in a data file, as numpy reads it."""
    script = (site / f"data/{name}.js").read_text(encoding="ascii")
    found = re.fullmatch(rf'exp2proc\.put\("{name}", "(.*)"\);\n', script)
    assert found
    with np.load(io.BytesIO(base64.b64decode(found[1]))) as held:
        return dict(held)


def test_samples_and_texts_lie_there_once_and_whole(out: Path) -> None:
    site = build(out)
    index = index_of(site)
    assert [(run["dataset"], run["path"], run["method"]) for run in index["runs"]] == [
        ("bare", "bare", "ifr"),
        ("math", "data/math.jsonl", "attnlrp"),
        ("math", "data/math.jsonl", "ifr"),
    ]
    files = sorted(out.rglob("*.npz"), key=lambda path: path.relative_to(out).as_posix())
    assert len(index["samples"]) == len(index["facts"]) == len(files) == 5
    for path, (_, file, name), (_, text, tokens, hops, *_) in zip(
        files, index["samples"], index["facts"], strict=True
    ):
        with np.load(path) as held:
            wanted = dict(held)
        found = arrays_of(site, name)
        if "tok" in wanted:
            found |= arrays_of(site, text)
        assert file == path.name
        assert (tokens, hops) == (len(wanted["attr"]), len(wanted.get("hop", ())))
        assert found.keys() == wanted.keys()
        for key, array in wanted.items():
            assert found[key].dtype == array.dtype
            np.testing.assert_array_equal(found[key], array)
    # the same text under two methods is one text
    texts = [fact[1] for fact in index["facts"]]
    assert texts[1:3] == texts[3:5]
    assert len(set(texts)) == 3
    assert len(list(site.glob("data/*.js"))) == 1 + 5 + 2
    assert index["facts"][1][4:7] == [[1, 0, 0, 0], [0.5, None, 0.1], "<b> 0"]
    assert index["facts"][3][6] == ""  # told once


def test_a_text_that_numpy_packed_otherwise_is_shown_too(tmp_path: Path) -> None:
    path = tmp_path / "out/d/m/ifr_n1_1ex/ex_000000.npz"
    write_export(path, [" a", "b"])
    with np.load(path) as held:
        arrays = dict(held)
    np.savez(path, **arrays)  # stored, not deflated
    site = build(tmp_path / "out")
    (fact,), (sample,) = index_of(site)["facts"], index_of(site)["samples"]
    assert arrays_of(site, fact[1])["tok"].tolist() == [" a", "b"]
    np.testing.assert_array_equal(arrays_of(site, sample[2])["attr"], arrays["attr"])


def test_links_stay_good_and_only_a_gallery_is_replaced(out: Path) -> None:
    site = build(out)
    before = sorted(path.name for path in site.glob("data/*"))
    (site / "data/stale.js").write_text("")
    (site / "pages").mkdir()  # of an earlier release
    (out / "data/math.jsonl/qwen-8B" / METHODS[0] / "ex_000001.npz").unlink()
    again = sorted(path.name for path in build(out, 0, "--jobs", "2").glob("data/*"))
    assert set(again) < set(before)
    assert len(again) == len(before) - 1
    assert not (site / "pages").exists()
    other = out.parent / "mine"
    other.mkdir()
    (other / "thesis.tex").write_text("x")
    done = run_cli("gallery", out, "-o", other)
    assert done.returncode == 2
    assert "target-exists" in done.stderr
    assert [path.name for path in other.iterdir()] == ["thesis.tex"]


def test_workers_build_the_same(out: Path) -> None:
    one = {path.name: path.read_bytes() for path in build(out).rglob("*") if path.is_file()}
    two = build(out, 0, "--jobs", "2")
    assert {path.name: path.read_bytes() for path in two.rglob("*") if path.is_file()} == one


def test_a_file_that_is_no_sample_is_told_with_its_reason(out: Path) -> None:
    bad = out / "data/math.jsonl/qwen-8B" / METHODS[1] / "ex_000000.npz"
    bad.write_bytes(b"PK")
    index = index_of(build(out, 1))
    assert index["failed"] == [[3, "it has 2 bytes: not a zip archive"]]
    assert [fact[0] for fact in index["facts"]] == [0, 1, 2, 4]
    before = _contents(out.parent / "site")
    for path in out.rglob("*.npz"):
        path.write_bytes(b"PK")
    assert _contents(build(out, 2)) == before
    done = run_cli("gallery", out, "-o", out.parent / "new")
    assert done.returncode == 2
    assert not (out.parent / "new").exists()


def _contents(site: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in site.rglob("*") if path.is_file()}


def test_interrupted(out: Path) -> None:
    first = next((out / "data").rglob("*.npz"))
    for number in range(4000):
        os.link(first, first.parent / f"ex_1{number:05d}.npz")
    site = build(out / "bare")
    before = _contents(site)
    process = subprocess.Popen(
        [*COMMAND, "gallery", str(out), "-o", str(site)],
        stderr=subprocess.PIPE,
        text=True,
        env=unmeasured(),
    )
    deadline = time.monotonic() + 60
    while len(list(site.glob(".*/*/data/*"))) < 20:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in told
    assert _contents(site) == before


_KILLED_WHEN_RENAMING = (
    "import itertools, os, signal, sys\n"
    "rename, counted = os.rename, itertools.count(1)\n"
    "def renamed(*paths):\n"
    "    if next(counted) == int(sys.argv[1]):\n"
    "        os.kill(os.getpid(), signal.SIGKILL)\n"
    "    rename(*paths)\n"
    "os.rename = staticmethod(renamed)\n"  # no method where Python 3.10 keeps it
    "from exp2proc.cli import main\n"
    "sys.exit(main(sys.argv[2:]))\n"
)
"""Runs a command that is killed in place of one of its renames."""


@pytest.mark.parametrize("earlier", [True, False])
@pytest.mark.parametrize("rename", [1, 2, 4, 8])
def test_a_killed_build_leaves_the_earlier_gallery_or_none(
    out: Path, rename: int, earlier: bool
) -> None:
    """At no moment an index beside data of another build; the next build leaves nothing of it."""
    site = out.parent / "site"
    first = _contents(build(out)) if earlier else {}
    (out / "data/math.jsonl/qwen-8B" / METHODS[0] / "ex_000001.npz").unlink()
    words = map(str, (rename, "gallery", out, "-o", site))
    code = [sys.executable, "-c", _KILLED_WHEN_RENAMING, *words]
    assert subprocess.run(code, check=False).returncode == -signal.SIGKILL
    (hidden,) = site.glob(".*-tmp")
    stands = {path: data for path, data in _contents(site).items() if hidden not in path.parents}
    assert (site / "index.html" in stands) == (earlier and rename == 1)
    assert stands == first or site / "index.html" not in stands
    build(out)
    assert [path.name for path in site.glob(".*")] == [".exp2proc-gallery"]
    assert len(index_of(site)["samples"]) == 4


def test_from_python_with_progress(out: Path) -> None:
    seen: list[int] = []
    built = exp2proc.build_gallery(
        out, out.parent / "s", on_progress=lambda progress: seen.append(progress.done)
    )
    assert seen == [1, 2, 3, 4, 5]
    assert (built.samples, built.failures, built.index.is_file()) == (5, [], True)


def test_what_is_in_the_way_is_seen_before_anything_changes(out: Path, tmp_path: Path) -> None:
    site, other = tmp_path / "site", tmp_path / "other"
    assert run_cli("gallery", out, "-o", site).returncode == 0
    (site / "data").rename(other)
    (site / "data").symlink_to(other)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    done = run_cli("gallery", out, "-o", site)
    assert done.returncode == 2
    assert f"target-exists: {site / 'data'} is a link" in done.stderr
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_where_no_sample_is_shown_other_files_stay(out: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    assert run_cli("gallery", out, "-o", site).returncode == 0
    (site / "mine.txt").write_text("mine")
    for path in out.rglob("*.npz"):
        path.write_bytes(b"")
    before = _contents(site)
    assert run_cli("gallery", out, "-o", site).returncode == 2
    assert _contents(site) == before


def test_without_out_there_is_nothing_to_build(tmp_path: Path) -> None:
    done = run_cli("gallery", "-o", tmp_path / "site")
    assert (done.returncode, "no OUT was named" in done.stderr) == (2, True)
    assert not (tmp_path / "site").exists()


def test_ranges_hold_just_their_indices() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        indices = rng.integers(0, 40, rng.integers(0, 30))
        ranges = facts._ranges(indices)
        held = [at for first, last in ranges for at in range(first, last + 1)]
        assert held == sorted({*indices.tolist()})
        assert all(one[1] + 1 < two[0] for one, two in pairwise(ranges))
