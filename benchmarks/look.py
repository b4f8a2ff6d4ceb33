"""The viewer in a headless Chromium: prints one JSON object; "null" where there is no Chromium.

python -m benchmarks.look FOLDER
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np

from exp2proc.formats.layouts import LAYOUTS
from exp2proc.formats.names import Source
from exp2proc.formats.sample import encode, pack_text, sample_values
from exp2proc.formats.spans import SampleSpans
from exp2proc.viewer.facts import Facts, message, names
from exp2proc.viewer.page import make_page
from exp2proc.viewer.single import write_single

_TOKENS: Final = 10_000
_SAMPLES: Final = 50_000
_HOP: Final = """
const done = arguments[0], times = [];
const next = (n) => {
  const start = performance.now();
  dispatchEvent(new KeyboardEvent("keydown", { key: String(n % 4) }));
  requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      times.push(performance.now() - start);
      if (n < 20) setTimeout(() => next(n + 1), 50); else done(times);
    };
    port2.postMessage(0);
  });
};
next(0);
"""
"""From a key to the frame that shows its hop, in milliseconds, many times."""


def _driver(profile: Path) -> Any:
    try:
        from selenium import webdriver
    except ImportError:
        return None
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        return None
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in ("--headless", "--disable-gpu", f"--user-data-dir={profile}"):
        options.add_argument(flag)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    return webdriver.Chrome(options, webdriver.ChromeService(driver))


def _open(driver: Any, page: Path, address: str = "") -> float:
    """Open a page; seconds until it is drawn."""
    from selenium.webdriver.support.ui import WebDriverWait

    driver.get("about:blank")
    driver.get(f"{page.as_uri()}#{address}")
    ready = "return document.documentElement.dataset.ready === 'yes' && performance.now() / 1000"
    return float(WebDriverWait(driver, 60, 0.02).until(lambda it: it.execute_script(ready)))


def _long_sample(folder: Path) -> tuple[Path, str]:
    """A page with one sample of many tokens inside it, and its name."""
    rng = np.random.default_rng(4)
    words = np.array([" the", " answer", "。", " 归因", ",", " of", " mass", ".\n"])
    spans = SampleSpans((0, _TOKENS // 2), (_TOKENS // 2 + 1, _TOKENS - 50), (_TOKENS - 49,) * 2)
    attr = rng.gamma(0.4, 1, _TOKENS).astype(np.float32)
    hop = rng.gamma(0.4, 1, (4, _TOKENS)).astype(np.float32)
    scores = {"rise": 0.1, "mas": 0.2, "recovery": 0.3}
    values = sample_values(attr, spans, scores, hop)
    values["tok"] = pack_text(words[rng.integers(0, len(words), _TOKENS)])
    sample = folder / "math/m/ifr_n3_1ex/ex_000000.npz"
    sample.parent.mkdir(parents=True)
    sample.write_bytes(encode(LAYOUTS["proc"], values))
    page = folder / "long.html"
    write_single(sample, page)
    return page, "s=math/m/ifr_n3_1ex/ex_000000.npz"


def _long_list(folder: Path) -> Path:
    """A gallery's list of many samples, without the samples."""
    (folder / "data").mkdir()
    sources = [
        Source(Path(f"/out/ex_{at // 10:06d}.npz"), f"math{at % 3}", "q", f"ifr_n{at % 10}")
        for at in range(_SAMPLES)
    ]
    facts = (
        Facts(
            f"t{at // 10}", 900, 2, [0.4, 0.3, 0.2, 0.1], [at / _SAMPLES, 0.2, None], "text", None
        )
        for at in range(_SAMPLES)
    )
    ids = [f"s{at}" for at in range(_SAMPLES)]
    told = {**names(sources, ids), **message(enumerate(facts), set()), "done": True}
    (folder / "data/index.js").write_text(f"exp2proc.index({json.dumps(told)});")
    page = folder / "index.html"
    page.write_text(make_page("folder"), encoding="utf-8")
    return page


def main() -> int:
    """Measure, print."""
    folder = Path(sys.argv[1])
    driver = _driver(folder / "profile")
    found = None
    if driver is not None:
        try:
            page, address = _long_sample(folder)
            _open(driver, page, address)
            hop = median(driver.execute_async_script(_HOP)) / 1000
            listed = _open(driver, _long_list(folder))
            found = {"tokens": _TOKENS, "hop": hop, "samples": _SAMPLES, "list": listed}
        finally:
            driver.quit()
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
