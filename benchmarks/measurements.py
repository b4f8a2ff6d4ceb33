"""What is measured: each function runs processes and returns plain data for the JSON.

`MEASUREMENTS` is the table of them, `goals.LINES` says what is made of their figures.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

from .compare import Comparison, bytes_in
from .meter import Cost, measure
from .workload import Workload, write_manifests

Pair = dict[str, dict[str, float]]
_TWO: Final = ("--jobs", "2")


class Sizes(NamedTuple):
    """How much is measured.

    Attributes:
        pairs: runs of each pair of the bulk.
        short_pairs: runs of each pair of what takes a second or less.
        planning_rows, many_rows: rows that are planned.
        double: whether the bulk is measured with twice the methods, too.
    """

    pairs: int
    short_pairs: int
    planning_rows: int
    many_rows: int
    double: bool


class Known(NamedTuple):
    """An export of the bulk, and the cache that holds all of its alignments."""

    out: Path
    cache: Path


@dataclass
class Bench:
    """The workload and what it is converted with.

    Attributes:
        workload: the files.
        tokenizer: the folder.
        outputs: folder of all outputs. Nothing in it may be deleted before the last measurement:
            for minutes after a deletion, creating a file costs ext4 fifty times as much.
        sizes: of the measurements.
        comparison: of outputs, over all measurements.
    """

    workload: Workload
    tokenizer: Path
    outputs: Path
    sizes: Sizes
    comparison: Comparison = field(default_factory=Comparison)

    def scratch(self) -> Path:
        """A new folder for outputs and caches, on the file system of the workload."""
        return Path(tempfile.mkdtemp(dir=self.outputs))

    @cached_property
    def known(self) -> Known:
        """An export made before, as most commands need one; not measured."""
        at = self.scratch()
        self.convert(self.workload.bulk, at / "out", at / "cache", *_TWO)
        return Known(at / "out", at / "cache")

    def plain(self, traces: Path, out: Path) -> dict[str, float]:
        """One run of the baseline."""
        words = [sys.executable, "-m", "benchmarks.baseline", *self._inputs(traces)]
        return _run([*words, "--out_root", out], out)

    def convert(self, traces: Path, out: Path, cache: Path, *words: str) -> dict[str, float]:
        """One run of `exp2proc convert` with the alignment cache in `cache`."""
        options = [*words, *self._inputs(traces), "--out_root", out]
        return _run([*command(), "convert", *options], out, cache)

    def again(self, at: Path) -> dict[str, float]:
        """Converting the bulk when all alignments are known: what other commands are next to."""
        return self.convert(self.workload.bulk, at / "again", self.known.cache, *_TWO)

    def command(self, name: str, *words: str | Path, out: Path) -> dict[str, float]:
        """One run of another command, over the export that is there, with the filled cache."""
        return _run([*command(), name, *words], out, self.known.cache)

    def _inputs(self, traces: Path) -> list[str | Path]:
        data, tokenizer = self.workload.data, self.tokenizer
        return ["--traces_root", traces, "--data_root", data, "--tokenizer_model", tokenizer]


def command() -> list[str]:
    """The installed command, as a user starts it."""
    script = Path(sys.executable).with_name("exp2proc")
    return [str(script)] if script.exists() else [sys.executable, "-m", "exp2proc"]


def _run(words: list[str | Path], out: Path, cache: Path | None = None) -> dict[str, float]:
    """Run a command that writes to `out` (a folder or a file, if it writes at all)."""
    os.sync()  # what was written before is not to be paid for now
    load = os.getloadavg()[0]
    cost = measure(words, {"EXP2PROC_CACHE_DIR": str(cache)} if cache else {})
    figures = {**_figures(cost), "bytes": bytes_in(out), "load_before": load}
    written = [path.stat().st_ctime for path in out.rglob("*.npz")]
    return {**figures, "first_file": min(written) - cost.began} if written else figures


def _figures(cost: Cost) -> dict[str, float]:
    return {"wall": cost.wall, "cpu": cost.cpu, "memory": cost.memory}


def bulk(bench: Bench) -> Pair:
    """All runs with two workers: plain, with an empty cache, again, resumed; outputs compared.

    With `double`, plain and empty cache once more over twice the methods on the same texts.
    """
    work = bench.workload
    at = bench.scratch()
    pair = {
        "plain": bench.plain(work.bulk, at / "plain"),
        "empty": bench.convert(work.bulk, at / "empty", at / "cache", *_TWO),
        "again": bench.convert(work.bulk, at / "again", at / "cache", *_TWO),
        "resume": bench.convert(work.bulk, at / "again", at / "cache", *_TWO, "--resume"),
    }
    bench.comparison.check(at / "empty", at / "plain")
    bench.comparison.check(at / "again", at / "plain")
    if bench.sizes.double:
        out, cache = at / "double empty", at / "double cache"
        pair["double plain"] = bench.plain(work.both, at / "double plain")
        pair["double empty"] = bench.convert(work.both, out, cache, *_TWO)
        bench.comparison.check(out, at / "double plain")
    return pair


def short(bench: Bench) -> Pair:
    """One run of short samples: plain, with an empty cache, again; outputs compared."""
    run = bench.workload.short
    at = bench.scratch()
    pair = {
        "plain": bench.plain(run, at / "plain"),
        "empty": bench.convert(run, at / "empty", at / "cache"),
        "again": bench.convert(run, at / "again", at / "cache"),
    }
    bench.comparison.check(at / "empty", at / "plain")
    bench.comparison.check(at / "again", at / "plain")
    return pair


def first(bench: Bench) -> Pair:
    """Converting when all is known, for the moment in which the first output is there."""
    return {"again": bench.again(bench.scratch())}


def floor(bench: Bench) -> Pair:
    """Converting again, next to what the file system alone asks for."""
    at = bench.scratch()
    out, known = at / "floor", bench.known.out
    files = []
    for path in sorted(path for path in known.rglob("*") if path.is_file()):
        name = path.relative_to(known)
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        read = bench.workload.bulk / name
        if not read.exists():  # the record of a run, in a folder of its own
            run = name.relative_to(name.parts[0]).with_suffix("")
            read = bench.workload.bulk / run / "manifest.jsonl"
        files.append((str(read), str(out / name), path.stat().st_size))
    (at / "list.json").write_text(json.dumps(files))
    script = Path(__file__).with_name("floor.py")
    cost = _run([sys.executable, "-I", "-S", script, at / "list.json"], out)
    return {"floor": cost, "again": bench.again(at)}


def gallery(bench: Bench) -> Pair:
    """A site of all samples, next to converting again."""
    at = bench.scratch()
    words = (bench.known.out, "-o", at / "site", *_TWO)
    return {"again": bench.again(at), "gallery": bench.command("gallery", *words, out=at / "site")}


def check(bench: Bench) -> Pair:
    """Checking samples in themselves, and against traces and texts, next to converting again."""
    at = bench.scratch()
    words = (bench.known.out, *_TWO)
    work = bench.workload
    against = ("--against", work.bulk, "--data_root", work.data)
    tokenizer = ("--tokenizer_model", bench.tokenizer)
    return {
        "again": bench.again(at),
        "check": bench.command("check", *words, out=at / "none"),
        "against": bench.command("check", *words, *against, *tokenizer, out=at / "none"),
    }


def pack(bench: Bench) -> Pair:
    """One Parquet file of all samples, and the samples from it, next to converting again."""
    at = bench.scratch()
    file, out = at / "samples.parquet", at / "unpacked"
    pair = {
        "again": bench.again(at),
        "pack": bench.command("pack", bench.known.out, "-o", file, out=file),
        "unpack": bench.command("unpack", file, "-o", out, out=out),
    }
    bench.comparison.check(out, bench.known.out)
    return pair


def look(bench: Bench) -> dict[str, Any] | None:
    """The viewer in a browser; None where there is none."""
    cost = measure([sys.executable, "-m", "benchmarks.look", bench.scratch()])
    return json.loads(cost.output)  # type: ignore[no-any-return]


def help_page(bench: Bench) -> Pair:
    """`exp2proc --help` next to importing rich's console."""
    del bench
    return {
        "plain": _figures(measure([sys.executable, "-c", "import rich.console"])),
        "help": _figures(measure([*command(), "--help"])),
    }


def planning(bench: Bench) -> dict[str, Any]:
    """Planning long runs with a tokenizer never seen before, and again."""
    at = bench.scratch()
    rows = bench.sizes.planning_rows
    work = write_manifests(at / "manifests", rows, samples=max(1, rows // 100), runs=25)
    words: list[str | Path] = ["planning", work.bulk, work.data, bench.tokenizer]
    never, again = (_probe(at / "cache", *words) for _ in range(2))
    return {"first": never, "again": again}


def planning_many(bench: Bench) -> dict[str, Any]:
    """Planning very many runs of 100 rows, each text in ten of them; the tokenizer is known."""
    at = bench.scratch()
    work = write_manifests(at / "manifests", bench.sizes.many_rows, samples=100, runs=10)
    words: list[str | Path] = ["planning", work.bulk, work.data, bench.tokenizer]
    return {"again": _probe(bench.known.cache, *words)}


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


class Measurement(NamedTuple):
    """One entry of the table.

    Attributes:
        once: takes the measurement one time.
        times: how many pairs are taken; None where one measurement is enough.
    """

    once: Callable[[Bench], Any]
    times: Callable[[Sizes], int] | None

    def take(self, bench: Bench) -> Any:
        """As many as are wanted: a list of pairs, or the one that is enough."""
        if self.times is None:
            return self.once(bench)
        return [self.once(bench) for _ in range(self.times(bench.sizes))]


def _pairs(sizes: Sizes) -> int:
    return sizes.pairs


MEASUREMENTS: Final = {
    "bulk": Measurement(bulk, _pairs),
    "short": Measurement(short, lambda sizes: sizes.short_pairs),
    "first": Measurement(first, _pairs),
    "floor": Measurement(floor, _pairs),
    "gallery": Measurement(gallery, _pairs),
    "look": Measurement(look, None),
    "check": Measurement(check, _pairs),
    "pack": Measurement(pack, _pairs),
    "help": Measurement(help_page, lambda sizes: 3 * sizes.short_pairs),
    "planning": Measurement(planning, None),
    "planning_many": Measurement(planning_many, None),
    "memory": Measurement(memory, None),
    "steps": Measurement(steps, None),
}
