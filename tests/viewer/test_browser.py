"""The viewer in a real Chromium: one page, samples from a folder, a server and files."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from support.browser import console, dark, wait_ready
from support.exported import NAN, write_export
from support.pages import all_of, ask, classes, one_of, params, press, shades, visit, wait_for

import exp2proc
from exp2proc.formats.cells import sample_cells
from exp2proc.viewer.heat import cell_scores, levels
from exp2proc.viewer.heatmap import TITLES
from exp2proc.viewer.server import Viewer
from exp2proc.viewer.single import write_single
from exp2proc.viewer.site import build_gallery

pytestmark = pytest.mark.browser

HOSTILE = [
    *("<script>", "window.pwned = 1", "</script>", "<img src=x onerror='window.pwned=1'>"),
    *("</div></main>", '"><b>', "</script><script>window.pwned=1</script>", "{{ 7*7 }}", "\x00\n"),
    *("{policy}", "{script}", "<!--", "]]>", "\u2028"),
]
RTL = ["مرحبا", " بالعالم", "،", " الجواب", " 42", "\n", "The", " end", "\n", "שלום", " עולם"]
_rng = np.random.default_rng(5)
LONG = 20_000
# 0, negative, absent, an apple of three tokens, ties
MIXED = ["a", " b", "🍎", "🍎", "🍎", "c", " d", "e", "\n", "f", "g", "h"]
ATTR = [0, 5, 1, 1, 1, -4, NAN, 0.004, 2, 2, 0.5, -0.01]
HOPS = [[*range(12)], [0.1, *[0] * 10, 0.3], [0] * 12]
SPANS = ((0, 4), (5, 8), (9, 10))
PARTS_OF = ["in"] * 5 + ["cot"] * 4 + ["out"] * 2 + ["rest"]
# a word behind the beginning that the list knows, another of several tokens
FAR = [" filler"] * 150 + [" 分", "子", "料", "理", " needle", "hay", "."]

A_IFR = "a_mixed/m/ifr_both_n2_1ex/ex_000000.npz"
A_LRP = "a_mixed/m/attnlrp_negdrop_1ex/ex_000000.npz"


def _tok(words: list[str], count: int) -> list[str]:
    return [words[at] for at in _rng.integers(0, len(words), count)]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("out")
    write_export(root / A_IFR, MIXED, attr=ATTR, hop=HOPS, spans=SPANS, scores=(0.2, 0.4, NAN))
    write_export(root / A_LRP, MIXED, attr=ATTR[::-1], spans=SPANS, scores=(0.3, 0.1, NAN))
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
        write_export(path, [" one", " two", f" {number}"], scores=(number / 150, NAN, NAN))
    write_export(root / "h_far/m/ifr_n1_1ex/ex_000000.npz", FAR)
    for name, attr in (("zero", [0.0] * 3), ("negative", [-1.0, -3, -2]), ("nan", [NAN] * 3)):
        path = root / f"i_{name}/m/ifr_n1_1ex/ex_000000.npz"
        write_export(path, ["a", " b", " c"], attr=attr)
    return root


@pytest.fixture(scope="module")
def site(out: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_gallery(out, tmp_path_factory.mktemp("site")).index


@pytest.fixture(scope="module")
def single(out: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("single") / "viewer.html"
    write_single(out, path)
    return path


@pytest.fixture(scope="module")
def served(out: Path) -> Iterator[str]:
    with Viewer(out) as viewer:
        threading.Thread(target=viewer.serve, daemon=True).start()
        yield viewer.address
        viewer._server.shutdown()


@pytest.fixture(scope="module", params=["folder", "server", "single"])
def source(request: pytest.FixtureRequest, site: Path, single: Path, served: str) -> Path | str:
    """The page with each of its three sources."""
    sources: dict[str, Path | str] = {"folder": site, "server": served, "single": single}
    return sources[request.param]


@pytest.fixture
def at(browser: Any, site: Path) -> Callable[..., Any]:
    """Opens a sample from a folder, by its name."""
    return lambda sample="", **chosen: visit(browser, site, sample, **chosen)


def load(out: Path, name: str) -> exp2proc.Sample:
    return exp2proc.load_sample(out / name)


def expected(sample: exp2proc.Sample, hop: int | None, scale: Any, parts: set[str]) -> list[str]:
    cells = sample_cells(sample)
    values = cell_scores(sample.scores_of(hop), cells)
    shown = np.array([PARTS_OF[cell.start] in parts for cell in cells])
    return shades(levels(np.where(shown, values, 0), scale))


# --- a sample


def test_every_source_shows_the_same_sample(browser: Any, source: Path | str, out: Path) -> None:
    visit(browser, source, A_IFR, v="0", scale="log")
    assert classes(browser) == expected(load(out, A_IFR), 0, "log", {*TITLES})
    wait_for(browser, "!document.querySelector('.compare').hidden")
    press(browser, "m")
    wait_for(browser, "document.querySelectorAll('.pane').length === 2")
    assert params(browser)["with"] == A_LRP
    visit(browser, source, "d_bare/m/ifr_n1_1ex/ex_000000.npz")
    assert len(classes(browser)) == 9


def test_hops_scales_and_parts_are_coloured_as_python_does(
    at: Callable[..., Any], out: Path
) -> None:
    sample = load(out, A_IFR)
    browser = at(A_IFR)
    every = {"in", "cot", "out", "rest"}
    assert classes(browser) == expected(sample, None, "linear", every)
    for hop in (0, 1, 2, None):
        press(browser, "a" if hop is None else str(hop))
        for scale in ("linear", "log", "rank"):
            assert classes(browser) == expected(sample, hop, scale, every), (hop, scale)
            press(browser, "s")
        press(browser, "s")  # the fourth scale has no twin in Python
    for key, part in (("o", "out"), ("i", "in")):
        press(browser, key)
        every.discard(part)
        assert classes(browser) == expected(sample, None, "linear", every)
        assert not one_of(browser, f".pane .part.{part}").is_displayed()
    press(browser, "i")
    assert one_of(browser, ".pane .part.in").is_displayed()


def test_where_the_mass_goes_and_the_strongest_tokens(at: Callable[..., Any]) -> None:
    from selenium.webdriver import ActionChains

    browser = at(A_IFR)
    rows = [row.text.split() for row in all_of(browser, "#hops tbody tr")]
    assert [row[0] for row in rows] == ["attr", "hop", "hop", "hop"]
    changes = ("25.0 % +9.8", "0.0 % −39.4", "0.0 % −28.8", "75.0 % +58.3")
    assert rows[2][2:] == " ".join(changes).split()
    assert rows[3][2:] == ["–"] * 4
    top = [item.text.split("\n") for item in all_of(browser, "#top li")]
    assert top[0] == ["1", " b", "Input", "5.000"]
    assert top[2] == ["2", "🍎", "Input", "3.000"]
    # an apple is shown once and tells all its tokens and hops
    apple = all_of(browser, ".pane .run > span")[2]
    assert apple.text == "🍎"
    ActionChains(browser).move_to_element(apple).perform()
    tip = one_of(browser, "#tip").text.split("\n")
    assert tip[0] == "🍎"
    assert tip[1:9] == ["token 2", "1.000", "token 3", "1.000", "token 4", "1.000", "sum", "3.000"]
    assert tip[9:15] == ["attr", "3.000", "18.2 %", "hop 0", "9.000", "13.6 %"]
    all_of(browser, "#top button")[2].click()
    assert apple.get_attribute("data-at") is not None
    assert params(browser)["token"] == "2"


@pytest.mark.parametrize(
    ("name", "shown"),
    [("zero", ["", "", ""]), ("nan", ["", "", ""]), ("negative", ["n8", "n24", "n16"])],
)
def test_samples_with_nothing_or_only_negative(
    at: Callable[..., Any], name: str, shown: list[str]
) -> None:
    browser = at(f"i_{name}/m/ifr_n1_1ex/ex_000000.npz")
    for scale in ("linear", "log", "rank", "p99.5"):
        if scale == "linear":
            assert classes(browser) == shown
        press(browser, "s")
    press(browser, "n")
    empty = one_of(browser, ".side").text.count("Nothing here has a weight.")
    assert empty == (name != "negative")


@pytest.mark.parametrize("name", ["d_bare", "e_empty"])
def test_samples_without_text_or_tokens(at: Callable[..., Any], name: str) -> None:
    browser = at(f"{name}/m/ifr_n1_1ex/ex_000000.npz")
    press(browser, "snwd[]m/")
    assert len(classes(browser)) == (9 if name == "d_bare" else 0)


def test_hostile_text_is_shown_and_not_run(browser: Any, source: Path | str) -> None:
    visit(browser, source, "b_hostile/m/ifr_n1_1ex/ex_000000.npz")
    assert ask(browser, "window.pwned") is None
    shown = "".join(span.get_attribute("textContent") for span in all_of(browser, ".run > span"))
    assert shown == "".join(HOSTILE).replace("\x00", "␀")
    assert not all_of(browser, ".run script, .run img, .run b")
    press(browser, "g")
    assert "<script>window.pwned" in one_of(browser, "#samples").text
    assert not all_of(browser, "#samples script, #samples img")


def test_the_policy_stops_what_escaping_would_let_through(driver: Any, source: Path | str) -> None:
    visit(driver, source, "b_hostile/m/ifr_n1_1ex/ex_000000.npz")
    driver.execute_script(
        "const s = document.createElement('script'); s.textContent = 'window.pwned = 2';"
        "document.body.append(s);"
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=window.pwned=3>')"
    )
    assert ask(driver, "window.pwned") is None
    assert any("Content Security Policy" in line for line in console(driver))


def test_right_to_left(at: Callable[..., Any]) -> None:
    browser = at("c_rtl/m/ifr_n1_1ex/ex_000000.npz")
    script = (
        "[...document.querySelectorAll('.run > span')].map((s) => s.getBoundingClientRect().left)"
    )
    lefts = ask(browser, script)
    arabic, latin, hebrew = lefts[:4], lefts[6:8], lefts[9:]
    assert arabic == sorted(arabic, reverse=True)
    assert latin == sorted(latin)
    assert hebrew == sorted(hebrew, reverse=True)
    assert hebrew[0] > latin[0] + 200  # a line begins where its own script begins


def test_dark_and_light(at: Callable[..., Any]) -> None:
    browser = at("c_rtl/m/ifr_n1_1ex/ex_000000.npz")
    lightness = "getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0] > 128"
    for system in (True, False):
        dark(browser, system)
        assert ask(browser, lightness) is not system
    press(browser, "t")
    assert ask(browser, lightness) is False
    at("d_bare/m/ifr_n1_1ex/ex_000000.npz")
    assert ask(browser, lightness) is False  # the choice is remembered
    press(browser, "t")
    assert ask(browser, lightness) is True
    browser.execute_script("localStorage.clear()")


def test_a_long_sample_paints_what_is_seen(at: Callable[..., Any], out: Path) -> None:
    name = "f_long/m/ifr_n1_1ex/ex_000000.npz"
    browser = at(name)
    sample = load(out, name)
    wait_for(browser, "document.querySelector('.run > span').className !== ''")
    before = classes(browser)
    press(browser, "1")
    after = classes(browser)
    wanted = shades(levels(cell_scores(sample.scores_of(1), sample_cells(sample))))
    assert 50 < sum(old != new for old, new in zip(before, after, strict=True)) < LONG / 4
    assert (after[:50], after[-50:]) == (wanted[:50], before[-50:])
    # what was not repainted is as soon as it comes into view
    browser.execute_script("scrollTo(0, document.documentElement.scrollHeight)")
    last = "[...document.querySelectorAll('.run > span')].at(-1)"
    wait_for(browser, f"{last}.className === '{wanted[-1]}'")
    assert classes(browser)[-50:] == wanted[-50:]
    # and all of it before it is printed
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert classes(browser) == wanted
    time = browser.execute_async_script(
        "const done = arguments[0]; const start = performance.now();"
        "dispatchEvent(new KeyboardEvent('keydown', { key: '2' }));"
        "requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)))"
    )
    print(f"hop switch on {LONG} tokens: {time:.0f} ms")


# --- two methods


def test_what_is_far_away_is_not_laid_out(browser: Any, tmp_path: Path) -> None:
    """The places of all runs of a million tokens would take a browser half a minute."""
    name = "lines/m/ifr_n1_1ex/ex_000000.npz"
    write_export(tmp_path / "out" / name, ["a", " b", "\n"] * 8000)
    page = build_gallery(tmp_path / "out", tmp_path / "site").index
    visit(browser, page, name)
    browser.execute_script(
        "window.asked = 0; const place = Element.prototype.getBoundingClientRect;"
        "Element.prototype.getBoundingClientRect = function () {"
        " if (this.matches('.run')) asked++; return place.call(this); }"
    )
    press(browser, "1", "a", "s")
    assert len(all_of(browser, ".run")) > 100
    assert 0 < ask(browser, "asked") < 60
    assert one_of(browser, ".here").size["width"] > 0


def test_methods_side_by_side(at: Callable[..., Any]) -> None:
    browser = at(A_IFR)
    press(browser, "m")
    wait_for(browser, "document.querySelectorAll('.pane').length === 2")
    left, right = all_of(browser, ".pane")
    assert (left.text.split("\n")[0][:8], right.text.split("\n")[0][:7]) == ("ifr_both", "attnlrp")
    assert classes(browser, 1)[:2] != classes(browser)[:2]
    link = right.find_element("css selector", "a")
    assert urlencode({"s": A_LRP}) in link.get_attribute("href")
    assert "rank correlation" in one_of(browser, "#agreement").text
    # the same place in both is marked, and a hop that one of them lacks is said
    all_of(browser, ".pane .run > span")[1].click()
    assert len(all_of(browser, ".run > span[data-at]")) == 2
    press(browser, "0")
    assert "This method has no hop 0" in right.text
    press(browser, "a")
    one_of(browser, ".pane:last-child a").click()
    wait_for(browser, "document.querySelectorAll('.pane').length === 1")
    assert params(browser)["s"] == A_LRP
    at("c_rtl/m/ifr_n1_1ex/ex_000000.npz")
    assert not one_of(browser, ".compare").is_displayed()


def test_the_difference_of_two_methods(at: Callable[..., Any], out: Path) -> None:
    browser = at(A_IFR, mode="difference", **{"with": A_LRP})
    rows = [np.nan_to_num(load(out, name).attr.astype(np.float64)) for name in (A_IFR, A_LRP)]
    own, other = (row / np.abs(row).sum() for row in rows)
    cells = sample_cells(load(out, A_IFR))
    values = np.add.reduceat(own - other, [cell.start for cell in cells])
    assert classes(browser) == shades(levels(values))
    assert len(all_of(browser, ".pane")) == 1
    assert "ifr_both minus attnlrp" in one_of(browser, ".pane-head").text
    top = one_of(browser, "#top li b").text
    assert float(top) == pytest.approx(max(values, key=abs), rel=1e-3)
    press(browser, "1")
    assert "One of the two has no hop 1" in one_of(browser, ".pane-head").text
    assert set(classes(browser)) == {""}
    press(browser, "d")
    assert len(all_of(browser, ".pane")) == 2


def test_another_method_that_is_damaged(browser: Any, out: Path, tmp_path: Path) -> None:
    from support.browser import console as said

    index = build_gallery(out / "a_mixed", tmp_path / "site").index
    name = A_IFR.removeprefix("a_mixed/")
    visit(browser, index)
    ids = ask(browser, "[...document.querySelectorAll('#samples a')].map((a) => a.dataset.open)")
    assert ids == ["0", "1"]  # attnlrp, then ifr
    first = min((tmp_path / "site/data").glob("s*.js"), key=lambda path: path.stat().st_size)
    first.write_text("exp2proc.put('x', 'y');")
    own, other = (A_IFR, A_LRP)
    visit(browser, index, own, **{"with": other})
    wait_for(browser, "document.getElementById('told').textContent !== ''")
    assert "is damaged" in one_of(browser, "#told").text
    assert len(all_of(browser, ".pane")) == 1
    assert name in ask(browser, "decodeURIComponent(location.hash)")
    assert said(browser) == []


# --- the address


CHOSEN = {
    "v": "1",
    "scale": "log",
    "norm": "apart",
    "unit": "words",
    "agg": "max",
    "cut": "0.12",
    "mode": "beside",
    "hide": "rest",
    "with": A_LRP,
    "token": "5",
    "find": "d",
}


def state(browser: Any) -> dict[str, Any]:
    """What is chosen, by what the page shows of it."""
    script = (
        "(() => { const pressed = (id) => [...document.querySelectorAll(`#${id} button`)]"
        ".map((b) => b.getAttribute('aria-pressed')).join(); const v = (id) =>"
        " document.getElementById(id).value; return { groups: ['vectors', 'scales', 'norms',"
        " 'parts', 'modes'].map(pressed), fields: ['unit', 'agg', 'cut', 'compare', 'find',"
        " 'hits'].map(v), at: document.querySelectorAll('.run > [data-at]').length,"
        " panes: document.querySelectorAll('.pane').length }; })()"
    )
    found: dict[str, Any] = ask(browser, script)
    return {**found, "classes": classes(browser)}


PAINTED = (
    "document.querySelectorAll('.pane').length === 2"
    " && document.querySelector('.pane .run > span[class^=p]') !== null"
)
"""Two panes, the first with colours: what comes into view is painted a moment after it is there."""


def test_all_that_is_chosen_survives(browser: Any, source: Path | str) -> None:
    visit(browser, source, A_IFR, **CHOSEN)
    wait_for(browser, PAINTED)
    before = state(browser)
    assert before["fields"] == ["words", "max", "12", A_LRP, "d", "1 of 1"]
    assert before["groups"][0] == "false,false,true,false"
    assert before["at"] == 2
    browser.refresh()
    wait_ready(browser)
    wait_for(browser, PAINTED)
    assert state(browser) == before
    press(browser, "g")
    wait_for(browser, "!document.getElementById('list').hidden")
    browser.back()
    wait_for(browser, PAINTED)
    assert state(browser) == before
    press(browser, "0")
    shown = params(browser)
    assert shown == {**{k: v for k, v in CHOSEN.items() if k != "mode"}, "s": A_IFR, "v": "0"}


def test_an_address_that_means_nothing_is_no_error(at: Callable[..., Any]) -> None:
    odd = dict.fromkeys(("v", "scale", "norm", "unit", "agg", "cut", "hide", "mode", "token"), "x")
    browser = at(A_IFR, **odd, **{"with": "nobody"})
    assert classes(browser)[1] == "p24"
    assert len(all_of(browser, ".pane")) == 1
    browser = at(A_IFR, v="7")
    assert "no hop 7" in one_of(browser, ".pane-head").text
    browser = at("nobody/ex_000000.npz")
    assert "nobody/ex_000000.npz is not here." in one_of(browser, "#told").text
    assert one_of(browser, "#list").is_displayed()


def test_an_address_stays_good_when_all_is_built_again(
    browser: Any, out: Path, tmp_path: Path
) -> None:
    target = tmp_path / "site"
    index = build_gallery(out / "c_rtl", target).index
    name = "m/ifr_n1_1ex/ex_000000.npz"
    visit(browser, index, f"c_rtl/{name}")
    title = browser.title
    build_gallery([out / "a_mixed", out / "c_rtl", out / "d_bare"], target)
    browser.refresh()
    wait_ready(browser)
    assert browser.title == title
    assert one_of(browser, ".pane").is_displayed()


# --- the list


def found(browser: Any) -> str:
    return str(one_of(browser, "#found").text)


def first_row(browser: Any) -> str:
    return str(one_of(browser, "#samples tbody tr:not(.space)").text)


ALL = 161


# a server's list grows while it is read, the other two are there at once
@pytest.mark.parametrize(
    "source",
    ["server", *(pytest.param(name, marks=pytest.mark.slow) for name in ("folder", "single"))],
    indirect=True,
)
def test_the_list_filters_sorts_and_opens(browser: Any, source: Path | str) -> None:
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import Select

    visit(browser, source)
    wait_for(browser, "!document.getElementById('reading')")
    assert found(browser) == f"{ALL} of {ALL} samples"
    assert len(all_of(browser, "#samples tbody tr")) < 120
    Select(one_of(browser, "#dataset")).select_by_visible_text("g_many")
    assert found(browser) == f"150 of {ALL} samples"
    one_of(browser, "#low").send_keys("0.9")
    assert found(browser) == f"15 of {ALL} samples"
    for _ in range(2):
        one_of(browser, "[data-sort='rise']").click()
    assert first_row(browser).split()[-3:] == ["0.993", "–", "–"]
    assert ask(browser, "document.activeElement.dataset.sort") == "rise"
    browser.execute_script("document.activeElement.blur()")
    # going to a sample and back finds the same list
    press(browser, "jjk" + Keys.ENTER)
    wait_for(browser, "!document.getElementById('view').hidden")
    assert "ex_000149" in browser.title
    assert not one_of(browser, "#prev").is_enabled()
    press(browser, Keys.ARROW_RIGHT)
    wait_for(browser, "document.title.includes('ex_000148')")
    # reloaded, its neighbours are still those of the list as it was filtered and sorted
    browser.refresh()
    wait_ready(browser)
    wait_for(browser, "!document.getElementById('next').disabled")
    one_of(browser, "#next").click()
    wait_for(browser, "document.title.includes('ex_000147')")
    browser.back()
    wait_for(browser, "document.title.includes('ex_000148')")
    press(browser, "g")
    wait_for(browser, "!document.getElementById('list').hidden")
    assert found(browser) == f"15 of {ALL} samples"
    assert first_row(browser).split()[-3:] == ["0.993", "–", "–"]
    browser.refresh()
    wait_ready(browser)
    wait_for(browser, "!document.getElementById('reading')")
    assert found(browser) == f"15 of {ALL} samples"
    press(browser, Keys.ESCAPE)
    assert found(browser) == f"{ALL} of {ALL} samples"
    press(browser, "/")
    press(browser, "nothing has this")
    wait_for(browser, "!document.getElementById('none').hidden")
    press(browser, Keys.ESCAPE)
    Select(one_of(browser, "#method")).select_by_visible_text("attnlrp")
    assert found(browser) == f"1 of {ALL} samples"
    one_of(browser, "#reset").click()
    row = next(row for row in all_of(browser, "#summary tbody tr") if "c_rtl" in row.text)
    row.click()
    assert found(browser) == f"1 of {ALL} samples"
    assert params(browser) == {"run": "c_rtl/m/ifr_n1_1ex"}
    browser.refresh()
    wait_ready(browser)
    wait_for(browser, "!document.getElementById('reading')")
    assert found(browser) == f"1 of {ALL} samples"


def test_whole_texts_are_searched(browser: Any, source: Path | str) -> None:
    from selenium.webdriver.common.keys import Keys

    visit(browser, source)
    for word in ("needlehay", "分子料理", "الجواب", "NeedleHay"):
        field = one_of(browser, "#q")
        field.send_keys(word)
        wait_for(browser, f"document.getElementById('found').value === '1 of {ALL} samples'")
        assert ("c_rtl" if word == "الجواب" else "h_far") in first_row(browser)
        field.send_keys(Keys.ESCAPE)
        assert one_of(browser, "#q").get_attribute("value") == ""
    # who types on while it searches sees no error; a search that is in the address is done again
    one_of(browser, "#q").send_keys("needle", *[Keys.BACKSPACE] * 6, "needleh")
    wait_for(browser, f"document.getElementById('found').value === '1 of {ALL} samples'")
    browser.refresh()
    wait_ready(browser)
    wait_for(browser, f"document.getElementById('found').value === '1 of {ALL} samples'")
    # the first click on a row opens it, though the field had the focus
    one_of(browser, "#q").click()
    press(browser, Keys.END)
    one_of(browser, "#samples tbody tr:not(.space) .c-text").click()
    wait_for(browser, "!document.getElementById('view').hidden")
    assert params(browser)["s"] == "h_far/m/ifr_n1_1ex/ex_000000.npz"
    browser.back()
    wait_for(browser, "!document.getElementById('list').hidden")
    assert one_of(browser, "#q").get_attribute("value") == "needleh"


def test_back_finds_the_list_where_it_was(at: Callable[..., Any]) -> None:
    browser = at()
    browser.execute_script("scrollTo(0, 3000)")
    wait_for(browser, "document.querySelector('#samples tbody .space').offsetHeight > 0")
    row = next(
        row
        for row in all_of(browser, "#samples tbody tr:not(.space)")
        if 200 < ask(browser, "arguments[0].getBoundingClientRect().top", row) < 600
    )
    row.find_element("css selector", "a").click()
    wait_for(browser, "!document.getElementById('view').hidden")
    assert ask(browser, "scrollY") == 0
    browser.back()
    wait_for(browser, "!document.getElementById('list').hidden")
    wait_for(browser, "Math.abs(scrollY - 3000) < 40")


def test_a_file_that_is_no_sample_is_told(browser: Any, out: Path, tmp_path: Path) -> None:
    (tmp_path / "out/x/m/ifr_2ex").mkdir(parents=True)
    (tmp_path / "out/x/m/ifr_2ex/ex_000000.npz").write_bytes(b"no zip")
    write_export(tmp_path / "out/x/m/ifr_2ex/ex_000001.npz", ["a"])
    index = build_gallery(tmp_path / "out", tmp_path / "site").index
    visit(browser, index)
    assert one_of(browser, ".hero h1").text == "1 sample"
    one_of(browser, ".failed summary").click()
    assert "x/m/ifr_2ex/ex_000000.npz" in one_of(browser, ".failed").text
    visit(browser, index, "x/m/ifr_2ex/ex_000000.npz")
    assert "is not shown" in one_of(browser, "#problem").text
    press(browser, "g")
    (tmp_path / "site/data").rename(tmp_path / "site/gone")
    one_of(browser, "#samples a").click()
    wait_for(browser, "!document.getElementById('problem').hidden")
    assert "cannot be loaded" in one_of(browser, "#problem").text
    assert any("ERR_FILE_NOT_FOUND" in line for line in console(browser))


# --- keyboard


def test_tokens_by_arrow_keys_are_told(at: Callable[..., Any]) -> None:
    from selenium.webdriver.common.keys import Keys

    browser = at(A_IFR)
    ask(browser, "document.querySelector('.heat').focus()")

    def spoken() -> str:
        return str(one_of(browser, "#spoken").get_attribute("textContent"))

    press(browser, Keys.ARROW_RIGHT)
    assert spoken() == "a, token 0, Input, 0"
    press(browser, Keys.ARROW_RIGHT * 2)
    assert spoken() == "🍎, tokens 2–4, Input, 3.000"
    press(browser, Keys.ARROW_LEFT)
    assert spoken() == "b, token 1, Input, 5.000"
    press(browser, Keys.END)
    assert spoken() == "h, token 11, Rest, -0.01000"
    press(browser, Keys.HOME)
    assert spoken().startswith("a, token 0")
    press(browser, Keys.ARROW_DOWN)
    assert "CoT" in spoken()
    press(browser, "i" + Keys.HOME)  # what is hidden is passed by
    assert spoken().startswith("c, token 5")
    press(browser, Keys.ARROW_LEFT)
    assert spoken().startswith("c, token 5")
    assert params(browser)["token"] == "5"


def test_every_control_is_reached_by_tab(at: Callable[..., Any]) -> None:
    from selenium.webdriver.common.keys import Keys

    def reached(browser: Any) -> list[str]:
        script = (
            "((e) => e === document.body ? '' : e.id || ['vector', 'scale', 'norm', 'part', 'mode',"
            " 'sort', 'open', 'run'].map((key) => e.dataset[key]).find(Boolean) || e.className"
            " || e.tagName)(document.activeElement)"
        )
        names: list[str] = []
        for _ in range(120):
            press(browser, Keys.TAB)
            name = ask(browser, script)
            if name in ("", "home") and names:
                break
            names.append(name)
        return names

    browser = at(A_IFR, **{"with": A_LRP})
    names = reached(browser)
    for wanted in (
        *("home", "next", "help-button", "language-button", "theme-button", "attr", "0", "1", "2"),
        *("linear", "log", "rank", "p99.5", "together", "apart", "in", "cot", "out", "rest"),
        *("unit", "cut", "compare", "beside", "difference", "find", "button", "heat"),
    ):
        assert wanted in names, wanted
    browser = at(dataset="c_rtl")
    names = reached(browser)
    for wanted in ("q", "dataset", "model", "method", "score", "low", "high", "reset", "tokens"):
        assert wanted in names, wanted


def test_keys_and_their_list(at: Callable[..., Any]) -> None:
    from selenium.webdriver.common.keys import Keys

    browser = at(A_IFR)
    press(browser, "?")
    assert one_of(browser, "#help").is_displayed()
    assert "previous, next sample" in one_of(browser, "#keys").text
    press(browser, "s")
    assert "scale" not in params(browser)
    press(browser, Keys.ESCAPE)
    assert not one_of(browser, "#help").is_displayed()
    one_of(browser, "#help-button").click()
    assert one_of(browser, "#help").is_displayed()
    one_of(browser, "#help-close").click()
    press(browser, "/")
    press(browser, "d")
    assert ask(browser, "document.activeElement.id") == "find"
    assert one_of(browser, "#hits").text == "1 of 1"
    press(browser, Keys.ESCAPE)
    assert ask(browser, "document.activeElement.id") == ""
    press(browser, "]w")
    assert params(browser)["v"] == "0"
    assert params(browser)["unit"] == "words"
    press(browser, "[www")
    one_of(browser, "#take summary").click()
    assert one_of(browser, "#take .sheet").is_displayed()
    press(browser, Keys.ESCAPE)
    assert not one_of(browser, "#take .sheet").is_displayed()
    one_of(browser, "#take summary").click()
    one_of(browser, ".pane").click()
    assert not one_of(browser, "#take .sheet").is_displayed()


# --- what the terminal and notebooks have


def test_notebook_heatmap(browser: Any, out: Path, tmp_path: Path) -> None:
    sample = load(out, A_IFR)
    page = tmp_path / "notebook.html"
    page.write_text(f"<!doctype html><meta charset=utf-8><body>{sample._repr_html_()}")
    browser.get(page.as_uri())
    script = "[...document.querySelectorAll('.chunk > span')].map((s) => s.className)"
    assert ask(browser, script) == expected(sample, None, "linear", {*TITLES})
    red = "getComputedStyle(document.querySelector('.p24')).backgroundColor"
    assert ask(browser, red) != "rgba(0, 0, 0, 0)"


def test_a_sample_in_a_notebook_is_drawn_in_its_frame(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "math/m/ifr_n1_1ex/ex_000000.npz"
    write_export(path, [" a", "b", "<i>"], hop=[[1, 0, 0], [0, 0, 2]])
    (sample,) = exp2proc.iter_samples(path)
    page = tmp_path / "notebook.html"
    frame = sample.view(hop=1, scale="log")._repr_html_()
    page.write_text(f"<!doctype html><meta charset=utf-8><body>{frame}", encoding="utf-8")
    browser.get(page.as_uri())
    browser.switch_to.frame(one_of(browser, "iframe"))
    wait_ready(browser)
    assert one_of(browser, "#vectors [aria-pressed=true]").text.startswith("hop 1")
    assert classes(browser) == ["", "", "p24"]
    assert not all_of(browser, "[data-take=link]")  # there is none to a frame
    one_of(browser, "#vectors [data-vector='0']").click()
    wait_for(browser, "document.querySelector('.run > span').className === 'p24'")
    browser.switch_to.default_content()
    assert browser.current_url == page.as_uri()
