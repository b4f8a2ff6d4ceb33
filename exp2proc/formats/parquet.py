"""Samples as one Parquet file, a row a sample, and back. pyarrow is imported when it is used.

Written and read a row group at a time: memory does not grow with the number of samples.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import accumulate, chain
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from ..errors import Exp2procError, first_line
from ..system.atomic_write import write_whole, written_whole
from ..system.extras import require
from ..system.files import absolute, open_regular
from ..system.leftovers import sweep
from ..system.signals import stops_wait, undisturbed
from ..versions import __version__, library_versions
from .archives import ZipMember
from .layouts import LAYOUTS, SCORES
from .names import Source, counted, is_inside, spelled
from .npz import Member, Outline
from .recent import Recent, content_key
from .record import remove_records
from .sample import (
    MAX_BYTES,
    Loaded,
    Loader,
    Sample,
    encode,
    pack_text,
    sample_values,
    schema_problem,
)
from .spans import SampleSpans, size
from .zipped import NpzError

S = TypeVar("S")
T = TypeVar("T")

GROUP_TOKENS: Final = 1 << 20
"""A row group is closed at this many numbers of attr and hop together (4 MiB of float32)..."""
GROUP_ROWS: Final = 1000
"""... or at this many samples..."""
GROUP_BYTES: Final = 16 << 20
"""... or at this many bytes of attr, hop and tok together: pieces may be long."""

_TEXTS: Final = ("dataset", "dataset_path", "model", "method", "run_tag", "file")
_READ_ROWS: Final = 64
_SPANS: Final = ("span_in", "span_cot", "span_out")
_KEY: Final = b"exp2proc"
_WORDS: Final = ["dataset", "model", "method", "run_tag", "file", "tok.list.element"]
"""Columns whose values come again: to look for such floats takes as long as all the rest."""
_RECENT: Final = 1 << 26
"""Bytes of token pieces, as a file holds them, that are remembered: a text has some with every
method, 64 KiB of them for 8,000 tokens."""

UNITS: Final = {
    "dataset": "name; empty when the sample's path did not tell, likewise model, run_tag",
    "dataset_path": "the dataset as the sample's path spells it, a name or a path",
    "attr": "attribution of each token, L = prompt + generation without the final EOS",
    "hop": "attribution of each token by hop, H lists of L; null where there are none",
    "tok": "token pieces, L; null in layout proc_1; pieces may overlap or be empty",
    "tok_width": "characters of numpy's string dtype in the npz",
    "span": "closed range of token indices, [-1, -1] for none",
    "rise": "RISE of the row attribution, lower is better; null when not measured",
    "mas": "MAS of the row attribution, lower is better; null when not measured",
    "recovery": "Recovery@10% of the row attribution, higher is better; null when not measured",
}


def schema() -> Any:
    """The `pyarrow.Schema` of the file.

    Raises:
        Exp2procError: `missing-extra`.
    """
    pa = require("pyarrow", "parquet")
    span = pa.list_(pa.int64(), 2)
    return pa.schema(
        [
            *((name, pa.string()) for name in _TEXTS),
            ("example", pa.int64()),
            ("tok", pa.list_(pa.string())),
            ("tok_width", pa.int32()),
            ("attr", pa.list_(pa.float32())),
            ("hop", pa.list_(pa.list_(pa.float32()))),
            *((name, span) for name in _SPANS),
            *((name, pa.float64()) for name in SCORES),
        ]
    )


def _first_schema() -> Any:
    """Of format 1, in which `dataset` is what `dataset_path` is now."""
    columns = schema()
    return columns.remove(columns.get_field_index("dataset_path"))


class Strings(NamedTuple):
    """The token pieces of a text, as the column holds them.

    Attributes:
        values: a `pyarrow.StringArray`; None when UTF-8 cannot spell them.
        size: bytes of UTF-8.
        width: characters of numpy's string dtype.
    """

    values: Any
    size: int
    width: int


def strings(tok: npt.NDArray[np.str_]) -> Strings:
    """Token pieces, str[L], for the column `tok`.

    Raises:
        Exp2procError: `missing-extra`.
    """
    pa = require("pyarrow", "parquet")
    pieces, width = tok.tolist(), tok.dtype.itemsize // 4
    try:
        return Strings(pa.array(pieces, pa.string()), len("".join(pieces).encode()), width)
    except UnicodeEncodeError:
        return Strings(None, 0, width)


def loader() -> Loader[Strings]:
    """Loads samples for `ParquetWriter.add`, the token pieces of a text once."""
    return Loader(strings, _RECENT, lambda made: made.size + 4 * len(made.values or ()))


class ParquetWriter:
    """Writes samples to a Parquet file, row group by row group. A context manager.

    While a group is written the samples of the next may be read: compression lets Python go on.

    Attributes:
        written: samples so far.
        records: what they were made from, by run: plain data for the metadata, set before the end.

    Raises:
        Exp2procError: `missing-extra`; `sample-invalid` for a text that UTF-8 cannot spell.
        OSError: the operating system refuses.
    """

    def __init__(self, stream: BinaryIO, datasets: Mapping[str, str] | None = None) -> None:
        self._datasets = datasets or {}
        self._pq = require("pyarrow.parquet", "parquet")
        self._schema = schema()
        self._writer = self._pq.ParquetWriter(
            stream, self._schema, compression="zstd", use_dictionary=_WORDS
        )
        self._thread = ThreadPoolExecutor(1)
        self._under_way: Future[Any] | None = None
        self._rows: list[dict[str, Any]] = []
        self._tokens = 0
        self._bytes = 0
        self._layouts: set[str] = set()
        self.records: Mapping[str, Any] = {}
        self.written = 0

    def __enter__(self) -> ParquetWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._flush()
                self._settle()
                self._writer.add_key_value_metadata(self._metadata())
        finally:
            with stops_wait():  # left open, pyarrow's writer complains when the file is closed
                self._thread.shutdown()
                self._writer.close()

    def add(self, sample: Sample, pieces: Strings | None = None) -> None:
        """Append one sample; its `source` must be set.

        Args:
            sample: of either layout.
            pieces: those of its tokens, where `tok` was left out.
        """
        assert sample.source is not None
        if sample.tok is not None:
            pieces = strings(sample.tok)
        source = sample.source
        short = self._datasets.get(source.dataset, source.short_dataset)
        self._rows.append(_row(source, sample, pieces, short if source.dataset else ""))
        self._layouts.add(sample.layout)
        numbers = sample.attr.size + (0 if sample.hop is None else sample.hop.size)
        self._tokens += numbers
        self._bytes += 4 * numbers + (0 if pieces is None else pieces.size)
        self.written += 1
        if (
            self._tokens >= GROUP_TOKENS
            or len(self._rows) >= GROUP_ROWS
            or self._bytes >= GROUP_BYTES
        ):
            self._flush()

    def _flush(self) -> None:
        pa = require("pyarrow", "parquet")
        if not self._rows:
            return
        columns = [
            _text_column([row["tok"] for row in self._rows], field.type)
            if field.name == "tok"
            else pa.array([row[field.name] for row in self._rows], field.type)
            for field in self._schema
        ]
        table = pa.table(columns, schema=self._schema)
        self._rows.clear()
        self._tokens = self._bytes = 0
        self._settle()
        try:
            self._under_way = self._thread.submit(self._writer.write_table, table)
        except RuntimeError:  # there may be no more threads
            self._thread.shutdown(cancel_futures=True)
            self._writer.write_table(table)

    def _settle(self) -> None:
        """Wait for the group that is being written. Raises what that raised."""
        under_way, self._under_way = self._under_way, None
        try:
            if under_way is not None:
                under_way.result()
        finally:
            del under_way  # what it raised holds this frame: in a circle nobody would close files

    def _metadata(self) -> dict[str, str]:
        about = {
            "format": 2,
            "layout": sorted(self._layouts),
            "units": UNITS,
            "exp2proc_version": __version__,
            "versions": library_versions(),
            "records": self.records,
        }
        return {_KEY.decode(): json.dumps(about)}


def _text_column(texts: Sequence[Any], kind: Any) -> Any:
    """Lists of strings of these string arrays, null for None."""
    pa = require("pyarrow", "parquet")
    there = [text for text in texts if text is not None]
    ends = accumulate((0 if text is None else len(text) for text in texts), initial=0)
    offsets = [None if text is None else at for text, at in zip([*texts, ""], ends, strict=True)]
    values = pa.concat_arrays([pa.array([], pa.string()), *there])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values, kind)


def _row(source: Source, sample: Sample, pieces: Strings | None, dataset: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "dataset": dataset,
        "dataset_path": source.dataset,
        "model": source.model,
        "method": source.method,
        "run_tag": source.run_tag,
        "file": spelled(source.path.name),
        "example": source.example,
        "tok": None,
        "tok_width": None,
        "attr": sample.attr,
        "hop": None,
    }
    if pieces is not None:
        row["tok"], row["tok_width"] = pieces.values, pieces.width
        if pieces.values is None:
            raise Exp2procError(
                "sample-invalid", f"{source.name}: a token piece is not valid Unicode"
            )
    if sample.hop is not None:
        row["hop"] = list(sample.hop)
    row.update(zip(_SPANS, sample.spans, strict=True))
    row.update((key, None if value != value else value) for key, value in sample.scores.items())
    return row


def pack(
    samples: Iterable[Sample | Loaded[Strings]],
    path: Path,
    records: Callable[[], Mapping[str, Any]] | None = None,
    datasets: Mapping[str, str] | None = None,
) -> int:
    """Write samples (as `iter_samples` gives them) to one Parquet file; returns how many.

    The file appears when all is written. Without a sample there is none.

    Args:
        samples: with their source; or as a `loader` loads them.
        path: of the file.
        records: asked when all samples are written for what they were made from, by run.
        datasets: how those of all samples are shown (`short_datasets`), where short spellings
            alone might not tell them apart.

    Raises:
        Exp2procError: `missing-extra`, `sample-invalid`.
        OSError: the operating system refuses.
    """
    remaining = iter(samples)
    first = next(remaining, None)
    if first is None:
        return 0
    # Opened here, as for reading: pyarrow takes no names that are not UTF-8.
    with (
        written_whole(path) as temporary,
        open(temporary, "wb") as stream,
        ParquetWriter(stream, datasets) as writer,
    ):
        for one in chain([first], remaining):
            if isinstance(one, Loaded):
                writer.add(one.sample, one.learned)
            else:
                writer.add(one)
        if records is not None:
            writer.records = records()
    return writer.written


OnError = Callable[[Exp2procError], object]


class Place(NamedTuple):
    """Where a file is, and what tells whether it is still the same.

    Attributes:
        path: links worked out, as they may lead elsewhere in another process.
        identity: device, inode, size and time of the last change.
    """

    path: str
    identity: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.identity[2]

    @classmethod
    def of(cls, path: Path, stream: BinaryIO) -> Place:
        """That of an open file."""
        stat = os.fstat(stream.fileno())
        return cls(
            os.path.realpath(path), (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns)
        )


def is_parquet(path: Path) -> bool:
    """Whether a file begins as one of Parquet does; a folder is none."""
    with suppress(OSError), open_regular(path) as stream:
        return stream.read(len(MAGIC)) == MAGIC
    return False


MAGIC: Final = b"PAR1"


class ParquetReader:
    """The rows of a packed file as npz files. A context manager.

    Args:
        path: of the file.
        place: of the very same file, as another reader of it has it.
        inside: where it lies, when it is a member of an archive.

    Attributes:
        path: of the file, as it was given.
        count: how many samples it holds.
        groups: the numbers of its row groups.
        place: tells a reader in another process which file is meant.

    Raises:
        Exp2procError: `missing-extra`, `parquet-invalid`.
    """

    def __init__(
        self, path: Path, place: Place | None = None, inside: ZipMember | None = None
    ) -> None:
        pa, pq = require("pyarrow", "parquet"), require("pyarrow.parquet", "parquet")
        self._errors = (pa.ArrowException, OSError)
        self.path = path
        try:
            if inside is not None:
                self._stream: BinaryIO = inside.open()
            else:
                self._stream = open_regular(path if place is None else place.path)
        except OSError as err:
            raise _invalid(path, err.strerror or str(err)) from None
        except NpzError as err:
            raise _invalid(path, str(err)) from None
        try:
            self.place = Place.of(path, self._stream)
            if place is not None and place != self.place:
                raise _invalid(path, "it changed while it was read")
            self._file = self._opened(pq)
            names = self._file.schema_arrow.names
        except BaseException:
            self._stream.close()
            raise
        self._folders = ("dataset_path" if "dataset_path" in names else "dataset", *_FOLDERS)
        about = self._file.metadata
        self.count = int(about.num_rows)
        self.groups = range(about.num_row_groups)
        self._starts = [0, *accumulate(about.row_group(at).num_rows for at in self.groups)]
        self._names = {os.fspath(path), os.path.realpath(path)}
        self._inside = inside

    def _opened(self, pq: Any) -> Any:
        try:
            file = pq.ParquetFile(self._stream)
        except self._errors as err:
            raise _invalid(self.path, first_line(err)) from None
        metadata = file.schema_arrow.metadata or {}
        key_values = file.metadata.metadata or {}
        if _KEY not in metadata and _KEY not in key_values:
            raise _invalid(self.path, "it was not written by exp2proc pack")
        if not any(file.schema_arrow.equals(one) for one in (schema(), _first_schema())):
            raise _invalid(self.path, "its columns are not those of exp2proc pack")
        return file

    def __enter__(self) -> ParquetReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._stream.close()

    def is_read_from(self, path: Path) -> bool:
        """Whether a file that is put at `path` takes the place of the packed file, or of a link."""
        return any(
            path.name == os.path.basename(name)
            and os.path.realpath(path.parent) == os.path.realpath(os.path.dirname(name) or ".")
            for name in self._names
        )

    def targets(self) -> list[str]:
        """The paths below the output folder of all samples. Rows that have none are left out.

        Raises:
            Exp2procError: `parquet-invalid` when it cannot be read, or two rows have one path.
        """
        found: dict[str, int] = {}
        for number, row in enumerate(self._rows(self.groups, (*self._folders, "file"))):
            with suppress(*_NO_SAMPLE):
                path = self._target(row)
                if path in found:
                    raise _invalid(self.path, f"rows {found[path]} and {number} are both {path}")
                found[path] = number
        return list(found)

    def rows(self) -> Iterator[ParquetRow]:
        """Where each sample lies, in order; those that have no path, with the reason.

        Raises:
            Exp2procError: `parquet-invalid` when it cannot be read.
        """
        columns = (*self._folders, "file")
        known: set[tuple[str, ...]] = set()
        for group in self.groups:
            rows = self._rows(range(group, group + 1), columns)
            for at, row in enumerate(rows):
                number = self._starts[group] + at
                spot = _Spot(os.fspath(self.path), self.place, self._inside, group, at)
                try:
                    self._target(row)
                    names = [row[name].as_py() or "" for name in columns]
                    if (*names,) in known:
                        raise ValueError(f"a row before it is {'/'.join(names)}, too")
                    known.add((*names,))
                except _NO_SAMPLE as err:
                    why = f"row {number} is no sample: {_why(err)}"
                    yield ParquetRow(spot, ("", "", ""), f"row-{number}.npz", why)
                else:
                    yield ParquetRow(spot, (names[0], names[1], names[2]), names[3])

    def records(self) -> dict[str, Any]:
        """What samples were made from, by the path of their run; {} where that is not known."""
        metadata = self._file.metadata.metadata or {}
        try:
            found = json.loads(metadata[_KEY])["records"]
            return {run: one["record"] for run, one in found.items()}
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
            return {}

    def group(self, number: int) -> list[dict[str, Any]]:
        """The rows of a group, of which nothing is made yet.

        Raises:
            Exp2procError: `parquet-invalid` when it cannot be read.
        """
        return list(self._rows(range(number, number + 1)))

    def files(self, groups: range, on_error: OnError | None = None) -> Iterator[tuple[str, bytes]]:
        """(path below the output folder, content) of each sample.

        Args:
            groups: some of `groups`, without a gap.
            on_error: is told of each row that is no sample, which is then left out. Without it the
                first such row raises.

        Raises:
            Exp2procError: `parquet-invalid`; also for a name that leads out of the folder.
        """
        for number, row in enumerate(self._rows(groups), self._starts[groups.start]):
            try:
                one = self._target(row), _content(row)
            except _NO_SAMPLE as err:
                why = f"row {number} is no sample: {_why(err)}"
                _tell(_invalid(self.path, why), on_error)
            else:
                yield one

    def _target(self, row: Mapping[str, Any]) -> str:
        folders = (row[name].as_py() for name in self._folders)
        file = row["file"].as_py()
        path = "/".join([*filter(None, folders), file or ""])
        # A hidden file is no sample to any reader, and may be taken for a temporary one.
        if not is_inside(path) or not file.endswith(".npz") or "/" in file or file.startswith("."):
            raise ValueError(f"{path!r} is not the path of an npz inside the output folder")
        return path

    def _rows(
        self, groups: range, columns: Sequence[str] | None = None
    ) -> Iterator[dict[str, Any]]:
        try:
            for batch in self._batches(groups, columns):
                found = dict(zip(batch.schema.names, batch.columns, strict=True))
                for at in range(batch.num_rows):
                    yield {name: column[at] for name, column in found.items()}
        except self._errors as err:
            raise _invalid(self.path, first_line(err)) from None

    def _batches(self, groups: range, columns: Sequence[str] | None) -> Iterator[Any]:
        """A group at a time: a batch over several would hold more bytes than a group may have."""
        for group in groups:
            yield from self._file.iter_batches(_READ_ROWS, [group], columns)


_FOLDERS: Final = ("model", "run_tag")
_NO_SAMPLE: Final = (ValueError, TypeError, AttributeError)
"""What reading a row raises that `pack` did not write."""


def _why(err: Exception) -> str:
    return str(err) if type(err) is ValueError else first_line(err)


class _Spot(NamedTuple):
    """Where a row is: numbers of its group, and of itself there."""

    path: str
    place: Place
    inside: ZipMember | None
    group: int
    at: int


class ParquetRow(NamedTuple):
    """A sample in a packed file; see `held.Held`.

    Attributes:
        spot: where it is.
        names: dataset as the sample's path spelled it, model, run_tag; "" for what is not known.
        file: the sample's file name.
        problem: why it cannot be read; "" for none.
    """

    spot: _Spot
    names: tuple[str, str, str]
    file: str
    problem: str = ""

    @property
    def name(self) -> str:
        """The sample's path below an output folder."""
        return "/".join([*filter(None, self.names), self.file])

    def __str__(self) -> str:
        return f"{self.spot.path}/{self.name}"

    def read(self) -> bytes:
        """The sample's npz, made again."""
        if self.problem:
            raise NpzError(self.problem)
        try:
            return _content(_group(self.spot[:-1])[self.spot.at])
        except _NO_SAMPLE as err:
            raise NpzError(f"its row is no sample: {_why(err)}") from None
        except Exp2procError as err:
            raise NpzError(err.message) from None


@lru_cache(maxsize=2)  # the rows of a group follow each other
def _group(where: tuple[str, Place, ZipMember | None, int]) -> list[dict[str, Any]]:
    path, place, inside, number = where
    with ParquetReader(Path(path), place, inside) as reader:
        return reader.group(number)


def _tell(error: Exp2procError, on_error: OnError | None) -> None:
    if on_error is None:
        raise error
    on_error(error)


def _content(row: dict[str, Any]) -> bytes:
    arrays: dict[str, Any] = {"attr": _floats(row["attr"].values)}
    spans = SampleSpans(*(tuple(row[key].as_py()) for key in _SPANS))
    arrays |= {key: np.array(span, np.int64) for key, span in zip(_SPANS, spans, strict=True)}
    for key in SCORES:
        value = row[key].as_py()
        arrays[key] = np.array(np.nan if value is None else value)
    identity = packed = None
    if row["tok"].is_valid:
        identity = _identity(row["tok"].values, row["tok_width"].as_py())
        packed = None if identity is None else _packed.get(identity)
        arrays["tok"] = packed.outline if packed is not None else _pieces(row)
    else:
        arrays["length"] = np.array([*map(size, spans)])
    if row["hop"].is_valid:
        hops = [_floats(one.values) for one in row["hop"]]
        arrays["hop"] = np.array(hops, np.float32).reshape(len(hops), len(arrays["attr"]))
    layout = next(one for one in LAYOUTS.values() if one.needs_text == ("tok" in arrays))
    problem = schema_problem(arrays, layout)
    if problem is not None:
        raise ValueError(problem)
    scores = {key: float(arrays[key]) for key in SCORES}
    values = sample_values(arrays["attr"], spans, scores, arrays.get("hop"))
    if "tok" in arrays:
        if packed is None:
            tok = arrays["tok"]
            packed = _Packed(Outline(tok.dtype, tok.shape), pack_text(tok))
            if identity is not None:
                _packed.put(identity, packed)
        values["tok"] = packed.member
    return encode(layout, values)


class _Packed(NamedTuple):
    outline: Outline
    member: Member


_packed: Final[Recent[_Packed]] = Recent(_RECENT, lambda one: len(one.member.data))
"""Of this process: to deflate its pieces is most of the work of a sample."""


def _identity(pieces: Any, width: Any) -> bytes | None:
    """Names what a list of pieces is packed to; None where it is as easily made."""
    if not pieces or pieces.null_count or not isinstance(width, int):
        return None
    _, offsets, data = pieces.buffers()
    ends = np.frombuffer(offsets, np.int32)[pieces.offset : pieces.offset + len(pieces) + 1]
    text = memoryview(data or b"")[ends[0] : ends[-1]]
    return content_key(text, width, content_key((ends - ends[0]).data))


def _pieces(row: Mapping[str, Any]) -> npt.NDArray[np.str_]:
    pieces, width = row["tok"].as_py(), int(row["tok_width"].as_py())
    longest = max(map(len, pieces), default=0)
    if width < max(1, longest):
        raise ValueError(f"tok_width is {width}, the longest piece has {longest} characters")
    if 4 * width * len(pieces) > MAX_BYTES:
        raise ValueError(
            f"{len(pieces)} pieces of tok_width {width} are {4 * width * len(pieces)} bytes,"
            f" at most {MAX_BYTES} are read"
        )
    return np.array(pieces, dtype=f"U{width}")


def _floats(values: Any) -> npt.NDArray[np.float32]:
    if values.null_count:
        raise ValueError("a null among the numbers of attr or hop")
    if not values:
        return np.zeros(0, np.float32)
    # What `to_numpy` gives, which would import pandas where that is installed.
    return np.frombuffer(values.buffers()[1], np.float32, len(values), 4 * values.offset)


class Over(Protocol):
    """A function of each item, in order: here, or in worker processes, which import it."""

    def __call__(
        self, function: Callable[[S], T], items: Sequence[S], /
    ) -> Generator[T, None, None]:
        """What the function gives."""


def here(function: Callable[[S], T], items: Sequence[S], /) -> Generator[T, None, None]:
    """In this process, one after the other."""
    yield from map(function, items)


_PARTS: Final = 64
"""A file is read in so many parts at most, each by a reader of its own."""


def unpack(
    reader: ParquetReader,
    out: Path,
    *,
    overwrite: bool = False,
    check: Callable[[Path], object] | None = None,
    on_error: OnError | None = None,
    over: Over = here,
) -> Generator[Path, None, None]:
    """Write the npz files of a packed file below `out`; gives each path once it is written.

    What is in the way is seen before anything is written. A record of the samples in a folder goes
    before the first one comes.

    Args:
        reader: of the packed file.
        out: the output folder.
        overwrite: whether files that are there may be replaced.
        check: is asked for every folder that gets a sample before anything is written; it raises
            where there may be none.
        on_error: is told of each row that is no sample, or whose name this file system does not
            take; it is then left out. Without it the first such row raises.
        over: what works on the row groups.

    Raises:
        Exp2procError: `parquet-invalid`, `output-unwritable`; `target-exists` for a file that is
            there, unless `overwrite`.
        OSError: the operating system refuses.
    """
    paths = [out / name for name in reader.targets()]
    folders = sorted({path.parent for path in paths})
    for folder in folders:
        if check is not None:
            check(folder)
    _look(reader, out, paths, overwrite)
    writing = _Writing(reader.path, reader.place, out, overwrite, on_error is not None)
    if over is here:
        results = here(
            partial(_write, reader, writing), [range(at, at + 1) for at in reader.groups]
        )
    else:
        step = -(-len(reader.groups) // _PARTS)
        parts = [reader.groups[at : at + step] for at in reader.groups[::step]]
        results = over(partial(_write_elsewhere, writing), parts)
    try:
        for outcomes in results:
            for one in outcomes:
                if isinstance(one, Exp2procError):
                    _tell(one, on_error)
                else:
                    yield one
    except BaseException:
        with undisturbed():
            results.close()
            for folder in folders:
                sweep(str(folder))
        raise


@dataclass(frozen=True, slots=True)
class _Writing:
    """What is written where.

    Attributes:
        path: of the packed file, as it was given.
        place: where it is.
        out: the output folder.
        overwrite: whether files that are there may be replaced.
        lenient: whether rows that cannot be written are told, not raised.
    """

    path: Path
    place: Place
    out: Path
    overwrite: bool
    lenient: bool


_Outcomes = list[Path | Exp2procError]


def _write_elsewhere(writing: _Writing, groups: range) -> _Outcomes:
    """Write the samples of some row groups; a worker may have died of them before."""
    with ParquetReader(writing.path, writing.place) as reader:
        return _write(reader, writing, groups, again=True)


def _write(
    reader: ParquetReader, writing: _Writing, groups: range, *, again: bool = False
) -> _Outcomes:
    """Write the samples of some row groups; gives what became of each row.

    Args:
        reader: of the packed file.
        writing: where to, and how.
        groups: which.
        again: whether a file that is there may be one of these, which was written just now.
    """
    done: _Outcomes = []
    on_error = done.append if writing.lenient else None
    swept: set[Path] = set()
    for name, content in reader.files(groups, on_error):
        path = writing.out / name
        try:
            if path.parent not in swept:
                path.parent.mkdir(parents=True, exist_ok=True)
                sweep(str(path.parent))
                remove_records(absolute(path.parent))
                swept.add(path.parent)
            write_whole(str(path), content, replace=writing.overwrite)
        except OSError as err:
            if isinstance(err, FileExistsError) and err.filename == str(path):
                if not (again and path.read_bytes() == content):
                    raise _there(path) from None
            elif err.errno not in _OF_ITS_NAME:
                raise
            else:
                why = f"{path}: {err.strerror or err}"
                _tell(Exp2procError("output-unwritable", why), on_error)
                continue
        done.append(path)
    return done


def _there(path: Path) -> Exp2procError:
    return Exp2procError("target-exists", f"{path} is already there")


def _look(reader: ParquetReader, out: Path, paths: list[Path], overwrite: bool) -> None:
    """Refuse to write over the file that is read, and over others unless `overwrite`."""
    if out.exists() and not out.is_dir():
        raise Exp2procError("target-exists", f"{out} is not a folder", "Name a folder with -o.")
    for path in paths:
        if reader.is_read_from(path):
            said = f"{path} is the file that is read"
            raise Exp2procError("target-exists", said, "Name another folder with -o.")
    there = [] if overwrite else [path for path in paths if os.path.lexists(path)]
    if there:
        are = "is" if len(there) == 1 else "are"
        files = counted(len(paths), "file")
        said = f"{len(there)} of {files} {are} already there, such as {there[0]}"
        raise Exp2procError("target-exists", said)


_OF_ITS_NAME: Final = frozenset(
    {
        *(errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ),
        *(errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP),
    }
)
"""Why a system refuses one path and not the next: its length, its characters, what stands there."""


def _invalid(path: Path, why: str) -> Exp2procError:
    return Exp2procError("parquet-invalid", f"{path}: {why}")
