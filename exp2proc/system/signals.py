"""Ctrl-C, SIGTERM and a lost terminal: ending in good order, undisturbed by the next one."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

_HANG_UP: Final = [one for one in signal.Signals if one.name == "SIGHUP"]  # none on Windows
_STOPS: Final = (signal.SIGINT, signal.SIGTERM, *_HANG_UP)


class Terminated(BaseException):
    """Raised by a signal handler to end a run in good order, as Ctrl-C does."""


def hear_stops() -> None:
    """Let SIGTERM raise `Terminated` in this process; SIGHUP too, where nohup does not bar it."""

    def handle(number: int, frame: object) -> None:
        for hang_up in _HANG_UP:  # a shell and the system both send it, and more than once
            signal.signal(hang_up, signal.SIG_IGN)
        raise Terminated

    if threading.current_thread() is not threading.main_thread():
        return  # where the signals of this process are none of ours
    signal.signal(signal.SIGTERM, handle)
    sys.unraisablehook = _stop_again
    for hang_up in _HANG_UP:
        if signal.getsignal(hang_up) is signal.SIG_DFL:
            signal.signal(hang_up, handle)


_STOPS_AS_RAISED: Final = {Terminated: signal.SIGTERM, KeyboardInterrupt: signal.SIGINT}
_SOON: Final = 0.02


def _stop_again(unraisable: sys.UnraisableHookArgs) -> None:
    """What is raised inside a `__del__` Python tells and forgets: a stop is sent once more."""
    number = _STOPS_AS_RAISED.get(unraisable.exc_type)
    if number is None:
        sys.__unraisablehook__(unraisable)
    else:  # not at once: it would be forgotten in here as well
        threading.Timer(_SOON, os.kill, (os.getpid(), number)).start()


def ignore_stops() -> list[Any]:
    """Make Ctrl-C, SIGTERM and SIGHUP do nothing from now on; returns the handlers they had."""
    return [signal.signal(number, signal.SIG_IGN) for number in _STOPS]


@contextmanager
def undisturbed() -> Iterator[None]:
    """Stops do nothing inside: what runs there is the answer to one already."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = ignore_stops()
    try:
        yield
    finally:
        for number, handler in zip(_STOPS, before, strict=True):
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
