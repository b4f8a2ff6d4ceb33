"""Processes of the command that need not import everything again.

A server imports once what every command imports, and forks for each command that is asked for:
a process of its own, with its own streams, folder, session, environment and exit code, that goes
through `python -m exp2proc`, or another module, from there on. What is read while modules are
imported is as it was when the server started, and the interpreter is not taken apart at the end: a
test of that or of start-up needs a fresh one.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, NoReturn

_THREADS = {"OPENBLAS_NUM_THREADS": "1"}
"""What the command sets for itself, in a test's process too where it is called there."""
_SET_PER_TEST = frozenset(
    (
        *("EXP2PROC_CACHE_DIR", "EXP2PROC_CACHE_MB", "PYTEST_CURRENT_TEST", "TMPDIR"),
        *("COLUMNS", "TERM", "NO_COLOR", *_THREADS),
    )
)
"""Read by the program when it needs them, never while it is imported; or the same in any server."""


def at_start(env: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """The part of an environment that processes of one server have in common."""
    return frozenset((name, value) for name, value in env.items() if name not in _SET_PER_TEST)


class Forked:
    """A process of a server, with what `subprocess.Popen` has of the kind."""

    def __init__(self, args: Sequence[str], pid: int, server: Server) -> None:
        self.args = args
        self.pid = pid
        self.returncode: int | None = None
        self._server = server

    def poll(self) -> int | None:
        """Its exit code, or None while it runs."""
        if self.returncode is None:
            self.returncode = self._server.ended(self.pid, 0.0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Signal it, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code (minus the signal's number when one killed it).

        Raises:
            subprocess.TimeoutExpired: it still runs.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.returncode is None:
            left = 60.0 if deadline is None else deadline - time.monotonic()
            if left < 0:
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
            self.returncode = self._server.ended(self.pid, left)
        return self.returncode


class Server:
    """The client's side: one server process, with the environment that it is started in."""

    def __init__(self, env: Mapping[str, str]) -> None:
        mine, its = socket.socketpair()
        with its:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(its.fileno())],
                pass_fds=[its.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={**env, **_THREADS},
                start_new_session=True,
            )
        self._socket = mine
        self._codes: dict[int, int] = {}
        atexit.register(self.close)

    def start(
        self,
        words: Sequence[str],
        env: Mapping[str, str],
        cwd: str,
        fds: Sequence[int],
        module: str = "exp2proc",
    ) -> Forked:
        """Fork a process that runs the command in a session of its own.

        Args:
            words: of the command line, after the command's name.
            env: all of its environment.
            cwd: its folder.
            fds: its standard input, output and error.
            module: that is run, as by `python -m`.
        """
        asked = {"words": [module, *words], "env": dict(env), "cwd": cwd}
        request = json.dumps(asked).encode()
        socket.send_fds(self._socket, [struct.pack("!I", len(request))], fds)
        self._socket.sendall(request)
        # First come the codes of those that ended before, then the new process.
        while (answer := self._answer())[0] == _ENDED:
            self._codes[answer[1]] = answer[2]
        return Forked(words, answer[1], self)

    def load(self, module: str) -> None:
        """Let the processes that are forked from now on have a module imported already."""
        request = json.dumps({"load": module}).encode()
        self._socket.sendall(struct.pack("!I", len(request)) + request)

    def ended(self, pid: int, seconds: float) -> int | None:
        """The exit code of a process, waiting for it at most this long."""
        while pid not in self._codes:
            if not select.select([self._socket], [], [], seconds)[0]:
                return None
            _, ended, code = self._answer()
            self._codes[ended] = code
        return self._codes.pop(pid)

    def close(self) -> None:
        """End the server; its processes go on."""
        self._socket.close()
        self._process.wait()

    def _answer(self) -> tuple[int, int, int]:
        kind, pid, code = _ANSWER.unpack(_receive(self._socket, _ANSWER.size))
        return kind, pid, code


_ANSWER = struct.Struct("!Bii")
_STARTED, _ENDED = range(2)


def _receive(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def _serve(connection: socket.socket) -> list[str]:
    """Fork for each request, tell what was started and what has ended; returns where it forked."""
    wake, woken = socket.socketpair()
    wake.setblocking(False)
    woken.setblocking(False)
    signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        ready = select.select([connection, wake], [], [])[0]
        if wake in ready:
            wake.recv(4096)
            _tell_ended(connection)
        if connection not in ready:
            continue
        head, fds, _, _ = socket.recv_fds(connection, 4, 3)
        if not head:
            os._exit(0)
        head += _receive(connection, 4 - len(head))
        request = json.loads(_receive(connection, *struct.unpack("!I", head)))
        if "load" in request:
            import_module(request["load"])
            gc.freeze()
            continue
        pid = os.fork()
        if not pid:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for end in (connection, wake, woken):
                end.close()
            return _become(request, fds)
        for fd in fds:
            os.close(fd)
        while os.getsid(pid) != pid:  # whoever asked may want to kill all of its session
            time.sleep(0.0002)
        connection.sendall(_ANSWER.pack(_STARTED, pid, 0))


def _tell_ended(connection: socket.socket) -> None:
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            code = os.waitstatus_to_exitcode(ended[1])
            connection.sendall(_ANSWER.pack(_ENDED, ended[0], code))


def _become(request: dict[str, Any], fds: Sequence[int]) -> list[str]:
    os.setsid()
    for number, fd in enumerate(fds):
        os.dup2(fd, number)
        os.close(fd)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    tempfile.tempdir = None
    return list(request["words"])


def _import_all() -> None:
    """What the commands import, the slowest first."""
    from exp2proc.cli import COMMANDS
    from exp2proc.tokens.tokenizer import quiet_transformers

    with quiet_transformers():
        from transformers import AutoTokenizer  # noqa: F401
    for module in ("joblib", "numpy", "rich.progress", "rich.table", "exp2proc.conversion.worker"):
        import_module(module)
    for command in COMMANDS:
        import_module(f"exp2proc.cli.{command}")


def _leave(code: int) -> NoReturn:
    """End as Python does: threads, then what is registered, then the streams; and no more.

    Taking apart all that was imported would copy the pages shared with the server, which takes
    longer than most commands. `multiprocessing` ends the processes that it forks in the same way.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


if __name__ == "__main__":
    sys.path[0] = os.getcwd()  # as with python -m
    _import_all()
    gc.freeze()  # no forked process looks at all this for garbage
    sys.argv = _serve(socket.socket(fileno=int(sys.argv[1])))
    try:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if not isinstance(end.code, int):
            raise
        _leave(end.code)
