"""Finding exported samples: the only walk over exports, and what a sample's path says it is of.

`<OUT>/<dataset>/<model>/<run_tag>/<file>.npz` is where a conversion puts a sample, and the path is
all there is to say what a sample is of. OUT is a folder, an archive, a Parquet file or a sample:
what a file is, its content says, and what lies in it is found as if it were a folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from glob import glob, has_magic
from itertools import chain
from pathlib import Path
from typing import Any, Final, NamedTuple

from ..errors import Exp2procError
from ..formats.archives import ZipMember, holds_files, members
from ..formats.held import Held
from ..formats.names import (
    UNKNOWN,
    Source,
    counted,
    names_a_method,
    names_a_sample,
    printable,
    promised_by,
    spelled,
)
from ..formats.parquet import ParquetReader, ParquetRow, is_parquet
from ..formats.record import RECORDS
from ..formats.zipped import NpzError
from ..system.files import absolute, given, is_missing
from ..system.status import busy
from ..system.walk import Identity, walk
from ..traces.manifest import NAME

Outs = str | Path | Sequence[str | Path]

Where = Callable[[Source], object]
"""Says of a source, by its truth, whether its sample counts."""

Names = str | Sequence[str]
"""One name or several."""


def several(names: Names) -> tuple[str, ...]:
    """One name or several as several."""
    return (names,) if isinstance(names, str) else tuple(names)


def chosen(
    *,
    dataset: Names | None = None,
    model: Names | None = None,
    method: Names | None = None,
    where: Where | None = None,
) -> Where:
    """Whether a source has these names, where any are given, and passes `where`.

    Args:
        dataset: short or in full.
        model: in full.
        method: a method (`ifr`), setting (`ifr_n1`) or run_tag.
        where: asked last.
    """
    datasets, models, methods = (
        None if one is None else several(one) for one in (dataset, model, method)
    )

    def counts(source: Source) -> bool:
        return (
            (datasets is None or bool({source.dataset, source.short_dataset} & {*datasets}))
            and (models is None or source.model in models)
            and (methods is None or any(map(source.is_of, methods)))
            and (where is None or bool(where(source)))
        )

    return counts


class FoundFile(NamedTuple):
    """A file below an output folder.

    Attributes:
        path: the file, absolute; or a hidden folder, which nobody looks into, or a folder that is
            called like a sample.
        identity: the same for every path that leads to it: its folder and its name.
        is_sample: whether readers take it for a sample: a visible npz.
        held: how it is read where it lies in another file; `path` goes on inside that.
    """

    path: Path
    identity: tuple[Identity, str]
    is_sample: bool
    held: Held | None = None

    def source(self, root: Path) -> Source:
        """What the sample is of: by its path below `root`, or by its row of a Parquet file."""
        if isinstance(self.held, ParquetRow):
            dataset, model, run_tag = map(spelled, self.held.names)
            return Source(self.path, dataset, model, run_tag, self.held)
        return replace(source_of(self.path, root), held=self.held)


def find_files(
    root: Path, *, on_error: Callable[[OSError], object] | None = None
) -> Iterator[FoundFile]:
    """Every file below `root`, folder by folder, each folder once; or those that the file holds.

    Where no sample is among those of a folder, its Parquet files are looked into: a sample that
    lies there in both forms is found once.

    Args:
        root: absolute.
        on_error: is told of folders that cannot be listed.

    Raises:
        Exp2procError: `parquet-invalid`; `missing-extra` for a Parquet file without pyarrow.
    """
    if root.is_file():
        yield from _in_file(root)
        return
    packed: list[FoundFile] = []
    any_sample = False
    for found in _in_folder(root, on_error):
        any_sample |= found.is_sample
        if found.path.suffix == PARQUET and not found.path.name.startswith("."):
            packed.append(found)
        else:
            yield found
    for found in packed:
        if any_sample:
            yield found
        else:
            yield from _in_parquet(found.path, found.identity)


PARQUET: Final = ".parquet"


def _in_file(root: Path) -> Iterator[FoundFile]:
    """The sample that a file is, or those that it holds, by its content."""
    status = root.parent.stat()
    identity = (status.st_dev, status.st_ino), root.name
    if is_parquet(root):
        yield from _in_parquet(root, identity)
        return
    try:
        is_archive = holds_files(root)
    except (OSError, NpzError):  # whoever reads it is told
        is_archive = False
    if not is_archive:
        yield FoundFile(root, identity, is_sample=True)
        return
    inside = list(members(root))
    samples = [one for one in inside if one.name.endswith(".npz")]
    for one in samples:
        yield FoundFile(root / one.name, (identity[0], f"{root.name}/{one.name}"), True, one)
    for one in () if samples else inside:
        if one.name.endswith(PARQUET):
            at = root / one.name
            yield from _in_parquet(at, (identity[0], f"{root.name}/{one.name}"), one)


def _in_parquet(
    path: Path, identity: tuple[Identity, str], inside: ZipMember | None = None
) -> Iterator[FoundFile]:
    place, name = identity
    with ParquetReader(path, inside=inside) as reader:
        for row in reader.rows():
            yield FoundFile(path / row.name, (place, f"{name}/{row.name}"), True, row)


def _in_folder(root: Path, on_error: Callable[[OSError], object] | None) -> Iterator[FoundFile]:
    for folder in walk(root, enter=lambda name: not name.startswith("."), on_error=on_error):
        path = Path(folder.path)
        if path != root and names_a_sample(path.name):
            yield FoundFile(path, (folder.identity, ""), is_sample=False)
        for name in folder.files:
            is_sample = name.endswith(".npz") and not name.startswith(".")
            yield FoundFile(path / name, (folder.identity, name), is_sample)
        for name in folder.passed_by:
            if name != RECORDS:
                yield FoundFile(path / name, (folder.identity, name), is_sample=False)


def find_once(
    roots: Iterable[str | Path],
    *,
    on_empty: Callable[[Path], object],
    on_error: Callable[[OSError], object],
) -> Iterator[tuple[Path, FoundFile]]:
    """Every file below these folders (or these files themselves), each once, with its root.

    A file below two of the roots is found below the first.

    Args:
        roots: made absolute.
        on_empty: is told of each root without a sample; may raise.
        on_error: is told of each folder that is there and cannot be listed; may raise.
    """
    known: set[tuple[Identity, str]] = set()

    def unreadable(err: OSError) -> None:
        if not is_missing(err):
            on_error(err)

    for root in map(absolute, roots):
        any_here = False
        for found in find_files(root, on_error=unreadable):
            any_here |= found.is_sample
            if found.identity not in known:
                known.add(found.identity)
                yield root, found
        if not any_here:
            on_empty(root)


_ROOTS: Final = (("proc", "output"), ("proc_1", "output"))
"""How the default output roots end: names begin behind them, wherever OUT is."""

_HOUSE: Final = frozenset({"output", "proc", "proc_1", "data", "traces"})
"""Folders that stand above names and are none themselves; in a dataset's path they may be."""


def source_of(path: Path, out: Path) -> Source:
    """The names in a sample's path; "" for what it does not tell. Pure: nothing is looked up.

    Below OUT, or a default output root, `<dataset>/<model>/<run_tag>` is taken at its word. The
    dataset is one part, or a path that ends with a `.jsonl`; a model of two parts is a hub name.
    Where OUT is a dataset's, model's or run's own folder, the names above it are believed when the
    run's folder says how many samples it has, when a `.jsonl` is among them, or when they are those
    of the published archive, `data/<dataset>/<model>/<method>`.

    Args:
        path: the npz, absolute.
        out: a folder above it, or the same.

    >>> source_of(Path("/out/math/qwen-8B/ifr_5ex/ex_000001.npz"), Path("/out")).name
    'math/qwen-8B/ifr_5ex/ex_000001.npz'
    >>> source_of(Path("/out/math/qwen-8B/ifr_5ex/ex_000001.npz"), Path("/out/math/qwen-8B")).model
    'qwen-8B'
    >>> source_of(Path("/exp/proc/output/mine/ex_000001.npz"), Path("/exp/proc")).dataset
    ''
    """
    folders = path.parts[1:-1]
    run_tag = folders[-1] if folders and folders[-1] not in _HOUSE else ""
    dataset, model = _dataset_and_model(folders, len(out.parts) - 1, run_tag) if run_tag else _NONE
    return Source(path, spelled(dataset), spelled(model), spelled(run_tag))


_NONE: Final = ("", "")


@lru_cache(maxsize=256)  # the same for all samples of a folder
def _dataset_and_model(folders: tuple[str, ...], depth: int, run_tag: str) -> tuple[str, str]:
    """The names before the run's folder, the last of `folders`; OUT has `depth` parts of them."""
    above = folders[:-1]
    roots = [at + 2 for at in range(len(above) - 1) if above[at : at + 2] in _ROOTS]
    root = roots[-1] if roots else depth
    if not roots and _path_end(above[:depth]) == depth > 0:  # OUT is a dataset's folder
        root -= 1
    names = above[root:]
    if promised_by(run_tag) is None or _path_end(names) == 0:  # else a path: spelled as it is
        at = _behind_house(names)
        roots, names = roots or [at] * (at > 0), names[at:]
    if len(names) > 1:
        return _split(names)
    if roots:  # nothing above the root is a name
        return "", "".join(names)
    house = _behind_house(above)
    inside = above[house:]
    if end := _path_end(inside):
        return _split(inside[end - 1 :]) if end < len(inside) else _NONE
    published = above[house - 1 : house] == ("data",) and len(inside) == 2
    if promised_by(run_tag) is None and not (published and names_a_method(run_tag)):
        return "", "".join(names)
    return (inside[-2] if len(inside) > 1 else ""), (inside[-1] if inside else "")


def _behind_house(names: tuple[str, ...]) -> int:
    """Where the part behind the last of `_HOUSE` is, 0 when there is none."""
    return max((at + 1 for at, name in enumerate(names) if name in _HOUSE), default=0)


def _path_end(names: tuple[str, ...]) -> int:
    """How many parts a dataset's path takes up, which ends with a file; 0 when there is none."""
    return max((at + 1 for at, name in enumerate(names) if name.endswith(".jsonl")), default=0)


def _split(names: tuple[str, ...]) -> tuple[str, str]:
    """Dataset and model of at least two parts."""
    end = _path_end(names[:-1]) or (1 if len(names) == 3 else len(names) - 1)
    return "/".join(names[:end]), "/".join(names[end:])


def named(outs: Outs, name: str = "outs") -> tuple[Path, ...]:
    """What was named as output folders, roots of them or samples, as absolute paths.

    Args:
        outs: one or several.
        name: of the argument.

    Raises:
        Exp2procError: `usage` when it is something else.
    """
    one = isinstance(outs, str | bytes | os.PathLike) or not isinstance(outs, Iterable)
    several: Iterable[Any] = [outs] if one else outs  # type: ignore[assignment]
    return tuple(chain.from_iterable(_spelled_out(given(out, name)) for out in several))


_ADDRESS: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+:/")


def as_address(path: Path) -> str:
    """The address that a path was before it lost a slash, such as `s3://bucket/x`; "" for none."""
    return str(path).replace(":/", "://", 1) if _ADDRESS.match(str(path)) else ""


def _spelled_out(out: Path) -> list[Path]:
    """What a path names, or several by a shell pattern.

    Raises:
        Exp2procError: `no-samples` for an address, or a pattern that nothing matches.
    """
    path = absolute(out)
    if os.path.lexists(path):
        return [path]
    if address := as_address(out):
        raise Exp2procError(
            "no-samples",
            f"{address} is an address: only files of this machine are read",
            "Copy it here first, or mount it.",
        )
    if not has_magic(str(path)):
        return [path]
    matching = sorted(map(Path, glob(str(path), recursive=True)))
    if not matching:
        raise Exp2procError("no-samples", f"nothing matches {out}")
    return matching


def find_sources(outs: Outs, where: Where | None = None) -> list[Source]:
    """Every npz below these folders (or these files themselves), each once, sorted by name.

    Args:
        outs: one or several.
        where: which of them count; all by default.

    Raises:
        Exp2procError: `usage` when they are no paths; `no-samples` when one of them holds none,
            none was named, `where` leaves none, or a folder cannot be listed; `samples-collide`
            when two files have the same dataset, model, run_tag and file name.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as out:
    ...     run = Path(out, "math/qwen-8B/ifr_n1_5ex")
    ...     run.mkdir(parents=True)
    ...     _ = (run / "ex_000001.npz").write_bytes(b"")
    ...     (source,) = find_sources(out)
    >>> source.dataset, source.model, source.method, source.example
    ('math', 'qwen-8B', 'ifr', 1)
    """
    roots = named(outs)
    if not roots:
        raise Exp2procError("no-samples", "no folder and no npz was named")
    busy("looking for samples")
    by_name: dict[str, Source] = {}
    for root, found in find_once(roots, on_empty=_refuse, on_error=_unlisted):
        if found.is_sample:
            source = found.source(root)
            other = by_name.setdefault(source.name, source)
            if other is not source:
                raise _collision(other, source)
    sources = [by_name[name] for name in sorted(by_name)]
    if where is None:
        return sources
    matching = [source for source in sources if where(source)]
    if not matching:
        raise Exp2procError(
            "no-samples",
            f"none of {counted(len(sources), 'npz file')} is one that was asked for",
            f"There are {_names_of(sources)}.",
        )
    return matching


def _names_of(sources: Sequence[Source]) -> str:
    """By what names samples can be asked for; many are cut."""
    names = {
        "dataset": {source.short_dataset or UNKNOWN for source in sources},
        "model": {source.model or UNKNOWN for source in sources},
        "method": {source.setting or UNKNOWN for source in sources},
    }
    return "; ".join(
        f"{kind if len(there) == 1 else f'{kind}s'} {', '.join(sorted(there)[:_MANY])}"
        + (" ..." if len(there) > _MANY else "")
        for kind, there in names.items()
    )


_MANY: Final = 12


def _collision(one: Source, other: Source) -> Exp2procError:
    paths = [str(one.path), str(other.path)]
    said = f"{' and '.join(map(printable, paths))} are both {one.name}"
    for path in (one.path, other.path):
        if (path.parent / NAME).is_file():
            hint = f"{path.parent} is a trace run: name the output folder alone."
            return Exp2procError("samples-collide", said, hint)
    if spelled(paths[0]) != spelled(paths[1]):
        return Exp2procError("samples-collide", said)
    why = "as text, where bytes that are no UTF-8 are written as %ff"
    return Exp2procError("samples-collide", f"{said} {why}", "Rename one of the two.")


def _refuse(root: Path) -> None:
    raise Exp2procError("no-samples", f"{root} {no_sample_in(root)}", _unread(root))


def no_sample_in(root: Path) -> str:
    """Why there is no sample, of a root without one."""
    if not os.path.lexists(root):
        return "does not exist"
    return "holds no sample" if root.is_dir() or root.is_file() else "is not a regular file"


def _unread(root: Path) -> str | None:
    """What lies in a folder without samples and could be named; None for nothing."""
    with suppress(OSError):
        for name in sorted(os.listdir(root)) if root.is_dir() else ():
            if name.endswith(".zip"):
                return f"An archive is read when it is named itself: {root / name}"
    return None


def _unlisted(err: OSError) -> None:
    """Means over some of the samples would pass for means over all."""
    raise Exp2procError(
        "no-samples",
        f"the folder {os.fsdecode(err.filename)}: {err.strerror or err}",
        "Check the folder's permissions.",
    )
