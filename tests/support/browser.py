"""A real headless Chromium, where there is one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
DRIVER = shutil.which("chromedriver")


@contextmanager
def chromium(profile: Path, *, width: int = 1360, height: int = 900) -> Iterator[Any]:
    """A selenium driver with its own profile; skips where the browser or selenium is missing."""
    pytest.importorskip("selenium", reason="selenium is not installed")
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("chromium and its chromedriver are not installed")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (
        *("--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
        *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
        *(f"--user-data-dir={profile}", f"--window-size={width},{height}"),
        *(("--no-sandbox",) if os.geteuid() == 0 else ()),
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def wait_ready(driver: Any, timeout: float = 60) -> None:
    """Wait until the page's script has drawn it."""
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(driver, timeout, poll_frequency=0.05).until(
        lambda page: page.execute_script("return document.documentElement.dataset.ready") == "yes"
    )


def console(driver: Any) -> list[str]:
    """What the page wrote to the console since it was last asked: errors, warnings, refusals."""
    return [entry["message"] for entry in driver.get_log("browser")]


def dark(driver: Any, on: bool) -> None:
    """Let the system prefer dark or light."""
    value = "dark" if on else "light"
    driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": value}]},
    )
