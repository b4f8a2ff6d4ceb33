"""docs/tour.ipynb runs from beginning to end, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

_TOUR = Path(__file__).resolve().parents[1] / "docs/tour.ipynb"


def test_every_cell_runs(tmp_path: Path) -> None:
    for library in ("pandas", "matplotlib", "scipy"):
        pytest.importorskip(library, reason="the extras frames and figures are not installed")
    notebook = json.loads(_TOUR.read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert not [cell for cell in cells if cell["outputs"]]
    code = "\n".join("".join(cell["source"]) for cell in cells)
    code += "\nassert (folder / 'length.pdf').read_bytes().startswith(b'%PDF')\nprint(len(scores))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == "96"
