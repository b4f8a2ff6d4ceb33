"""A simulation of many workers: what of a run one process does, while all others wait for it.

    python -m benchmarks.simulate_scale --json FILE --repeat 3
    python -m benchmarks.simulate_scale --json FILE --show --figure docs/scaling.svg

Real are the manifests and datasets on disk, the planner, the shards, the worker processes and all
that goes to them and comes back, the report, the records, and the output folders with a file for
every row. Not real are the traces (there are none) and the conversion: a worker sleeps as long as
its rows would take. So a hundred of them fit on two cores, and what is seen is what the process
that leads them costs. The start of the workers is left out: where each has a core of its own they
start at once.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
from collections import defaultdict
from contextlib import closing
from pathlib import Path

from exp2proc import make_plan
from exp2proc.conversion.run import run_plan
from exp2proc.demo.tree import train_tokenizer
from exp2proc.options import Options
from exp2proc.planning.shards import text_seconds
from exp2proc.tokens import cache as caching

from . import scale_figure, tables, workload
from .sleeping import SleepingEngine, now

_DATA = Path(__file__).resolve().parents[1] / ".benchmarks-data"
_SAMPLES, _RUNS = 100, 10
_COLUMNS = (
    *("rows", "a row takes", "workers", "planning", "before the first shard", "handing out"),
    *("CPU of that", "after the last", "work, of handing out", "work, of all", "peak MB"),
)
_LONGEST = 200.0
"""Seconds of work a worker above which a combination is left out."""


class Place:
    """The folders of a simulated export.

    Args:
        root: below which they are.
    """

    def __init__(self, root: Path) -> None:
        self._work = workload.Workload(root, _SAMPLES)
        self._out, self._full, self._spare = root / "out", root / "full", root / "spare"
        os.environ["EXP2PROC_CACHE_DIR"] = str(root / "cache")
        self.options = Options(
            traces_root=self._work.bulk,
            data_root=self._work.data,
            tokenizer_model=(str(root / "tokenizer"),),
            out_root=self._out,
        )

    def prepare(self, rows: int) -> None:
        """Write manifests, datasets, empty outputs (set aside) and a cache that knows all texts."""
        workload.write_manifests(self._work.root, rows, _SAMPLES, _RUNS)
        train_tokenizer(["only its folder is looked at"], self._work.root / "tokenizer")
        plan = make_plan(self.options)
        fingerprint = plan.tokenizers[0].fingerprint
        assert fingerprint is not None
        keys = [caching.alignment_key(fingerprint, *t.key) for t in plan.texts if t.key is not None]
        caching.Cache(caching.cache_folder()).put(dict.fromkeys(keys, b"-"))
        for planned in plan.runs:
            folder = self._spare / planned.run.out_dir.relative_to(self._out)
            folder.mkdir(parents=True)
            for name in planned.files:
                os.close(os.open(folder / name, os.O_CREAT))
        self._spare.rename(self._full)

    def fill(self) -> None:
        """The outputs are there."""
        self._out.rename(self._spare)
        self._full.rename(self._out)

    def empty(self) -> None:
        """They are not."""
        for path in sorted(self._out.rglob("*.json")):
            path.unlink()
        self._out.rename(self._full)
        shutil.rmtree(self._spare)


def measure(root: Path, workers: int, row_ms: float) -> dict[str, float]:
    """One run with so many workers: seconds of its parts."""
    place = Place(root)
    load = os.getloadavg()[0]
    SleepingEngine(workers, 0.0, place.fill).start()
    began = now()
    plan = make_plan(place.options)
    planned = now()
    scale = plan.row_count * row_ms / 1000 / sum(map(text_seconds, plan.texts))
    engine = SleepingEngine(workers, scale, place.fill)
    with closing(engine):
        ready = now()
        report = run_plan(plan, None, engine)
        ended = now()
    place.empty()
    assert report.counts.converted == plan.row_count
    return {
        "rows": plan.row_count,
        "workers": workers,
        "row_ms": row_ms,
        "planning": planned.cpu - began.cpu,
        "before": engine.began.cpu - ready.cpu,
        "handing": engine.ended.wall - engine.began.wall,
        "handing_cpu": engine.ended.cpu - engine.began.cpu,
        "after": ended.cpu - engine.ended.cpu,
        "wall": ended.wall - ready.wall + planned.wall - began.wall,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "shards": engine.shards,
        "bytes_a_row": engine.sent,
        "load": load,
    }


def summary(found: list[dict[str, float]]) -> list[dict[str, float]]:
    """The least disturbed of what was repeated, and what share of the workers' time is work."""
    same: dict[tuple[float, ...], list[dict[str, float]]] = defaultdict(list)
    for one in found:
        same[one["row_ms"], one["rows"], one["workers"]].append(one)
    made = []
    for _, of in sorted(same.items()):
        one = {name: min(each[name] for each in of) for name in of[0]}
        work = one["rows"] * one["row_ms"] / 1000 / one["workers"]
        alone = one["planning"] + one["before"] + one["after"]
        shares = {"busy": work / one["handing"], "busy_whole": work / (one["handing"] + alone)}
        made.append({**one, **shares})
    return made


def table(found: list[dict[str, float]]) -> tables.Rows:
    """The figures as a table."""
    made = [list(_COLUMNS)]
    made += [
        [
            f"{one['rows']:,.0f}",
            f"{one['row_ms']:g} ms",
            f"{one['workers']:.0f}",
            *(
                f"{one[part]:,.2f} s"
                for part in ("planning", "before", "handing", "handing_cpu", "after")
            ),
            *(f"{one[share]:.0%}" for share in ("busy", "busy_whole")),
            f"{one['megabytes']:.0f}",
        ]
        for one in summary(found)
    ]
    return made


def _measure_all(args: argparse.Namespace) -> list[dict[str, float]]:
    found: list[dict[str, float]] = []
    for rows in args.rows:
        folder = args.dir.resolve() / f"scale-{rows}"
        if not (folder / "full").exists():
            shutil.rmtree(folder, ignore_errors=True)
            Place(folder).prepare(rows)
        for _ in range(args.repeat):
            for workers in args.workers:
                if rows * args.row_ms / 1000 / workers <= _LONGEST:
                    found.append(_measured(folder, workers, args.row_ms))
                    print(json.dumps(found[-1]), file=sys.stderr, flush=True)
    return found


def _measured(*words: object) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.simulate_scale", "--measure", *map(str, words)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> int:
    """Measure, keep, show."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    add("--workers", type=int, nargs="+", default=[2, 8, 32, 64, 128])
    add("--row_ms", type=float, default=2.0, help="milliseconds a row takes (default: 2)")
    add("--repeat", type=int, default=1)
    add("--dir", type=Path, default=_DATA, help="where files are kept (default: .benchmarks-data)")
    add("--json", type=Path, help="where figures are kept; those that are there stay")
    add("--figure", type=Path, help="where to draw the curve, as SVG")
    add("--show", action="store_true", help="show what is kept, measure nothing")
    add("--measure", nargs=3, metavar=("FOLDER", "WORKERS", "ROW_MS"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure is not None:
        folder, workers, row_ms = args.measure
        print(json.dumps(measure(Path(folder), int(workers), float(row_ms))))
        return 0
    found = json.loads(args.json.read_text()) if args.json and args.json.exists() else []
    if not args.show:
        found += _measure_all(args)
        if args.json:
            args.json.write_text(json.dumps(found, indent=1) + "\n")
    tables.print_markdown(table(found))
    if args.figure:
        args.figure.write_text(scale_figure.draw(summary(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
