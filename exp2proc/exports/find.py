"""Exported samples on disk: finding them below an output folder, naming and reading them.

`<OUT>/<dataset>/<model>/<run_tag>/<file>.npz` is where a conversion puts a sample, and the path is
all there is to say what a sample is of.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import Exp2procError
from ..formats.names import Source, spelled

Outs = str | Path | Sequence[str | Path]


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
