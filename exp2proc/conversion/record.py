"""What the samples of a run were made from: a record beside them, that can be held against them.

A record holds nothing of the machine that made it: no path, no date. The same inputs, options and
libraries give the same record, and the digest of the samples says whether it still describes what
lies there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from types import NoneType
from typing import Any, Final

from ..formats.layouts import LAYOUTS
from ..formats.names import is_plain_name, record_path, spelled
from ..formats.sample import DigestSum
from ..planning.plan import Plan, PlannedRun
from ..results import Counts, Report, RowError, RunWarning
from ..system.atomic_write import written_whole
from ..system.files import absolute, open_regular
from ..versions import __version__, library_versions

_LARGEST: Final = 1 << 26
"""Bytes of a record that is read (64 MiB): a dropped row takes about a hundred."""

FORMAT: Final = 1
"""Of the record: goes up when a key changes its meaning."""


def make_record(
    plan: Plan, planned: PlannedRun, counts: Counts, digest: DigestSum, dropped: Sequence[RowError]
) -> dict[str, Any] | None:
    """The record of a run; None where rows were left out or not reached, or no sample is there.

    Args:
        plan: of the conversion.
        planned: the run.
        counts: of its rows.
        digest: of its samples.
        dropped: its rows that failed.
    """
    run, options = planned.run, plan.options
    if counts.unfinished or not digest.count or planned.cut:
        return None
    tokenizer = None
    if planned.tokenizer >= 0:
        of = plan.tokenizers[planned.tokenizer]
        name = os.path.basename(os.path.normpath(of.name)) if os.path.isdir(of.name) else of.name
        tokenizer = {"name": spelled(name), "fingerprint": of.fingerprint}
    needs_text = LAYOUTS[options.layout].needs_text
    datasets = planned.datasets if needs_text else ()
    return {
        "format": FORMAT,
        "dataset": spelled(run.dataset),
        "model_tag": spelled(run.model_tag),
        "run_tag": spelled(run.run_tag),
        "manifest_sha256": planned.sha256,
        "datasets": [
            {"name": spelled(os.path.basename(path)), "sha256": plan.datasets.get(path)}
            for path in datasets
        ],
        "tokenizer": tokenizer,
        "exp2proc_version": __version__,
        "versions": library_versions(),
        "options": {
            "layout": options.layout,
            "allow_missing_ft_hops": options.allow_missing_ft_hops,
            "prompt_prefix": options.prompt_prefix if needs_text else None,
        },
        "rows": {
            "manifest": counts.planned,
            "samples": digest.count,
            "dropped": counts.failed,
            "pending": counts.pending,
        },
        "dropped": [
            {"file": row.file, "example_idx": row.example_idx, "code": row.code} for row in dropped
        ],
        "samples_digest": digest.hexdigest(),
    }


def write_records(plan: Plan, report: Report) -> None:
    """Write the records of a report beside the samples; warn of those that cannot be written.

    They lie in `.exp2proc` in the output root, or with `out_dir` in the folder above it. A record
    describes all that lies in a folder: there is none of a folder that several runs share. Where
    samples were written and there is no record of them, an earlier one is removed: it describes
    others.
    """
    options = plan.options
    for planned, run in zip(plan.runs, report.runs, strict=True):
        out = planned.run.out_dir
        root = out.parent if options.out_dir is not None else absolute(options.output_root)
        path = record_path(root, out)
        wanted = run.record is not None and options.provenance
        try:
            others = _others(planned) if wanted else []
            if others:
                path.unlink(missing_ok=True)
                said = f"{len(others)} samples of other runs lie in {out}, such as {others[0]}"
                run.warnings.append(
                    RunWarning("record-unwritable", f"its record was not written: {said}")
                )
            elif wanted:
                with written_whole(path) as temporary:
                    text = json.dumps(run.record, indent=1)
                    temporary.write_text(text + "\n", encoding="utf-8")
            elif run.counts.converted or run.counts.replaced:
                path.unlink(missing_ok=True)
        except OSError as err:
            why = f"its record was not written: {path}: {err.strerror or err}"
            run.warnings.append(RunWarning("record-unwritable", why))


def _others(planned: PlannedRun) -> list[str]:
    """The samples in a run's output folder that no row of it names."""
    own = {row.file for row in planned.rows}
    there = sorted(os.listdir(planned.run.out_dir))
    return [name for name in there if name not in own and is_plain_name(name)]


def read_record(path: Path) -> dict[str, Any]:
    """A record that was written.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not a record.
    """
    with open_regular(path) as stream:
        content = stream.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError(f"longer than {_LARGEST} bytes")
    try:
        record = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None
    try:
        whole = (
            record["format"] == FORMAT
            and isinstance(record["samples_digest"], str)
            and type(record["rows"]["samples"]) is int
            and 0 <= record["rows"]["samples"] < 1 << 32
            and all(type(row["file"]) in (str, NoneType) for row in record["dropped"])
        )
    except (TypeError, KeyError):
        whole = False
    if not whole:
        raise ValueError(f"not a record of format {FORMAT}")
    return dict(record)
