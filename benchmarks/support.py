"""What the tests share and the benchmarks use as well: the plain way, comparing arrays."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support import plain
from support.arrays import assert_same_npz, files_below

__all__ = ["assert_same_npz", "files_below", "plain"]
