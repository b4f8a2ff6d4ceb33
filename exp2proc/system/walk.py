"""Walking folders: each once, through links, real folders before linked ones."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
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
    path without links is named by that path.

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
    starts = deque([os.fspath(root)])
    while starts:
        for path, folders, files in os.walk(starts.popleft(), onerror=on_error):
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
            starts.extend(
                below for name in folders if os.path.islink(below := os.path.join(path, name))
            )
            yield Folder(path, identity, sorted(files), passed_by)
