"""What a conversion would do, before it does anything: rows, texts, time, size, obstacles."""

from __future__ import annotations

import os
import time
import zlib
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from ..conversion.row import trace_part, wants_hops
from ..conversion.run import choose_jobs
from ..errors import Exp2procError
from ..formats import deflate as codec
from ..formats import npz
from ..formats.sample import Layout
from ..formats.spans import sample_length
from ..options import Options
from ..results import RowError
from ..traces.manifest import BadLine, ManifestRow
from ..traces.trace import read_trace
from .planner import Plan, PlannedRun, draft_plan
from .shards import text_seconds

# Bytes, as measured on the published samples (Qwen3, 60 samples of 314 tokens on average).
_SAMPLE_BYTES: Final = 1300
_TOK_BYTES: Final = 3.1
_VECTOR_BYTES: Final = 1.2

_WORKERS_START: Final = 0.8
"""Seconds until worker processes have started, on the server where shards were timed."""
_REFERENCE_LAP: Final = 0.0038
"""Seconds that `_lap` takes there."""

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
    """

    trace_dir: str
    out_dir: str
    dataset: str
    model_tag: str
    run_tag: str
    method: str
    rows: int
    texts: int = 0
    tokens: int = 0
    tokenizer: str = ""
    dataset_files: tuple[str, ...] = ()
    existing: int = 0
    failing: int = 0
    pending: int = 0
    size: int = 0


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
        seconds: estimated time on this machine.
    """

    layout: Layout
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
        failures = [asdict(failure) for failure in self.failures]
        for failure in failures:
            del failure["trace"]
        numbers = ("rows", "tokens", "existing", "failing", "pending", "size")
        return {
            "layout": self.layout,
            "exit_code": self.exit_code,
            "totals": {name: self.total(name) for name in numbers}
            | {"texts": self.texts, "known_texts": self.known_texts},
            "jobs": self.jobs,
            "seconds": round(self.seconds, 1),
            "runs": [asdict(run) for run in self.runs],
            "failures": failures,
            "problems": [
                {"code": p.code, "message": p.message, "hint": p.hint} for p in self.problems
            ],
        }


def plan(options: Options) -> Forecast:
    """Plan a conversion and say what it would do. Nothing is written but the tokenizer cache."""
    draft, problems = draft_plan(options)
    made = Forecast(options.layout, problems=problems)
    keys: set[tuple[str, str | None]] = set()
    for planned in draft.runs:
        usable = _add_run(made, draft, planned)
        keys.update((row.prompt_sha1, row.target_sha1) for row in usable)
    made.texts = len(keys)
    made.known_texts = sum(text.known for text in draft.texts)
    if draft.texts:
        made.jobs = choose_jobs(options, draft.texts)
        work = sum(map(text_seconds, draft.texts)) / made.jobs
        made.seconds = (work + (_WORKERS_START if made.jobs > 1 else 0.0)) * _slowness()
    return made


def _add_run(made: Forecast, draft: Plan, planned: PlannedRun) -> list[ManifestRow]:
    """Enter a run; returns its rows that can work."""
    run = planned.run
    there = _names(str(run.trace_dir))
    usable: list[ManifestRow] = []
    failing = pending = 0
    for at, row in enumerate(planned.rows, planned.first):
        error = draft.failures.get(at)
        waits = planned.young and row.open_ended
        if error is None and row.file not in there and not waits:
            error = Exp2procError("trace-missing", "it does not exist")
        if error is not None:
            failing += 1
            made.failures.append(
                RowError(
                    str(run.trace_dir),
                    row.file,
                    row.example_idx,
                    error.code,
                    error.message,
                    error.hint,
                )
            )
        elif isinstance(row, BadLine) or row.file not in there:
            pending += 1
        else:
            usable.append(row)
    methods = {row.attr_func for row in planned.rows if isinstance(row, ManifestRow)}
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
            existing=planned.existing,
            failing=failing,
            pending=pending,
            size=_size(str(run.trace_dir), usable, made.layout),
        )
    )
    return usable


def _names(folder: str) -> set[str]:
    try:
        return set(os.listdir(folder))
    except OSError:
        return set()


def _size(folder: str, rows: list[ManifestRow], layout: Layout) -> int:
    """Estimated bytes of these rows' samples, by what the vectors of the first ones take."""
    a_token = _VECTOR_BYTES
    for row in rows[:_TRIES]:
        try:
            hops = wants_hops(layout, row.attr_func)
            trace = read_trace(f"{folder}/{row.file}", row.prompt_len, row.gen_len, hops=hops)
        except Exp2procError:
            continue
        part = trace_part(trace, row.prompt_len, row.gen_len, row.attr_func, layout)
        vectors = [part.attr] if part.hop is None else [part.attr, part.hop]
        packed = sum(len(npz.pack(vector, codec.VECTOR_LEVEL).data) for vector in vectors)
        a_token = packed / max(1, len(part.attr))
        break
    tokens = sum(sample_length(row.prompt_len, row.gen_len) for row in rows)
    a_token += _TOK_BYTES if layout == "proc" else 0.0
    return round(_SAMPLE_BYTES * len(rows) + a_token * tokens)


def _slowness() -> float:
    """How many times longer this machine takes than the one where shards were timed."""
    return max(0.2, min(map(_lap, range(_TRIES))) / _REFERENCE_LAP)


def _lap(seed: int) -> float:
    """Seconds for a small fixed job: deflating numbers spelled out."""
    began = time.process_time()
    zlib.compress(" ".join(str(n * n + seed) for n in range(7000)).encode())
    return time.process_time() - began
