"""What is measured: each function runs processes and returns plain data for the JSON."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .compare import Comparison, bytes_in
from .meter import Cost, measure
from .workload import Workload, write_manifests

Pair = dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class Bench:
    """The workload and what it is converted with.

    Attributes:
        workload: the files.
        tokenizer: the folder.
        outputs: folder of all outputs. Nothing in it may be deleted before the last measurement:
            for minutes after a deletion, creating a file costs ext4 fifty times as much.
        comparison: of outputs, over all measurements.
    """

    workload: Workload
    tokenizer: Path
    outputs: Path
    comparison: Comparison = field(default_factory=Comparison)

    def scratch(self) -> Path:
        """A new folder for outputs and caches, on the file system of the workload."""
        return Path(tempfile.mkdtemp(dir=self.outputs))

    def plain(self, traces: Path, out: Path) -> dict[str, float]:
        """One run of the baseline."""
        return self._run([sys.executable, "-m", "benchmarks.baseline"], traces, out, {})

    def exp2proc(self, traces: Path, out: Path, cache: Path, *words: str) -> dict[str, float]:
        """One run of `exp2proc convert` with the alignment cache in `cache`."""
        env = {"EXP2PROC_CACHE_DIR": str(cache)}
        return self._run([*command(), "convert", *words], traces, out, env)

    def _run(
        self, words: list[str], traces: Path, out: Path, env: dict[str, str]
    ) -> dict[str, float]:
        options = {
            "--traces_root": traces,
            "--data_root": self.workload.data,
            "--tokenizer_model": self.tokenizer,
            "--out_root": out,
        }
        os.sync()  # what was written before is not to be paid for now
        load = os.getloadavg()[0]
        cost = measure([*words, *(str(part) for pair in options.items() for part in pair)], env)
        return {**_figures(cost), "bytes": bytes_in(out), "load_before": load}


def command() -> list[str]:
    """The installed command, as a user starts it."""
    script = Path(sys.executable).with_name("exp2proc")
    return [str(script)] if script.exists() else [sys.executable, "-m", "exp2proc"]


def _figures(cost: Cost) -> dict[str, float]:
    return {"wall": cost.wall, "cpu": cost.cpu, "memory": cost.memory}


def bulk(bench: Bench, *, double: bool) -> Pair:
    """All runs with two workers: plain, with an empty cache, again, resumed; outputs compared.

    With `double`, plain and empty cache once more over twice the methods on the same texts.
    """
    work = bench.workload
    at = bench.scratch()
    pair = {
        "plain": bench.plain(work.bulk, at / "plain"),
        "empty": bench.exp2proc(work.bulk, at / "empty", at / "cache", "--jobs", "2"),
        "again": bench.exp2proc(work.bulk, at / "again", at / "cache", "--jobs", "2"),
        "resume": bench.exp2proc(work.bulk, at / "again", at / "cache", "--jobs=2", "--resume"),
    }
    bench.comparison.check(at / "empty", at / "plain")
    bench.comparison.check(at / "again", at / "plain")
    if double:
        pair["double plain"] = bench.plain(work.both, at / "double plain")
        pair["double empty"] = bench.exp2proc(
            work.both, at / "double empty", at / "double cache", "--jobs", "2"
        )
        bench.comparison.check(at / "double empty", at / "double plain")
    return pair


def short(bench: Bench) -> Pair:
    """One run of short samples: plain, with an empty cache, again; outputs compared."""
    run = bench.workload.short
    at = bench.scratch()
    pair = {
        "plain": bench.plain(run, at / "plain"),
        "empty": bench.exp2proc(run, at / "empty", at / "cache"),
        "again": bench.exp2proc(run, at / "again", at / "cache"),
    }
    bench.comparison.check(at / "empty", at / "plain")
    bench.comparison.check(at / "again", at / "plain")
    return pair


def help_page() -> Pair:
    """`exp2proc --help` next to importing rich's console."""
    return {
        "plain": _figures(measure([sys.executable, "-c", "import rich.console"])),
        "help": _figures(measure([*command(), "--help"])),
    }


def planning(bench: Bench, rows: int) -> dict[str, Any]:
    """Planning so many rows with a tokenizer never seen before, and again."""
    at = bench.scratch()
    work = write_manifests(at / "manifests", rows)
    words: list[str | Path] = ["planning", work.bulk, work.data, bench.tokenizer]
    first, again = (_probe(at / "cache", *words) for _ in range(2))
    return {"first": first, "again": again}


def memory(bench: Bench) -> dict[str, Any]:
    """Resident bytes of one process over all rows of twice the methods."""
    at = bench.scratch()
    work = bench.workload
    return _probe(at / "cache", "memory", work.both, work.data, bench.tokenizer, at / "out")


def steps(bench: Bench) -> dict[str, Any]:
    """Where the time of a text and of a row goes, and that of starting."""
    at = bench.scratch()
    work = bench.workload
    (at / "out").mkdir()
    found = _probe(at / "cache", "steps", work.bulk, work.data, bench.tokenizer, at / "out")
    starts = {
        "python itself": "pass",
        "the command's modules": "import exp2proc.cli.convert, exp2proc.conversion.run;"
        " import exp2proc.terminal.report",
        "the same and joblib": "import exp2proc.conversion.run, exp2proc.terminal.report, joblib",
        "transformers and the tokenizer, loaded": "from exp2proc.tokens.tokenizer import"
        f" load_tokenizer; load_tokenizer({str(bench.tokenizer)!r})",
        "two worker processes, doing nothing": "import joblib, exp2proc.conversion.worker as w;"
        "joblib.Parallel(2)(joblib.delayed(w.stop_threads)(str(n)) for n in range(2))",
    }
    found["start"] = {
        name: _figures(measure([sys.executable, "-c", code])) for name, code in starts.items()
    }
    return found


def _probe(cache: Path, *words: str | Path) -> dict[str, Any]:
    cost = measure(
        [sys.executable, "-m", "benchmarks.probe", *words], {"EXP2PROC_CACHE_DIR": str(cache)}
    )
    return {**json.loads(cost.output), "process": _figures(cost)}
