"""Trace + token pieces -> sample: the bytes of one exported npz. Pure."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import Exp2procError
from ..formats import sample as samples
from ..formats import spans
from ..formats.npz import Member
from ..formats.sample import Layout
from ..formats.spans import SampleSpans
from ..traces.manifest import FT_IFR_METHODS
from ..traces.trace import Trace


def wants_hops(layout: Layout, attr_func: str) -> bool:
    """Whether a sample of this layout and method carries `hop` when its trace has `vh`."""
    return layout == "proc_1" or attr_func in FT_IFR_METHODS


def requires_hops(layout: Layout, attr_func: str, *, allow_missing_ft_hops: bool) -> bool:
    """Whether a trace of this method without `vh` is an error."""
    return layout == "proc" and attr_func in FT_IFR_METHODS and not allow_missing_ft_hops


class TracePart(NamedTuple):
    """What a sample has from its trace: everything but the token pieces.

    Attributes:
        spans: in sample indices.
        attr: float32[L].
        scores: RISE, MAS, Recovery@10%; NaN when absent.
        hop: float32[H, L] or None.
    """

    spans: SampleSpans
    attr: npt.NDArray[np.float32]
    scores: tuple[float, float, float]
    hop: npt.NDArray[np.float32] | None


def trace_part(
    trace: Trace, prompt_len: int, gen_len: int, attr_func: str, layout: Layout
) -> TracePart:
    """What a sample of this layout has from a trace that was read with hops when `wants_hops`."""
    length = spans.sample_length(prompt_len, gen_len)
    hops = trace.hops if wants_hops(layout, attr_func) else None
    return TracePart(
        spans.sample_spans(prompt_len, gen_len, trace.sink, trace.thinking),
        trace.row_all[:length],
        (trace.rise, trace.mas, trace.recovery),
        None if hops is None else hops[:, :length],
    )


def build_sample(
    trace: Trace,
    prompt_len: int,
    gen_len: int,
    attr_func: str,
    tok: Member | None,
    *,
    allow_missing_ft_hops: bool = False,
) -> bytes:
    """The sample of one trace.

    Args:
        trace: read with hops when `wants_hops`.
        prompt_len, gen_len: P and G.
        attr_func: the method of the manifest row.
        tok: packed token pieces (layout `proc`), or None (layout `proc_1`).
        allow_missing_ft_hops: write an FT-IFR trace that has no `vh` without `hop`.

    Raises:
        Exp2procError: `missing-hops`.
    """
    layout: Layout = "proc_1" if tok is None else "proc"
    if trace.hops is None and requires_hops(
        layout, attr_func, allow_missing_ft_hops=allow_missing_ft_hops
    ):
        raise Exp2procError("missing-hops", f"{attr_func} needs hops, but the trace has no vh")
    return samples.encode(*trace_part(trace, prompt_len, gen_len, attr_func, layout), tok)
