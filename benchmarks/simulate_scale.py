"""A simulation: planning and handing out 10^4 to 10^6 rows, with a stub in place of the conversion.

    python -m benchmarks.simulate_scale [--rows 10000 100000 1000000] [--dir FOLDER]

Real are the manifests and datasets on disk, the planner, the shards, the flow of outcomes into the
report, and the pickling of all that a cluster would be sent. Not real are the traces (there are
none), the workers and the conversion: a stub reports every row as converted at once. The figures
say what the planner costs beside the work, never how fast samples are converted.
"""

from __future__ import annotations

import argparse
import json
import pickle
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from exp2proc import make_plan
from exp2proc.conversion.run import run_plan
from exp2proc.conversion.worker import ShardResult
from exp2proc.demo.traces import Method, example_of, manifest_row, write_jsonl
from exp2proc.demo.tree import MODEL_TAG, train_tokenizer
from exp2proc.engines import Task, Work
from exp2proc.engines.tasks import TaskEngine
from exp2proc.options import Options
from exp2proc.results import Outcome
from exp2proc.traces.datasets import Text

_SAMPLES = 100
_METHODS = 10
_WORKERS = 64
_COLUMNS = (
    *("rows", "runs", "planning, s", "rows/s", "handing out, s", "rows/s", "peak MB"),
    *("shards", "at most under way", "bytes sent a row"),
)


def write_manifests(root: Path, rows: int) -> None:
    """Runs of 100 rows, each text in 10 runs: manifests, datasets and a tokenizer, no traces."""
    train_tokenizer(["only its folder is looked at"], root / "tokenizer")
    methods = [Method(f"method_{at}", f"method_{at}_{_SAMPLES}ex") for at in range(_METHODS)]
    rng = np.random.default_rng(0)
    for number in range(rows // (_SAMPLES * _METHODS)):
        dataset = f"dataset_{number:05d}"
        texts = [
            Text(f"{dataset}: what is {at} times {at}?", f"It is {at * at}. " * 20)
            for at in range(_SAMPLES)
        ]
        write_jsonl(root / "data" / f"{dataset}.jsonl", [text._asdict() for text in texts])
        examples = [
            example_of(text, int(rng.integers(200, 4000)), int(rng.integers(100, 2000)))
            for text in texts
        ]
        arrays = [
            {
                "indices_to_explain_gen": np.array(example.sink),
                "sink_span_gen": np.array(example.sink),
                "thinking_span_gen": np.array([0, max(0, example.sink[0] - 1)]),
                "faithfulness_scores": rng.random((3, 3)),
            }
            for example in examples
        ]
        for method in methods:
            folder = root / "traces" / dataset / MODEL_TAG / method.run_tag
            made = zip(examples, arrays, strict=True)
            lines = [manifest_row(at, ex, method, ar) for at, (ex, ar) in enumerate(made)]
            write_jsonl(folder / "manifest.jsonl", lines)


class StubEngine(TaskEngine):
    """Workers that do not exist: a shard is pickled as for a cluster, and answered at once."""

    def __init__(self) -> None:
        super().__init__(None)
        self.most_under_way = self.shards = self.sent = 0

    def slots(self) -> int:
        """See `TaskEngine.slots`."""
        return _WORKERS

    def everywhere(self, check: Callable[[], Any]) -> Iterator[tuple[str, Any]]:
        """See `Engine.everywhere`."""
        return iter(())

    def close(self) -> None:
        """See `Engine.close`."""

    def _submit(self, task: Task, shard: Work) -> Any:
        data = pickle.dumps((task, shard))
        self.shards += 1
        self.sent += len(data)
        self.most_under_way = max(self.most_under_way, len(self._under_way) + 1)
        return data

    def _ended(self, under_way: list[Any], seconds: float) -> list[Any]:
        return under_way[:1]

    def _result(self, handle: Any) -> ShardResult:
        _task, shard = pickle.loads(handle)
        return ShardResult(
            shard.number, [Outcome(r.number, r.run, "converted") for r in shard.rows()]
        )

    def _cancel(self, handles: list[Any]) -> None: ...


@contextmanager
def _timed(into: dict[str, float], name: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    into[name] = time.perf_counter() - began


def measure(root: Path) -> dict[str, float]:
    """Plan the runs below `root` and hand them out; seconds, bytes and counts."""
    figures: dict[str, float] = {"megabytes_before": _peak()}
    options = Options(
        traces_root=root / "traces",
        data_root=root / "data",
        tokenizer_model=(str(root / "tokenizer"),),
        out_root=root / "out",
        cache=False,
    )
    with _timed(figures, "plan"):
        plan = make_plan(options)
    figures["megabytes_plan"] = _peak()
    engine = StubEngine()
    with _timed(figures, "hand_out"):
        report = run_plan(plan, None, engine)
    assert report.counts.converted == plan.row_count
    return {
        **figures,
        "megabytes": _peak(),
        "rows": plan.row_count,
        "runs": len(plan.runs),
        "shards": engine.shards,
        "most_under_way": engine.most_under_way,
        "bytes_a_row": engine.sent / plan.row_count,
    }


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--dir", type=Path, help="where to write the manifests")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure is not None:
        print(json.dumps(measure(args.measure)))
        return
    print("SIMULATION: no trace is read and no sample is made; see the head of this file.\n")
    print(f"{_WORKERS} imagined workers, {_SAMPLES} rows a run, each text in {_METHODS} runs\n")
    print(f"| {' | '.join(_COLUMNS)} |")
    print(f"|{' ---: |' * len(_COLUMNS)}")
    for rows in args.rows:
        with tempfile.TemporaryDirectory(dir=args.dir) as folder:
            write_manifests(Path(folder), rows)
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.simulate_scale", "--measure", folder],
                check=True,
                stdout=subprocess.PIPE,
            )
        f = json.loads(done.stdout)
        print(
            f"| {f['rows']:,} | {f['runs']:,} | {f['plan']:.1f} | {f['rows'] / f['plan']:,.0f}"
            f" | {f['hand_out']:.1f} | {f['rows'] / f['hand_out']:,.0f} | {f['megabytes']:.0f}"
            f" | {f['shards']:,} | {f['most_under_way']} | {f['bytes_a_row']:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
