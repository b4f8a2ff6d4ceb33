"""One row: trace + token pieces -> sample -> file."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any

from ..errors import Exp2procError
from ..formats.layouts import LAYOUTS, Layout
from ..formats.npz import Member, archive
from ..formats.sample import digests, pack_members, sample_digest, sample_values
from ..formats.spans import sample_length, sample_spans
from ..options import Rules
from ..results import Outcome, Status
from ..system.atomic_write import write_whole
from ..tokens.pieces import Alignment, check_lengths
from ..traces.manifest import Row
from ..traces.trace import Trace, read_trace
from .stale import stale


def convert_row(
    row: Row,
    folders: tuple[str, str],
    rules: Rules,
    align: Callable[[], Alignment],
    to_change: Callable[[str], object],
) -> Outcome:
    """Convert one row.

    Args:
        row: of the manifest.
        folders: (trace_dir, out_dir) of its run.
        rules: of the conversion.
        align: gives the alignment of the row's text; called where the layout needs text.
        to_change: is told of `out_dir` before a sample is put there.

    Raises:
        Exp2procError: why it cannot be converted.
    """
    try:
        return _convert(row, folders, rules, align, to_change)
    except Exp2procError as err:
        raise with_leftover(err, f"{folders[1]}/{row.file}", rules) from None


def with_leftover(err: Exp2procError, out_path: str, rules: Rules) -> Exp2procError:
    """The error of a row, and whether a sample of an earlier run lies at its place."""
    if rules.existing == "refuse" or err.code == "output-unwritable":
        return err
    if not os.path.lexists(out_path):
        return err
    left = "; a sample of an earlier run lies at its place and was left there"
    return Exp2procError(err.code, err.message + left, err.hint)


def _convert(
    row: Row,
    folders: tuple[str, str],
    rules: Rules,
    align: Callable[[], Alignment],
    to_change: Callable[[str], object],
) -> Outcome:
    layout = LAYOUTS[rules.layout]
    trace_path, out_path = (f"{folder}/{row.file}" for folder in folders)
    if row.open_ended and not os.path.lexists(trace_path):
        return Outcome(row.number, row.run, "pending")
    there = rules.existing != "replace" and os.path.lexists(out_path)
    if there and rules.existing == "refuse":
        raise _exists(row)
    tok = pieces_of(row, align()) if layout.needs_text else None
    trace = read_row(trace_path, row, layout)
    lacks_hops = trace.hops is None and layout.requires_hops(row.attr_func)
    if lacks_hops and not rules.allow_missing_ft_hops:
        raise Exp2procError("missing-hops", f"{row.attr_func} needs hops, but the trace has no vh")
    values = {**trace_values(trace, row), "tok": tok}
    facts = trace.hops is not None, trace.finite
    status: Status = "converted"
    reason = ""
    if there:
        found = stale(out_path, layout, values)
        if found is None:
            digest = sample_digest(row.file, digests(layout, values))
            return Outcome(row.number, row.run, "kept", *facts, digest=digest)
        status, reason = "replaced", found.reason
        if os.path.isdir(out_path):
            said = f"{out_path}: {os.strerror(errno.EISDIR)}"
            raise Exp2procError("output-unwritable", said, "Move the folder away.")
    digest = ""
    if rules.write:
        try:
            members = pack_members(layout, values)
        except ValueError as err:
            raise Exp2procError("trace-shape-mismatch", f"no such sample: {err}") from None
        digest = sample_digest(row.file, {key: one.digest for key, one in members.items()})
        to_change(folders[1])
        try:
            write_whole(out_path, archive(members.items()), replace=rules.existing != "refuse")
        except FileExistsError:
            raise _exists(row) from None
        except OSError as err:
            raise Exp2procError("output-unwritable", f"{out_path}: {err.strerror or err}") from None
    return Outcome(row.number, row.run, status, *facts, reason, digest)


def pieces_of(row: Row, alignment: Alignment) -> Member:
    """The packed token pieces of a row.

    Raises:
        Exp2procError: see `check_lengths`.
    """
    check_lengths(alignment, row.prompt_len, row.gen_len)
    return alignment.tok


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


def _exists(row: Row) -> Exp2procError:
    return Exp2procError("output-exists", f"{row.file} is already there")
