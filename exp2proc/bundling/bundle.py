"""Making a bundle: what `exp2proc bundle` does. Samples are read once and handed on as they are."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any, Final, TypeVar

from ..errors import Exp2procError
from ..exports.bundled import known_records
from ..exports.find import Outs, Where, as_address, find_sources, named
from ..exports.read import OnError, load_with
from ..exports.records import Records
from ..exports.scores import score_rows
from ..formats import parquet as tables
from ..formats.bundle import (
    CARD,
    CITATION,
    DATA,
    FORMAT,
    PARQUET,
    PROVENANCE,
    SUMS,
    VIEWER,
    RunNames,
    folders,
    sums_text,
)
from ..formats.held import Kept
from ..formats.names import Source, counted, is_plain_name, printable, short_datasets
from ..formats.sample import MAX_NPZ, DigestSum, Loaded, Loader, sample_digest, whole
from ..results import OnProgress, Progress
from ..system.atomic_write import write_new
from ..system.files import absolute, given
from ..system.leftovers import temporary_in
from ..traces.runs import refuse_traces
from ..versions import __version__
from ..viewer.page import make_page
from .card import About, card_text, citation_text
from .target import PART, FolderTarget, Summed, Target, ZipTarget

T = TypeVar("T")

_KEPT: Final = 1 << 20
_ELSEWHERE: Final = "Name a place outside of it with -o."


@dataclass(frozen=True, slots=True)
class Bundled:
    """What was bundled.

    Attributes:
        path: the folder or archive.
        samples: how many are in it.
        files: how many files it has.
        size: their bytes.
        unknown: runs without a record of what they were made from, or with one that no longer
            matches, and which of the two.
    """

    path: Path
    samples: int
    files: int
    size: int
    unknown: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "path": os.fspath(self.path),
            "samples": self.samples,
            "files": self.files,
            "bytes": self.size,
            "unknown": self.unknown,
        }


def bundle(
    outs: Outs,
    output: str | Path,
    *,
    parquet: bool = False,
    npz: bool = True,
    title: str = "Attributions of exp2",
    license: str = "",  # noqa: A002  (the field's name everywhere)
    authors: Sequence[str] = (),
    cite: bool = False,
    overwrite: bool = False,
    where: Where | None = None,
    on_error: OnError | None = None,
    on_progress: OnProgress | None = None,
) -> Bundled:
    """One folder or archive of samples to hand over: with a card, sums, provenance and a viewer.

    The same files of samples make the same bytes, wherever and whenever; of rows of Parquet files
    npz are made, whose bytes change with the library that deflates. Stopped, it goes on where it
    was when it is called again.

    >>> made = exp2proc.bundle(demo.out, folder / "demo.zip", title="A demo")
    >>> made.samples, exp2proc.check(made.path).errors
    (96, [])

    Args:
        outs: an output folder, a bundle, an archive, a Parquet file, an npz, or several of these.
        output: a new or empty folder, or a `.zip`.
        parquet: write a Parquet file a dataset, too, each a config of the card; needs pyarrow.
        npz: write the npz files.
        title, license, authors: for the card and the citation; "Family, Given" is a person.
        cite: write `CITATION.cff`; needs authors.
        overwrite: whether a bundle that is there may be replaced.
        where: which samples, by their `Source`.
        on_error: is told of each file that is not a sample, which is then left out. Without it
            the first such file raises.
        on_progress: is told how many samples were read.

    Raises:
        Exp2procError: `no-samples`, `samples-collide`, `sample-invalid`, `target-exists`,
            `output-is-trace`; `usage` for options that do not go together; `missing-extra`.
        OSError: the operating system refuses.
    """
    path = given(output, "output")
    about = About(title=title, license=license, authors=tuple(authors), cite=cite)
    _check_options(about, parquet, npz)
    if address := as_address(path):
        said = f"{address} is an address: a bundle is written to this machine"
        raise Exp2procError("usage", said, "Name a folder or a .zip, and upload that.")
    as_zip = path.suffix.lower() == ".zip"
    refuse_traces(path.parent if as_zip else path)
    roots = named(outs)
    _check_apart(path, roots, as_zip)
    sources = find_sources(outs, where)
    work = _Work(
        sources, roots, parquet=parquet, npz=npz, on_error=on_error, on_progress=on_progress
    )
    kind = ZipTarget if as_zip else FolderTarget
    target: Target = kind(path, overwrite=overwrite)
    try:
        with closing(target):
            made = work.write(Summed(target), target.scratch, about)
            target.finish()
    except OSError as err:
        err.filename = err.filename or os.fspath(path)  # a write that fails does not tell it
        raise
    return Bundled(path, *made)


def _check_options(about: About, parquet: bool, npz: bool) -> None:
    for name, text in (("title", about.title), *(("authors", one) for one in about.authors)):
        if not text.strip():
            raise Exp2procError("usage", f"{name} is empty")
    for text in (about.title, about.license, *about.authors):
        if not text.isprintable():
            said = f"{printable(text)}: it may be one line, without control characters"
            raise Exp2procError("usage", said)
    if about.cite and not about.authors:
        raise Exp2procError("usage", "a citation needs authors")
    if not (npz or parquet):
        raise Exp2procError("usage", "without npz files it needs Parquet files")


def _check_apart(path: Path, roots: Sequence[Path], as_zip: bool) -> None:
    """Nothing that is read is written, by whatever links it is named."""
    target = Path(os.path.realpath(absolute(path)))
    part = target.with_name(target.name + PART) if as_zip else target
    for root in roots:
        real = Path(os.path.realpath(root))
        if target.is_relative_to(real):
            raise Exp2procError("usage", f"{path} lies in {root}, which is read", _ELSEWHERE)
        if real.is_relative_to(target) or real == part:
            raise Exp2procError("usage", f"{root} is read: {path} would replace it", _ELSEWHERE)


class _Work:
    """The samples of a bundle on their way."""

    def __init__(
        self,
        sources: Sequence[Source],
        outs: Sequence[Path],
        *,
        parquet: bool,
        npz: bool,
        on_error: OnError | None,
        on_progress: OnProgress | None,
    ) -> None:
        self._sources = sorted(sources, key=lambda one: (*_run_of(one), one.path.name))
        self._parquet = parquet
        self._npz = npz
        self._on_error = on_error
        self._on_progress = on_progress
        self._failed: list[tuple[str, str]] = []
        self._folders = folders(map(_run_of, sources))
        places = {str(source.path.parent) for source in sources}
        self._records = Records(places, outs, known_records(outs))
        self._sums: dict[RunNames, DigestSum] = defaultdict(DigestSum)
        self._places: dict[RunNames, str] = {}
        self._layouts: set[str] = set()
        self._tables: dict[str, str] = {}
        self._taken: set[str] = set()
        self._first = ""

    def write(
        self, target: Summed, scratch: Path, about: About
    ) -> tuple[int, int, int, dict[str, str]]:
        """All files; gives how many samples and files, their bytes, and what is not known."""
        rows = score_rows(self._written(target, scratch))
        samples = sum(one.count for one in self._sums.values())
        if not samples:
            said = f"none of {counted(len(self._sources), 'npz file')} is a sample"
            raise Exp2procError("no-samples", said)
        provenance, unknown = self._provenance(about)
        card = card_text(
            about,
            rows=rows,
            layouts=sorted(self._layouts),
            tables=self._tables,
            npz=self._npz,
            example=self._first,
            warnings=[f"{run}: {why}" for run, why in unknown.items()],
        )
        target.add(CARD, card.encode())
        if about.cite:
            target.add(CITATION, citation_text(about).encode())
        if self._npz:
            target.add(VIEWER, make_page("files", []).encode())
        target.add(PROVENANCE, f"{json.dumps(provenance, indent=1, sort_keys=True)}\n".encode())
        files = len(target.sums) + 1
        target.add(SUMS, sums_text(target.sums).encode())
        return samples, files, target.size, unknown

    def _written(self, target: Summed, scratch: Path) -> Iterator[tuple[Source, dict[str, float]]]:
        """Each sample as it goes to the target: where it is from, and its scores."""
        loader: Loader[Any] = tables.loader() if self._parquet else Loader(lambda _: None, _KEPT)
        short = short_datasets(source.dataset for source in self._sources)
        done = 0
        for dataset, some in groupby(self._sources, key=lambda source: source.dataset):
            with ExitStack() as files, ExitStack() as writing:
                file = writer = None
                if self._parquet:
                    file = Path(temporary_in(str(scratch)))
                    write_new(str(file), b"")
                    files.callback(file.unlink, missing_ok=True)
                    stream = writing.enter_context(open(file, "wb"))
                    writer = writing.enter_context(tables.ParquetWriter(stream, short))
                for source in some:
                    loaded = self._handed_on(loader, source, target)
                    done += 1
                    if self._on_progress is not None:
                        told = Progress(done, len(self._sources), len(self._failed))
                        self._on_progress(told)
                    if loaded is None:
                        continue
                    if writer is not None:
                        writer.add(loaded.sample, loaded.learned)
                    yield source, dict(loaded.sample.scores)
                if file is not None and writer is not None and writer.written:
                    writer.records = self._records_of(dataset)
                    writing.close()
                    self._add_table(target, dataset, file)

    def _handed_on(self, loader: Loader[T], source: Source, target: Summed) -> Loaded[T] | None:
        """A sample, once its file is in the target; None for what is none."""
        try:
            content = whole(source.place, MAX_NPZ)
            kept = replace(source, held=Kept(content, str(source.place)))
            loaded = load_with(loader, kept)
            run = _run_of(source)
            path = f"{self._folders[run]}/{source.path.name}"
            if not is_plain_name(source.path.name) or path.casefold() in self._taken:
                why = f"{source.path}: its name may not be in a bundle"
                hint = "Name it as in ex_000001.npz, and no two alike but for case."
                raise Exp2procError("sample-invalid", why, hint)
        except Exp2procError as err:
            if self._on_error is None:
                raise
            self._failed.append((source.name, err.code))
            self._on_error(source, err)
            return None
        if run not in self._sums:
            self._taken.clear()
        self._taken.add(path.casefold())
        digest = sample_digest(source.path.name, loaded.digests)
        self._sums[run].add(digest)
        self._records.add(str(source.path), digest)
        self._places[run] = str(source.path.parent)
        self._layouts.add(loaded.sample.layout)
        self._first = self._first or f"{DATA}/{path}"
        if self._npz:
            target.add(f"{DATA}/{path}", content)
        return loaded

    def _records_of(self, dataset: str) -> dict[str, Any]:
        verdicts = self._records.verdicts()
        return {
            "/".join(filter(None, run)): verdicts[place]._asdict()
            for run, place in self._places.items()
            if run.dataset == dataset and place in verdicts
        }

    def _add_table(self, target: Summed, dataset: str, file: Path) -> None:
        run = next(run for run in self._sums if run.dataset == dataset)
        name = self._folders[run].partition("/")[0]
        self._tables[name] = f"{PARQUET}/{name}.parquet"
        target.add_file(self._tables[name], file)

    def _provenance(self, about: About) -> tuple[dict[str, Any], dict[str, str]]:
        verdicts = self._records.verdicts()
        runs: dict[str, Any] = {}
        unknown: dict[str, str] = {}
        for run, found in self._sums.items():
            folder = self._folders[run]
            verdict = verdicts.get(self._places[run])
            why = "there is no record of what it was made from"
            if verdict is not None:
                why = verdict.mismatch and f"its record is of other samples: {verdict.mismatch}"
            if why:
                unknown[folder] = why
            runs[folder] = {
                **run._asdict(),
                "samples": found.count,
                "samples_digest": found.hexdigest(),
                "record": None if verdict is None else verdict.record,
                "unknown": why or None,
            }
        return {
            "format": FORMAT,
            "exp2proc_version": __version__,
            "title": about.title,
            "license": about.license or None,
            "authors": list(about.authors),
            "samples": sum(found.count for found in self._sums.values()),
            "layouts": sorted(self._layouts),
            "runs": runs,
            "left_out": [{"file": name, "code": code} for name, code in self._failed],
        }, unknown


def _run_of(source: Source) -> RunNames:
    return RunNames(source.dataset, source.model, source.run_tag)
