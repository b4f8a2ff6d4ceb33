"""The command as a process of its own session, watched and killed; and what it leaves behind."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from .cli import start
from .preloaded import Forked

T = TypeVar("T")

needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="reads /proc")


def wait_until(true: Callable[[], T], timeout: float = 60.0) -> T:
    """Poll until it holds; returns what made it so."""
    deadline = time.monotonic() + timeout
    while not (found := true()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.002)
    return found


@dataclass
class Running:
    """A command under way, alone in its session."""

    process: subprocess.Popen[bytes] | Forked
    folder: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def stdout(self) -> str:
        return (self.folder / "stdout").read_text(encoding="utf-8")

    @property
    def stderr(self) -> str:
        return (self.folder / "stderr").read_text(encoding="utf-8")

    @property
    def scratch(self) -> Path:
        """Where it and its workers keep temporary files."""
        return self.folder / "tmp"

    def members(self) -> set[int]:
        """The living processes of its session."""
        return {pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if self._has(pid)}

    def workers(self) -> set[int]:
        """The worker processes that have begun a row."""
        return {int(path.name) for path in self.scratch.glob("exp2proc-*/journal-*/*")}

    def hears(self, number: signal.Signals) -> bool:
        """Whether it has a handler for a signal."""
        with suppress(OSError):
            for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
                if line.startswith("SigCgt:"):
                    return bool(int(line.split()[1], 16) >> (number - 1) & 1)
        return False

    def signal_all(self, number: signal.Signals) -> None:
        """To every process at once, as a terminal does with Ctrl-C."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def wait(self, timeout: float = 120) -> int:
        """Its exit code (minus the signal's number when one killed it)."""
        return self.process.wait(timeout)

    def _has(self, pid: int) -> bool:
        try:
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            return False
        return fields[0] not in (b"Z", b"X") and int(fields[3]) == self.pid


def unmeasured() -> dict[str, str]:
    """The environment of a process whose lines are not counted by coverage."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}


@contextmanager
def running(
    folder: Path, *words: str | Path, env: dict[str, str] | None = None, fresh: bool = False
) -> Iterator[Running]:
    """Start `exp2proc WORDS`; whatever of it is left at the end of the block is killed.

    It is not measured: coverage has a lock of its own, and a signal that comes while it is taken
    leaves the process waiting for it for ever.
    """
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    with (
        open(os.devnull, "rb") as nothing,
        (folder / "stdout").open("wb") as out,
        (folder / "stderr").open("wb") as err,
    ):
        process = start(
            *words,
            env={**unmeasured(), "TMPDIR": str(folder / "tmp"), **(env or {})},
            streams=(nothing, out, err),
            fresh=fresh,
        )
    started = Running(process, folder)
    try:
        yield started
    finally:
        started.signal_all(signal.SIGKILL)
        process.wait()


def fingerprint(folder: Path) -> dict[str, tuple[int, str]]:
    """Modification time and digest of every file below a folder."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mtime_ns,
            hashlib.sha1(path.read_bytes()).hexdigest(),
        )
        for path in folder.rglob("*")
        if path.is_file()
    }
