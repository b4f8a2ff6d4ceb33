"""Reading samples, one after the other or ahead in worker processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

from ..errors import Exp2procError
from ..formats.names import Source
from ..formats.sample import Sample, load_sample
from .find import Outs, find_sources

OnError = Callable[["Source", Exp2procError], None]


S = TypeVar("S")


T = TypeVar("T")


_BATCH: Final = 16


def iter_samples(outs: Outs, *, jobs: int = 1, on_error: OnError | None = None) -> Iterator[Sample]:
    """The samples below one or more output folders, sorted by name, one at a time.

    Each has its `source` set (dataset, model, method, run_tag, example, path).

    Args:
        outs: an output folder, an npz, or several of either.
        jobs: worker processes that read ahead; 1 reads here.
        on_error: is told of each file that is not a sample, which is then left out. Without it
            the first such file raises.

    Raises:
        Exp2procError: `no-samples`, `samples-collide`, `sample-invalid`.
    """
    yield from successes(read_each(find_sources(outs), load_source, jobs=jobs), on_error)


def load_source(source: Source) -> Sample:
    """The sample of a source, its `source` set.

    Raises:
        Exp2procError: `sample-invalid`.
    """
    return replace(load_sample(source.path), source=source)


def successes(
    results: Iterator[tuple[Source, T | Exp2procError]], on_error: OnError | None
) -> Iterator[T]:
    """What could be read; failures go to `on_error`, or raise where there is none."""
    for source, result in results:
        if not isinstance(result, Exp2procError):
            yield result
        elif on_error is None:
            raise result
        else:
            on_error(source, result)


def read_each(
    items: Sequence[S], read: Callable[[S], T], *, jobs: int = 1
) -> Iterator[tuple[S, T | Exp2procError]]:
    """`read` of every item (mostly a source) in order, or the error it raised.

    With more than one job that many processes read ahead; `read` must then be importable.
    """
    if jobs == 1:
        for item in items:
            yield item, _attempt(item, read)
        return
    from joblib import Parallel, delayed

    batches = (items[at : at + _BATCH] for at in range(0, len(items), _BATCH))
    pool = Parallel(
        n_jobs=jobs, return_as="generator", batch_size=1, pre_dispatch="2*n_jobs", verbose=0
    )
    running: Any = pool(delayed(_read_batch)(batch, read) for batch in batches)
    try:
        for batch in running:
            yield from batch
    finally:
        _close(running)


def _close(running: Any) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # joblib counts aloud what it cancels
        running.close()


def _read_batch(items: Sequence[S], read: Callable[[S], T]) -> list[tuple[S, T | Exp2procError]]:
    return [(item, _attempt(item, read)) for item in items]


def _attempt(item: S, read: Callable[[S], T]) -> T | Exp2procError:
    try:
        return read(item)
    except Exp2procError as err:
        return err
