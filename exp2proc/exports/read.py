"""Reading samples, one after the other or ahead in workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from ..engines import open_engine
from ..engines.choice import EngineChoice
from ..engines.each import each
from ..errors import Exp2procError, PlanError
from ..formats.held import Place
from ..formats.names import Source
from ..formats.sample import Loaded, Loader, Sample
from ..formats.sample import load_sample as load_one
from ..options import Jobs
from .find import Names, Outs, Where, chosen, find_sources, named

OnError = Callable[[Source, Exp2procError], None]

S = TypeVar("S")
T = TypeVar("T")


def iter_samples(
    outs: Outs,
    *,
    dataset: Names | None = None,
    model: Names | None = None,
    method: Names | None = None,
    where: Where | None = None,
    jobs: int = 1,
    on_error: OnError | None = None,
) -> Iterator[Sample]:
    """The samples below one or more output folders, sorted by name, one at a time.

    Each has its `source` set (dataset, model, method, run_tag, example, path).

    >>> first = next(iter_samples(demo.out))
    >>> first.source.method, first.source.example, first.attr.dtype
    ('attnlrp', 0, dtype('float32'))

    Args:
        outs: an output folder, an npz, or several of either.
        dataset: only of this one, or these, by short or full names.
        model: likewise, by full names.
        method: likewise, by methods (`ifr`), settings (`ifr_n1`) or run_tags.
        where: only those whose `Source` this function takes.
        jobs: worker processes that read ahead; 1 reads here.
        on_error: is told of each file that is not a sample, which is then left out. Without it
            the first such file raises.

    Raises:
        Exp2procError: `no-samples`, also where none has these names; `samples-collide`,
            `sample-invalid`.
    """
    some = chosen(dataset=dataset, model=model, method=method, where=where)
    sources = find_sources(outs, some)
    yield from successes(read_each(sources, load_source, jobs=jobs), on_error)


def load_sample(path: str | Path) -> Sample:
    """Load one exported sample of either layout, every array checked against its schema.

    >>> sample = exp2proc.load_sample(next(demo.out.rglob("ifr_multi_hop_both*/ex_000000.npz")))
    >>> sample.layout, sample.hop.shape[0], len(sample.tok) == len(sample.attr)
    ('proc', 2, True)

    Args:
        path: its npz; or a folder, an archive or a Parquet file that holds one sample.

    Raises:
        Exp2procError: `sample-invalid` when it cannot be read or is not a sample; `usage` when
            `path` is no path; `no-samples` when it holds none, or several.
    """
    sources = find_sources(named(path, "path"))
    if len(sources) > 1:
        raise Exp2procError(
            "no-samples",
            f"{path} holds {len(sources)} samples, not one",
            "Read them all with exp2proc.iter_samples, or choose with its dataset, method, where.",
        )
    return load_one(sources[0].place)


def load_source(source: Source) -> Sample:
    """The sample of a source, its `source` set.

    Raises:
        Exp2procError: `sample-invalid`.
    """
    return replace(load_one(source.place), source=source)


def reason(place: Place, err: Exp2procError) -> str:
    """Why a sample could not be read, for where its path is told anyway."""
    return err.message.removeprefix(f"{place}: ")


def load_with(loader: Loader[T], source: Source) -> Loaded[T]:
    """What a loader loads, the `source` of the sample set.

    Raises:
        Exp2procError: `sample-invalid`.
    """
    loaded = loader.load(source.place)
    return replace(loaded, sample=replace(loaded.sample, source=source))


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

    With more than one job that many workers read ahead; `read` must then be importable. They are
    processes, or those that an active `joblib.parallel_config` names.
    """
    with (
        open_engine(workers_of(jobs)) as engine,
        closing(each(partial(_attempt, read), items, engine)) as results,
    ):
        yield from zip(items, results, strict=True)


def workers_of(jobs: Jobs) -> EngineChoice:
    """For one job this process, for more what an active `joblib.parallel_config` names, or workers.

    Raises:
        PlanError: `usage`.
    """
    choice = EngineChoice("sequential") if jobs == 1 else EngineChoice(jobs=jobs)
    if jobs != 1 and (problems := choice.problems()):
        raise PlanError(problems)
    return choice


def _attempt(read: Callable[[S], T], item: S) -> T | Exp2procError:
    try:
        return read(item)
    except Exp2procError as err:
        return err
