"""The page from a server on the loopback address: the npz files are sent as they are.

The standard library's server is enough: one reader, three kinds of answers, nothing from outside
but a path. Nobody gets in who does not know the key in the address; a page of another origin that
guesses the port fails by its Host header and the key; nothing is written.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import threading
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from ..errors import Exp2procError
from ..exports.find import Outs, find_sources
from ..exports.read import reason
from ..formats.names import Source
from ..formats.zipped import NpzError
from ..system.files import given, open_regular
from . import facts
from .page import make_page

_HOSTS: Final = frozenset({"127.0.0.1", "localhost"})
"""What a browser may call this machine; a forwarded port may have another number."""
_BATCH: Final = 200
_BLOCK: Final = 1 << 18
_SECONDS: Final = 30.0
"""A connection that says nothing for so long is closed."""


class Viewer:
    """A server of samples. Use as a context manager, then `serve` until Ctrl-C.

    >>> with Viewer(demo.out) as viewer:
    ...     viewer.address.startswith("http://127.0.0.1:"), len(viewer.works) > 8
    (True, True)

    Args:
        outs: an output folder, an npz, or several of either.
        port: 0 for any that is free.
        against: a folder of traces, whose gold tokens are marked.

    Attributes:
        address: of the page, with its key.
        port: that it listens on.
        works: the samples, in the order of the list.
        numbers: what an address calls each of them.

    Raises:
        Exp2procError: `no-samples`, `samples-collide`; `usage` when the port is taken.
    """

    def __init__(self, outs: Outs, *, port: int = 0, against: str | Path | None = None) -> None:
        self.sources = find_sources(outs)
        self.works = facts.find_work(
            self.sources, None if against is None else given(against, "against")
        )
        self.numbers = {str(at): at for at in range(len(self.works))}
        self.page = make_page("server").encode()
        self._key = secrets.token_urlsafe(16)
        self._told: list[str] = [json.dumps(facts.names(self.sources))]
        self._more = threading.Condition()
        self._over = False
        try:
            self._server = _Server(("127.0.0.1", port), _Answer, self)
        except OSError as err:
            raise Exp2procError(
                "usage", f"port {port}: {err.strerror or err}", "Name another, or leave --port out."
            ) from None
        self.port = int(self._server.server_address[1])
        self.address = f"http://127.0.0.1:{self.port}/{self._key}/"

    def __enter__(self) -> Viewer:
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._more:
            self._over = True
            self._more.notify_all()
        self._server.server_close()
        self._reader.join()

    def serve(self) -> None:
        """Answer until Ctrl-C."""
        self._server.serve_forever(poll_interval=0.2)

    def is_key(self, key: str) -> bool:
        """Whether a path begins with the key."""
        return hmac.compare_digest(key.encode(), self._key.encode())

    def lines(self) -> Iterator[str]:
        """The list as it is known, and then as it is read: a message a line."""
        at = 0
        while True:
            with self._more:
                self._more.wait_for(lambda at=at: self._over or len(self._told) > at)  # type: ignore[misc]
                some, over = self._told[at:], self._over
            yield from some
            at += len(some)
            if over or (some and some[-1] == _DONE):
                return

    def _read(self) -> None:
        """Read all samples once, for the list."""
        seen: set[str] = set()
        rows: list[tuple[int, facts.Facts]] = []
        failed: list[tuple[int, str]] = []
        for at, work in enumerate(self.works):
            if self._over:
                return
            try:
                rows.append((at, facts.load_facts(work)))
            except Exp2procError as err:
                failed.append((at, reason(work.source.place, err)))
            if len(rows) + len(failed) == _BATCH or at + 1 == len(self.works):
                self._tell(json.dumps({**facts.message(rows, seen), "failed": failed}))
                rows, failed = [], []
        self._tell(_DONE)

    def _tell(self, line: str) -> None:
        with self._more:
            self._told.append(line)
            self._more.notify_all()


_DONE: Final = json.dumps({"done": True})


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(
        self, address: tuple[str, int], answer: type[BaseHTTPRequestHandler], viewer: Viewer
    ) -> None:
        self.viewer = viewer
        super().__init__(address, answer)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader that goes away in the middle of an answer is no error."""


class _Answer(BaseHTTPRequestHandler):
    server: _Server
    server_version = "exp2proc"
    sys_version = ""
    timeout = _SECONDS
    # HTTP/1.0: a list whose length is not known ends with its connection.

    def do_GET(self) -> None:
        """Answer a reader that may ask."""
        viewer = self.server.viewer
        name, _, port = self.headers.get("Host", "").rpartition(":")
        _, key, *rest = self.path.partition("?")[0].split("/")
        if (name or port) not in _HOSTS:
            self._refuse(421, "this machine is not called that")
        elif not viewer.is_key(key):
            self._refuse(403, "the key in the address is another")
        else:
            self._answer(viewer, key, rest)

    def _answer(self, viewer: Viewer, key: str, rest: list[str]) -> None:
        match rest:
            case []:
                self.send_response(301)
                self.send_header("Location", f"/{key}/")
                self.end_headers()
            case [""]:
                self._send("text/html; charset=utf-8", len(viewer.page), [viewer.page])
            case ["list"]:
                lines = (f"{line}\n".encode() for line in viewer.lines())
                self._send("application/x-ndjson", None, lines)
            case ["npz", number] if number in viewer.numbers:
                self._send_sample(viewer.works[viewer.numbers[number]].source)
            case _:
                self._refuse(404, "there is nothing here")

    def _send_sample(self, source: Source) -> None:
        kind = "application/octet-stream"
        try:
            if source.held is not None:
                content = source.held.read()
                self._send(kind, len(content), [content])
                return
            with open_regular(source.path) as stream:
                size = os.fstat(stream.fileno()).st_size
                self._send(kind, size, iter(lambda: stream.read(_BLOCK), b""))
        except NpzError as err:
            self._refuse(404, str(err))
        except OSError as err:
            self._refuse(404, f"it cannot be read ({err.strerror or err})")

    def _send(self, kind: str, size: int | None, blocks: Iterable[bytes | bytearray]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        if size is not None:
            self.send_header("Content-Length", str(size))
        self.send_header("Content-Security-Policy", "frame-ancestors 'none'")
        self.end_headers()
        for block in blocks:
            self.wfile.write(block)

    def _refuse(self, code: int, why: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.end_headers()
        self.wfile.write(why.encode())

    def end_headers(self) -> None:
        """What every answer says: to nobody else, and what it is called."""
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing: the terminal shows the address."""
