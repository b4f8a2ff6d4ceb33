"""Exported samples on disk: finding them below an output folder, naming and reading them.

`<OUT>/<dataset>/<model>/<run_tag>/<file>.npz` is where a conversion puts a sample, and the path is
all there is to say what a sample is of.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from .errors import Exp2procError
from .samples import Sample, load_sample

Outs = str | Path | Sequence[str | Path]
OnError = Callable[["Source", Exp2procError], None]
S = TypeVar("S")
T = TypeVar("T")

# Where the method ends in a run_tag: hops (n1), modes of LRP (negdrop, normnorm), what was measured
# (mfaithfulness_gen), how many (100ex).
_SETTINGS: Final = re.compile(r"_(?=n\d+(?:_|$)|neg[a-z]+(?:_|$)|norm[a-z]+|mfaith|mrecov|\d+ex$)")
_EXAMPLE: Final = re.compile(r"ex_(\d{1,18})\.npz")
_BATCH: Final = 16


@dataclass(frozen=True, slots=True)
class Source:
    """Where a sample was read from, and what its path says it is of.

    Attributes:
        path: the npz, absolute.
        dataset: one or more path parts, joined by "/"; "" when the path does not tell.
        model: the model's folder name; "" when the path does not tell.
        run_tag: the run's folder name: method, settings, modes and size.
    """

    path: Path
    dataset: str
    model: str
    run_tag: str

    @property
    def method(self) -> str:
        """The attribution method: what `run_tag` begins with."""
        return method_of(self.run_tag)

    @property
    def example(self) -> int | None:
        """The sample's number in its run, from a name like ex_000012.npz; else None."""
        match = _EXAMPLE.fullmatch(self.path.name)
        return int(match[1]) if match else None

    @property
    def name(self) -> str:
        """dataset/model/run_tag/file, the parts that are known."""
        parts = (self.dataset, self.model, self.run_tag, self.path.name)
        return "/".join(part for part in parts if part)


def method_of(run_tag: str) -> str:
    """The method in a run_tag: all before its settings, modes and size."""
    return _SETTINGS.split(run_tag, maxsplit=1)[0]


def source_of(path: Path, out: Path) -> Source:
    """The names in a sample's path below an output folder.

    Parts that OUT itself already contains (it is a run's own folder, or a model's) are taken from
    OUT's path, of the dataset then the last part.
    """
    below = path.relative_to(out).parts[:-1] if path != out else ()
    known = (*out.parts[1:], *below) if path != out else path.parts[1:-1]
    run_tag = known[-1] if known else ""
    model = known[-2] if len(known) > 1 else ""
    dataset = "/".join(below[:-2]) or (known[-3] if len(known) > 2 else "")
    return Source(path, spelled(dataset), spelled(model), spelled(run_tag))


def spelled(name: str) -> str:
    """A name that can be written down: bytes that are no UTF-8 as %FF."""
    try:
        name.encode("utf-8")
        return name
    except UnicodeEncodeError:
        data = name.encode("utf-8", "surrogateescape")
        return data.decode("utf-8", "backslashreplace").replace("\\x", "%")


def find_sources(outs: Outs) -> list[Source]:
    """Every npz below these folders (or these files themselves), each once, sorted by name.

    Raises:
        Exp2procError: `no-samples` when one of them holds none; `samples-collide` when two files
            have the same dataset, model, run_tag and file name.
    """
    roots = [outs] if isinstance(outs, str | Path) else list(outs)
    found: dict[str, Source] = {}
    known: set[tuple[int, int, str]] = set()
    for root in (Path(os.path.abspath(Path(out).expanduser())) for out in roots):
        any_here = False
        for path, identity in _npz_below(root):
            any_here = True
            if identity in known:  # below two of the roots: named after the first
                continue
            known.add(identity)
            source = source_of(path, root)
            other = found.setdefault(source.name, source)
            if other is not source:
                raise Exp2procError(
                    "samples-collide", f"{other.path} and {path} are both {source.name}"
                )
        if not any_here:
            what = "holds no npz" if root.is_dir() else "is not a folder or an npz"
            raise Exp2procError("no-samples", f"{root} {what}")
    return [found[name] for name in sorted(found)]


def _npz_below(root: Path) -> Iterator[tuple[Path, tuple[int, int, str]]]:
    """Each npz, and what it is however it was reached: its folder's identity and its name."""
    if root.is_file():
        status = os.stat(root.parent)
        yield root, (status.st_dev, status.st_ino, root.name)
        return
    seen: set[tuple[int, int]] = set()
    for folder, folders, files in os.walk(root, followlinks=True):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()  # a link back up, or to a folder that was already visited
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if name.endswith(".npz") and not name.startswith("."):
                yield Path(folder, name), (status.st_dev, status.st_ino, name)


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
