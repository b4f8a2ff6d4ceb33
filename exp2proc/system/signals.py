"""Ctrl-C, SIGTERM and a lost terminal: ending in good order, undisturbed by the next one."""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

OF_THE_TERMINAL: Final = [one for one in signal.Signals if one.name in ("SIGINT", "SIGHUP")]
"""Sent to a whole group of processes: by Ctrl-C, and (not on Windows) when the terminal goes."""
_STOPS: Final = (*OF_THE_TERMINAL, signal.SIGTERM)


class Terminated(BaseException):
    """Raised by a signal handler to end a run in good order, as Ctrl-C does."""


_AT_ONCE: Final = 1.0
"""Seconds in which a stop says nothing new: it is answered, and half of that is worse than none.

A shell and the system both tell of a lost terminal, and whoever presses Ctrl-C presses it again.
"""
_heard = -math.inf
"""When a stop was last answered."""


def hear_stops() -> None:
    """Let SIGTERM raise `Terminated` in this process; SIGHUP too, where nohup does not bar it.

    Those, and Ctrl-C, do nothing when they come at once after each other.
    """

    def handle(number: int, frame: object) -> None:
        global _heard
        if time.monotonic() - _heard < _AT_ONCE:
            return
        _heard = time.monotonic()
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated

    if threading.current_thread() is not threading.main_thread():
        return  # where the signals of this process are none of ours
    sys.unraisablehook = _stop_again
    signal.signal(signal.SIGTERM, handle)
    for number in OF_THE_TERMINAL:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, handle)


_STOPS_AS_RAISED: Final = {Terminated: signal.SIGTERM, KeyboardInterrupt: signal.SIGINT}
_SOON: Final = 0.02


def _stop_again(unraisable: sys.UnraisableHookArgs) -> None:
    """What is raised inside a `__del__` Python tells and forgets: a stop is sent once more."""
    global _heard
    number = _STOPS_AS_RAISED.get(unraisable.exc_type)
    if number is None:
        sys.__unraisablehook__(unraisable)
    else:  # not at once: it would be forgotten in here as well
        _heard = -math.inf
        threading.Timer(_SOON, os.kill, (os.getpid(), number)).start()


def ignore_stops() -> list[Any]:
    """Make Ctrl-C, SIGTERM and SIGHUP do nothing from now on; returns the handlers they had.

    In a thread there is nothing to do: the main one hears them.
    """
    if threading.current_thread() is not threading.main_thread():
        return []
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


@contextmanager
def stops_wait() -> Iterator[None]:
    """A stop is heard at the end of the block, not inside.

    What is half made then (a semaphore whose name nobody remembers) stays for ever.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard: list[int] = []
    before = {stop: signal.getsignal(stop) for stop in _STOPS}
    ours = {stop: handler for stop, handler in before.items() if callable(handler)}
    for stop in ours:
        signal.signal(stop, lambda number, frame: heard.append(number))
    try:
        yield
    finally:
        for stop, handler in ours.items():
            signal.signal(stop, handler)
        for number in heard[:1]:
            signal.raise_signal(number)
