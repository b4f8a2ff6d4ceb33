"""Ctrl-C and SIGTERM: ending in good order, undisturbed by the next one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Terminated(BaseException):
    """Raised by a signal handler to end a run in good order, as Ctrl-C does."""


def hear_sigterm() -> None:
    """Let SIGTERM raise `Terminated` in this process."""

    def handle(number: int, frame: object) -> None:
        raise Terminated

    signal.signal(signal.SIGTERM, handle)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Ctrl-C and SIGTERM do nothing inside: what runs there is the answer to one already."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
