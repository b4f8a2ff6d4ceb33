"""The markup of heatmaps: whatever a text holds is shown, nothing of it is markup."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.exported import NAN, write_export

import exp2proc
from exp2proc.formats.cells import Cell
from exp2proc.viewer.heat import STEPS, cell_scores, levels
from exp2proc.viewer.heatmap import notebook_html, sections, visible


class Reader(HTMLParser):
    """The text of the cells, the tags and attributes of the page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.classes: list[str] = []
        self.titles: list[str] = []
        self.tags: set[str] = set()
        self._inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "span":
            self._inside = True
            self.cells.append("")
            self.classes.append(dict(attrs).get("class") or "")
            self.titles.append(dict(attrs).get("title") or "")

    def handle_endtag(self, tag: str) -> None:
        self._inside &= tag != "span"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.cells[-1] += data


HOSTILE = [
    "<script>alert(1)</script>",
    "</div>&amp;",
    '"onload="x',
    "{{ 7 * 7 }}",
    "<!--",
    "\n",
    "",
]


def sample_of(tmp_path: Path, tok: list[str] | None, **kwargs: object) -> exp2proc.Sample:
    return exp2proc.load_sample(write_export(tmp_path / "s.npz", tok, **kwargs))  # type: ignore[arg-type]


def test_hostile_text_is_text(tmp_path: Path) -> None:
    page = Reader(notebook_html(sample_of(tmp_path, HOSTILE)))
    assert page.cells == HOSTILE
    assert "script" not in page.tags


def test_cells_scores_and_colours(tmp_path: Path) -> None:
    sample = sample_of(
        tmp_path,
        ["a", "🍎", "🍎", "b\n\nc", "d"],
        attr=[0, 1, 1, -1, NAN],
        hop=[[1, 0, 0, 0, 0]],
        spans=((0, 0), (1, 3), (3, 3)),
    )
    page = Reader(notebook_html(sample))
    assert page.cells == ["a", "🍎", "b\n\nc", "d"]
    assert page.classes == ["", f"p{STEPS}", f"n{STEPS // 2}", ""]
    assert page.titles == ["0: 0", "1: 2", "3: -1", "4: 0"]
    assert [(s.part, s.first, s.last) for s in sections(sample)] == [
        ("in", 0, 0),
        ("cot", 1, 2),
        ("out", 3, 3),
        ("rest", 4, 4),
    ]
    assert Reader(notebook_html(sample, hop=0)).classes == [f"p{STEPS}", "", "", ""]
    with pytest.raises(IndexError):
        notebook_html(sample, hop=1)


def drawn(sample: exp2proc.Sample) -> Reader:
    page = sample._repr_html_()
    assert page is not None
    return Reader(page)


def test_without_text_and_without_tokens(tmp_path: Path) -> None:
    assert drawn(sample_of(tmp_path, None, length=3)).cells == ["·"] * 3
    assert drawn(sample_of(tmp_path, [])).cells == []


def test_a_chunk_ends_only_where_a_line_does(tmp_path: Path) -> None:
    tokens = ["x"] * 5000 + ["y\n"] * 5000
    sample = sample_of(tmp_path, tokens)
    (section,) = sections(sample)
    assert sum(map(len, section.chunks)) == 10000
    assert max(map(len, section.chunks[1:])) <= 120
    assert all(chunk[-1].more for chunk in section.chunks)
    assert "".join(drawn(sample).cells) == "".join(tokens)


def test_a_notebook_names_the_sample(tmp_path: Path) -> None:
    write_export(tmp_path / "math" / "qwen-8B" / "ifr_n1_1ex" / "ex_000000.npz", ["a"])
    (sample,) = exp2proc.iter_samples(tmp_path)
    page = sample._repr_html_()
    assert page is not None
    assert "<b>math/qwen-8B/ifr_n1_1ex/ex_000000.npz</b>" in page


def test_controls_are_shown() -> None:
    assert visible("a\x00\x1b\u202e\x7f\tb\n\u200f") == "a␀␛⟨U+202E⟩␡→\tb\n\u200f"
    visible("\ud800").encode()


numbers = st.lists(st.floats(-1e3, 1e3, width=32) | st.just(NAN), min_size=1, max_size=40)


@given(numbers, st.sampled_from(["linear", "log", "rank"]))
def test_levels_follow_the_order_of_scores(values: list[float], scale: str) -> None:
    cells = [Cell(at, at + 1, "x") for at in range(len(values))]
    scores = cell_scores(np.array(values, np.float32), cells)
    found = levels(scores, scale).astype(int)  # type: ignore[arg-type]
    assert np.all(np.abs(found) <= STEPS)
    assert np.all(np.sign(found) * np.sign(scores) >= 0)
    order = np.argsort(np.abs(scores))
    assert np.all(np.diff(np.abs(found)[order]) >= 0)
    if np.any(scores != 0):
        assert abs(found[order[-1]]) == STEPS
