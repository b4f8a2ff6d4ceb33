"""The installed command, run as a process."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from .preloaded import Forked, Server, at_start

COMMAND = (sys.executable, "-m", "exp2proc")


_servers: dict[frozenset[tuple[str, str]], Server] = {}
_asked: Counter[frozenset[tuple[str, str]]] = Counter()
_WORTH_A_SERVER = 3
"""Commands with an environment of their own; starting a server costs as much as some of them."""


def start(
    *words: str | Path,
    env: Mapping[str, str],
    cwd: Path | None = None,
    streams: Sequence[IO[bytes]],
    fresh: bool = False,
    module: str = "exp2proc",
) -> subprocess.Popen[bytes] | Forked:
    """Start `exp2proc WORDS` (or another module's command) in a session of its own.

    Unless it is to be a `fresh` interpreter, it is forked from a process that has imported already
    what it needs, started with the same environment.

    Args:
        words: of the command line.
        env: all of its environment.
        cwd: its folder, unless it is this process's.
        streams: its standard input, output and error.
        fresh: where it matters what is imported when.
        module: that is run, as by `python -m`.
    """
    texts = list(map(str, words))
    common = at_start(env)
    _asked[common] += 1
    if fresh or (common != at_start(os.environ) and _asked[common] < _WORTH_A_SERVER):
        stdin, stdout, stderr = streams
        return subprocess.Popen(
            [sys.executable, "-m", module, *texts],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=env,
            cwd=cwd,
            start_new_session=True,
        )
    fds = [stream.fileno() for stream in streams]
    return _server(env).start(texts, env, str(cwd or Path.cwd()), fds, module)


def _server(env: Mapping[str, str]) -> Server:
    common = at_start(env)
    if common not in _servers:
        _servers[common] = Server(env)
    return _servers[common]


def preload(module: str) -> None:
    """Import a module once for all commands that are run from now on in this environment.

    For a library that takes longer to import than what most commands do with it.
    """
    _server(os.environ).load(module)


def run_bytes(
    *words: str | Path,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 120,
    fresh: bool = False,
) -> subprocess.CompletedProcess[bytes]:
    """Run `exp2proc WORDS` and wait for it; the exit code is not checked. See `start`.

    Raises:
        subprocess.TimeoutExpired: it was killed.
    """
    with (
        open(os.devnull, "rb") as stdin,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
    ):
        full = {**os.environ, **(env or {})}
        process = start(*words, env=full, cwd=cwd, streams=(stdin, out, err), fresh=fresh)
        try:
            code = process.wait(timeout)
        except BaseException:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            raise
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(process.args, code, out.read(), err.read())


def run_cli(*words: str | Path, **how: Any) -> subprocess.CompletedProcess[str]:
    """As `run_bytes`; output is text."""
    done = run_bytes(*words, **how)
    return subprocess.CompletedProcess(
        done.args, done.returncode, _text(done.stdout), _text(done.stderr)
    )


def _text(output: bytes) -> str:
    return io.TextIOWrapper(io.BytesIO(output), encoding="utf-8").read()


def run_json(*words: str | Path, code: int = 0, **kwargs: Any) -> dict[str, Any]:
    """Run a command with --json; its exit code must be `code` and stdout one JSON object."""
    done = run_cli(*words, "--json", **kwargs)
    assert done.returncode == code, (done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    assert "Traceback" not in done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def import_first(folder: Path) -> dict[str, str]:
    """The environment in which a process looks for modules in `folder` before anywhere else."""
    others = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join([str(folder), *([others] if others else [])])}


def codes(report: dict[str, Any]) -> Sequence[str]:
    """The codes of a report's errors, in its order."""
    return [error["code"] for error in report["errors"]]


def on_a_terminal(width: int, *words: str | Path) -> list[str]:
    """The lines that `exp2proc WORDS` shows on a terminal of so many columns, without colour."""
    parent, child = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "NO_COLOR": "1", "COLUMNS": str(width)}
    with open(os.devnull, "r+b") as nothing, open(child, "wb", buffering=0) as terminal:
        process = start(*words, env=env, streams=(nothing, terminal, nothing))
    shown = b""
    with contextlib.suppress(OSError):  # Linux says so when nobody is left
        while chunk := os.read(parent, 4096):
            shown += chunk
    os.close(parent)
    process.wait(60)
    return re.sub(r"\x1b\[[\d;]*m", "", shown.decode()).splitlines()
