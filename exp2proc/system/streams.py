"""The standard streams: closed, full or read by nobody, they cost no work and no report."""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

from . import status

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class _Output(io.RawIOBase):
    """A file descriptor that takes everything: what cannot be written is dropped, and why is kept.

    Attributes:
        failure: why nothing is written any more, or None.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._terminal = os.isatty(fd)
        self.failure: OSError | None = None

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def isatty(self) -> bool:
        return self._terminal

    def write(self, data: ReadableBuffer, /) -> int:
        if self._terminal:
            status.over()
        while self.failure is None:
            try:
                return os.write(self._fd, data)
            except BlockingIOError:
                select.select([], [self._fd], [])
            except OSError as err:
                self.failure = err
        return memoryview(data).nbytes

    @property
    def left(self) -> bool:
        """Whether nobody reads any more: a pipe's reader has ended, or the terminal is gone."""
        gone = (errno.EPIPE, errno.EIO) if self._terminal else (errno.EPIPE,)
        return self.failure is not None and self.failure.errno in gone


class StandardStreams:
    """Takes over standard output and error of this process, for a command that is run in it.

    Streams that somebody else has put in their places stay. A terminal that cannot show a
    character shows its escape. Numbers 0 to 2 are never left free: a file that is opened would get
    one, and be written to by whoever means the stream.
    """

    def __init__(self) -> None:
        for fd in range(3):
            try:
                os.fstat(fd)
            except OSError:
                with suppress(OSError):  # the lowest free number is this one
                    os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        self._outputs = {
            name: output
            for fd, name in enumerate(("stdout", "stderr"), 1)
            if (output := _take_over(fd, name)) is not None
        }

    @property
    def terminal(self) -> int | None:
        """The descriptor of standard error where that is a terminal of this process's own."""
        output = self._outputs.get("stderr")
        return output.fileno() if output is not None and output.isatty() else None

    def settle(self, code: int) -> int:
        """The exit code of a command that ends with `code`, all its output written.

        A reader that has gone away changes nothing. Output that could not be written is said on
        standard error, and the exit code is not 0.
        """
        status.over()
        for name in self._outputs:
            with suppress(ValueError, OSError):  # closed by somebody
                getattr(sys, name).flush()
        output = self._outputs.get("stdout")
        if output is None or output.failure is None or output.left:
            return code
        why = output.failure.strerror or output.failure
        sys.stderr.write(f"exp2proc: standard output: {why}\n")
        return code or 1


def _take_over(fd: int, name: str) -> _Output | None:
    stream: Any = getattr(sys, name)
    if stream is not getattr(sys, f"__{name}__"):
        with suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")
        return None
    output = _Output(fd)
    taken: TextIO = io.TextIOWrapper(
        io.BufferedWriter(output),
        encoding="utf-8" if stream is None else stream.encoding,
        errors="backslashreplace",
        line_buffering=stream is None or stream.line_buffering,
        write_through=stream is not None and stream.write_through,
    )
    setattr(sys, name, taken)
    return output
