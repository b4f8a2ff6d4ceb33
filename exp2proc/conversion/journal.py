"""What worker processes did, where it survives them.

A pool that loses a worker, or is ended, loses the results that were under way. Each worker process
therefore appends to a file of its own a line when it starts a row and one when the row has ended.
Reading all files back tells which rows are done and which the processes were at when they died.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import NamedTuple

from ..errors import Exp2procError
from ..results import Outcome


class Journal:
    """The file of one worker process.

    Raises:
        OSError: it cannot be written.
    """

    def __init__(self, folder: str) -> None:
        path = os.path.join(folder, str(os.getpid()))
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 - as long as the journal

    def started(self, number: int) -> None:
        """A row is begun."""
        self._append(b"%d\n" % number)

    def ended(self, outcome: Outcome) -> None:
        """A row has ended."""
        *fields, error, trace = outcome
        told = error and (error.code, error.message, error.hint)
        self._append(json.dumps([*fields, told, trace]).encode() + b"\n")

    def _append(self, line: bytes) -> None:
        with suppress(OSError):  # a full disk costs precision after a kill, not the row
            self._file.write(line)


class JournalState(NamedTuple):
    """What the journals in a folder say.

    Attributes:
        ended: outcomes, by row number.
        under_way: numbers of the rows that were begun and have not ended.
    """

    ended: dict[int, Outcome]
    under_way: set[int]


def read_journals(folder: str) -> JournalState:
    """Read all journals of a folder; lines that a kill cut off are left out."""
    ended: dict[int, Outcome] = {}
    started: set[int] = set()
    with suppress(OSError):  # a cleaner of temporary folders may have taken it
        for entry in os.scandir(folder):
            with open(entry.path, "rb") as stream:
                for line in stream:
                    _note(line, ended, started)
    return JournalState(ended, started - ended.keys())


def _note(line: bytes, ended: dict[int, Outcome], started: set[int]) -> None:
    if not line.endswith(b"\n"):
        return
    with suppress(ValueError, TypeError):  # a line that a full disk cut short
        noted = json.loads(line)
        if isinstance(noted, int):
            started.add(noted)
        else:
            *_, error, trace = noted
            outcome = Outcome(*noted)._replace(error=error and Exp2procError(*error), trace=trace)
            ended[outcome.number] = outcome
