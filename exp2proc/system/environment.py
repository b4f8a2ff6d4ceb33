"""Environment variables that are set while they are needed, by however many threads at once."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class Variables:
    """Variables of this process's environment, and of that of the processes it starts meanwhile.

    >>> speaking = Variables({"EXP2PROC_EXAMPLE": "yes"})
    >>> with speaking.set():
    ...     os.environ["EXP2PROC_EXAMPLE"]
    'yes'
    >>> "EXP2PROC_EXAMPLE" in os.environ
    False

    Args:
        values: by name.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self._lock = threading.Lock()
        self._users = 0
        self._before: dict[str, str | None] = {}

    @contextmanager
    def set(self) -> Iterator[None]:
        """While anybody is inside they are set; after the last they are what they were."""
        with self._lock:
            if not self._users:
                self._before = {name: os.environ.get(name) for name in self._values}
                os.environ.update(self._values)
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    self._restore()

    def _restore(self) -> None:
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
