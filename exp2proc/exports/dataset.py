"""Exported samples as a map-style dataset: `len` and `[i]`, all `torch.utils.data` asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from typing import Generic, SupportsIndex, TypeVar, overload

from ..formats.names import Source
from ..formats.sample import Sample
from .find import Outs, find_sources
from .read import load_source

T = TypeVar("T")


class SampleDataset(Generic[T]):
    """The samples below one or more output folders, sorted by name, each read when it is asked for.

    Works as the `dataset` of a `torch.utils.data.DataLoader` and needs no torch itself; it holds
    paths only, so that worker processes start quickly. torch's default collation takes neither
    `Sample` nor arrays of different lengths: pass a `transform` or the loader's `collate_fn`.

    >>> samples = SampleDataset(demo.out, transform=lambda sample: sample.mas)
    >>> len(samples), 0.0 < samples[5] < 1.0
    (96, True)

    A slice is a dataset of those samples, none of which is read yet:

    >>> samples[:64]
    SampleDataset(64 samples)

    Args:
        outs: an output folder, an npz, or several of either.
        transform: what to make of each sample; must be importable for worker processes.

    Raises:
        Exp2procError: `no-samples`, `samples-collide`; `sample-invalid` when an item is read.
    """

    sources: list[Source]
    """Where each item is read from."""

    @overload
    def __init__(self: SampleDataset[Sample], outs: Outs) -> None: ...

    @overload
    def __init__(self, outs: Outs, transform: Callable[[Sample], T]) -> None: ...

    def __init__(self, outs: Outs, transform: Callable[[Sample], T] | None = None) -> None:
        self.sources = find_sources(outs)
        self._transform = transform

    def __len__(self) -> int:
        return len(self.sources)

    @overload
    def __getitem__(self, index: SupportsIndex) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> SampleDataset[T]: ...

    def __getitem__(self, index: SupportsIndex | slice) -> T | SampleDataset[T]:
        if isinstance(index, slice):
            some = copy(self)
            some.sources = self.sources[index]
            return some
        sample = load_source(self.sources[index])
        return sample if self._transform is None else self._transform(sample)  # type: ignore[return-value]

    def __iter__(self) -> Iterator[T]:
        return (self[index] for index in range(len(self)))

    def __repr__(self) -> str:
        return f"SampleDataset({len(self)} samples)"
