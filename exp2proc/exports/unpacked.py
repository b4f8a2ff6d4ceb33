"""Samples from a packed file, written in workers."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final

from ..engines import open_engine
from ..engines.each import each
from ..formats.parquet import OnError, ParquetReader, unpack
from ..options import Jobs
from .read import workers_of

_BYTE: Final = 3e-8
"""Seconds that a byte of a packed file takes, as measured on a 2-core server."""


def unpack_all(
    reader: ParquetReader,
    out: Path,
    *,
    jobs: Jobs = "auto",
    overwrite: bool = False,
    check: Callable[[Path], object] | None = None,
    on_error: OnError | None = None,
) -> Generator[Path, None, None]:
    """As `unpack`, the row groups in worker processes.

    Args:
        reader, out, overwrite, check, on_error: as of `unpack`.
        jobs: workers, or "auto": by estimated work.

    Raises:
        PlanError: the number of workers cannot be told.
        Exp2procError, OSError: as `unpack`.
    """
    with open_engine(workers_of(jobs)) as engine:
        over = partial(each, engine=engine, seconds=_BYTE * reader.place.size, batch=1)
        paths = unpack(reader, out, overwrite=overwrite, check=check, on_error=on_error, over=over)
        with closing(paths):
            yield from paths
