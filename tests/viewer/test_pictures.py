"""`exp2proc show -o`: a page, a picture, a snippet of TeX; whatever a text holds is shown."""

from __future__ import annotations

import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.cli import run_cli
from support.exported import write_export
from support.processes import fingerprint

import exp2proc
from exp2proc.demo.tree import DemoTree
from exp2proc.formats.cells import sample_cells
from exp2proc.formats.sample import Sample
from exp2proc.formats.shares import PARTS
from exp2proc.formats.spans import NONE, SampleSpans
from exp2proc.viewer.heatmap import page_html
from exp2proc.viewer.svg import Glyph, column_width, svg, wrapped
from exp2proc.viewer.tex import tex

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = [
    *(" Ada", " has", "</text><script>", "&amp;", "{\\evil}", " 50%", " $x_1^2$ ~#", "--", "''"),
    *("游戏", "副本", "🍎", "🍎", "🍎", "\n", "\n\n", "\t", "\x01", "", "e\u0301", "``?`"),
    *('"<|>"', "  "),
]
ASCII = [token for token in HOSTILE if token.isascii()]


def make(path: Path, tokens: list[str]) -> Path:
    count = len(tokens)
    attr = [(-1) ** at * at / count for at in range(count)]
    spans = ((0, count // 3), (count // 3 + 1, count - 4), (count - 3, count - 2))
    return write_export(path, tokens, attr=attr, hop=[attr[::-1]], spans=spans)


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    return make(tmp_path / "out/exp/math.jsonl/qwen-8B/ifr_n1_1ex/ex_000000.npz", HOSTILE)


def written(sample: Path, target: Path, *words: str) -> str:
    done = run_cli("show", sample, "-o", target, *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{target}: ")
    return target.read_text(encoding="utf-8")


@pytest.mark.parametrize("ending", ["html", "svg", "tex", "SVG"])
def test_written_whole_and_the_same_again(sample: Path, tmp_path: Path, ending: str) -> None:
    target = tmp_path / "new" / f"x.{ending}"
    first = written(sample, target)
    assert "math/qwen-8B/ifr_n1_1ex/ex_000000.npz" in first
    assert str(tmp_path) not in first
    assert written(sample, target) == first  # an earlier one is replaced
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    others = {written(sample, target, word) for word in ("--hop=0", "--scale=rank")}
    assert len({first, *others}) == 3


@pytest.mark.parametrize("ending", ["html", "svg", "tex"])
def test_nothing_else_is_replaced(
    demo: DemoTree, sample: Path, tmp_path: Path, ending: str
) -> None:
    target = tmp_path / f"mine.{ending}"
    target.write_text("mine")
    done = run_cli("show", sample, "-o", target)
    assert (done.returncode, done.stdout, target.read_text()) == (2, "", "mine")
    assert "target-exists" in done.stderr
    before = fingerprint(demo.root)
    run = next(demo.traces.rglob("manifest.jsonl")).parent
    done = run_cli("show", sample, "-o", run / f"x.{ending}")
    assert "output-is-trace" in done.stderr
    assert fingerprint(demo.root) == before


def test_refusals(sample: Path, tmp_path: Path) -> None:
    for name in ("x.png", "x", ".html"):
        done = run_cli("show", sample, "-o", tmp_path / name)
        assert done.returncode == 2
        assert ".html, .svg, .tex" in done.stderr
    for words in (["x.html", "--width=80"], ["x.tex", "--width=80"], ["x.svg", "--top=3"]):
        done = run_cli("show", sample, "-o", tmp_path / words[0], words[1])
        assert (done.returncode, done.stdout) == (2, "")
        assert words[1].partition("=")[0] in done.stderr
    assert run_cli("show", sample, "-o", tmp_path / "x.svg", "--hop=1").returncode == 2
    assert not list(tmp_path.glob("x.*"))


def test_the_page_has_no_right_to_anything(sample: Path, tmp_path: Path) -> None:
    page = written(sample, tmp_path / "x.html")
    assert "default-src 'none'; style-src 'sha256-" in page
    assert "<script" not in page.lower()
    assert not re.search(r"(?:src|href)=|url\(|@import", page)
    assert "RISE ↓" in page


def texts(picture: str) -> list[tuple[float, float, str]]:
    found = ElementTree.fromstring(picture).iter(f"{SVG}text")
    return [(float(one.attrib["y"]), float(one.attrib["x"]), one.text or "") for one in found]


def test_the_picture_holds_the_text(sample: Path) -> None:
    loaded = exp2proc.load_sample(sample)
    picture = svg(loaded, "x", columns=30)
    root = ElementTree.fromstring(picture)
    assert {one.tag.removeprefix(SVG) for one in root.iter()} == {"svg", "title", "rect", "text"}
    lines = [text for _, _, text in texts(picture)]
    drawn = "".join(text for text in lines if not re.match(r"\w+: tokens \d+–\d+", text))
    wanted = "".join(cell.text for cell in sample_cells(loaded))
    for char, symbol in (("\x01", "␁"), ("\n", "↵"), ("\t", "→")):
        wanted = wanted.replace(char, symbol)
    assert re.sub("[ ∅]", "", drawn).endswith(re.sub("[ ∅]", "", wanted))
    width = float(root.attrib["width"])
    for rect in [*root.iter(f"{SVG}rect")][1:]:
        assert float(rect.attrib["x"]) + float(rect.attrib["width"]) <= width - 23
    tops = sorted({y for y, _, _ in texts(picture)})
    assert all(b - a >= 20 for a, b in pairwise(tops))


def test_columns() -> None:
    def width(text: str) -> int:
        befores = ["", *text]
        return sum(column_width(c, b) for c, b in zip(text, befores, strict=False))

    assert [width(text) for text in ("ab", "游戏", "e\u0301", "❤\ufe0f", "👍🏽", "👩\u200d🚀")] == [
        *(2, 4, 1, 2, 2, 2)
    ]
    glyphs = [Glyph(char, column_width(char, ""), 0) for char in "one two 游戏副本 abcdefghijk\nx"]
    lines = ["".join(glyph.char for glyph in line) for line in wrapped(glyphs, 8)]
    assert lines == ["one two ", "游戏副本", " ", "abcdefgh", "ijk", "x"]


def test_what_joins_is_drawn_as_one(tmp_path: Path) -> None:
    tokens = ["a", "👩", "\u200d", "🚀", "游", "👍", "🏽", "e", "\u0301", "，"]
    picture = svg(exp2proc.load_sample(write_export(tmp_path / "x.npz", tokens)), "x")
    drawn = [text for y, _, text in texts(picture)][-6:]
    assert drawn == ["a", "👩\u200d🚀", "游", "👍🏽", "e\u0301", "，"]
    columns = [round((x - 24) / 8.4) for _, x, _ in texts(picture)][-6:]
    assert columns == [0, 1, 3, 5, 7, 8]


@settings(deadline=None)  # the first one loads the templates
@given(st.lists(st.text(max_size=4), max_size=12), st.integers(1, 40))
def test_any_text(tokens: list[str], columns: int) -> None:
    sample = Sample(
        "proc",
        np.arange(len(tokens), dtype=np.float32),
        SampleSpans((0, len(tokens) - 1), NONE, NONE),
        dict.fromkeys(("rise", "mas", "recovery"), 0.5),
        tok=np.array(tokens, dtype=np.str_),
    )
    ElementTree.fromstring(svg(sample, "x", columns=columns).encode())
    body = re.sub(r"\\[\\{}%&#$_ ]", "", tex(sample, "x"))
    assert body.count("{") == body.count("}")
    page_html(sample, "x").encode()


def test_parts_have_colours_of_their_own(sample: Path) -> None:
    picture = svg(exp2proc.load_sample(sample), "x")
    titles = re.findall(r'fill="(#\w+)">(?:Input|CoT|Output|Rest):', picture)
    assert len(set(titles)) == len(PARTS)


def test_tex_is_balanced_and_escaped(sample: Path, tmp_path: Path) -> None:
    snippet = written(sample, tmp_path / "x.tex")
    assert "% Engine: xelatex or lualatex" in snippet
    body = snippet.partition("\\begingroup")[2]
    bare = re.sub(r"\\[\\{}%&#$_ ]", "", body)
    assert bare.count("{") == bare.count("}")
    defined = set(re.findall(r"\\definecolor\{exp2proc(\w+)\}", body))
    assert set(re.findall(r"\\exptwoproc\{(\w+)\}", body)) == defined
    wanted = (r"\textbackslash{}evil", r"50\%", r"\$x\_1\textasciicircum{}2\$", "<U+0001>", "游戏")
    assert all(text in body for text in wanted)
    assert body.count(r"\par\leavevmode\strut%") == 3
    assert "% Engine: any" in tex(exp2proc.load_sample(make(tmp_path / "a.npz", ASCII)), "x")


@pytest.mark.parametrize(("engine", "tokens"), [("pdflatex", ASCII), ("xelatex", HOSTILE)])
def test_tex_compiles(tmp_path: Path, engine: str, tokens: list[str]) -> None:
    if shutil.which(engine) is None:
        pytest.skip(f"{engine} is not installed")
    written(make(tmp_path / "a.npz", tokens), tmp_path / "x.tex")
    preamble = r"\documentclass{article}\usepackage{xcolor}"
    text = preamble + r"\begin{document}\input{x.tex}\end{document}"
    (tmp_path / "doc.tex").write_text(text)
    words = [engine, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "doc.tex"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert (tmp_path / "doc.pdf").stat().st_size > 1000
