"""Records of what samples were made from, held against the samples that lie there now."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from ..formats.names import Source, counted
from ..formats.record import RECORDS, read_record, record_paths, recorded_folder
from ..formats.sample import DigestSum, Loaded, sample_digest
from ..system.files import absolute
from ..system.walk import walk

T = TypeVar("T")


class Verdict(NamedTuple):
    """A record and what it is worth.

    Attributes:
        record: as it was written.
        mismatch: how the samples differ from it; "" when they are those that it describes.
    """

    record: dict[str, Any]
    mismatch: str


class Records:
    """The records of the folders of some samples, and what these samples amount to.

    Args:
        folders: whose records are looked for, once each, in `.exp2proc` of each folder above; a
            folder that is linked to from its place below one of `outs` has the record of that.
        outs: what was asked for: a single sample says nothing of its folder's.
        known: records of folders that have none there, such as those of a bundle.

    Attributes:
        invalid: (record, why) of records that cannot be read.
    """

    def __init__(
        self,
        folders: Collection[str],
        outs: Sequence[str | Path],
        known: Mapping[str, dict[str, Any]] | None = None,
    ) -> None:
        self.invalid: list[tuple[Path, str]] = []
        named = [absolute(out) for out in outs]
        whole = [folder for folder in folders if any(map(Path(folder).is_relative_to, named))]
        linked = _by_real_path(named)
        found = {
            folder: list(self._read([*_above(folder), *linked.get(os.path.realpath(folder), ())]))
            for folder in whole
        }
        self._held = {folder: some for folder, some in found.items() if some}
        for folder, record in (known or {}).items():
            if folder in folders:
                self._held.setdefault(folder, [_Held(record, Path(folder))])

    def _read(self, found: Iterable[tuple[Path, Path]]) -> Iterator[_Held]:
        for path, place in {path: place for place, path in found}.items():
            try:
                yield _Held(read_record(path), place)
            except OSError:
                continue
            except ValueError as err:
                self.invalid.append((path, str(err)))

    def __contains__(self, folder: str) -> bool:
        return folder in self._held

    def add(self, path: str, digest: str) -> None:
        """Count a sample, by what `sample_digest` gives."""
        folder, name = os.path.split(path)
        for held in self._held.get(folder, ()):
            held.add(name, digest)

    def verdicts(self) -> dict[str, Verdict]:
        """What the records are worth, by folder, when all samples of the folders are counted.

        Of several the one that matches, else the nearest.
        """
        found: dict[str, Verdict] = {}
        for folder, some in self._held.items():
            verdicts = [Verdict(held.record, held.mismatch()) for held in some]
            found[folder] = next((one for one in verdicts if not one.mismatch), verdicts[0])
        return found

    def links_amiss(self) -> Iterator[tuple[Path, str]]:
        """Links to samples that are right by another record, and how they differ from the link's.

        Where no record is right, that is the folder's verdict.
        """
        for folder, some in self._held.items():
            told = [(held.place, held.mismatch()) for held in some]
            if any(not mismatch for _, mismatch in told):
                yield from (one for one in told if one[1] and one[0] != Path(folder))


def _above(folder: str) -> Iterator[tuple[Path, Path]]:
    """The folder, and each record it may have: the nearest first, of all roots that it has."""
    for record in record_paths(Path(folder)):
        yield Path(folder), record


def _recorded(root: Path) -> Iterator[tuple[Path, Path]]:
    """The folders below an output root that have a record in it, and the record of each."""
    for found in walk(root / RECORDS) if (root / RECORDS).is_dir() else ():
        for record in (Path(found.path, name) for name in found.files):
            if (folder := recorded_folder(root, record)) is not None:
                yield folder, record


def _by_real_path(roots: Iterable[Path]) -> dict[str, list[tuple[Path, Path]]]:
    """What `_recorded` gives of output roots, by what the folders really are."""
    found: dict[str, list[tuple[Path, Path]]] = {}
    for root in roots:
        for folder, record in _recorded(root):
            found.setdefault(os.path.realpath(folder), []).append((folder, record))
    return found


class _Held:
    """A record, the folder that it is of, and the samples that are held against it."""

    def __init__(self, record: dict[str, Any], place: Path) -> None:
        self.record = record
        self.place = place
        self._dropped = {row["file"] for row in record["dropped"]}
        self._sum = DigestSum()

    def add(self, name: str, digest: str) -> None:
        # A sample that an earlier run left in the place of a row that failed is no part of it.
        if name not in self._dropped:
            self._sum.add(digest)

    def mismatch(self) -> str:
        samples = self.record["rows"]["samples"]
        found = self._sum.count
        if found != samples:
            are, were = "is" if found == 1 else "are", "was" if samples == 1 else "were"
            return f"{counted(found, 'sample')} {are} there, {samples} {were} made"
        if self._sum.hexdigest() != self.record["samples_digest"]:
            are = "is not the one that was" if samples == 1 else "are not those that were"
            return f"its {counted(samples, 'sample')} {are} made"
        return ""


def orphans(root: Path, folders: Collection[str]) -> Iterator[tuple[Path, int]]:
    """Records below an output root whose folder holds no sample, and how many were made.

    Args:
        root: absolute.
        folders: that hold samples.
    """
    there = set(map(os.path.realpath, folders))
    for folder, record in _recorded(root):
        if os.path.realpath(folder) not in there:
            with suppress(OSError, ValueError):
                yield folder, read_record(record)["rows"]["samples"]


def with_records(
    samples: Iterable[Loaded[T]],
    sources: Sequence[Source],
    outs: Sequence[str | Path],
    known: Mapping[str, dict[str, Any]] | None = None,
) -> tuple[Iterator[Loaded[T]], Callable[[], dict[str, Any]]]:
    """The same samples, and what tells when they are over what they were made from.

    Args:
        samples: with their source.
        sources: all that there are.
        outs: below which they were found.
        known: as of `Records`.

    Returns:
        The samples; and a function that gives, by the name of the run, its `record` and the
        `mismatch` of the samples with it, "" for none. Runs without a record are left out.
    """
    names = {str(source.path.parent): source.name.rpartition("/")[0] for source in sources}
    records = Records(names, outs, known)

    def counted() -> Iterator[Loaded[T]]:
        for loaded in samples:
            source = loaded.sample.source
            if source is not None and str(source.path.parent) in records:
                records.add(str(source.path), sample_digest(source.path.name, loaded.digests))
            yield loaded

    def found() -> dict[str, Any]:
        return {names[folder]: one._asdict() for folder, one in records.verdicts().items()}

    return counted(), found
