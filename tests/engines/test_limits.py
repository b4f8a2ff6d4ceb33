"""Where the system starts no more processes: fewer workers, or none, and one line that says so."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import NamedTuple

import pytest
from joblib.externals.loky import ProcessPoolExecutor
from support.processes import needs_proc

from exp2proc.demo.tree import DemoTree
from exp2proc.engines.processes import WorkerPool

pytestmark = needs_proc

_NOBODY = "54322"
"""A user who has no process of its own."""


class Piece(NamedTuple):
    number: int


_MAY = "+dac_override,+dac_read_search"
"""The interpreter and the test's folders may be root's alone."""


def _as_nobody(number: int) -> list[str]:
    """Words before a command: another user, who may have this many processes and threads."""
    ids = ("--reuid", _NOBODY, "--regid", _NOBODY, "--clear-groups")
    caps = ("--inh-caps", _MAY, "--ambient-caps", _MAY)
    return ["setpriv", *ids, *caps, "prlimit", f"--nproc={number}", sys.executable]


@pytest.fixture
def limited() -> None:
    """Skips where nobody can become another user: root has no limit of processes."""
    try:
        tried = subprocess.run([*_as_nobody(64), "-c", ""], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("setpriv is not installed")
    if tried.returncode:
        pytest.skip("this user cannot become another one")


_TRIED = {"loky": (1, 3, 6, 8), "threading": (1, 4)}
"""In CI: no thread, no second worker, not all of them, no thread beside them."""


def _marks(backend: str, number: int) -> list[pytest.MarkDecorator]:
    if (backend, number) == ("loky", 3):
        return []
    return [pytest.mark.thorough if number in _TRIED[backend] else pytest.mark.slow]


@pytest.mark.parametrize(
    ("backend", "number"),
    [
        pytest.param(backend, number, marks=_marks(backend, number))
        for backend in _TRIED
        for number in (1, 2, 3, 4, 6, 7, 8, 10, 12, 14)
    ],
)
@pytest.mark.usefixtures("limited")
def test_few_processes(demo: DemoTree, tmp_path: Path, backend: str, number: int) -> None:
    out = tmp_path / "out"
    words = ("convert", "--traces_root", demo.traces, "--tokenizer_model", demo.tokenizer)
    more = ("--out_root", out, "--jobs", "4", "--backend", backend, "--no_cache")
    program = "import sys; from exp2proc.cli import main; sys.exit(main())"
    done = subprocess.run(
        [*_as_nobody(number), "-c", program, *map(str, (*words, *more))],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "TMPDIR": str(tmp_path), "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "96 of 96 rows done" in done.stdout
    assert len(list(out.rglob("ex_*.npz"))) == 96
    assert "Traceback" not in done.stderr
    said = done.stderr.splitlines()
    assert len(said) <= 1, done.stderr
    if number < 4:
        assert "the system starts fewer than 4 workers" in said[0]


def test_a_pool_whose_thread_cannot_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its workers are there already, and end."""
    began: list[int] = []

    def refuse(pool: ProcessPoolExecutor) -> None:
        began.extend(pool._processes)
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(ProcessPoolExecutor, "_start_executor_manager_thread", refuse)
    with pytest.raises(RuntimeError, match="new thread"):
        WorkerPool(2)
    assert len(began) == 2
    for pid in began:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_pool_ends_with_work_that_nobody_has_begun() -> None:
    """More than its queue holds: its thread drops that, and must not look for it."""
    failed: list[object] = []
    hook, threading.excepthook = threading.excepthook, failed.append
    try:
        for _ in range(3):
            pool = WorkerPool(2)
            for number in range(100):
                pool.submit(str, Piece(number))
            pool.end()
    finally:
        threading.excepthook = hook
    assert failed == []
