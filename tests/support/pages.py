"""The viewer's page in a browser: opening it, asking it, acting on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from .browser import wait_ready


def visit(browser: Any, page: Path | str, sample: str = "", **chosen: str) -> Any:
    """Open a page, at the list or at a sample with what is chosen; wait until it is drawn."""
    address = page.as_uri() if isinstance(page, Path) else page
    asked = {**({"s": sample} if sample else {}), **chosen}
    browser.get("about:blank")  # a change behind the # alone would load nothing
    browser.get(f"{address}#{urlencode(asked)}" if asked else address)
    wait_ready(browser)
    return browser


def all_of(browser: Any, selector: str) -> list[Any]:
    found: list[Any] = browser.find_elements("css selector", selector)
    return found


def one_of(browser: Any, selector: str) -> Any:
    return browser.find_element("css selector", selector)


def press(browser: Any, *keys: str) -> None:
    """Keys to whatever has the focus."""
    from selenium.webdriver import ActionChains

    ActionChains(browser).send_keys(*keys).perform()


def wait_for(browser: Any, script: str, timeout: float = 30) -> Any:
    """Wait until an expression of the page is true; its value."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, timeout, poll_frequency=0.05).until(
        lambda page: page.execute_script(f"return {script}")
    )


def ask(browser: Any, expression: str, *values: Any) -> Any:
    """The value of an expression of the page; `values` are `arguments` in it."""
    return browser.execute_script(f"return {expression}", *values)


def classes(browser: Any, pane: int = 0) -> list[str]:
    """The colour class of each unit of a pane, two frames from now: what is in view is painted."""
    script = (
        "const [at, done] = arguments;"
        "requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => done(["
        "...document.querySelectorAll('.pane')[at].querySelectorAll('.run > span')"
        "].map((span) => span.className)))))"
    )
    found: list[str] = browser.execute_async_script(script, pane)
    return found


def params(browser: Any) -> dict[str, str]:
    """What the address says is shown."""
    script = "return Object.fromEntries(new URLSearchParams(location.hash.slice(1)))"
    found: dict[str, str] = browser.execute_script(script)
    return found


def shades(levels: Any) -> list[str]:
    """Levels as colour classes."""
    return [f"p{n}" if n > 0 else f"n{-n}" if n < 0 else "" for n in map(int, levels)]
