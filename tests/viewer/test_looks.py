"""How the page looks and who can use it: contrast, colours, axe, narrow screens, Chinese, much."""

from __future__ import annotations

import importlib.resources
import importlib.util
import json
import os
import re
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from support.browser import dark, wait_ready
from support.exported import NAN, write_export
from support.pages import all_of, ask, classes, one_of, press, visit, wait_for

import exp2proc
from exp2proc.demo.tree import write_tree
from exp2proc.formats.names import Source
from exp2proc.viewer.facts import Facts, message, names
from exp2proc.viewer.page import make_page
from exp2proc.viewer.single import write_single
from exp2proc.viewer.site import build_gallery

pytestmark = pytest.mark.browser

Colour = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("looks")
    tree = write_tree(root / "demo", samples=3)
    exp2proc.convert(
        traces_root=tree.traces,
        data_root=tree.data,
        tokenizer_model=tree.tokenizer,
        out_root=tree.out,
    )
    return tree.out


@pytest.fixture(scope="module")
def site(out: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_gallery(out, tmp_path_factory.mktemp("site")).index


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "viewer.html"
    write_single([], path)
    return path


@pytest.fixture(params=["light", "dark"])
def themed(request: pytest.FixtureRequest, browser: Any) -> Iterator[Any]:
    """A browser of a system that prefers one of the two."""
    dark(browser, request.param == "dark")
    yield browser
    dark(browser, False)


def _pair(out: Path, dataset: str) -> tuple[str, str]:
    found = []
    for method in ("ifr_in_all_gen", "attnlrp"):
        path = next(out.glob(f"{dataset}/*/{method}*/ex_000000.npz"))
        found.append(path.relative_to(out).as_posix())
    return found[0], found[1]


@pytest.fixture(scope="module")
def pair(out: Path) -> tuple[str, str]:
    """One sample of two methods, of some hundred tokens."""
    return _pair(out, "needles")


@pytest.fixture(scope="module")
def short(out: Path) -> tuple[str, str]:
    """One short sample of two methods."""
    return _pair(out, "multihop_zh")


# --- colours


def linear(colour: Colour) -> Colour:
    """sRGB in 0..1 to linear light."""
    low: Colour = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return low


def luminance(colour: Colour) -> float:
    return float(linear(colour) @ np.array([0.2126, 0.7152, 0.0722]))


def contrast(one: Colour, other: Colour) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
# Machado, Oliveira and Fernandes 2009, severity 1
_EYES = {
    "normal": np.eye(3),
    "protan": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deutan": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritan": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}


def lab(colour: Colour, eye: str) -> Colour:
    seen = np.clip(_EYES[eye] @ linear(colour), 0, 1)
    xyz = _XYZ @ seen / np.array([0.95047, 1.0, 1.08883])
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def painted(browser: Any, expressions: dict[str, str]) -> dict[str, Colour]:
    """The colours that a browser paints, over the paper, in 0..1."""
    script = (
        "(() => { const result = {}; for (const [name, css] of Object.entries(arguments_)) {"
        " result[name] = asHex(css); } return result; })()"
    ).replace("arguments_", "given")
    found = browser.execute_script(f"const given = arguments[0]; return {script}", expressions)
    return {
        name: np.array([int(text[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        for name, text in found.items()
    }


def test_ink_is_readable_on_every_level(themed: Any, site: Path, pair: tuple[str, str]) -> None:
    visit(themed, site, pair[0])
    shades = [f"{sign}{level}" for sign in "pn" for level in range(1, 25)]
    computed = themed.execute_script(
        "const probe = document.createElement('span'), result = {};"
        "document.querySelector('.run').append(probe);"
        "for (const name of arguments[0]) { probe.className = name;"
        " result[name] = getComputedStyle(probe).backgroundColor; }"
        "probe.remove(); const colours = themeColours(); result.ink = colours.ink;"
        "return result;",
        shades,
    )
    colours = painted(themed, computed)
    low = {name: contrast(colours["ink"], colours[name]) for name in shades}
    assert min(low.values()) >= 4.5, min(low.items(), key=lambda one: one[1])


def test_parts_are_told_apart_by_all_eyes(themed: Any, site: Path, pair: tuple[str, str]) -> None:
    visit(themed, site, pair[0])
    colours = painted(themed, ask(themed, "themeColours()"))
    near = []
    for eye in _EYES:
        for one, other in combinations(("in", "cot", "out", "rest"), 2):
            away = float(np.linalg.norm(lab(colours[one], eye) - lab(colours[other], eye)))
            if away < 20:
                near.append((eye, one, other, round(away, 1)))
    assert near == []


# --- axe


def test_axe_finds_nothing(themed: Any, site: Path, empty: Path, short: tuple[str, str]) -> None:
    if importlib.util.find_spec("axe_playwright_python") is None:
        pytest.skip("axe is not installed")
    axe = importlib.resources.files("axe_playwright_python").joinpath("axe.min.js")
    source = axe.read_text(encoding="utf-8")
    one, other = short  # each token is looked at for its contrast

    def helped() -> None:
        visit(themed, site, one)
        press(themed, "?")

    def menu() -> None:
        visit(themed, site, one)
        one_of(themed, "#take summary").click()

    states: dict[str, Callable[[], Any]] = {
        "list": lambda: visit(themed, site),
        "filtered": lambda: visit(themed, site, q="zzzz"),
        "sample": lambda: visit(themed, site, one),
        "beside": lambda: visit(themed, site, one, **{"with": other}, v="0"),
        "difference": lambda: visit(
            themed, site, one, **{"with": other}, mode="difference", unit="words", norm="apart"
        ),
        "help": helped,
        "menu": menu,
        "drop": lambda: visit(themed, empty),
    }
    if ask(themed, "matchMedia('(prefers-color-scheme: dark)').matches"):
        for name in ("filtered", "help", "menu"):  # their colours are those of the others
            del states[name]
    wrong = {}
    for name, opened in states.items():
        opened()
        themed.execute_script(source)
        result = themed.execute_async_script(
            "axe.run(document, { resultTypes: ['violations'] }).then(arguments[0])"
        )
        assert len(result["passes"]) > 10
        found = [
            (
                one["id"],
                one["nodes"][0]["html"][:160],
                one["nodes"][0].get("failureSummary", "")[:300],
            )
            for one in result["violations"]
        ]
        if found:
            wrong[name] = found
    assert wrong == {}, json.dumps(wrong, indent=1)


# --- narrow and wide


def overflowing(browser: Any) -> list[str]:
    """Elements that stand out of the page to the right, unless their box scrolls."""
    script = (
        "[...document.querySelectorAll('main:not([hidden]) *, .bar *')].filter((e) => {"
        " if (!e.checkVisibility() || e.closest('.unseen, svg')) return false;"
        " const box = e.getBoundingClientRect(); if (box.right <= innerWidth + 1) return false;"
        " for (let up = e.parentElement; up; up = up.parentElement)"
        "  if (['auto', 'scroll', 'hidden', 'clip'].includes(getComputedStyle(up).overflowX)"
        "      && up !== document.body && up !== document.documentElement) return false;"
        " return true; }).map((e) => e.outerHTML.slice(0, 120))"
    )
    found: list[str] = ask(browser, script)
    return found


@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_nothing_is_cut_off(
    browser: Any, site: Path, pair: tuple[str, str], width: int, tmp_path: Path
) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": False},
    )
    try:
        for chosen in ({}, {"with": pair[1]}, {"with": pair[1], "mode": "difference"}):
            visit(browser, site, pair[0], **chosen)
            assert overflowing(browser) == []
            assert ask(browser, "document.documentElement.scrollWidth") <= width
            height = one_of(browser, ".tools").size["height"]
            assert height < (260 if width == 390 else 220), "the tools leave no room for the text"
        visit(browser, site)
        assert overflowing(browser) == []
        assert ask(browser, "document.documentElement.scrollWidth") <= width
        heights = set(
            ask(
                browser,
                "[...document.querySelectorAll('#samples tbody tr:not(.space)')]"
                ".map((row) => row.getBoundingClientRect().height)",
            )
        )
        assert heights == {34}
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_many_hops_leave_room_for_the_text(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "math/m/ifr_n1_1ex/ex_000000.npz"
    hops = [[float(n == at) for n in range(80)] for at in range(80)]
    write_export(path, [f" w{n}" for n in range(80)], hop=hops)
    page = tmp_path / "one.html"
    write_single(path, page)
    visit(browser, page, "math/m/ifr_n1_1ex/ex_000000.npz", v="77")
    assert one_of(browser, ".tools").size["height"] < 260
    assert one_of(browser, "#vectors [aria-pressed=true]").text == "hop 77"
    inside = (
        "(() => { const a = document.querySelector('#vectors').getBoundingClientRect(), b ="
        " document.querySelector('#vectors [aria-pressed=true]').getBoundingClientRect();"
        " return b.top >= a.top && b.bottom <= a.bottom; })()"
    )
    assert ask(browser, inside)
    assert classes(browser)[77] == "p24"


def test_screenshot_for_the_readme(
    browser: Any, site: Path, pair: tuple[str, str], tmp_path: Path
) -> None:
    """`EXP2PROC_SCREENSHOT=docs/gallery.png pytest tests/viewer` makes the README's."""
    visit(browser, site, pair[0], **{"with": pair[1]})
    wait_for(browser, "document.querySelectorAll('.pane').length === 2")
    path = Path(os.environ.get("EXP2PROC_SCREENSHOT") or tmp_path / "gallery.png").absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    assert browser.save_screenshot(str(path))
    assert 30_000 < path.stat().st_size < 300_000


# --- Chinese

# what stays English in Chinese: names, data, units, what papers print
_NAMES = re.compile(
    r"exp2proc|CoT|RISE|MAS|Recovery(@\d+%)?|trace|token|attr|hop|mass|prompt|gold|p99\.5|npz|zip"
    r"|Esc|Enter|EN|n|ifr\w*|attnlrp|multihop_zh|needles|arithmetic|demo-1B|ex_\d+"
    r"|[a-z]"
)


def english(browser: Any, also: str = "") -> set[str]:
    """Words of the page in Latin letters that are neither names nor data."""
    script = (
        "(() => { const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);"
        " const found = []; while (walker.nextNode()) { const { parentElement: p, data } ="
        " walker.currentNode; if (p.closest('script, style, noscript, .heat .run, .token, .c-text,"
        " .crumbs, #compare, .pane-head b, .pane-head a, kbd')) continue; if (!p.checkVisibility())"
        " continue; found.push(data); }"
        " for (const e of document.querySelectorAll('[title], [aria-label], [placeholder],"
        " [aria-roledescription]')) { if (e.closest('.c-text, .crumbs span')) continue;"
        " for (const key of ['title', 'aria-label', 'placeholder', 'aria-roledescription'])"
        " found.push(e.getAttribute(key) ?? ''); } return found; })()"
    )
    words: set[str] = set()
    for text in ask(browser, script):
        for path in re.findall(r"\S+/\S+", text):
            text = text.replace(path, "")
        words |= set(re.findall(r"[A-Za-z][A-Za-z0-9_.@%+-]*", text))
    return {word for word in words if not _NAMES.fullmatch(word) and word not in also}


def test_the_page_in_chinese_is_in_chinese(
    browser: Any, site: Path, empty: Path, pair: tuple[str, str]
) -> None:
    visit(browser, site)
    assert one_of(browser, "html").get_attribute("lang") == "en"
    press(browser, "l")
    wait_for(browser, "document.documentElement.lang === 'zh-CN'")
    wait_ready(browser)
    names_ = "[...document.querySelectorAll('.method, tr[data-run]')].map((e) => e.title)"
    known = " ".join([*pair, *ask(browser, names_)]).replace("/", " ")
    assert english(browser, known) == set()
    press(browser, "?")
    assert english(browser, known) == set()
    for chosen in ({}, {"with": pair[1], "norm": "apart", "unit": "words", "cut": "0.1"}):
        visit(browser, site, pair[0], **chosen)
        assert english(browser, known) == set()
    visit(browser, site, pair[0], **{"with": pair[1]}, mode="difference", v="1")
    assert english(browser, known) == set()
    press(browser, "?")
    assert english(browser, known) == set()
    visit(browser, site, q="zzzz")
    assert english(browser, known) == set()
    visit(browser, empty)
    assert english(browser, known) == set()


# --- much


def test_fifty_thousand_samples(browser: Any, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    count, texts = 50_000, 5000
    rng = np.random.default_rng(1)
    values = rng.random((count, 3)).round(5).tolist()
    sources, facts = [], []
    for number in range(count):
        run = f"ifr_n{number % 10}_{count // 10}ex"
        path = Path(f"/out/math/q/{run}/ex_{number // 10:06d}.npz")
        sources.append(Source(path, f"math{number % 10 // 4}", "q", run))
        facts.append(
            Facts(f"t{number % texts}", 800 + number % 500, 2, [0.4, 0.3, 0.2, 0.1], values[number],
                  f"the text {number % texts} is about something", None)
        )  # fmt: skip
    told = {
        **names(sources, [f"s{n}" for n in range(count)]),
        **message(enumerate(facts), set()),
        "failed": [],
        "done": True,
    }
    (tmp_path / "data/index.js").write_text(f"exp2proc.index({json.dumps(told)});")
    (tmp_path / "index.html").write_text(make_page("folder"), encoding="utf-8")
    visit(browser, tmp_path / "index.html")
    took = ask(browser, "performance.now()")
    assert one_of(browser, "#found").text == "50000 of 50000 samples"
    assert ask(browser, "document.querySelectorAll('#samples tbody tr').length") < 150
    script = (
        "const start = performance.now(); {} ; document.body.offsetHeight;"
        " return performance.now() - start"
    )
    sort = browser.execute_script(
        script.format("document.querySelector('[data-sort=rise]').click()")
    )
    best = min(one[0] for one in values)
    assert f"{best:.3f}" in one_of(browser, "#samples tbody tr:not(.space)").text
    low = browser.execute_script(
        script.format(
            "const low = document.getElementById('low'); low.value = '0.99';"
            " low.dispatchEvent(new Event('input', { bubbles: true }))"
        )
    )
    expected = sum(one[0] >= 0.99 for one in values)
    assert one_of(browser, "#found").text == f"{expected} of 50000 samples"
    one_of(browser, "#reset").click()
    browser.execute_script("scrollTo(0, document.documentElement.scrollHeight)")
    wait_for(browser, "document.querySelector('#samples tbody').lastChild.offsetHeight === 0")
    last = all_of(browser, "#samples tbody tr:not(.space)")[-1]
    assert "ex_004999" in last.text
    assert last.is_displayed()
    assert ask(browser, "document.querySelectorAll('#samples tbody tr').length") < 150
    print(f"50,000 samples: {took:.0f} ms to the list, sort {sort:.0f} ms, filter {low:.0f} ms")


@pytest.mark.parametrize("count", [10_000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_a_long_sample_is_quick(browser: Any, tmp_path: Path, count: int) -> None:
    rng = np.random.default_rng(4)
    words = [" the", " answer", "。", " 归因", ",", " of", " mass", ".\n"]
    path = tmp_path / "math/m/ifr_n3_1ex/ex_000000.npz"
    write_export(
        path,
        [words[at] for at in rng.integers(0, 8, count)],
        attr=rng.gamma(0.4, 1, count).tolist(),
        hop=rng.gamma(0.4, 1, (4, count)).tolist(),
        spans=((0, count // 2), (count // 2 + 1, count - 50), (count - 49, count - 1)),
        scores=(0.1, 0.2, NAN),
    )
    page = tmp_path / "one.html"
    write_single(path, page)
    visit(browser, page, "math/m/ifr_n3_1ex/ex_000000.npz")
    measure = (
        "const done = arguments[0], times = []; const next = (n) => {"
        " const start = performance.now();"
        " dispatchEvent(new KeyboardEvent('keydown', { key: String(n % 4) }));"
        " requestAnimationFrame(() => { const { port1, port2 } = new MessageChannel();"
        " port1.onmessage = () => { times.push(performance.now() - start);"
        " if (n < 12) setTimeout(() => next(n + 1), 30); else done(times); };"
        " port2.postMessage(0); }); }; next(0);"
    )
    times = sorted(browser.execute_async_script(measure))
    scroll = (
        "const done = arguments[0], gaps = []; let last = performance.now(), y = 0;"
        " const step = () => { const now = performance.now(); gaps.push(now - last); last = now;"
        " scrollTo(0, y += 900); y < document.documentElement.scrollHeight && gaps.length < 200 ?"
        " requestAnimationFrame(step) : done(gaps); }; requestAnimationFrame(step);"
    )
    gaps = sorted(browser.execute_async_script(scroll))
    switch, frame = times[len(times) // 2], gaps[len(gaps) // 2]
    print(f"{count} tokens: {switch:.0f} ms to change the hop, {frame:.0f} ms a frame scrolled")
    assert len(classes(browser)) == count
