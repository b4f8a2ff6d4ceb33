"""Processes of the command that need not import everything again.

A server imports once what every command imports, and forks for each command that is asked for:
a process of its own, with its own streams, folder, environment and exit code, that goes through
`python -m exp2proc` from there on. What is read while modules are imported is as it was when the
server started, so a test of that, of start-up or of signals needs a fresh interpreter.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

_SET_PER_TEST = ("EXP2PROC_CACHE_DIR", "EXP2PROC_CACHE_MB", "PYTEST_CURRENT_TEST", "TMPDIR")
"""Read by the program when it needs them, never while it is imported."""


class Server:
    """The client's side: one server process, started with the first command."""

    def __init__(self) -> None:
        self._env = _at_start(os.environ)
        mine, its = socket.socketpair()
        with its:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(its.fileno())],
                pass_fds=[its.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
                start_new_session=True,
            )
        self._socket = mine
        atexit.register(self.close)

    def fits(self, env: Mapping[str, str]) -> bool:
        """Whether a process with this environment may have been imported by the server."""
        return self._process.poll() is None and _at_start(env) == self._env

    def run(
        self, words: list[str], env: Mapping[str, str], cwd: Path, timeout: float
    ) -> subprocess.CompletedProcess[bytes]:
        """Run the command as `subprocess.run` does, output captured.

        Raises:
            subprocess.TimeoutExpired: it was killed.
        """
        request = json.dumps({"words": words, "env": dict(env), "cwd": str(cwd)}).encode()
        with (
            open(os.devnull, "rb") as stdin,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
        ):
            fds = [stdin.fileno(), out.fileno(), err.fileno()]
            socket.send_fds(self._socket, [struct.pack("!I", len(request))], fds)
            self._socket.sendall(request)
            pid = self._answer()
            self._socket.settimeout(timeout)
            try:
                code = self._answer()
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                self._socket.settimeout(None)
                self._answer()
                raise subprocess.TimeoutExpired(words, timeout) from None
            finally:
                self._socket.settimeout(None)
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(words, code, out.read(), err.read())

    def close(self) -> None:
        """End the server; it waits for nothing."""
        self._socket.close()
        self._process.wait()

    def _answer(self) -> int:
        number: int = struct.unpack("!i", _receive(self._socket, 4))[0]
        return number


def _at_start(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name not in _SET_PER_TEST}


def _receive(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def _serve(connection: socket.socket) -> list[str]:
    """Fork for each request and tell its pid and its exit code; returns in the forked process."""
    while True:
        head, fds, _, _ = socket.recv_fds(connection, 4, 3)
        if not head:
            os._exit(0)
        head += _receive(connection, 4 - len(head))
        request = json.loads(_receive(connection, *struct.unpack("!I", head)))
        pid = os.fork()
        if not pid:
            connection.close()
            for number, fd in enumerate(fds):
                os.dup2(fd, number)
                os.close(fd)
            tempfile.tempdir = None
            os.chdir(request["cwd"])
            os.environ.clear()
            os.environ.update(request["env"])
            return list(request["words"])
        for fd in fds:
            os.close(fd)
        connection.sendall(struct.pack("!i", pid))
        status = os.waitpid(pid, 0)[1]
        connection.sendall(struct.pack("!i", os.waitstatus_to_exitcode(status)))


def _import_all() -> None:
    """What the commands import, the slowest first."""
    from exp2proc.tokens.tokenizer import quiet_transformers

    with quiet_transformers():
        from transformers import AutoTokenizer  # noqa: F401
    from importlib import import_module

    import joblib  # noqa: F401
    import numpy  # noqa: F401
    import rich.progress
    import rich.table  # noqa: F401

    from exp2proc.cli import COMMANDS

    for command in COMMANDS:
        import_module(f"exp2proc.cli.{command}")


if __name__ == "__main__":
    sys.path[0] = os.getcwd()  # as with python -m
    _import_all()
    gc.freeze()  # no forked process looks at all this for garbage
    sys.argv = ["exp2proc", *_serve(socket.socket(fileno=int(sys.argv[1])))]
    runpy.run_module("exp2proc", run_name="__main__", alter_sys=True)
