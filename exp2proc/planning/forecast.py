"""What a conversion would do, before it does anything: rows, texts, time, size, obstacles."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from ..engines.local import connect
from ..errors import Exp2procError
from ..formats import deflate, npz
from ..formats.layouts import LAYOUTS, Layout
from ..formats.spans import sample_length
from ..options import Options
from ..results import RowError, RunWarning
from ..traces.manifest import BadLine, Row
from ..traces.trace import read_trace
from .plan import Plan, PlannedRun
from .planner import draft_plan
from .shards import text_seconds, without_rows

# Bytes, as measured on the published samples (Qwen3, 60 samples of 314 tokens on average).
_SAMPLE_BYTES: Final = 1300
_TOK_BYTES: Final = 3.1
_VECTOR_BYTES: Final = 1.2

_WORKERS_START: Final = 0.8
"""Seconds until worker processes have started, on the server where shards were timed."""

_TRIES: Final = 3


@dataclass(slots=True)
class RunForecast:
    """One run of a plan.

    Attributes:
        trace_dir, out_dir: folders, absolute.
        dataset, model_tag, run_tag: the names in the run's path.
        method: the rows' attr_func; several are joined by commas.
        rows: of its manifest.
        texts: distinct texts among the rows that can work.
        tokens: prompt and generation tokens of these rows.
        tokenizer: folder or hub name; "" when none is needed or known.
        dataset_files: where its texts are looked up.
        existing: outputs that are there already.
        failing: rows that cannot work.
        pending: rows that exp2 seems to be still writing.
        size: estimated bytes of all its samples.
        warnings: what else should be known about it.
    """

    trace_dir: str
    out_dir: str
    dataset: str
    model_tag: str
    run_tag: str
    method: str
    rows: int
    texts: int
    tokens: int
    tokenizer: str
    dataset_files: tuple[str, ...]
    existing: int
    failing: int
    pending: int
    size: int
    warnings: list[RunWarning] = field(default_factory=list)


@dataclass(slots=True)
class Forecast:
    """What a conversion would do.

    Attributes:
        layout: of the samples.
        runs: one per trace run.
        failures: rows that cannot work, and why.
        problems: what keeps the conversion from starting at all.
        texts: distinct texts over all runs.
        known_texts: those whose token pieces are remembered from an earlier run.
        jobs: workers it would use.
        seconds: estimated time, on a machine like the one where shards were timed.
    """

    layout: str
    runs: list[RunForecast] = field(default_factory=list)
    failures: list[RowError] = field(default_factory=list)
    problems: list[Exp2procError] = field(default_factory=list)
    texts: int = 0
    known_texts: int = 0
    jobs: int = 1
    seconds: float = 0.0

    def total(self, name: str) -> int:
        """The sum of a number of `RunForecast` over all runs."""
        return sum(getattr(run, name) for run in self.runs)

    @property
    def exit_code(self) -> int:
        """That of the conversion: 0 all rows can work, 1 some cannot, 2 it could not start."""
        return 2 if self.problems else 1 if self.failures else 0

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        numbers = ("rows", "tokens", "existing", "failing", "pending", "size")
        return {
            "layout": self.layout,
            "exit_code": self.exit_code,
            "totals": {name: self.total(name) for name in numbers}
            | {"texts": self.texts, "known_texts": self.known_texts},
            "jobs": self.jobs,
            "seconds": round(self.seconds, 1),
            "runs": [asdict(run) for run in self.runs],
            "failures": [failure.to_dict() for failure in self.failures],
            "problems": [problem.to_dict() for problem in self.problems],
        }


def forecast(options: Options) -> Forecast:
    """Plan a conversion and say what it would do. Nothing is written but the tokenizer cache.

    >>> told = forecast(Options(traces_root=demo.traces, layout="proc_1", out_root=folder))
    >>> told.total("rows"), told.total("failing"), told.problems
    (96, 0, [])
    """
    draft, problems = draft_plan(options)
    made = Forecast(options.layout, problems=problems)
    keys: set[tuple[str, str | None]] = set()
    for planned in draft.runs:
        usable = _add_run(made, draft, planned)
        keys.update((row.prompt_sha1, row.target_sha1) for row in usable)
    made.texts = len(keys)
    barred = {number for planned in draft.runs for number in draft.barred(planned)}
    texts = without_rows(draft.texts, barred)
    made.known_texts = sum(text.known for text in texts)
    if texts:
        work = sum(map(text_seconds, texts))
        made.jobs = connect(options.engine, None).workers(work)
        made.seconds = work / made.jobs + (_WORKERS_START if made.jobs > 1 else 0.0)
    return made


def _add_run(made: Forecast, draft: Plan, planned: PlannedRun) -> list[Row]:
    """Enter a run; returns its rows that can work."""
    run = planned.run
    there = _names(str(run.trace_dir))
    barred = draft.barred(planned)
    usable: list[Row] = []
    failing = pending = 0
    for row in planned.rows:
        error = draft.failures.get(row.number) or barred.get(row.number)
        waits = planned.young and row.open_ended
        if error is None and row.file not in there and not waits:
            error = Exp2procError("trace-missing", "it does not exist")
        if error is not None:
            failing += 1
            made.failures.append(RowError.of(run.trace_dir, row, error))
        elif isinstance(row, BadLine) or row.file not in there:
            pending += 1
        else:
            usable.append(row)
    methods = {row.attr_func for row in planned.rows if isinstance(row, Row)}
    made.runs.append(
        RunForecast(
            str(run.trace_dir),
            str(run.out_dir),
            run.dataset,
            run.model_tag,
            run.run_tag,
            method=",".join(sorted(methods)),
            rows=len(planned.rows),
            texts=len({(row.prompt_sha1, row.target_sha1) for row in usable}),
            tokens=sum(row.prompt_len + row.gen_len for row in usable),
            tokenizer=draft.tokenizers[planned.tokenizer].name if planned.tokenizer >= 0 else "",
            dataset_files=planned.datasets,
            existing=len(planned.existing),
            failing=failing,
            pending=pending,
            size=_size(str(run.trace_dir), usable, LAYOUTS[made.layout]),
            warnings=planned.warnings,
        )
    )
    return usable


def _names(folder: str) -> set[str]:
    try:
        return set(os.listdir(folder))
    except OSError:
        return set()


def _size(folder: str, rows: list[Row], layout: Layout) -> int:
    """Estimated bytes of these rows' samples, by what the vectors of the first ones take."""
    a_token = _VECTOR_BYTES
    for row in rows[:_TRIES]:
        hops = layout.wants_hops(row.attr_func)
        try:
            trace = read_trace(f"{folder}/{row.file}", row.prompt_len, row.gen_len, hops=hops)
        except Exp2procError:
            continue
        length = sample_length(row.prompt_len, row.gen_len)
        vectors = [
            trace.row_all[:length],
            *([] if trace.hops is None else [trace.hops[:, :length]]),
        ]
        packed = sum(len(npz.pack(vector, deflate.compress_numbers).data) for vector in vectors)
        a_token = packed / max(1, length)
        break
    tokens = sum(sample_length(row.prompt_len, row.gen_len) for row in rows)
    a_token += _TOK_BYTES if layout.needs_text else 0.0
    return round(_SAMPLE_BYTES * len(rows) + a_token * tokens)
