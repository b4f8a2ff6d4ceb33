"""Measurements that need the library in process, one a process: each prints one JSON object.

python -m benchmarks.probe planning TRACES DATA TOKENIZER
python -m benchmarks.probe memory TRACES DATA TOKENIZER OUT
python -m benchmarks.probe steps TRACES DATA TOKENIZER OUT
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from exp2proc.conversion.journal import Journal
from exp2proc.conversion.row import read_row, trace_values
from exp2proc.conversion.run import convert
from exp2proc.formats import deflate, npz
from exp2proc.formats.layouts import LAYOUTS
from exp2proc.formats.sample import encode
from exp2proc.options import Options
from exp2proc.planning.plan import Plan
from exp2proc.planning.planner import make_plan
from exp2proc.planning.shards import TextWork, make_shards
from exp2proc.results import Outcome, Progress
from exp2proc.system.atomic_write import write_whole
from exp2proc.tokens import cache as caching
from exp2proc.tokens.pieces import Alignment, generation_pieces, prompt_pieces
from exp2proc.tokens.tokenizer import load_tokenizer
from exp2proc.traces.datasets import read_text

from .support import plain


def _plan(traces: str, data: str, tokenizer: str, out: str) -> Plan:
    return make_plan(
        Options(
            traces_root=Path(traces),
            data_root=Path(data),
            tokenizer_model=(tokenizer,),
            out_root=Path(out),
        )
    )


def planning(traces: str, data: str, tokenizer: str) -> dict[str, Any]:
    """Seconds that planning takes."""
    began = time.perf_counter()
    plan = _plan(traces, data, tokenizer, "nowhere")
    seconds = time.perf_counter() - began
    return {"rows": plan.row_count, "runs": len(plan.runs), "seconds": seconds}


def memory(traces: str, data: str, tokenizer: str, out: str) -> dict[str, Any]:
    """Resident bytes while one process converts, at each eighth of its rows."""
    noted: list[tuple[int, int]] = []

    def note(progress: Progress) -> None:
        if progress.done * 8 // progress.planned > len(noted):
            noted.append((progress.done, _resident()))

    convert(
        traces_root=traces,
        data_root=data,
        tokenizer_model=tokenizer,
        out_root=out,
        jobs=1,
        on_progress=note,
    )
    return {"rows": [rows for rows, _ in noted], "resident": [size for _, size in noted]}


def _resident() -> int:
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmRSS:")[2].split()[0])


class _Clock:
    """CPU seconds by step."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        began = time.process_time()
        yield
        self.spent[step] += time.process_time() - began


def steps(traces: str, data: str, tokenizer: str, out: str) -> dict[str, Any]:
    """CPU milliseconds of each step of the real functions, by dataset: of a text, of a row."""
    overall = _Clock()
    with overall("plan, the tokenizer loaded"):
        plan = _plan(traces, data, tokenizer, out)
    with overall("plan, the tokenizer known"):
        _plan(traces, data, tokenizer, out)
    with overall("shards"):
        make_shards(plan.texts, plan.folders(), 2)
    by_dataset: dict[str, list[TextWork]] = defaultdict(list)
    for text in plan.texts:
        by_dataset[plan.runs[text.rows[0].run].run.dataset].append(text)
    for planned in plan.runs:
        planned.run.out_dir.mkdir(parents=True)
    work = _Steps(plan, tokenizer, Path(out))
    return {
        "planning_ms": {name: 1000 * spent for name, spent in overall.spent.items()},
        "datasets": {name: work.measure(texts) for name, texts in sorted(by_dataset.items())},
    }


def _milliseconds(clock: _Clock, count: int) -> dict[str, float]:
    return {name: 1000 * spent / count for name, spent in clock.spent.items()}


class _Steps:
    """The steps of a worker, taken one by one under a clock."""

    def __init__(self, plan: Plan, tokenizer: str, out: Path) -> None:
        from transformers import AutoTokenizer

        self._folders = plan.folders()
        self._rules = plan.options.rules
        self._out = out
        self._tokenizer = load_tokenizer(tokenizer).tokenizer
        self._pretrained = AutoTokenizer.from_pretrained(tokenizer, local_files_only=True)
        self._cache = caching.Cache(caching.cache_folder())
        self._journal = Journal(str(out))

    def measure(self, texts: list[TextWork]) -> dict[str, dict[str, float]]:
        """Milliseconds a text, a row, and a row of the plain way."""
        of_text, of_row = _Clock(), _Clock()
        packed: dict[bytes, bytes] = {}
        aligned: list[Alignment] = []
        for text in texts:
            aligned.append(self._align(text, of_text))
            packed[b"%d" % len(packed)] = aligned[-1].to_bytes()
        with of_text("remember in the cache"):
            self._cache.put(packed)
        with of_text("again: recall from the cache"):
            list(map(Alignment.from_bytes, self._cache.get(list(packed)).values()))
        for text, alignment in zip(texts, aligned, strict=True):
            for row in text.rows:
                self._convert(row, alignment, of_row)
        rows = sum(len(text.rows) for text in texts)
        return {
            "text_ms": _milliseconds(of_text, len(texts)),
            "row_ms": _milliseconds(of_row, rows),
            "plain_row_ms": _milliseconds(self._plain(texts), len(texts)),
        }

    def _plain(self, texts: list[TextWork]) -> _Clock:
        """The steps of the plain way, for one row of each text."""
        clock = _Clock()
        for work in texts:
            assert work.place is not None
            assert work.key is not None
            text, row = read_text(work.place, work.key), work.rows[-1]
            with clock("tokenize in three passes"):
                pieces = plain.token_pieces(self._pretrained, *text)
            fields = {
                "prompt_len": row.prompt_len,
                "gen_len": row.gen_len,
                "attr_func": row.attr_func,
            }
            trace = Path(self._folders[row.run][0], row.file)
            with clock("read, convert and write"):
                plain.convert_row(fields, trace, self._out / "plain" / row.file, pieces)
        return clock

    def _align(self, work: TextWork, clock: _Clock) -> Alignment:
        assert work.place is not None
        assert work.key is not None
        with clock("find the text"):
            text = read_text(work.place, work.key)
        with clock("tokenize the prompt"):
            prompt = prompt_pieces(self._tokenizer, text.prompt)
        with clock("tokenize and decode the generation"):
            generation = generation_pieces(self._tokenizer, text.target)
        with clock("pieces to an array"):
            tok = np.array(prompt + generation[:-1], dtype=np.str_)
        with clock("deflate tok"):
            member = npz.pack(tok, deflate.compress_text)
        return Alignment(len(prompt), len(generation), 0, 0, member)

    def _convert(self, row: Any, alignment: Alignment, clock: _Clock) -> None:
        trace_path, out_path = (f"{folder}/{row.file}" for folder in self._folders[row.run])
        with clock("read and inflate the trace"):
            trace = read_row(trace_path, row, LAYOUTS["proc"])
        with clock("build and deflate the sample"):
            values = {**trace_values(trace, row), "tok": alignment.tok}
            sample = encode(LAYOUTS["proc"], values)
        with clock("write the file"):
            write_whole(out_path, sample, replace=False)
        with clock("journal"):
            self._journal.started(row.number)
            self._journal.ended(Outcome(row.number, row.run, "converted"))


def main() -> int:
    """Take one measurement."""
    probes: dict[str, Callable[..., dict[str, Any]]] = {
        "planning": planning,
        "memory": memory,
        "steps": steps,
    }
    what, *words = sys.argv[1:]
    print(json.dumps(probes[what](*words)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
