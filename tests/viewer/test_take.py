"""What the page gives away: figures, numbers, text, a link, paper; and gold tokens from traces."""

from __future__ import annotations

import base64
import csv
import io
import json
import struct
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.browser import console
from support.exported import NAN, write_export
from support.pages import all_of, ask, one_of, press, visit, wait_for

import exp2proc
from exp2proc.demo.tree import write_tree
from exp2proc.viewer.site import build_gallery

pytestmark = pytest.mark.browser

TOK = [
    *(
        "=1+1",
        "+a",
        "-b",
        "@c",
        "＝d",
        "\tx",
        'quo"te',
        "com,ma",
        "line\nbreak",
        "\r",
        "日本",
        "🍎",
        "🍎",
    ),
    *(
        "🍎",
        " |pipe|",
        "`tick`",
        "**star**",
        " <b>",
        "\x00.",
        "\x1b[31m",
        "مرحبا",
        " ",
        "",
        "&amp;",
    ),
]
NAME = "math/m/ifr_both_n2_1ex/ex_000000.npz"
_rng = np.random.default_rng(2)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("out")
    count = len(TOK)
    attr = _rng.normal(size=count)
    attr[:3] = [NAN, float("inf"), 1e-30]
    spans = ((0, 9), (10, 16), (17, 20))
    write_export(
        root / NAME, TOK, attr=attr.tolist(), hop=_rng.normal(size=(2, count)).tolist(), spans=spans
    )
    write_export(
        root / "math/m/attnlrp_1ex/ex_000000.npz", TOK, attr=attr[::-1].tolist(), spans=spans
    )
    long = [word for n in range(4000) for word in (f" word{n}", "\n" if n % 9 == 0 else ",")]
    write_export(root / "long/m/ifr_n1_1ex/ex_000000.npz", long)
    return root


@pytest.fixture(scope="module")
def site(out: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_gallery(out, tmp_path_factory.mktemp("site")).index


@pytest.fixture
def taken(browser: Any, site: Path) -> Callable[..., Any]:
    """What a file would hold that is taken along: opens a sample, asks the page's own function."""

    def take(call: str, sample: str = NAME, **chosen: str) -> Any:
        visit(browser, site, sample, **chosen)
        # the page keeps its view to itself: catch it as it takes something along
        return browser.execute_async_script(
            "const done = arguments[0], make = URL.createObjectURL;"
            "URL.createObjectURL = (blob) => { URL.createObjectURL = make;"
            " const reader = new FileReader(); reader.readAsDataURL(blob);"
            " reader.onload = () => done([blob.type, reader.result]); return 'data:,'; };"
            f"document.querySelector('[data-take={call}]').click();"
        )

    return take


def content(answer: list[str], kind: str) -> bytes:
    assert answer[0] == kind
    return base64.b64decode(answer[1].partition(",")[2])


def test_csv_holds_every_token_and_no_formula(taken: Callable[..., Any], out: Path) -> None:
    text = content(taken("csv"), "text/csv").decode()
    head, *rows = csv.reader(io.StringIO(text, newline=""))
    assert head == ["index", "part", "token", "attr", "hop_0", "hop_1"]
    sample = exp2proc.load_sample(out / NAME)
    assert sample.tok is not None
    assert sample.hop is not None
    tok = sample.tok.tolist()
    assert [row[0] for row in rows] == [str(n) for n in range(len(tok))]
    for row, piece in zip(rows, tok, strict=True):
        assert row[2] == (f"'{piece}" if piece[:1] in tuple("=+-@＝\t\r") and piece else piece)
    for column, vector in zip((3, 4, 5), (sample.attr, *sample.hop), strict=True):
        found = np.array([float(row[column]) for row in rows], np.float32)
        np.testing.assert_array_equal(found, vector)


def test_json_says_what_is_shown(taken: Callable[..., Any]) -> None:
    chosen = {"v": "1", "unit": "words", "hide": "rest", "mode": "beside"}
    other = "math/m/attnlrp_1ex/ex_000000.npz"
    found = json.loads(content(taken("json", **chosen, **{"with": other}), "application/json"))
    assert found["sample"]["run_tag"] == "ifr_both_n2_1ex"
    assert found["scores"] == dict.fromkeys(("rise", "mas", "recovery"))
    assert found["shown"]["v"] == "1"
    assert found["shown"]["hidden"] == ["rest"]
    assert [pane["name"] for pane in found["panes"]] == [NAME, other]
    units = found["panes"][0]["units"]
    assert (units[0]["start"], units[-1]["stop"]) == (0, len(TOK))
    assert all(-24 <= unit["level"] <= 24 for unit in units)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_svg_is_a_figure(
    browser: Any, taken: Callable[..., Any], tmp_path: Path, theme: str
) -> None:
    text = content(taken("svg"), "image/svg+xml").decode()
    if theme == "dark":
        press(browser, "t")
        text = browser.execute_async_script(
            "const done = arguments[0], make = URL.createObjectURL; URL.createObjectURL = (blob) =>"
            " { URL.createObjectURL = make; blob.text().then(done); return 'data:,'; };"
            "document.querySelector('[data-take=svg]').click();"
        )
        browser.execute_script("localStorage.clear()")
    root = ET.fromstring(text)
    space = "{http://www.w3.org/2000/svg}"
    assert root.tag == f"{space}svg"
    words = "".join(node.text or "" for node in root.iter(f"{space}text"))
    for word in ("Input", "CoT", "Output", "=1+1", "🍎", "<b>", "مرحبا", "␀", "&amp;"):
        assert word in words
    assert words.count("🍎") == 1
    fills = {node.get("fill") for node in root.iter(f"{space}rect")}
    assert all(fill and fill.startswith("#") and len(fill) == 7 for fill in fills), fills
    assert len(fills) > 5
    assert "var(" not in text
    path = tmp_path / "figure.svg"
    path.write_text(text, encoding="utf-8")
    browser.get(path.as_uri())
    assert ask(browser, "document.documentElement.getBoundingClientRect().height") > 100
    assert console(browser) == []


@pytest.mark.parametrize("sample", [NAME, "long/m/ifr_n1_1ex/ex_000000.npz"])
def test_png_is_a_picture(taken: Callable[..., Any], sample: str) -> None:
    data = content(taken("png", sample), "image/png")
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", data[16:24])
    assert width > 400
    assert 200 < height <= 16_000


def test_a_text_too_long_for_a_picture_is_told(browser: Any, tmp_path: Path) -> None:
    """A picture of it all would be so narrow that nobody could read it."""
    name = "lines/m/ifr_n1_1ex/ex_000000.npz"
    write_export(tmp_path / "out" / name, ["a", "\n"] * 1200)
    visit(browser, build_gallery(tmp_path / "out", tmp_path / "site").index, name)
    browser.execute_script(
        "window.saved = 0; URL.createObjectURL = () => { saved++; return 'data:,'; };"
        "document.querySelector('[data-take=png]').click()"
    )
    wait_for(browser, "!document.getElementById('told').hidden")
    assert "too long for a picture" in one_of(browser, "#told").text
    assert ask(browser, "saved") == 0


def test_markdown_and_link_go_to_the_clipboard(browser: Any, site: Path) -> None:
    visit(browser, site, NAME, v="0")
    browser.execute_script(
        "window.copied = []; navigator.clipboard.writeText = async (text) => { copied.push(text); }"
    )
    for key in ("markdown", "link"):
        one_of(browser, "#take summary").click()
        one_of(browser, f"[data-take={key}]").click()
    text, link = ask(browser, "copied")
    assert link == browser.current_url
    assert "v=0" in link
    lines = text.split("\n")
    assert lines[0].startswith(f"**{NAME} · hop 0")
    rows = [line for line in lines if line.startswith("| ")][2:]
    assert len(rows) == 20
    for row in rows:
        assert len(row.replace("\\|", "").split("|")) == 6, row
    assert "<b>" not in text.split("\n\n")[-1].replace("\\<b\\>", "")
    assert one_of(browser, "#told").text == "Copied."


def test_a_figure_of_a_difference_says_so(taken: Callable[..., Any]) -> None:
    other = "math/m/attnlrp_1ex/ex_000000.npz"
    chosen = {"mode": "difference", "with": other, "scale": "log", "norm": "apart"}
    text = content(taken("svg", **chosen), "image/svg+xml").decode()
    assert f"{NAME} minus {other}, of shares · row attribution" in text
    assert "logarithmic" in text
    assert "normalised apart" in text


def test_copying_where_there_is_no_clipboard(browser: Any, site: Path) -> None:
    visit(browser, site, NAME)
    browser.execute_script(
        "navigator.clipboard.writeText = () => Promise.reject(new Error('no'));"
        "document.addEventListener('copy', () => {"
        " window.copied = String(document.activeElement.value); })"
    )
    one_of(browser, "#take summary").click()
    one_of(browser, "[data-take=link]").click()
    assert ask(browser, "window.copied") == browser.current_url


def test_paper_has_no_tools(browser: Any, site: Path) -> None:
    visit(browser, site, NAME)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        for selector in (".bar", ".tools", "#take"):
            assert not one_of(browser, selector).is_displayed()
        for selector in (".pane", "#top", "#legend"):
            assert one_of(browser, selector).is_displayed()
        data = browser.print_page()
        assert base64.b64decode(data)[:5] == b"%PDF-"
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


# --- gold tokens


@pytest.fixture(scope="module")
def gold_site(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The demo with gold tokens of our own in the traces of one of its runs, none in another."""
    root = tmp_path_factory.mktemp("gold")
    tree = write_tree(root / "demo", samples=2)
    run = next(tree.traces.glob("needles/*/ifr_in_all_gen*"))
    for path in sorted(run.glob("*.npz")):
        with np.load(path) as trace:
            arrays = {name: trace[name] for name in trace.files}
        last = int(arrays["prompt_len"])
        arrays["gold_prompt_token_indices"] = np.array([2, 3, 4, 9, last + 3])
        arrays["keep_prompt_token_indices"] = np.arange(1, last - 1)
        np.savez_compressed(path, **arrays)
    for path in tree.traces.glob("needles/*/attnlrp*/*.npz"):
        with np.load(path) as trace:
            arrays = {name: trace[name] for name in trace.files if not name.startswith("gold")}
        np.savez_compressed(path, **arrays)
    exp2proc.convert(
        traces_root=tree.traces,
        data_root=tree.data,
        tokenizer_model=tree.tokenizer,
        out_root=tree.out,
    )
    built = build_gallery(tree.out / "needles", root / "site", against=tree.traces)
    assert built.gold == 6
    return built.index, next(tree.out.glob("needles/*/ifr_in_all_gen*/ex_000000.npz"))


def test_gold_tokens_are_marked_and_recovered(browser: Any, gold_site: tuple[Path, Path]) -> None:
    index, path = gold_site
    sample = exp2proc.load_sample(path)
    visit(browser, index, "/".join(path.parts[-4:]))
    script = (
        "[...document.querySelectorAll('.run > span')].map((s) => s.dataset.gold !== undefined)"
    )
    marked = ask(browser, script)
    if len(marked) == len(sample.attr):
        assert [at for at, one in enumerate(marked) if one] == [2, 3, 4, 9]
    assert "gold" in one_of(browser, "#legend").text
    among = np.arange(1, sample.span_in[1] + 1 - 1)
    for hop, key in ((None, "a"), (0, "0"), (1, "1")):
        press(browser, key)
        scores = sample.scores_of(hop)[among]
        told = [float(node.text) for node in all_of(browser, "#recovery dd")]
        for share, found in zip((0.05, 0.1, 0.2), told, strict=True):
            top = among[
                np.argsort(-scores, kind="stable")[: max(1, int(np.ceil(share * len(among))))]
            ]
            assert found == pytest.approx(len(np.intersect1d(top, [2, 3, 4, 9])) / 4, abs=6e-4)
    other = next(
        name
        for name in ask(
            browser, "[...document.querySelectorAll('#compare option')].map((o) => o.value)"
        )
        if "attnlrp" in name
    )
    visit(browser, index, other)
    assert not all_of(browser, "#recovery")
