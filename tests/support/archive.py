"""An archive as the published one is laid out: data/<dataset>/<model>/<method>/ex_NNNNNN.npz."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np

from .exported import NAN, write_export

METHODS = {"attnlrp": 0, "ifr_all_positions": 0, "ifr_multi_hop_both_n1": 2}
"""Method -> hops."""
DATASETS = {"math": 23, "vt_h2_c3": 17}
"""Dataset -> examples."""


def write_archive(root: Path) -> Path:
    """Write samples of layout proc_1 with scores, hops and CoTs of many lengths; returns `data`."""
    rng = np.random.default_rng(7)
    for dataset, count in DATASETS.items():
        lengths = rng.integers(1, 60, count)
        for method, hops in METHODS.items():
            for example in range(count):
                total = 8 + int(lengths[example]) + 4 + 1
                cot = 8 + int(lengths[example])
                write_export(
                    root / "data" / dataset / "qwen-8B" / method / f"ex_{example:06d}.npz",
                    None,
                    length=total,
                    attr=rng.normal(0, 1, total).tolist(),
                    hop=rng.normal(0, 1, (hops, total)).tolist() if hops else None,
                    spans=((0, 7), (8, cot - 1), (cot, cot + 3)),
                    scores=(rng.random(), 0.05 + rng.random(), rng.random() if hops else NAN),
                )
    return root / "data"


def load(data: Path, dataset: str, method: str) -> list[dict[str, Any]]:
    """The arrays of a method's samples, read with numpy alone, by example."""
    found = []
    for path in sorted((data / dataset / "qwen-8B" / method).glob("ex_*.npz")):
        with np.load(path, allow_pickle=False) as npz:
            found.append({key: npz[key] for key in npz.files})
    return found


def read_csv(text: str) -> list[dict[str, str]]:
    """The rows of a CSV by its header."""
    return list(csv.DictReader(io.StringIO(text)))
