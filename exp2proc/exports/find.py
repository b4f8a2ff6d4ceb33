"""Finding exported samples: the only walk over exports, and what a sample's path says it is of.

`<OUT>/<dataset>/<model>/<run_tag>/<file>.npz` is where a conversion puts a sample, and the path is
all there is to say what a sample is of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from ..errors import Exp2procError
from ..formats.names import Source, spelled
from ..system.files import absolute
from ..system.walk import Identity, walk

Outs = str | Path | Sequence[str | Path]

RECORDS: Final = ".exp2proc"
"""Folder in an output root with records of what samples were made from: nobody's samples."""


class FoundFile(NamedTuple):
    """A file below an output folder.

    Attributes:
        path: the file, absolute; or a hidden folder, which nobody looks into.
        identity: the same for every path that leads to it: its folder and its name.
        is_sample: whether readers take it for a sample: a visible npz.
    """

    path: Path
    identity: tuple[Identity, str]
    is_sample: bool


def find_files(
    root: Path, *, on_error: Callable[[OSError], object] | None = None
) -> Iterator[FoundFile]:
    """Every file below `root`, folder by folder, each folder once; or the file that `root` is.

    Args:
        root: absolute.
        on_error: is told of folders that cannot be listed.
    """
    if root.is_file():
        status = root.parent.stat()
        yield FoundFile(root, ((status.st_dev, status.st_ino), root.name), is_sample=True)
        return
    for folder in walk(root, enter=lambda name: not name.startswith("."), on_error=on_error):
        path = Path(folder.path)
        for name in folder.files:
            is_sample = name.endswith(".npz") and not name.startswith(".")
            yield FoundFile(path / name, (folder.identity, name), is_sample)
        for name in folder.passed_by:
            if name != RECORDS:
                yield FoundFile(path / name, (folder.identity, name), is_sample=False)


def source_of(path: Path, out: Path) -> Source:
    """The names in a sample's path below an output folder.

    Parts that OUT itself already contains (it is a run's own folder, or a model's) are taken from
    OUT's path, of the dataset then the last part.

    >>> source_of(Path("/out/math/qwen-8B/ifr_5ex/ex_000001.npz"), Path("/out")).name
    'math/qwen-8B/ifr_5ex/ex_000001.npz'
    >>> source_of(Path("/out/math/qwen-8B/ifr_5ex/ex_000001.npz"), Path("/out/math/qwen-8B")).model
    'qwen-8B'
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

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as out:
    ...     run = Path(out, "math/qwen-8B/ifr_n1_5ex")
    ...     run.mkdir(parents=True)
    ...     _ = (run / "ex_000001.npz").write_bytes(b"")
    ...     (source,) = find_sources(out)
    >>> source.dataset, source.model, source.method, source.example
    ('math', 'qwen-8B', 'ifr', 1)
    """
    roots = [outs] if isinstance(outs, str | Path) else list(outs)
    found: dict[str, Source] = {}
    known: set[tuple[Identity, str]] = set()
    for root in map(absolute, roots):
        any_here = False
        for path, identity, is_sample in find_files(root):
            if not is_sample:
                continue
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
