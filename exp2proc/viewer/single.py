"""The page as one file, with samples inside it or with none: for who was handed an export."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from ..errors import Exp2procError
from ..exports.find import Outs, find_sources
from ..formats.sample import load_sample, whole
from ..system.atomic_write import written_whole
from ..system.files import given
from ..traces.runs import refuse_traces
from .facts import facts_of, find_work
from .page import inside, make_page

_MOST: Final = 1 << 27
"""Bytes of samples in one file (128 MiB): a page of more is slow to open."""


def write_single(outs: Outs, target: str | Path, *, against: str | Path | None = None) -> int:
    """Write the page with samples inside it; says how many.

    >>> write_single([], folder / "viewer.html")
    0
    >>> write_single(next(demo.out.rglob("*.npz")), folder / "one.html")
    1

    Args:
        outs: an output folder, an npz, or several of either; none: the page takes what is dropped
            on it.
        target: the file; one that is there is replaced.
        against: a folder of traces, whose gold tokens are marked.

    Raises:
        Exp2procError: `no-samples`, `samples-collide`, `sample-invalid`, `output-is-trace`;
            `usage` when they have more than 128 MiB.
        OSError: the operating system refuses.
    """
    path = given(target, "target")
    refuse_traces(path.parent)
    several = isinstance(outs, list | tuple)
    sources = [] if several and not outs else find_sources(outs)
    samples: list[dict[str, Any]] = []
    size = 0
    for work in find_work(sources, None if against is None else given(against, "against")):
        source = work.source
        gold = facts_of(work, load_sample(source.place)).gold
        content = whole(source.place, _MOST)
        size += len(content)
        if size > _MOST:
            raise Exp2procError(
                "usage",
                f"{source.name} and those before it have more than {_MOST >> 20} MiB",
                "Leave --single out: a folder holds any number of samples.",
            )
        samples.append({**inside(source, content), "gold": gold})
    with written_whole(path) as temporary:
        temporary.write_text(make_page("files", samples), encoding="utf-8")
    return len(samples)
