"""Samples as one Parquet file, a row a sample, and back. pyarrow is imported when it is used.

Written and read a row group at a time: memory does not grow with the number of samples.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt

from ..errors import Exp2procError, first_line
from ..system.atomic_write import write_whole, written_whole
from ..system.extras import require
from ..system.files import absolute, open_regular
from ..system.leftovers import sweep
from ..versions import __version__, library_versions
from .layouts import LAYOUTS, SCORES
from .names import Source, is_inside, spelled
from .record import remove_records
from .sample import MAX_BYTES, Sample, encode, pack_text, sample_values, schema_problem
from .spans import SampleSpans, size

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


class ParquetWriter:
    """Writes samples to a Parquet file, row group by row group. A context manager.

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
        self._writer = self._pq.ParquetWriter(stream, self._schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []
        self._tokens = 0
        self._bytes = 0
        self._layouts: set[str] = set()
        self.records: Mapping[str, Any] = {}
        self.written = 0

    def __enter__(self) -> ParquetWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._flush()
            self._writer.add_key_value_metadata(self._metadata())
        self._writer.close()

    def add(self, sample: Sample) -> None:
        """Append one sample; its `source` must be set."""
        assert sample.source is not None
        source = sample.source
        short = self._datasets.get(source.dataset, source.short_dataset)
        self._rows.append(_row(source, sample, short if source.dataset else ""))
        self._layouts.add(sample.layout)
        numbers = sample.attr.size + (0 if sample.hop is None else sample.hop.size)
        self._tokens += numbers
        self._bytes += 4 * numbers + len("".join(self._rows[-1]["tok"] or ()).encode())
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
            pa.array([row[field.name] for row in self._rows], field.type) for field in self._schema
        ]
        self._writer.write_table(pa.table(columns, schema=self._schema))
        self._rows.clear()
        self._tokens = self._bytes = 0

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


def _row(source: Source, sample: Sample, dataset: str) -> dict[str, Any]:
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
    if sample.tok is not None:
        row["tok"] = sample.tok.tolist()
        row["tok_width"] = sample.tok.dtype.itemsize // 4
        for piece in row["tok"]:
            if not piece.isascii():
                _check_utf8(source, piece)
    if sample.hop is not None:
        row["hop"] = list(sample.hop)
    row.update(zip(_SPANS, sample.spans, strict=True))
    row.update((key, None if value != value else value) for key, value in sample.scores.items())
    return row


def _check_utf8(source: Source, piece: str) -> None:
    try:
        piece.encode()
    except UnicodeEncodeError:
        raise Exp2procError(
            "sample-invalid", f"{source.name}: a token piece is not valid Unicode"
        ) from None


def pack(
    samples: Iterable[Sample],
    path: Path,
    records: Callable[[], Mapping[str, Any]] | None = None,
    datasets: Mapping[str, str] | None = None,
) -> int:
    """Write samples (as `iter_samples` gives them) to one Parquet file; returns how many.

    The file appears when all is written. Without a sample there is none.

    Args:
        samples: with their source.
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
        for sample in chain([first], remaining):
            writer.add(sample)
        if records is not None:
            writer.records = records()
    return writer.written


OnError = Callable[[Exp2procError], object]


class ParquetReader:
    """The rows of a packed file as npz files. A context manager.

    Attributes:
        count: how many samples it holds.

    Raises:
        Exp2procError: `missing-extra`, `parquet-invalid`.
    """

    def __init__(self, path: Path) -> None:
        pa, pq = require("pyarrow", "parquet"), require("pyarrow.parquet", "parquet")
        self._errors = (pa.ArrowException, OSError)
        self._path = path
        try:
            self._stream = open_regular(path)
        except OSError as err:
            raise _invalid(path, err.strerror or str(err)) from None
        try:
            self._file = self._opened(pq)
            names = self._file.schema_arrow.names
        except BaseException:
            self._stream.close()
            raise
        self.count = int(self._file.metadata.num_rows)
        self._folders = ("dataset_path" if "dataset_path" in names else "dataset", *_FOLDERS)

    def _opened(self, pq: Any) -> Any:
        try:
            file = pq.ParquetFile(self._stream)
        except self._errors as err:
            raise _invalid(self._path, first_line(err)) from None
        metadata = file.schema_arrow.metadata or {}
        key_values = file.metadata.metadata or {}
        if _KEY not in metadata and _KEY not in key_values:
            raise _invalid(self._path, "it was not written by exp2proc pack")
        if not any(file.schema_arrow.equals(one) for one in (schema(), _first_schema())):
            raise _invalid(self._path, "its columns are not those of exp2proc pack")
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
            for name in (os.fspath(self._path), os.path.realpath(self._path))
        )

    def targets(self) -> list[str]:
        """The paths below the output folder of all samples. Rows that have none are left out.

        Raises:
            Exp2procError: `parquet-invalid` when it cannot be read, or two rows have one path.
        """
        found: dict[str, int] = {}
        for number, row in enumerate(self._rows((*self._folders, "file"))):
            with suppress(*_NO_SAMPLE):
                path = self._target(row)
                if path in found:
                    raise _invalid(self._path, f"rows {found[path]} and {number} are both {path}")
                found[path] = number
        return list(found)

    def files(self, on_error: OnError | None = None) -> Iterator[tuple[str, bytes]]:
        """(path below the output folder, content) of each sample.

        Args:
            on_error: is told of each row that is no sample, which is then left out. Without it the
                first such row raises.

        Raises:
            Exp2procError: `parquet-invalid`; also for a name that leads out of the folder.
        """
        for number, row in enumerate(self._rows()):
            try:
                one = self._target(row), _content(row)
            except _NO_SAMPLE as err:
                why = str(err) if type(err) is ValueError else first_line(err)
                _tell(_invalid(self._path, f"row {number} is no sample: {why}"), on_error)
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

    def _rows(self, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        try:
            for batch in self._batches(columns):
                for at in range(batch.num_rows):
                    yield {name: batch[name][at] for name in batch.schema.names}
        except self._errors as err:
            raise _invalid(self._path, first_line(err)) from None

    def _batches(self, columns: Sequence[str] | None) -> Iterator[Any]:
        """A group at a time: a batch over several would hold more bytes than a group may have."""
        for group in range(self._file.num_row_groups):
            yield from self._file.iter_batches(_READ_ROWS, [group], columns)


_FOLDERS: Final = ("model", "run_tag")
_NO_SAMPLE: Final = (ValueError, TypeError, AttributeError)
"""What reading a row raises that `pack` did not write."""


def _tell(error: Exp2procError, on_error: OnError | None) -> None:
    if on_error is None:
        raise error
    on_error(error)


def _content(row: dict[str, Any]) -> bytes:
    arrays: dict[str, npt.NDArray[Any]] = {"attr": _floats(row["attr"].values)}
    spans = SampleSpans(*(tuple(row[key].as_py()) for key in _SPANS))
    arrays |= {key: np.array(span, np.int64) for key, span in zip(_SPANS, spans, strict=True)}
    for key in SCORES:
        value = row[key].as_py()
        arrays[key] = np.array(np.nan if value is None else value)
    if row["tok"].is_valid:
        arrays["tok"] = _pieces(row["tok"].as_py(), int(row["tok_width"].as_py()))
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
        values["tok"] = pack_text(arrays["tok"])
    return encode(layout, values)


def _pieces(pieces: list[str], width: int) -> npt.NDArray[np.str_]:
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
    floats: npt.NDArray[np.float32] = values.to_numpy(zero_copy_only=False)
    return floats.astype(np.float32, copy=False)


def unpack(
    reader: ParquetReader,
    out: Path,
    *,
    overwrite: bool = False,
    check: Callable[[Path], object] | None = None,
    on_error: OnError | None = None,
) -> Iterator[Path]:
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

    Raises:
        Exp2procError: `parquet-invalid`, `output-unwritable`; `target-exists` for a file that is
            there, unless `overwrite`.
        OSError: the operating system refuses.
    """
    paths = [out / name for name in reader.targets()]
    for folder in sorted({path.parent for path in paths}):
        if check is not None:
            check(folder)
    _look(reader, paths, overwrite)
    swept: set[Path] = set()
    for name, content in reader.files(on_error):
        path = out / name
        try:
            if path.parent not in swept:
                path.parent.mkdir(parents=True, exist_ok=True)
                sweep(str(path.parent))
                remove_records(absolute(path.parent))
                swept.add(path.parent)
            write_whole(str(path), content, replace=overwrite)
        except OSError as err:
            if isinstance(err, FileExistsError) and err.filename == str(path):
                raise Exp2procError("target-exists", f"{path} is already there") from None
            if err.errno not in _OF_ITS_NAME:
                raise
            said = Exp2procError("output-unwritable", f"{path}: {err.strerror or err}")
            _tell(said, on_error)
        else:
            yield path


def _look(reader: ParquetReader, paths: list[Path], overwrite: bool) -> None:
    """Refuse to write over the file that is read, and over others unless `overwrite`."""
    for path in paths:
        if reader.is_read_from(path):
            said = f"{path} is the file that is read"
            raise Exp2procError("target-exists", said, "Name another folder with -o.")
    there = [] if overwrite else [path for path in paths if os.path.lexists(path)]
    if there:
        said = f"{len(there)} of {len(paths)} files are already there, such as {there[0]}"
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
