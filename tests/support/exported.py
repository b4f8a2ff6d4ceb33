"""Samples made for a purpose, and small output folders of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from exp2proc.formats import deflate as codec
from exp2proc.formats import npz
from exp2proc.formats.sample import encode
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
    member = None if tok is None else npz.pack(np.array(tok, dtype=np.str_), codec.TEXT_LEVEL)
    everything = ((0, count - 1) if count else NONE, NONE, NONE)
    path.parent.mkdir(parents=True, exist_ok=True)
    data = encode(
        SampleSpans(*(everything if spans is None else spans)),
        vector.astype(np.float32),
        scores,
        None if hop is None else np.array(hop, np.float32),
        member,
    )
    path.write_bytes(data)
    return path
