"""Outputs that cannot be written: the system's own reason, nothing half, an early stop."""

from __future__ import annotations

import errno
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.arrays import files_below
from support.cli import COMMAND, codes, run_cli, run_json
from support.exported import write_export
from support.processes import needs_proc, running, unmeasured, wait_until
from support.workload import Workload

from exp2proc.formats.record import RECORDS

_NAMESPACE = ("unshare", "--mount", "--map-root-user", "sh", "-ec")


@pytest.fixture(scope="module")
def mounts(tmp_path_factory: pytest.TempPathFactory) -> None:
    """File systems of a process's own: mounted for it, gone with it, never seen by anyone else."""
    folder = tmp_path_factory.mktemp("mount")
    words = [*_NAMESPACE, f"mount -t tmpfs none {shlex.quote(str(folder))}"]
    try:
        done = subprocess.run(words, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("unshare is not installed")
    if done.returncode:
        pytest.skip(f"no mount namespaces here: {done.stderr.decode().strip()}")


def _shell(script: str, **variables: Path | str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*_NAMESPACE, script],
        env={**os.environ, **{name: str(value) for name, value in variables.items()}},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _command(*words: str | Path) -> str:
    return shlex.join([*COMMAND, *map(str, words)])


def _assert_stopped_early(report: dict[str, Any], reason: int) -> None:
    assert report["stopped"] == "unwritable"
    assert set(codes(report)) == {"output-unwritable"}
    assert all(error["message"].endswith(os.strerror(reason)) for error in report["errors"])
    counts = report["counts"]
    assert 5 <= counts["failed"] < 60
    assert counts["unfinished"] > 500


@pytest.mark.thorough
@pytest.mark.usefixtures("mounts")
@pytest.mark.parametrize("jobs", [pytest.param("1", marks=pytest.mark.slow), "2"])
def test_disk_full(workload: Workload, tmp_path: Path, jobs: str) -> None:
    """A small disk fills up; with more room the next run finishes the rest."""
    out, full, rest = tmp_path / "out", tmp_path / "full", tmp_path / "rest"
    out.mkdir()
    first = _command(*workload.into(out, "--jobs", jobs, "--json", "--report", tmp_path / "1.json"))
    second = _command(*workload.into(out, "--resume", "--json", "--report", tmp_path / "2.json"))
    done = _shell(
        f"""
        mount -t tmpfs -o size=1m none "$OUT"
        {first} >&2 && exit 99 || test $? = 1
        cp -a "$OUT" "$FULL"
        mount -o remount,size=100m "$OUT"
        {second} >&2
        cp -a "$OUT" "$REST"
        """,
        OUT=out,
        FULL=full,
        REST=rest,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    report = json.loads((tmp_path / "1.json").read_text())
    _assert_stopped_early(report, errno.ENOSPC)
    assert workload.assert_whole_files(full) == report["counts"]["converted"] > 0
    assert not list(full.rglob(".*")), "temporary files"
    report = json.loads((tmp_path / "2.json").read_text())
    assert report["counts"]["kept"] + report["counts"]["converted"] == workload.rows
    workload.assert_export(rest)


@pytest.mark.usefixtures("mounts")
def test_read_only_folder(workload: Workload, tmp_path: Path) -> None:
    """Root, too, is refused by a read-only mount."""
    out = tmp_path / "out"
    for name in files_below(workload.expected):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
    done = _shell(
        f"""
        mount --bind "$OUT" "$OUT"
        mount -o remount,bind,ro "$OUT"
        exec {_command(*workload.into(out, "--json"))}
        """,
        OUT=out,
    )
    assert done.returncode == 1, done.stderr
    _assert_stopped_early(json.loads(done.stdout), errno.EROFS)
    assert not [path for path in out.rglob("*") if path.is_file()]


_LIMITED = (
    "import os, resource, sys;"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000));"
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)


@pytest.mark.thorough
@pytest.mark.parametrize("jobs", [pytest.param("1", marks=pytest.mark.slow), "2"])
def test_file_size_limit(workload: Workload, tmp_path: Path, jobs: str) -> None:
    """No file may grow past 1,000 bytes: not even the notes that workers are handed."""
    out = tmp_path / "out"
    done = subprocess.run(
        [
            *(sys.executable, "-c", _LIMITED, *COMMAND[1:]),
            *map(str, workload.into(out, "--jobs", jobs, "--json", "--no_cache")),
        ],
        env=unmeasured(),  # coverage could not write its file either, and would say so
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    report = json.loads(done.stdout)
    _assert_stopped_early(report, errno.EFBIG)
    assert not [path for path in out.rglob("*") if path.is_file()]


def test_early_stop_is_said(workload: Workload, tmp_path: Path) -> None:
    done = subprocess.run(
        [*(sys.executable, "-c", _LIMITED, *COMMAND[1:]), *map(str, workload.into(tmp_path))],
        env=unmeasured(),  # coverage could not write its file either, and would say so
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "stopped: outputs cannot be written, several in a row: " in done.stdout
    assert "to go on: exp2proc convert" in done.stdout
    assert done.stdout.count(os.strerror(errno.EFBIG)) <= 3


def test_folder_blocked_by_a_file(workload: Workload, tmp_path: Path) -> None:
    """One run has nowhere to go; the others are converted."""
    folders = sorted({path.parent for path in workload.expected.rglob("ex_*.npz")})
    blocked = tmp_path / folders[0].relative_to(workload.expected)
    blocked.parent.mkdir(parents=True)
    blocked.write_text("in the way")
    report = run_json(*workload.into(tmp_path), code=1)
    assert set(codes(report)) == {"output-unwritable"}
    assert {error["trace_dir"].rpartition("/")[2] for error in report["errors"]} == {blocked.name}
    assert os.strerror(errno.EEXIST) in report["errors"][0]["message"]
    assert report["counts"]["converted"] == workload.rows * (len(folders) - 1) // len(folders)
    assert blocked.read_text() == "in the way"


@needs_proc
@pytest.mark.parametrize("jobs", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_folder_vanishes(workload: Workload, tmp_path: Path, jobs: str) -> None:
    """Somebody moves the output folder away while it is written to."""
    out, gone = tmp_path / "out", tmp_path / "gone"
    with running(tmp_path / "run", *workload.into(out, "--jobs", jobs, "--json")) as run:
        wait_until(lambda: any(out.rglob("ex_*.npz")))
        out.rename(gone)
        assert run.wait() == 1, run.stderr
    assert "Traceback" not in run.stderr
    _assert_stopped_early(json.loads(run.stdout), errno.ENOENT)
    assert not out.exists()
    assert workload.assert_whole_files(gone) > 0
    report = run_json(*workload.into(gone, "--resume"))
    assert report["counts"]["kept"] > 0
    workload.assert_export(gone)


@pytest.mark.thorough
@needs_proc
@pytest.mark.parametrize(
    "how",
    ["--resume", *(pytest.param(how, marks=pytest.mark.slow) for how in ("--overwrite", None))],
)
def test_two_at_once(workload: Workload, tmp_path: Path, how: str | None) -> None:
    """Two processes export into one folder at the same time: the result is right."""
    out = tmp_path / "out"
    words = workload.into(out, "--jobs", "2", "--json", *([how] if how else []))
    with running(tmp_path / "a", *words) as a, running(tmp_path / "b", *words) as b:
        ends = a.wait(), b.wait()
    for run in (a, b):
        assert "Traceback" not in run.stderr
        report = json.loads(run.stdout)
        if how:
            assert report["exit_code"] == 0
        elif report["exit_code"] == 2:
            assert {problem["code"] for problem in report["problems"]} == {"outputs-exist"}
        else:
            # Each row is written by one of them; the other is told that it is there already.
            assert set(codes(report)) <= {"output-exists"}
    assert how or 2 not in ends or 0 in ends
    workload.assert_export(out, records=how is not None)  # else each has its own failures


def test_output_that_cannot_be_replaced(workload: Workload, tmp_path: Path) -> None:
    """A folder stands where a sample should be: that row fails, the rest is done."""
    name = next(workload.expected.rglob("ex_000005.npz")).relative_to(workload.expected)
    (tmp_path / name).mkdir(parents=True)
    report = run_json(*workload.into(tmp_path, "--overwrite"), code=1)
    assert codes(report) == ["output-unwritable"]
    assert os.strerror(errno.EISDIR) in report["errors"][0]["message"]
    assert report["counts"]["converted"] == workload.rows - 1
    assert [path.name for path in tmp_path.rglob(".*")] == [RECORDS]
    assert run_cli(*workload.into(tmp_path)).returncode == 2


def _on_a_full_disk(*words: str | Path) -> str:
    command = [sys.executable, "-c", _LIMITED, *COMMAND[1:], *map(str, words)]
    done = subprocess.run(command, env=unmeasured(), capture_output=True, text=True, check=False)
    assert done.returncode == 2, done
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_full_disk_is_told_with_the_files_name(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="the extra parquet is not installed")
    out = tmp_path / "out"
    run = out / "math/m/ifr_1ex"
    write_export(run / "ex_000000.npz", [f"{at:x}{at * 7919 % 1009:x} " for at in range(2000)])
    packed, back, site = tmp_path / "p.parquet", tmp_path / "back", tmp_path / "site"
    assert run_cli("pack", out, "-o", packed).returncode == 0
    for words, file in (
        (("unpack", packed, "-o", back, "--jobs", "1"), back / "math/m/ifr_1ex/ex_000000.npz"),
        (("gallery", out, "-o", site), site / "data"),
        (("gallery", "--single", out, "-o", tmp_path / "one.html"), tmp_path / "one.html"),
        (("pack", out, "-o", tmp_path / "q.parquet"), tmp_path / "q.parquet"),
        (("show", run / "ex_000000.npz", "-o", tmp_path / "s.html"), tmp_path / "s.html"),
    ):
        told = _on_a_full_disk(*words)
        assert told.startswith(f"exp2proc: system-refuses: {file}"), told
        assert "File too large" in told
        assert "/." not in told.splitlines()[0]
