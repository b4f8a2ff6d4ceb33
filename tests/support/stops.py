"""A run on a cluster of its own that is told to stop, as a terminal tells all of its processes."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

from .processes import running, wait_until
from .workload import Workload

_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 143}
STOPS = tuple(_CODES)


def assert_stops_well(
    workload: Workload, folder: Path, backend: str, number: signal.Signals
) -> None:
    """The run ends within seconds, counts what it wrote, says nothing else, and nobody is left."""
    out, told = folder / "out", folder / "report.json"
    words = workload.into(out, "--jobs", "2", "--backend", backend, "--report", told)
    # The paths of Ray's sockets may not be long.
    with running(folder / "run", *words, env={"RAY_TMPDIR": "/tmp"}) as run:
        wait_until(lambda: any(out.rglob("ex_*.npz")) or run.process.poll() is not None)
        began = time.monotonic()
        run.signal_all(number)
        assert run.wait() == _CODES[number], run.stdout + run.stderr
        seconds = time.monotonic() - began
        wait_until(lambda: not run.members(), timeout=10)
    assert seconds < 20
    said = [line for line in run.stderr.splitlines() if " rows, " not in line]  # progress
    word = {130: "interrupted", 143: "terminated"}[_CODES[number]]
    (left,) = said
    assert left.startswith(f"exp2proc: {word}: ")
    written = workload.assert_whole_files(out)
    assert 0 < written < workload.rows
    report = json.loads(told.read_text(encoding="utf-8"))
    assert report["exit_code"] == _CODES[number]
    assert report["counts"]["converted"] == written
    assert f"{written} of {workload.rows} rows done" in run.stdout
    assert "to go on: exp2proc convert" in run.stdout
