"""Building the gallery: what stands in its files. What they do in a browser: test_browser.py."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from support.cli import COMMAND, run_cli
from support.exported import NAN, write_export
from support.processes import unmeasured

import exp2proc

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


def build(out: Path, code: int = 0, *words: str) -> Path:
    site = out.parent / "site" if out.name == "out" else out.parent.parent / "site"
    done = run_cli("gallery", out, "-o", site, *words)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return site


def index_of(site: Path) -> dict[str, Any]:
    page = (site / "index.html").read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="index">(.*?)</script>', page)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


class Strict(HTMLParser):
    """Refuses what a strict policy refuses, and what needs a network."""

    def __init__(self) -> None:
        super().__init__()
        self.policy = ""
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert tag not in ("style", "iframe", "object", "embed", "base"), tag
        assert not [name for name in given if name.startswith("on") or name == "style"], given
        if tag == "script" and given.get("type") != "application/json":
            assert given.get("src"), "an inline script"
        for name in ("src", "href"):
            if link := given.get(name):
                assert not re.match(r"[a-z]+:|//", link), link
                self.links.append(link)
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"] or ""


def test_a_partial_run_is_marked_in_the_index(out: Path) -> None:
    page = (build(out) / "index.html").read_text(encoding="utf-8")
    assert page.count('<td class="num">2</td>') == 2
    assert '<td class="num">1 of 2</td>' in page


def test_tokens_of_both_cot_and_output_are_drawn_once_as_output(tmp_path: Path) -> None:
    path = tmp_path / "out/d/m/ifr_n1_1ex/ex_000000.npz"
    write_export(path, [" in", "a", "b", "c", "d"], spans=((0, 0), (1, 4), (2, 3)))
    (page,) = (build(tmp_path / "out") / "pages").glob("*.html")
    text = page.read_text(encoding="utf-8")
    assert re.findall(r'data-part="(\w+)" data-first="(\d)"', text) == [
        ("in", "0"),
        ("cot", "1"),
        ("out", "2"),
        ("cot", "4"),
    ]
    assert "Output 2, CoT 1; CoT and output share 2" in text


def test_every_page_is_strict_and_its_links_lead_somewhere(out: Path) -> None:
    site = build(out)
    pages = sorted(site.rglob("*.html"))
    assert len(pages) == 1 + 5
    for page in pages:
        reader = Strict()
        reader.feed(page.read_text(encoding="utf-8"))
        rules = dict(rule.strip().split(" ", 1) for rule in reader.policy.split(";"))
        assert rules["default-src"] == "'none'"
        assert rules["script-src"] == rules["style-src"] == "'self'"
        assert reader.links
        for link in reader.links:
            assert (page.parent / link).is_file(), (page, link)
    for script in (*site.rglob("*.js"), *site.rglob("*.css")):
        text = script.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|innerHTML|eval\(|fetch\(|@import", text), script


def test_index_lists_samples_and_texts(out: Path) -> None:
    site = build(out)
    data = index_of(site)
    assert data["datasets"] == ["bare", "math"]
    assert data["methods"] == ["attnlrp", "ifr"]
    rows = data["samples"]
    assert [row[3] for row in rows] == ["ex_000000"] * 2 + ["ex_000001", "ex_000000", "ex_000001"]
    assert rows[1][4] == "<b> 0"
    assert rows[1][7:10] == [0.5, None, 0.1]
    for row in rows:
        assert (site / f"pages/{row[-1]}.html").is_file()
    # the same text under two methods is one text
    groups = [path.read_text() for path in site.glob("data/text-*.js")]
    assert sorted(group.count('"id"') for group in groups) == [1, 2, 2]
    both = next(group for group in groups if rows[1][-1] in group)
    assert rows[3][-1] in both
    assert '"ifr"' in both


def test_links_stay_good_and_only_a_gallery_is_replaced(out: Path) -> None:
    site = build(out)
    before = sorted(path.name for path in site.glob("pages/*"))
    (site / "pages/stale.html").write_text("")
    (out / "data/math.jsonl/qwen-8B" / METHODS[0] / "ex_000001.npz").unlink()
    again = sorted(path.name for path in build(out, 0, "--jobs", "2").glob("pages/*"))
    assert set(again) < set(before)
    assert len(again) == 4
    other = out.parent / "mine"
    other.mkdir()
    (other / "thesis.tex").write_text("x")
    done = run_cli("gallery", out, "-o", other)
    assert done.returncode == 2
    assert "target-exists" in done.stderr
    assert [path.name for path in other.iterdir()] == ["thesis.tex"]


def test_a_file_that_is_no_sample_has_a_page_that_says_so(out: Path) -> None:
    bad = out / "data/math.jsonl/qwen-8B" / METHODS[1] / "ex_000000.npz"
    bad.write_bytes(b"PK")
    site = build(out, 1)
    pages = [page.read_text(encoding="utf-8") for page in site.glob("pages/*.html")]
    assert sum("This file is not shown" in page for page in pages) == 1
    assert "1 file is not shown" in (site / "index.html").read_text(encoding="utf-8")
    for path in out.rglob("*.npz"):
        path.write_bytes(b"PK")
    build(out, 2)
    assert not site.exists()


def test_interrupted(out: Path) -> None:
    first = next((out / "data").rglob("*.npz"))
    for number in range(2000):
        os.link(first, first.parent / f"ex_1{number:05d}.npz")
    site = build(out / "bare")
    process = subprocess.Popen(
        [*COMMAND, "gallery", str(out), "-o", str(site)],
        stderr=subprocess.PIPE,
        text=True,
        env=unmeasured(),
    )
    deadline = time.monotonic() + 60
    while len(list(site.glob("data/*"))) < 5 or (site / "index.html").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in told
    assert not (site / "index.html").exists()
    assert (build(out / "bare") / "index.html").is_file()


def test_from_python_with_progress(out: Path) -> None:
    seen: list[int] = []
    built = exp2proc.build_gallery(
        out, out.parent / "s", on_progress=lambda progress: seen.append(progress.done)
    )
    assert seen == [1, 2, 3, 4, 5]
    assert (built.samples, built.failures, built.index.is_file()) == (5, [], True)


@pytest.mark.parametrize("name", ["pages", "data", "static"])
def test_what_is_in_the_way_is_seen_before_anything_changes(
    out: Path, tmp_path: Path, name: str
) -> None:
    site, other = tmp_path / "site", tmp_path / "other"
    assert run_cli("gallery", out, "-o", site).returncode == 0
    (site / name).rename(other)
    (site / name).symlink_to(other)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    done = run_cli("gallery", out, "-o", site)
    assert done.returncode == 2
    assert f"target-exists: {site / name} is a link" in done.stderr
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_where_no_sample_is_drawn_other_files_stay(out: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    assert run_cli("gallery", out, "-o", site).returncode == 0
    (site / "mine.txt").write_text("mine")
    for path in out.rglob("*.npz"):
        path.write_bytes(b"")
    assert run_cli("gallery", out, "-o", site).returncode == 2
    assert [path.name for path in site.iterdir()] == ["mine.txt"]
