"""The installed command, run as a process."""

from __future__ import annotations

import functools
import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .preloaded import Server

COMMAND = (sys.executable, "-m", "exp2proc")


@functools.cache
def _server() -> Server:
    return Server()


def run_bytes(
    *words: str | Path,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 120,
    fresh: bool = False,
) -> subprocess.CompletedProcess[bytes]:
    """Run `exp2proc WORDS` and wait for it; the exit code is not checked.

    It is a process of its own. Unless it is to be `fresh`, or needs an environment that matters
    while modules are imported, it is forked from one that has imported them already.
    """
    texts = list(map(str, words))
    full = {**os.environ, **(env or {})}
    if not fresh and _server().fits(full):
        return _server().run(texts, full, cwd or Path.cwd(), timeout)
    return subprocess.run(
        [*COMMAND, *texts], env=full, cwd=cwd, capture_output=True, timeout=timeout, check=False
    )


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
