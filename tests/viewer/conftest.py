"""A browser for all tests of the viewer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.browser import chromium, console


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture
def browser(driver: Any) -> Iterator[Any]:
    """A browser whose console must be empty at the end of each test."""
    yield driver
    told = console(driver)
    if driver.current_url.startswith("file:"):  # what a page remembers is for all of these
        driver.execute_script("localStorage.clear()")
    driver.get("about:blank")
    assert told == []
