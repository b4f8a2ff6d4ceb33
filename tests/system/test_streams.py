"""Streams that are closed, full, or read by nobody: they cost no row, no report, no other code."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import shlex
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import pytest
from support.cli import COMMAND, start
from support.processes import wait_until
from support.workload import Workload

from exp2proc.demo.tree import DemoTree, write_broken

_SLOW, _THOROUGH = pytest.mark.slow, pytest.mark.thorough


def _convert(demo: DemoTree, tmp_path: Path, *more: str) -> list[str]:
    words = ["convert", "--traces_root", demo.traces, "--tokenizer_model", demo.tokenizer]
    words += ["--out_root", tmp_path / "out", "--report", tmp_path / "report.json"]
    return [*map(str, words), *more]


def _assert_done(tmp_path: Path, samples: int = 96) -> None:
    assert len(list((tmp_path / "out").rglob("ex_*.npz"))) == samples
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["counts"]["converted"] == samples


def _run(words: list[str], out: IO[bytes], err: IO[bytes], *, fresh: bool = False) -> int:
    """The exit code of a command; a `fresh` interpreter is also taken apart at its end."""
    with open(os.devnull, "rb") as nothing:
        process = start(*words, env=os.environ, streams=(nothing, out, err), fresh=fresh)
    return process.wait(60)


@pytest.fixture
def err(tmp_path: Path) -> Iterator[IO[bytes]]:
    with (tmp_path / "err").open("w+b") as stream:
        yield stream


@pytest.fixture
def unread() -> Iterator[IO[bytes]]:
    """A pipe whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb", buffering=0) as stream:
        yield stream


@pytest.mark.parametrize("more", [[], ["--json"], ["--verbose"]], ids=str)
def test_a_reader_that_went_away_changes_nothing(
    demo: DemoTree, tmp_path: Path, unread: IO[bytes], err: IO[bytes], more: list[str]
) -> None:
    assert _run(_convert(demo, tmp_path, *more), unread, err, fresh=True) == 0
    _assert_done(tmp_path)
    assert (tmp_path / "err").read_text() == ""
    out = str(tmp_path / "out")
    for words in (
        ["summary", out],
        ["check", out],
        ["summary", out, "--format", "csv"],
        ["--help"],
    ):
        assert _run(words, unread, err) == 0
    (next((tmp_path / "out").rglob("ex_*.npz"))).write_bytes(b"")
    assert _run(["check", out], unread, err) == 1


def test_a_row_that_fails_is_still_told_by_the_exit_code(
    demo: DemoTree, tmp_path: Path, unread: IO[bytes]
) -> None:
    write_broken(demo)
    assert _run(_convert(demo, tmp_path), unread, unread) == 1
    _assert_done(tmp_path, 86)


def test_output_that_cannot_be_written_is_said(
    demo: DemoTree, tmp_path: Path, err: IO[bytes]
) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    with full.open("wb", buffering=0) as stream:
        assert _run(_convert(demo, tmp_path), stream, err, fresh=True) == 1
        _assert_done(tmp_path)
        said = "exp2proc: standard output: No space left on device\n"
        assert (tmp_path / "err").read_text() == said
        assert _run(["--version"], stream, err, fresh=True) == 1
        assert _run(["convert", "--nonsense"], stream, stream) == 2
        assert _run(_convert(demo, tmp_path, "--resume"), err, stream) == 0


@pytest.mark.parametrize(
    ("how", "jobs"),
    [
        pytest.param(how, jobs, marks=[] if jobs == "1" else [_THOROUGH if " 2>" in how else _SLOW])
        for how in ("<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-")
        for jobs in ("1", "2")
    ],
)
def test_closed_streams(demo: DemoTree, tmp_path: Path, how: str, jobs: str) -> None:
    """Files that are opened get no stream's number, in the command or in a worker."""
    words = [*COMMAND, *_convert(demo, tmp_path, "--jobs", jobs)]
    done = subprocess.run(
        ["/bin/sh", "-c", f"{shlex.join(words)} {how}"],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    _assert_done(tmp_path)


_ON_TERMINAL = """
import fcntl, os, signal, sys, termios
fcntl.ioctl(1, termios.TIOCSCTTY, 0)
if sys.argv[1] == "ignored":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


@pytest.mark.thorough
@pytest.mark.parametrize(("hang_up", "code"), [("ignored", 0), ("heard", 143)])
def test_the_terminal_goes_away(
    workload: Workload, tmp_path: Path, hang_up: str, code: int
) -> None:
    out, told = tmp_path / "out", tmp_path / "report.json"
    words = workload.into(out, "--jobs", "2", "--report", told)
    parent, child = pty.openpty()
    with ExitStack() as stack:
        stack.callback(os.close, parent)
        process = subprocess.Popen(
            [sys.executable, "-c", _ON_TERMINAL, hang_up, *COMMAND[1:], *map(str, words)],
            stdin=child,
            stdout=child,
            stderr=child,
            start_new_session=True,
        )
        os.close(child)
        wait_until(lambda: any(out.rglob("ex_*.npz")))
        assert termios.tcgetattr(parent)
        fcntl.fcntl(parent, fcntl.F_SETFL, os.O_NONBLOCK)
    assert process.wait(60) == code
    report = json.loads(told.read_text())
    assert report["exit_code"] == code
    assert report["stopped"] == ("terminated" if code else None)
    made = report["counts"]["converted"]
    assert workload.assert_whole_files(out) >= made > 0
    assert code or made == workload.rows
