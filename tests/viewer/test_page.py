"""The page as one file: its policy, what it names, and samples inside it."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.cli import run_cli
from support.exported import write_export

import exp2proc
from exp2proc.viewer.page import Kind, make_page


class Strict(HTMLParser):
    """Refuses what a strict policy refuses, and what needs a network."""

    def __init__(self) -> None:
        super().__init__()
        self.policy: dict[str, str] = {}
        self.inline: dict[str, list[str]] = {"script": [], "style": [], "json": []}
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert tag not in ("iframe", "object", "embed", "base", "form"), tag
        assert not [name for name in given if name.startswith("on") or name == "style"], given
        self.inside = "json" if given.get("type") == "application/json" else tag
        for name in ("src", "href"):
            if link := given.get(name):
                assert link == "#" or link.startswith("data:image/svg+xml;base64,"), link
        if given.get("http-equiv") == "Content-Security-Policy":
            rules = (given["content"] or "").split(";")
            self.policy = dict(rule.strip().split(" ", 1) for rule in rules)

    def handle_data(self, data: str) -> None:
        if self.inside in self.inline:
            self.inline[self.inside].append(data)

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""


def read(page: str) -> Strict:
    reader = Strict()
    reader.feed(page)
    reader.close()
    return reader


def allowed(content: str) -> str:
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    return f"'sha256-{digest}'"


@pytest.mark.parametrize("kind", ["folder", "server", "files"])
def test_the_policy_allows_the_page_itself_and_no_more(kind: Kind) -> None:
    reader = read(make_page(kind))
    script, style = ("".join(reader.inline[name]) for name in ("script", "style"))
    rules = reader.policy
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["style-src"] == allowed(style)
    own = f"{allowed(script)} 'self'" if kind == "folder" else allowed(script)
    assert rules["script-src"] == own
    assert rules["connect-src"] == ("'self'" if kind == "server" else "'none'")
    assert set(rules) == {
        *("default-src", "script-src", "connect-src", "style-src", "img-src"),
        *("base-uri", "form-action"),
    }
    plain = script.replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|innerHTML|outerHTML|insertAdjacent|eval\(|@import", plain)
    assert json.loads("".join(reader.inline["json"])) == {"kind": kind}


def test_names_inside_cannot_end_the_script_that_holds_them() -> None:
    given = {"path": "</script><script>alert(1)</script>", "names": {}, "npz": ""}
    reader = read(make_page("files", [given]))
    (held,) = reader.inline["json"]
    assert json.loads(held)["samples"] == [given]


def test_single(tmp_path: Path) -> None:
    one, two = (tmp_path / f"math/m/ifr_n1_2ex/ex_00000{at}.npz" for at in range(2))
    for at, path in enumerate((one, two)):
        write_export(path, [" a", f"{at}"])
    target = tmp_path / "page.html"
    done = run_cli("gallery", "--single", one, two, "-o", target)
    assert (done.returncode, done.stdout) == (0, f"2 samples inside: open {target}\n")
    given: dict[str, Any] = json.loads("".join(read(target.read_text("utf-8")).inline["json"]))
    assert [base64.b64decode(sample["npz"]) for sample in given["samples"]] == [
        one.read_bytes(),
        two.read_bytes(),
    ]
    assert given["samples"][0]["names"]["tag"] == "ifr_n1_2ex"
    first = target.read_bytes()
    assert run_cli("gallery", "--single", one, two, "-o", target).returncode == 0
    assert target.read_bytes() == first
    done = run_cli("gallery", "--single", "-o", target)
    assert (done.returncode, done.stdout) == (0, f"no sample inside: open {target}\n")


def test_single_replaces_no_other_file(tmp_path: Path) -> None:
    sample = tmp_path / "math/m/ifr_n1_2ex/ex_000000.npz"
    write_export(sample, [" a"])
    before = sample.read_bytes()
    for target in (sample, tmp_path / "math"):
        done = run_cli("gallery", "--single", sample, "-o", target)
        assert (done.returncode, "target-exists" in done.stderr) == (2, True)
    assert sample.read_bytes() == before
    sample.write_bytes(b"PK")
    done = run_cli("gallery", "--single", sample, "-o", tmp_path / "x.html")
    assert (done.returncode, "sample-invalid" in done.stderr) == (2, True)
    assert not (tmp_path / "x.html").exists()


def test_a_sample_in_a_notebook_is_a_frame_that_reaches_nothing(tmp_path: Path) -> None:
    path = tmp_path / "math/m/ifr_n1_2ex/ex_000000.npz"
    write_export(path, [" a", '"<b>'], hop=[[1, 2], [3, 4]])
    (sample,) = exp2proc.iter_samples(path)
    frame = sample.view(hop=1, scale="rank")._repr_html_()
    found = re.fullmatch(
        r'<iframe srcdoc="([^"]*)" sandbox="([^"]*)" style="[^"]*"></iframe>', frame
    )
    assert found
    assert "allow-same-origin" not in found[2]
    given = json.loads("".join(read(html.unescape(found[1])).inline["json"]))
    assert given["address"] == "s=math%2Fm%2Fifr_n1_2ex%2Fex_000000.npz&v=1&scale=rank"
    inside = tmp_path / "inside.npz"
    inside.write_bytes(base64.b64decode(given["samples"][0]["npz"]))
    again = exp2proc.load_sample(inside)
    np.testing.assert_array_equal(again.hop, sample.hop)
    assert again.tok is not None and again.tok.tolist() == [" a", '"<b>']
    with pytest.raises(IndexError):
        sample.view(hop=2)
