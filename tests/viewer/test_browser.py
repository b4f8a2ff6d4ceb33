"""The gallery in a real Chromium: from a folder and from a server."""

from __future__ import annotations

import functools
import http.server
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.browser import chromium, console, dark, wait_ready
from support.exported import NAN, write_export

import exp2proc
from exp2proc.demo.tree import write_tree
from exp2proc.exports.find import find_sources
from exp2proc.viewer.cells import sample_cells
from exp2proc.viewer.heat import cell_scores, levels
from exp2proc.viewer.heatmap import TITLES

pytestmark = pytest.mark.browser

HOSTILE = [
    *("<script>", "window.pwned = 1", "</script>", "<img src=x onerror='window.pwned=1'>"),
    *("</div></main>", '"><b>', "</script><script>window.pwned=1</script>", "{{ 7*7 }}", "\x00\n"),
]
RTL = ["مرحبا", " بالعالم", "،", " الجواب", " 42", "\n", "The", " end", "\n", "שלום", " עולם"]
_rng = np.random.default_rng(5)
LONG = 20_000
# 0, negative, absent, an apple of three tokens, ties
MIXED = ["a", " b", "🍎", "🍎", "🍎", "c", " d", "e", "\n", "f", "g", "h"]
ATTR = [0, 5, 1, 1, 1, -4, NAN, 0.004, 2, 2, 0.5, -0.01]
HOPS = [[*range(12)], [0.1, *[0] * 10, 0.3], [0] * 12]


def _tok(words: list[str], count: int) -> list[str]:
    return [words[at] for at in _rng.integers(0, len(words), count)]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("out")
    spans = ((0, 4), (5, 8), (9, 10))
    for run_tag, attr in (("ifr_both_n2_1ex", ATTR), ("attnlrp_negdrop_1ex", ATTR[::-1])):
        hop = HOPS if run_tag.startswith("ifr") else None
        path = root / "a_mixed/m" / run_tag / "ex_000000.npz"
        write_export(path, MIXED, attr=attr, hop=hop, spans=spans, scores=(0.2, 0.4, NAN))
    write_export(root / "b_hostile/m/ifr_n1_1ex/ex_000000.npz", HOSTILE, scores=(0.9, 0.1, 0.5))
    write_export(root / "c_rtl/m/ifr_n1_1ex/ex_000000.npz", RTL, scores=(0.5, 0.2, 0.7))
    write_export(root / "d_bare/m/ifr_n1_1ex/ex_000000.npz", None, length=9)
    write_export(root / "e_empty/m/ifr_n1_1ex/ex_000000.npz", [])
    words = [" the", "\n", " 归因", "。", "🍎", "🍎", " mass"]
    write_export(
        root / "f_long/m/ifr_n1_1ex/ex_000000.npz",
        _tok(words, LONG),
        attr=_rng.gamma(0.4, 1, LONG).tolist(),
        hop=_rng.gamma(0.4, 1, (3, LONG)).tolist(),
        spans=((0, 4999), (5000, LONG - 100), (LONG - 99, LONG - 1)),
    )
    for number in range(150):
        path = root / "g_many/m/ifr_n1_150ex" / f"ex_{number:06d}.npz"
        write_export(path, [" one", " two"], scores=(number / 150, NAN, NAN))
    return root


@pytest.fixture(scope="module")
def site(out: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exp2proc.build_gallery(out, tmp_path_factory.mktemp("site")).index.parent


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture
def browser(driver: Any) -> Iterator[Any]:
    """A browser whose console must be empty at the end of each test."""
    yield driver
    assert console(driver) == []
    driver.get("about:blank")


@pytest.fixture(scope="module")
def ids(out: Path, site: Path) -> dict[str, str]:
    """Dataset (and method, for the text that has two) to the id of a page."""
    from exp2proc.viewer.build import _pages

    pages = list(_pages(find_sources(out)))
    return {f"{p.source.dataset} {p.source.method}": p.id for p in reversed(pages)}


@pytest.fixture
def open_page(browser: Any, site: Path, ids: dict[str, str]) -> Callable[[str], Any]:
    def visit(name: str) -> Any:
        browser.get((site / f"pages/{ids[name]}.html").as_uri())
        wait_ready(browser)
        return browser

    return visit


def all_of(browser: Any, selector: str) -> list[Any]:
    found: list[Any] = browser.find_elements("css selector", selector)
    return found


def press(browser: Any, keys: str) -> None:
    browser.find_element("css selector", "body").send_keys(keys)


def classes(browser: Any) -> list[str]:
    script = "return [...document.querySelectorAll('#pane .chunk > span')].map(s => s.className)"
    found: list[str] = browser.execute_script(script)
    return found


def expected(sample: exp2proc.Sample, hop: int | None, scale: Any, parts: set[str]) -> list[str]:
    cells = sample_cells(sample)
    values = cell_scores(sample.scores_of(hop), cells)
    part = ["in"] * 5 + ["cot"] * 4 + ["out"] * 2 + ["rest"]
    shown = np.array([part[cell.start] in parts for cell in cells])
    found = levels(np.where(shown, values, 0), scale)
    return [f"p{n}" if n > 0 else f"n{-n}" if n < 0 else "" for n in found.tolist()]


def test_hops_scales_and_parts_are_coloured_as_python_does(
    open_page: Callable[[str], Any], out: Path
) -> None:
    sample = exp2proc.load_sample(out / "a_mixed/m/ifr_both_n2_1ex/ex_000000.npz")
    browser = open_page("a_mixed ifr_both")
    every = {"in", "cot", "out", "rest"}
    assert classes(browser) == expected(sample, None, "linear", every)
    for hop in (0, 1, 2, None):
        key = "a" if hop is None else str(hop)
        press(browser, key)
        for scale in ("linear", "log", "rank"):
            assert classes(browser) == expected(sample, hop, scale, every), (hop, scale)
            press(browser, "s")
    for key, part in (("o", "out"), ("i", "in")):
        press(browser, key)
        every.discard(part)
        assert classes(browser) == expected(sample, None, "linear", every)
        hidden = browser.find_element("css selector", f"#pane .part.{part}")
        assert not hidden.is_displayed()
    press(browser, "i")
    assert browser.find_element("css selector", "#pane .part.in").is_displayed()


def test_where_the_mass_goes_and_the_strongest_tokens(open_page: Callable[[str], Any]) -> None:
    from selenium.webdriver import ActionChains

    browser = open_page("a_mixed ifr_both")
    where = browser.find_element("css selector", ".where")
    assert "attr" in where.text
    ActionChains(browser).move_to_element(all_of(browser, "#vectors button")[2]).perform()
    assert "hop 1" in where.text
    assert "Input\n25.0 %" in where.text
    assert "Rest\n75.0 %" in where.text
    widths = [bar.size["width"] for bar in all_of(browser, "#where .track span")]
    assert widths[1] == widths[2] == 0
    ActionChains(browser).move_to_element(where).perform()
    assert "attr" in where.text
    top = [item.text.split("\n") for item in all_of(browser, "#top li")]
    assert top[0] == ["1", " b", "5.000"]
    assert top[1] == ["2", "🍎", "3.000"]
    # an apple is shown once and tells all its tokens
    apple = all_of(browser, "#pane .chunk > span")[2]
    assert apple.text == "🍎"
    ActionChains(browser).move_to_element(apple).perform()
    tip = browser.find_element("css selector", "#tip")
    assert tip.text.split("\n")[1:] == ["token 2", "1.000", "token 3", "1.000", "token 4", "1.000"]
    all_of(browser, "#top button")[1].click()
    assert "found" in apple.get_attribute("class")


def test_methods_side_by_side(open_page: Callable[[str], Any], ids: dict[str, str]) -> None:
    browser = open_page("a_mixed ifr_both")
    press(browser, "m")
    wait_for(browser, "return document.querySelectorAll('.pane').length === 2")
    left, right = all_of(browser, ".pane")
    assert (left.text.split("\n")[0][:8], right.text.split("\n")[0][:7]) == ("ifr_both", "attnlrp")
    shades = [
        span.get_attribute("class") for span in right.find_elements("css selector", ".chunk > span")
    ]
    assert shades[:2] != classes(browser)[:2]
    assert (
        right.find_element("css selector", "a")
        .get_attribute("href")
        .endswith(f"{ids['a_mixed attnlrp']}.html")
    )
    press(browser, "m")
    wait_for(browser, "return document.querySelectorAll('.pane').length === 1")
    assert not all_of(open_page("c_rtl ifr"), ".compare")[0].is_displayed()


def wait_for(browser: Any, script: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 30, poll_frequency=0.05).until(lambda page: page.execute_script(script))


def test_hostile_text_is_shown_and_not_run(open_page: Callable[[str], Any]) -> None:
    browser = open_page("b_hostile ifr")
    assert browser.execute_script("return window.pwned") is None
    shown = "".join(span.get_attribute("textContent") for span in all_of(browser, ".chunk > span"))
    assert shown == "".join(HOSTILE).replace("\x00", "␀")
    assert len(all_of(browser, "main")) == 1
    assert not all_of(browser, ".chunk script, .chunk img, .chunk b")


def test_the_policy_stops_what_escaping_would_let_through(
    driver: Any, open_page: Callable[[str], Any]
) -> None:
    open_page("b_hostile ifr")
    driver.execute_script(
        "const s = document.createElement('script'); s.textContent = 'window.pwned = 2';"
        "document.body.append(s);"
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=window.pwned=3>')"
    )
    assert driver.execute_script("return window.pwned") is None
    assert any("Content Security Policy" in line for line in console(driver))


@pytest.mark.parametrize("name", ["d_bare ifr", "e_empty ifr"])
def test_pages_without_text_or_tokens(open_page: Callable[[str], Any], name: str) -> None:
    browser = open_page(name)
    press(browser, "s")
    assert len(all_of(browser, ".chunk > span")) == (9 if "bare" in name else 0)


def test_right_to_left(open_page: Callable[[str], Any]) -> None:
    browser = open_page("c_rtl ifr")
    lefts = browser.execute_script(
        "return [...document.querySelectorAll('.chunk > span')]"
        ".map(s => s.getBoundingClientRect().left)"
    )
    arabic, latin, hebrew = lefts[:4], lefts[6:8], lefts[9:]
    assert arabic == sorted(arabic, reverse=True)
    assert latin == sorted(latin)
    assert hebrew == sorted(hebrew, reverse=True)
    assert hebrew[0] > latin[0] + 200  # a line begins where its own script begins


def test_dark_and_light(open_page: Callable[[str], Any]) -> None:
    browser = open_page("c_rtl ifr")
    lightness = "return getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0] > 128"
    for system in (True, False):
        dark(browser, system)
        assert browser.execute_script(lightness) is not system
    press(browser, "t")
    assert browser.execute_script(lightness) is False
    browser = open_page("d_bare ifr")
    assert browser.execute_script(lightness) is False  # the choice is remembered
    press(browser, "t")
    assert browser.execute_script(lightness) is True
    browser.execute_script("localStorage.clear()")


def test_a_long_sample_paints_what_is_seen(open_page: Callable[[str], Any], out: Path) -> None:
    browser = open_page("f_long ifr")
    sample = exp2proc.load_sample(out / "f_long/m/ifr_n1_1ex/ex_000000.npz")
    before = classes(browser)
    press(browser, "1")
    after = classes(browser)
    found = levels(cell_scores(sample.scores_of(1), sample_cells(sample)))
    wanted = [f"p{level}" if level else "" for level in found.tolist()]
    assert 50 < sum(old != new for old, new in zip(before, after, strict=True)) < LONG / 4
    assert (after[:50], after[-50:]) == (wanted[:50], before[-50:])
    # what was not repainted is as soon as it comes into view
    browser.execute_script("scrollTo(0, document.documentElement.scrollHeight)")
    last = "#pane .part:last-child .chunk:last-child > span:last-child"
    wait_for(browser, f"return document.querySelector('{last}').className === '{wanted[-1]}'")
    assert classes(browser)[-50:] == wanted[-50:]


def test_neighbours_by_keyboard(open_page: Callable[[str], Any], ids: dict[str, str]) -> None:
    from selenium.webdriver.common.keys import Keys

    browser = open_page("c_rtl ifr")
    press(browser, Keys.ARROW_RIGHT)
    wait_for(browser, f"return location.href.endsWith('{ids['d_bare ifr']}.html')")
    wait_ready(browser)
    press(browser, Keys.ARROW_LEFT)
    wait_for(browser, f"return location.href.endsWith('{ids['c_rtl ifr']}.html')")
    wait_ready(browser)
    press(browser, "?")
    assert browser.find_element("css selector", "#help").is_displayed()
    press(browser, "?")
    press(browser, "g")
    wait_for(browser, "return location.href.includes('index.html')")
    wait_ready(browser)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(params=["file", "http"])
def base(request: pytest.FixtureRequest, site: Path) -> Iterator[str]:
    """The address of the site: a folder, or a server on this machine."""
    if request.param == "file":
        yield site.as_uri()
        return
    handler = functools.partial(_Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_index_filters_sorts_and_opens(browser: Any, base: str, site: Path) -> None:
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import Select

    def found() -> str:
        return str(browser.find_element("css selector", "#found").text)

    browser.get(f"{base}/index.html")
    wait_ready(browser)
    assert found() == "157 of 157 samples"
    assert len(all_of(browser, "#samples tbody tr")) in (100, 157)
    Select(browser.find_element("css selector", "#dataset")).select_by_visible_text("g_many")
    assert found() == "150 of 157 samples"
    browser.find_element("css selector", "#low").send_keys("0.9")
    assert found() == "15 of 157 samples"
    browser.find_element("css selector", "[data-sort='7']").click()
    browser.find_element("css selector", "[data-sort='7']").click()
    assert all_of(browser, "#samples tbody tr")[0].text.split()[-3:] == ["0.993", "–", "–"]
    # going to a sample and back finds the same list
    press(browser, "jjk" + Keys.ENTER)
    wait_for(browser, "return location.href.includes('/pages/')")
    wait_ready(browser)
    assert "ex_000149" in browser.title
    browser.back()
    wait_ready(browser)
    assert found() == "15 of 157 samples"
    press(browser, Keys.ESCAPE)
    press(browser, "/")
    browser.switch_to.active_element.send_keys("الجواب")
    assert found() == "1 of 157 samples"
    assert "c_rtl" in all_of(browser, "#samples tbody tr")[0].text
    browser.switch_to.active_element.send_keys("nothing")
    assert browser.find_element("css selector", "#none").is_displayed()
    press(browser, Keys.ESCAPE)
    Select(browser.find_element("css selector", "#method")).select_by_visible_text("attnlrp")
    assert found() == "1 of 157 samples"
    browser.find_element("css selector", "#reset").click()
    row = next(row for row in all_of(browser, "#summary tbody tr") if "c_rtl" in row.text)
    row.click()
    assert found() == "1 of 157 samples"
    press(browser, Keys.ESCAPE)


def test_a_page_from_a_server(browser: Any, base: str, ids: dict[str, str]) -> None:
    browser.get(f"{base}/pages/{ids['a_mixed ifr_both']}.html")
    wait_ready(browser)
    press(browser, "m")
    wait_for(browser, "return document.querySelectorAll('.pane').length === 2")


def test_notebook_heatmap(browser: Any, out: Path, tmp_path: Path) -> None:
    sample = exp2proc.load_sample(out / "a_mixed/m/ifr_both_n2_1ex/ex_000000.npz")
    page = tmp_path / "notebook.html"
    page.write_text(f"<!doctype html><meta charset=utf-8><body>{sample._repr_html_()}")
    browser.get(page.as_uri())
    script = "return [...document.querySelectorAll('.chunk > span')].map(s => s.className)"
    assert browser.execute_script(script) == expected(sample, None, "linear", set(TITLES))
    red = "return getComputedStyle(document.querySelector('.p24')).backgroundColor"
    assert browser.execute_script(red) != "rgba(0, 0, 0, 0)"


def test_screenshot_for_the_readme(browser: Any, tmp_path: Path) -> None:
    """`EXP2PROC_SCREENSHOT=docs/gallery.png pytest tests/gallery` makes the README's."""
    tree = write_tree(tmp_path / "demo")
    exp2proc.convert(
        traces_root=tree.traces,
        data_root=tree.data,
        tokenizer_model=tree.tokenizer,
        out_root=tree.out,
    )
    built = exp2proc.build_gallery(tree.out, tmp_path / "site")
    browser.get(built.index.as_uri())
    wait_ready(browser)
    row = next(
        row
        for row in all_of(browser, "#samples tbody tr")
        if "needles" in row.text and "ifr_in_all_gen" in row.text
    )
    row.find_element("css selector", "a").click()
    wait_for(browser, "return location.href.includes('/pages/')")
    wait_ready(browser)
    press(browser, "m")
    wait_for(browser, "return document.querySelectorAll('.pane').length === 2")
    path = Path(os.environ.get("EXP2PROC_SCREENSHOT") or tmp_path / "gallery.png").absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    assert browser.save_screenshot(str(path))
    assert 30_000 < path.stat().st_size < 300_000
