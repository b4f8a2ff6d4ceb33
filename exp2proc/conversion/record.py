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
from typing import Any

from ..formats.layouts import LAYOUTS
from ..formats.names import counted, is_plain_name, spelled
from ..formats.record import FORMAT, record_path, remove_records
from ..formats.sample import DigestSum
from ..planning.plan import Plan, PlannedRun
from ..results import Counts, Report, RowError, RunReport, RunWarning
from ..system.atomic_write import written_whole
from ..system.files import absolute
from ..versions import __version__, library_versions


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
    describes all that lies in a folder: there is none of a folder that several runs share. Workers
    have removed those of folders that they changed; what they could not remove is told of here.
    """
    options = plan.options
    for planned, run in zip(plan.runs, report.runs, strict=True):
        out = planned.run.out_dir
        root = out.parent if options.out_dir is not None else absolute(options.output_root)
        why = _written(planned, run, record_path(root, out), wanted=options.provenance)
        if why:
            run.warnings.append(RunWarning("record-unwritable", why))


def _written(planned: PlannedRun, run: RunReport, path: Path, *, wanted: bool) -> str:
    """Write the record of a run, if there is one; returns why that was not done, or ""."""
    out = planned.run.out_dir
    wanted = wanted and run.record is not None
    try:
        others = _others(planned) if wanted else []
        if others or run.counts.converted or run.counts.replaced:
            remove_records(out)
    except OSError as err:
        return f"an earlier record was not removed: {err.filename}: {err.strerror or err}"
    if others:
        lie = "lies" if len(others) == 1 else "lie"
        samples = counted(len(others), "sample")
        said = f"{samples} of other runs {lie} in {out}, such as {others[0]}"
        return f"its record was not written: {said}"
    try:
        if wanted:
            with written_whole(path) as temporary:
                text = json.dumps(run.record, indent=1)
                temporary.write_text(text + "\n", encoding="utf-8")
    except OSError as err:
        return f"its record was not written: {path}: {err.strerror or err}"
    return ""


def _others(planned: PlannedRun) -> list[str]:
    """The samples in a run's output folder that no row of it names."""
    own = {row.file for row in planned.rows}
    there = sorted(os.listdir(planned.run.out_dir))
    return [name for name in there if name not in own and is_plain_name(name)]
