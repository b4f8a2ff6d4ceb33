"""Unpacking in workers: the same files with any number of them, whole ones whatever happens."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.arrays import assert_same_tree, files_below
from support.cli import COMMAND, preload, run_cli
from support.exported import NAN, write_export
from support.processes import needs_proc, running, wait_until

import exp2proc
from exp2proc.engines import open_engine
from exp2proc.engines.choice import EngineChoice
from exp2proc.engines.each import each
from exp2proc.formats.parquet import ParquetReader, pack, unpack
from exp2proc.system.leftovers import MACHINE

pytest.importorskip("pyarrow", reason="the extra parquet is not installed")
pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture(scope="module", autouse=True)
def _preloaded() -> None:
    preload("pyarrow.parquet")


RUNS = [f"math/qwen-8B/{method}_n1_12ex" for method in ("ifr", "attnlrp", "ifr_multi_hop")]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same twelve texts with three methods, scores and hops of all kinds."""
    out = tmp_path_factory.mktemp("out")
    rng = np.random.default_rng(0)
    for at, run in enumerate(RUNS):
        for number in range(12):
            tok = [f"t{piece}🍎" * (number % 3) for piece in range(40 + number)]
            hop = rng.random((at, len(tok))).tolist() if at else None
            scores = (0.5, NAN, float("inf")) if number % 2 else (NAN, NAN, NAN)
            path = out / run / f"ex_{number:06}.npz"
            write_export(path, tok, attr=rng.random(len(tok)).tolist(), hop=hop, scores=scores)
    write_export(out / RUNS[0] / "ex_000012.npz", None, length=7)
    write_export(out / RUNS[0] / "ex_000013.npz", [])
    return out


def in_groups(out: Path, path: Path, rows: int = 5, **how: Any) -> Path:
    """The samples packed, so many rows a group; written as `how` says."""
    pack(exp2proc.iter_samples(out), path)
    file = pq.ParquetFile(path)
    table = file.read().replace_schema_metadata({"exp2proc": "{}"})
    pq.write_table(table, path, row_group_size=rows, **how)
    return path


@pytest.fixture
def packed(out: Path, tmp_path: Path) -> Path:
    path = in_groups(out, tmp_path / "samples.parquet")
    assert pq.ParquetFile(path).num_row_groups == 8
    return path


def contents(folder: Path) -> dict[Path, bytes]:
    return {name: (folder / name).read_bytes() for name in files_below(folder)}


@pytest.mark.parametrize("jobs", ["1", pytest.param("2", marks=pytest.mark.slow), "3", "auto"])
def test_the_same_with_any_number_of_workers(
    out: Path, packed: Path, tmp_path: Path, jobs: str
) -> None:
    done = run_cli("unpack", packed, "-o", tmp_path / "back", "--jobs", jobs)
    assert done.returncode == 0, done.stderr
    assert "38 samples" in done.stdout
    assert contents(tmp_path / "back") == contents(out)


_WRITERS: dict[int, dict[str, Any]] = {
    7: {"use_dictionary": True, "compression": "zstd"},  # as pack did first
    1: {"use_dictionary": False, "compression": "none"},
    1000: {"use_byte_stream_split": False, "compression": "snappy", "version": "1.0"},
}
"""By the rows of a group with which they are tried by default."""


@pytest.mark.parametrize(
    ("how", "rows"),
    [
        pytest.param(how, rows, marks=[] if rows == its else [pytest.mark.slow])
        for its, how in _WRITERS.items()
        for rows in _WRITERS
    ],
    ids=str,
)
def test_whoever_wrote_it(out: Path, tmp_path: Path, how: dict[str, Any], rows: int) -> None:
    path = in_groups(out, tmp_path / "samples.parquet", rows, **how)
    assert run_cli("unpack", path, "-o", tmp_path / "back", "--jobs", "2").returncode == 0
    assert contents(tmp_path / "back") == contents(out)


@pytest.mark.parametrize("jobs", ["1", "2", pytest.param("3", marks=pytest.mark.slow)])
def test_rows_that_are_no_samples(out: Path, tmp_path: Path, jobs: str) -> None:
    """Told in order, with their numbers; the others are written."""
    path = in_groups(out, tmp_path / "samples.parquet", 1000)
    table = pq.ParquetFile(path).read()
    rows = table.to_pylist()
    for number in (3, 17, 29):
        rows[number]["tok_width"] = 0
    pq.write_table(table.from_pylist(rows, table.schema), path, row_group_size=5)
    done = run_cli("unpack", path, "-o", tmp_path / "back", "--jobs", jobs)
    assert (done.returncode, "35 samples" in done.stdout) == (1, True)
    # where it takes long, there is a line of progress, too
    told = re.findall(r": row (\d+) ", done.stderr)
    assert told == ["3", "17", "29"]
    assert len(files_below(tmp_path / "back")) == 35
    assert all((out / name).exists() for name in files_below(tmp_path / "back"))


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_file_that_is_there_is_seen_before_any_is_written(
    out: Path, packed: Path, tmp_path: Path, jobs: str
) -> None:
    there = tmp_path / "back" / RUNS[2] / "ex_000011.npz"  # the last row
    there.parent.mkdir(parents=True)
    for content in (b"another", (out / RUNS[2] / there.name).read_bytes()):
        there.write_bytes(content)
        done = run_cli("unpack", packed, "-o", tmp_path / "back", "--jobs", jobs)
        assert (done.returncode, "target-exists" in done.stderr) == (2, True)
        assert contents(tmp_path / "back") == {there.relative_to(tmp_path / "back"): content}
    there.write_bytes(b"another")
    words = ("unpack", packed, "-o", tmp_path / "back", "--jobs", jobs, "--overwrite")
    assert run_cli(*words).returncode == 0
    assert contents(tmp_path / "back") == contents(out)


class Changed:
    """Another file in the place of the one that is read, as work begins."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, function: Callable[[Any], Any], items: Sequence[Any], /) -> Any:
        self.path.rename(self.path.with_suffix(".old"))
        self.path.write_bytes(self.path.with_suffix(".old").read_bytes())
        yield from map(function, items)


def test_another_file_in_its_place_is_not_read(packed: Path, tmp_path: Path) -> None:
    with (
        ParquetReader(packed) as reader,
        pytest.raises(exp2proc.Exp2procError, match="it changed while it was read"),
    ):
        list(unpack(reader, tmp_path / "back", over=Changed(packed)))
    assert not (tmp_path / "back").exists()


def deadly(mark: Path, function: Callable[[Any], Any], groups: range) -> Any:
    """Write them, then die of the third part, the first time."""
    done = function(groups)
    if 2 in groups and not mark.exists():
        mark.touch()
        temporary = mark.parent / "back" / RUNS[1] / f".{MACHINE}-{os.getpid()}-0.exp2proc-tmp"
        temporary.write_bytes(b"half a sample")
        os.kill(os.getpid(), signal.SIGKILL)
    return done


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_killed_worker_costs_nothing(
    out: Path, packed: Path, tmp_path: Path, overwrite: bool
) -> None:
    """What it had written is there, and no reason to refuse what is done again."""
    with ParquetReader(packed) as reader, open_engine(EngineChoice("loky", jobs=2)) as engine:

        def over(
            function: Callable[[Any], Any], items: Sequence[Any], /
        ) -> Generator[Any, None, None]:
            yield from each(partial(deadly, tmp_path / "mark", function), items, engine, batch=1)

        paths = list(unpack(reader, tmp_path / "back", overwrite=overwrite, over=over))
    assert (tmp_path / "mark").exists()
    assert len(set(paths)) == 38
    assert contents(tmp_path / "back") == contents(out)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A packed file that takes seconds, and beside it the samples."""
    folder = tmp_path_factory.mktemp("long")
    rng = np.random.default_rng(0)
    for number in range(120):
        tok = rng.integers(0, 1 << 40, 10_000).astype(str).tolist()
        write_export(folder / "out" / RUNS[0] / f"ex_{number:06}.npz", tok)
    return in_groups(folder / "out", folder / "samples.parquet", 4)


@pytest.mark.thorough
@needs_proc
@pytest.mark.parametrize(
    ("number", "code", "jobs"),
    [
        (signal.SIGINT, 130, "2"),
        (signal.SIGTERM, 143, "1"),
        pytest.param(signal.SIGINT, 130, "1", marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, 143, "2", marks=pytest.mark.slow),
    ],
)
def test_stopped(long: Path, tmp_path: Path, number: signal.Signals, code: int, jobs: str) -> None:
    """Every file that is there is whole; nothing else is left, no process either."""
    back = tmp_path / "back"
    with running(tmp_path / "run", "unpack", long, "-o", back, "--jobs", jobs) as run:
        wait_until(lambda: len(list(back.rglob("*.npz"))) > 5)
        if number == signal.SIGINT:
            run.signal_all(number)
        else:
            os.kill(run.pid, number)
        assert run.wait() == code
        wait_until(lambda: not run.members(), timeout=10)
    said, hint = run.stderr.splitlines()
    assert said == f"exp2proc: {'interrupted' if code == 130 else 'terminated'}"
    assert "--overwrite" in hint
    there = files_below(back)
    assert 5 < len(there) < 120
    for name in there:
        assert (back / name).read_bytes() == (long.parent / "out" / name).read_bytes()


@pytest.mark.thorough
@needs_proc
def test_killed_altogether(long: Path, tmp_path: Path) -> None:
    back = tmp_path / "back"
    with running(tmp_path / "run", "unpack", long, "-o", back, "--jobs", "2") as run:
        wait_until(lambda: len(list(back.rglob("*.npz"))) > 5)
        run.signal_all(signal.SIGKILL)
        run.wait()
    for path in back.rglob("*.npz"):
        assert path.read_bytes() == (long.parent / "out" / path.relative_to(back)).read_bytes()
    assert run_cli("unpack", long, "-o", back, "--overwrite", "--jobs", "2").returncode == 0
    assert assert_same_tree(back, long.parent / "out") == 120


def test_a_target_that_is_a_file_is_said_once(packed: Path, tmp_path: Path) -> None:
    target = tmp_path / "notes.txt"
    target.write_text("mine")
    done = run_cli("unpack", packed, "-o", target, "--overwrite")
    assert done.returncode == 2
    assert done.stderr == (
        f"exp2proc: target-exists: {target} is not a folder\nhint: Name a folder with -o.\n"
    )
    assert target.read_text() == "mine"


def test_names_that_the_system_refuses_are_not_the_packed_files_fault(
    packed: Path, tmp_path: Path
) -> None:
    (tmp_path / "back").mkdir()
    (tmp_path / "back/math").write_text("mine")  # stands where the folder of all samples would
    done = run_cli("unpack", packed, "-o", tmp_path / "back")
    assert done.returncode == 2
    assert f"output-unwritable: {tmp_path / 'back'}: no sample could be written" in done.stderr
    assert "pack" not in done.stderr.rpartition("hint:")[2]


def test_after_ctrl_c_what_it_says_completes_it(out: Path, tmp_path: Path) -> None:
    path = in_groups(out, tmp_path / "samples.parquet", rows=1)
    command = [*COMMAND, "unpack", path, "-o", tmp_path / "back", "--jobs", "1"]
    with subprocess.Popen(
        [*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_until(lambda: any((tmp_path / "back").rglob("*.npz")) or process.poll() is not None)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    if process.returncode == 130:  # else all was written before the signal came
        hint = "Run it again with --overwrite to complete it."
        assert told == f"exp2proc: interrupted\nhint: {hint}\n"
    done = run_cli("unpack", path, "-o", tmp_path / "back", "--overwrite")
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "back") == contents(out)


def test_one_sample_is_called_one(out: Path, tmp_path: Path) -> None:
    path = tmp_path / "one.parquet"
    one = out / RUNS[0] / "ex_000000.npz"
    assert ": 1 sample, " in run_cli("pack", one, "-o", path).stdout
    assert run_cli("unpack", path, "-o", tmp_path / "b").stdout == f"{tmp_path / 'b'}: 1 sample\n"
