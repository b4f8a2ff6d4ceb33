"""One row: trace + token pieces -> sample -> file."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ..errors import Exp2procError
from ..formats.layouts import LAYOUTS, Layout
from ..formats.npz import Member
from ..formats.sample import Sample, encode, load_sample, sample_values
from ..formats.spans import sample_length, sample_spans
from ..options import Rules
from ..results import Outcome
from ..system.atomic_write import write_whole
from ..tokens.pieces import Alignment, check_lengths
from ..traces.manifest import Row
from ..traces.trace import Trace, read_trace


def convert_row(
    row: Row, folders: tuple[str, str], rules: Rules, align: Callable[[], Alignment]
) -> Outcome:
    """Convert one row.

    Args:
        row: of the manifest.
        folders: (trace_dir, out_dir) of its run.
        rules: of the conversion.
        align: gives the alignment of the row's text; called where the layout needs text.

    Raises:
        Exp2procError: why it cannot be converted.
    """
    layout = LAYOUTS[rules.layout]
    trace_path, out_path = (f"{folder}/{row.file}" for folder in folders)
    if row.open_ended and not os.path.lexists(trace_path):
        return Outcome(row.number, row.run, "pending")
    if rules.existing == "keep":
        kept = _complete(row, trace_path, out_path, rules)
        if kept is not None:
            return Outcome(row.number, row.run, "kept", kept.hop is not None, kept.is_finite())
    if rules.existing == "refuse" and os.path.lexists(out_path):
        raise _exists(row)
    tok: Member | None = None
    if layout.needs_text:
        alignment = align()
        check_lengths(alignment, row.prompt_len, row.gen_len)
        tok = alignment.tok
    trace = read_row(trace_path, row, layout)
    data = build_sample(trace, row, rules, tok)
    try:
        write_whole(out_path, data, replace=rules.existing != "refuse")
    except FileExistsError:
        raise _exists(row) from None
    except OSError as err:
        raise Exp2procError("output-unwritable", f"{out_path}: {err.strerror or err}") from None
    return Outcome(row.number, row.run, "converted", trace.hops is not None, trace.finite)


def read_row(path: str, row: Row, layout: Layout) -> Trace:
    """The trace of a row, with `vh` where samples of the layout carry it.

    Raises:
        Exp2procError: see `read_trace`.
    """
    return read_trace(path, row.prompt_len, row.gen_len, hops=layout.wants_hops(row.attr_func))


def trace_values(trace: Trace, row: Row) -> dict[str, Any]:
    """What a sample has from its trace: everything but the token pieces, by key.

    Args:
        trace: as `read_row` gives it.
        row: of the manifest.
    """
    length = sample_length(row.prompt_len, row.gen_len)
    return sample_values(
        trace.row_all[:length],
        sample_spans(row.prompt_len, row.gen_len, trace.sink, trace.thinking),
        trace.scores,
        None if trace.hops is None else trace.hops[:, :length],
    )


def build_sample(trace: Trace, row: Row, rules: Rules, tok: Member | None) -> bytes:
    """The bytes of a row's sample.

    Args:
        trace: as `read_row` gives it.
        row: of the manifest.
        rules: of the conversion.
        tok: packed token pieces; None where the layout has none.

    Raises:
        Exp2procError: `missing-hops`.
    """
    layout = LAYOUTS[rules.layout]
    lacks_hops = trace.hops is None and layout.requires_hops(row.attr_func)
    if lacks_hops and not rules.allow_missing_ft_hops:
        raise Exp2procError("missing-hops", f"{row.attr_func} needs hops, but the trace has no vh")
    return encode(layout, {**trace_values(trace, row), "tok": tok})


def _exists(row: Row) -> Exp2procError:
    return Exp2procError("output-exists", f"{row.file} is already there")


def _complete(row: Row, trace: str, out: str, rules: Rules) -> Sample | None:
    """The output that is there, if it is newer than its trace and just what would be made."""
    try:
        if os.stat(out).st_mtime_ns <= os.stat(trace).st_mtime_ns:
            return None
        sample = load_sample(out)
    except (OSError, Exp2procError):
        return None
    needs_hop = LAYOUTS[rules.layout].requires_hops(row.attr_func)
    whole = (
        sample.layout == rules.layout
        and len(sample.attr) == sample_length(row.prompt_len, row.gen_len)
        and (sample.hop is not None or not needs_hop or rules.allow_missing_ft_hops)
    )
    return sample if whole else None
