"""Exported samples as a map-style dataset: `len` and `[i]`, all `torch.utils.data` asks for.

And samples of different lengths as one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from typing import Any, Generic, SupportsIndex, TypeVar, overload

import numpy as np

from ..formats.layouts import SCORES
from ..formats.names import Source, counted
from ..formats.sample import Sample
from ..system.extras import require
from .find import Outs, find_sources
from .read import load_source

T = TypeVar("T")


class SampleDataset(Generic[T]):
    """The samples below one or more output folders, sorted by name, each read when it is asked for.

    Works as the `dataset` of a `torch.utils.data.DataLoader` and needs no torch itself; it holds
    paths only, so that worker processes start quickly. torch's default collation takes neither
    `Sample` nor arrays of different lengths: pass `collate` as the loader's `collate_fn`, or a
    `transform`.

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
        return f"SampleDataset({counted(len(self), 'sample')})"


def collate(samples: Sequence[Sample], *, torch: bool = False) -> dict[str, Any]:
    """Samples of different lengths as one batch, padded to the longest at the end.

    >>> batch = exp2proc.collate([exp2proc.SampleDataset(demo.out)[at] for at in (0, 1)])
    >>> batch["attr"].shape == batch["mask"].shape, batch["spans"].shape
    (True, (2, 3, 2))

    Args:
        samples: B of them, of either layout.
        torch: tensors instead of arrays; needs torch. For a loader that is
            `collate_fn=functools.partial(exp2proc.collate, torch=True)`.

    Returns:
        `attr` float32[B, L], 0 behind a sample's end; `mask` bool[B, L], whether a token is there;
        `lengths` int64[B]; `spans` int64[B, 3, 2], closed ranges of prompt, CoT and output, -1 for
        none; `scores` float64[B, 3], RISE, MAS and Recovery@10%, NaN when not measured.

    Raises:
        Exp2procError: `missing-extra`, when tensors are asked for and torch is not installed.
    """
    lengths = np.array([len(sample.attr) for sample in samples], np.int64)
    longest = int(lengths.max(initial=0))
    attr = np.zeros((len(samples), longest), np.float32)
    for row, sample in zip(attr, samples, strict=True):
        row[: len(sample.attr)] = sample.attr
    scores = [[sample.scores[key] for key in SCORES] for sample in samples]
    batch = {
        "attr": attr,
        "mask": np.arange(longest) < lengths[:, None],
        "lengths": lengths,
        "spans": np.array([s.spans for s in samples], np.int64).reshape(-1, 3, 2),
        "scores": np.array(scores, np.float64).reshape(-1, len(SCORES)),
    }
    if not torch:
        return batch
    from_numpy = require("torch", "torch").from_numpy
    return {key: from_numpy(array) for key, array in batch.items()}
