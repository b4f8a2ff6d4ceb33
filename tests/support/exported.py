"""Samples made for a purpose, and small output folders of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from exp2proc.formats.layouts import LAYOUTS, SCORES
from exp2proc.formats.sample import encode, pack_text, sample_values
from exp2proc.formats.spans import NONE, SampleSpans, Span

NAN = float("nan")


def write_export(
    path: Path,
    tok: Sequence[str] | None,
    *,
    attr: Sequence[float] | None = None,
    hop: Sequence[Sequence[float]] | None = None,
    spans: tuple[Span, Span, Span] | None = None,
    scores: tuple[float, float, float] = (NAN, NAN, NAN),
    length: int = 0,
) -> Path:
    """Write one sample. By default all tokens are input and their scores are 1, 2, 3, ..."""
    count = length if tok is None else len(tok)
    vector = np.arange(1, count + 1) if attr is None else np.array(attr)
    member = None if tok is None else pack_text(np.array(tok, dtype=np.str_))
    everything = ((0, count - 1) if count else NONE, NONE, NONE)
    path.parent.mkdir(parents=True, exist_ok=True)
    values = sample_values(
        vector.astype(np.float32),
        SampleSpans(*(everything if spans is None else spans)),
        dict(zip(SCORES, scores, strict=True)),
        None if hop is None else np.array(hop, np.float32),
    )
    data = encode(LAYOUTS["proc_1" if tok is None else "proc"], {**values, "tok": member})
    path.write_bytes(data)
    return path
