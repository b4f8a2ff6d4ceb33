"""What a command costs, from process start to exit, its children included.

Runs as a small process of its own: the kernel counts into a child's peak memory what its parent
held when it was started, so the parent has to be small. The result goes to a file, as JSON.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_PR_SET_CHILD_SUBREAPER = 36


class Cost(NamedTuple):
    """What a command cost.

    Attributes:
        wall: seconds from its start to its exit.
        cpu: user and system seconds of it and all that it started.
        memory: peak resident bytes of the largest of these processes.
        output: what it printed.
        began: when it was started, seconds since the epoch.
    """

    wall: float
    cpu: float
    memory: float
    output: str
    began: float


def measure(command: Sequence[str | Path], env: Mapping[str, str] | None = None) -> Cost:
    """Run a command in the checkout's folder; wait for it and everything it started.

    Raises:
        RuntimeError: it failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "result.json")
        done = subprocess.run(
            [sys.executable, "-I", "-S", __file__, str(result), *map(str, command)],
            env={**os.environ, **(env or {})},
            cwd=Path(__file__).resolve().parents[1],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            shown = " ".join(map(str, command))
            raise RuntimeError(f"{shown}\nexit code {done.returncode}\n{done.stderr[-4000:]}")
        wall, cpu, memory, started = json.loads(result.read_text())
    return Cost(wall, cpu, memory, done.stdout, started)


def main() -> int:
    """Run the command after the result's path; its exit code is this process's."""
    # Processes that outlive their parent are handed to this one, so that none goes uncounted.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    command = sys.argv[2:]
    started, began = time.time(), time.perf_counter()
    first = os.posix_spawnp(command[0], command, os.environ)
    wall = cpu = 0.0
    memory = code = 0
    while True:
        try:
            pid, status, usage = os.wait4(-1, 0)
        except ChildProcessError:
            break
        if pid == first:
            wall, code = time.perf_counter() - began, os.waitstatus_to_exitcode(status)
        # A child's own count holds that of the children it waited for.
        cpu += usage.ru_utime + usage.ru_stime
        memory = max(memory, usage.ru_maxrss * 1024)
    Path(sys.argv[1]).write_text(json.dumps([wall, cpu, memory, started]))
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
