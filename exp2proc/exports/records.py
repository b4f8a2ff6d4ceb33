"""Records of what samples were made from, held against the samples that lie there now."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..conversion.record import read_record
from ..formats.layouts import LAYOUTS
from ..formats.names import Source, record_path
from ..formats.sample import DigestSum, Sample, digests, sample_digest, values_of


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
        folders: whose records are looked for, once each, in `.exp2proc` of each folder above.

    Attributes:
        invalid: (record, why) of records that cannot be read.
    """

    def __init__(self, folders: Collection[str]) -> None:
        self.invalid: list[tuple[Path, str]] = []
        self._records: dict[str, dict[str, Any]] = {}
        self._sums: dict[str, DigestSum] = {}
        self._dropped: dict[str, set[str]] = {}
        for folder in folders:
            record = self._find(Path(folder))
            if record is not None:
                self._records[folder] = record
                self._sums[folder] = DigestSum()
                self._dropped[folder] = {
                    row["file"] for row in record["dropped"] if row["file"] is not None
                }

    def _find(self, folder: Path) -> dict[str, Any] | None:
        for root in folder.parents:
            path = record_path(root, folder)
            try:
                return read_record(path)
            except OSError:
                continue
            except ValueError as err:
                self.invalid.append((path, str(err)))
        return None

    def __contains__(self, folder: str) -> bool:
        return folder in self._records

    def add(self, path: str, digest: str) -> None:
        """Count a sample, by what `digest_of` gives."""
        folder, name = os.path.split(path)
        # A sample that an earlier run left in the place of a row that failed is no part of it.
        if folder in self._sums and name not in self._dropped[folder]:
            self._sums[folder].add(digest)

    def verdicts(self) -> dict[str, Verdict]:
        """What the records are worth, by folder, when all samples of the folders are counted."""
        return {
            folder: Verdict(record, _mismatch(record, self._sums[folder]))
            for folder, record in self._records.items()
        }


def with_records(
    samples: Iterable[Sample], sources: Sequence[Source]
) -> tuple[Iterator[Sample], Callable[[], dict[str, Any]]]:
    """The same samples, and what tells when they are over what they were made from.

    Args:
        samples: with their source.
        sources: all that there are.

    Returns:
        The samples; and a function that gives, by the name of the run, its `record` and the
        `mismatch` of the samples with it, "" for none. Runs without a record are left out.
    """
    names = {str(source.path.parent): source.name.rpartition("/")[0] for source in sources}
    records = Records(names)

    def counted() -> Iterator[Sample]:
        for sample in samples:
            if sample.source is not None and str(sample.source.path.parent) in records:
                path = sample.source.path
                records.add(str(path), digest_of(path.name, sample))
            yield sample

    def found() -> dict[str, Any]:
        return {names[folder]: one._asdict() for folder, one in records.verdicts().items()}

    return counted(), found


def digest_of(name: str, sample: Sample) -> str:
    """What a sample amounts to, as its record counts it."""
    return sample_digest(name, digests(LAYOUTS[sample.layout], values_of(sample)))


def _mismatch(record: dict[str, Any], found: DigestSum) -> str:
    samples = record["rows"]["samples"]
    if found.count != samples:
        return f"{found.count} samples are there, {samples} were made"
    if found.hexdigest() != record["samples_digest"]:
        return f"its {samples} samples are not those that were made"
    return ""
