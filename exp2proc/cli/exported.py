"""What the commands that read exported samples share: their OUT argument, progress, refusals."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

from .answers import add_json
from .values import named, names, path, several

if TYPE_CHECKING:
    from ..errors import Exp2procError
    from ..formats.names import Source
    from ..results import OnProgress

T = TypeVar("T")


_MAX_SHOWN = 5


def add_outs(parser: argparse.ArgumentParser, *, optional: bool = False) -> None:
    """The OUT argument."""
    parser.add_argument(
        "outs",
        metavar="OUT",
        nargs="*" if optional else "+",
        type=path,
        help="an output folder of `exp2proc convert` (any level of it), a bundle, a .zip of either,"
        " a Parquet file of `pack`, single npz files, or a shell pattern of these",
    )


def add_against(parser: argparse.ArgumentParser) -> None:
    """The traces that say which tokens hold the answer."""
    parser.add_argument(
        "--against",
        metavar="TRACES_ROOT",
        type=path,
        help="mark the gold tokens that these traces name, and tell Recovery of what is shown",
    )


def add_format(parser: argparse.ArgumentParser) -> None:
    """How a table is printed."""
    formats = parser.add_mutually_exclusive_group()
    formats.add_argument(
        "--format",
        choices=("table", "csv", "json", "markdown", "latex"),
        default="table",
        metavar="FORMAT",
        help="what to print: table (the default), csv, json, markdown or latex",
    )
    add_json(formats)


def add_arrangement(parser: argparse.ArgumentParser) -> None:
    """How runs and datasets are named, put together and ordered."""
    parser.add_argument(
        "--label",
        metavar="RUN=NAME",
        type=named,
        action="append",
        default=[],
        help="how a run is shown; may be repeated",
    )
    parser.add_argument(
        "--group",
        metavar="NAME=DATASET,...",
        type=several,
        action="append",
        default=[],
        help="take the samples of several datasets together, in their place; may be repeated",
    )
    parser.add_argument(
        "--order",
        metavar="NAME,...",
        type=names,
        default=[],
        help="datasets and runs that come first, in this order",
    )


class Reading(Generic[T]):
    """The samples of a command's OUTs as they are read; files that are none are counted."""

    def __init__(
        self, sources: list[Source], read: Callable[[Source], T], on_progress: OnProgress
    ) -> None:
        self.sources = sources
        self.failures: list[Exp2procError] = []
        self._read = read
        self._on_progress = on_progress

    def items(self) -> Iterator[T]:
        """What `read` makes of each sample."""
        from ..errors import Exp2procError
        from ..exports.read import read_each
        from ..results import Progress

        results = read_each(self.sources, self._read)
        for done, (_, result) in enumerate(results, 1):
            if isinstance(result, Exp2procError):
                self.failures.append(result)
            else:
                yield result
            self._on_progress(Progress(done, len(self.sources), len(self.failures)))

    @property
    def exit_code(self) -> int:
        """0 when every file was a sample, else 1."""
        return 1 if self.failures else 0


@contextmanager
def read_all(args: argparse.Namespace, read: Callable[[Source], T]) -> Iterator[Reading[T]]:
    """Read the samples of `args.outs` with progress; at the end tell which files are none.

    Raises:
        Exp2procError: `no-samples` (also when no file is a sample), `samples-collide`.
    """
    from ..errors import Exp2procError
    from ..exports.find import find_sources
    from ..terminal import progress

    sources = find_sources(args.outs)
    with progress.reporter(len(sources), what="samples", doing="reading") as on_progress:
        reading = Reading(sources, read, on_progress)
        yield reading
    if reading.failures:
        tell_failures(reading.failures)
    if len(reading.failures) == len(sources):
        raise Exp2procError("no-samples", f"none of {len(sources)} npz files is a sample")


@contextmanager
def failures_told() -> Iterator[list[Exp2procError]]:
    """A list for the files that fail, which are told at the end, however that comes."""
    failures: list[Exp2procError] = []
    try:
        yield failures
    finally:
        tell_failures(failures)


def tell_failures(errors: Iterable[Exp2procError]) -> None:
    """Which files failed, the first of them, with the reason, on stderr."""
    from ..formats.names import printable

    told = [f"{err.code}: {err.message}" for err in errors]
    for line in told[:_MAX_SHOWN]:
        print(f"exp2proc: {printable(line)}", file=sys.stderr)
    if len(told) > _MAX_SHOWN:
        print(f"exp2proc: and {len(told) - _MAX_SHOWN} more", file=sys.stderr)
