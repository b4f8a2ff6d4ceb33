"""LaTeX of ours, set by a real TeX."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def set_in_an_article(body: str, folder: Path) -> str:
    """Set a text in an article with booktabs alone; returns the log. Skips where TeX is absent."""
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    lines = [r"\documentclass{article}", r"\usepackage{booktabs}", r"\begin{document}"]
    text = "\n".join([*lines, body, r"\end{document}", ""])
    (folder / "page.tex").write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"],
        cwd=folder,
        capture_output=True,
        check=False,
    )
    log = (folder / "page.log").read_text(encoding="utf-8", errors="replace")
    assert done.returncode == 0, log[-2000:]
    return log
