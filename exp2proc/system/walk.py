"""Walking folders: each once, by its truest name, real folders before linked ones."""

from __future__ import annotations

import heapq
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

Identity = tuple[int, int]
"""What a folder is, by whatever path it was reached: device and inode."""


class Folder(NamedTuple):
    """A folder that a walk has come to.

    Attributes:
        path: how it was reached: the root's path and what is below it.
        identity: the same for every path that leads to it.
        files: the names in it that are no folders, sorted.
        passed_by: the names of the folders in it that are not entered, sorted.
    """

    path: str
    identity: Identity
    files: list[str]
    passed_by: list[str]


def walk(
    root: str | Path,
    *,
    enter: Callable[[str], bool] | None = None,
    on_error: Callable[[OSError], object] | None = None,
) -> Iterator[Folder]:
    """The folder `root` and every folder below it, each once.

    Links are followed after all that is really there has been visited: a folder that also has a
    path without links is named by that path. Of links those to what lies highest come first, and
    of several to one folder that with the folder's own name, however a listing orders them.

    Args:
        root: where to begin; of a root that is no folder only `on_error` is told.
        enter: whether to look into folders of this name; by default into all.
        on_error: is told of each folder that cannot be listed, which is then left out; may raise.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as root:
    ...     os.makedirs(f"{root}/b/c")
    ...     os.symlink(f"{root}/b", f"{root}/a")
    ...     [os.path.relpath(folder.path, root) for folder in walk(root)]
    ['.', 'b', 'b/c']
    """
    seen: set[Identity] = set()
    starts = [(0, 0, os.fspath(root))]
    while starts:
        for path, folders, files in os.walk(heapq.heappop(starts)[-1], onerror=on_error):
            try:
                status = os.stat(path)
            except OSError:
                folders.clear()  # it went away while the tree was walked
                continue
            identity = (status.st_dev, status.st_ino)
            if identity in seen:
                folders.clear()  # a link back up, or to a folder that was already visited
                continue
            seen.add(identity)
            passed_by = [] if enter is None else sorted(n for n in folders if not enter(n))
            folders[:] = sorted(set(folders).difference(passed_by))
            for below in (os.path.join(path, name) for name in folders):
                if os.path.islink(below):
                    heapq.heappush(starts, (*_rank(below), below))
            yield Folder(path, identity, sorted(files), passed_by)


def truest(paths: Iterable[str]) -> str:
    """Of several paths to one folder that whose names are the most like its real ones.

    >>> truest(["/", "/."])
    '/'
    """
    return min(paths, key=_rank)


def _rank(path: str) -> tuple[int, int]:
    """How deep a path really leads, and how little its last names are the real ones."""
    real, own = (part.split(os.sep)[::-1] for part in (os.path.realpath(path), path))
    same = (at for at, pair in enumerate(zip(real, own, strict=False)) if pair[0] != pair[1])
    return len(real), -next(same, min(len(real), len(own)))
