"""Is a trace run whole? Its manifest against its files, and every file against its row."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ..errors import Exp2procError
from ..formats.layouts import FT_IFR_METHODS
from ..formats.names import promised_by
from ..formats.zipped import NpzError
from ..traces.manifest import NAME, BadLine, Row
from ..traces.trace import open_trace, read_trace

_COPIES: Final = (
    "indices_to_explain_gen",
    "sink_span_gen",
    "thinking_span_gen",
    "faithfulness_scores",
    "recovery_scores",
)
"""Arrays that a manifest row has a copy of."""


@dataclass(frozen=True, slots=True)
class Wholeness:
    """What is wrong with a run's manifest and files.

    Attributes:
        rows: manifest rows.
        broken: rows that cannot be converted, by file name or line: the error.
        without_hops: files of FT-IFR rows whose only fault is that they have no `vh`.
        copies_differ: files whose spans or scores are not those of their manifest row: what.
        strays: npz files that no row names.
        duplicates: example numbers that several rows have.
        promised: samples that the run tag's `NNex` promises, or None.
    """

    rows: int
    broken: dict[str, Exp2procError] = field(default_factory=dict)
    without_hops: tuple[str, ...] = ()
    copies_differ: dict[str, str] = field(default_factory=dict)
    strays: tuple[str, ...] = ()
    duplicates: tuple[int, ...] = ()
    promised: int | None = None

    @property
    def too_few(self) -> bool:
        """Whether there are fewer rows than the run tag promises."""
        return self.promised is not None and self.rows < self.promised

    @property
    def whole(self) -> bool:
        """Whether nothing at all was found."""
        return not (
            self.broken
            or self.without_hops
            or self.copies_differ
            or self.strays
            or self.duplicates
            or self.too_few
        )


def inspect_run(folder: Path, rows: list[Row | BadLine]) -> Wholeness:
    """Check a run's manifest rows against its files, reading every trace that is exported."""
    broken: dict[str, Exp2procError] = {}
    without_hops: list[str] = []
    differ: dict[str, str] = {}
    numbers: dict[int, int] = defaultdict(int)
    lines: dict[str, int] = {}
    copies = _copies(folder)
    for row in rows:
        if isinstance(row, BadLine):
            broken[f"line {row.line}"] = row.error
            continue
        numbers[row.example_idx] += 1
        if row.file in lines:
            broken[f"line {row.line}"] = Exp2procError(
                "manifest-invalid", f"{row.file} was named by line {lines[row.file]} already"
            )
            continue
        lines[row.file] = row.line
        path = folder / row.file
        try:
            trace = read_trace(path, row.prompt_len, row.gen_len, hops=_ft_ifr(row))
        except Exp2procError as err:
            broken[row.file] = err
            continue
        if trace.hops is None and _ft_ifr(row):
            without_hops.append(row.file)
        if said := _differing(path, copies.get(row.line, {})):
            differ[row.file] = said
    return Wholeness(
        rows=len(rows),
        broken=broken,
        without_hops=tuple(without_hops),
        copies_differ=differ,
        strays=_strays(folder, lines.keys() | {row.file for row in rows if row.file}),
        duplicates=tuple(number for number, count in numbers.items() if count > 1),
        promised=promised_by(folder.name),
    )


def _ft_ifr(row: Row) -> bool:
    return row.attr_func in FT_IFR_METHODS


def _strays(folder: Path, named: set[str]) -> tuple[str, ...]:
    try:
        names = os.listdir(folder)
    except OSError:
        return ()
    return tuple(sorted(name for name in names if name.endswith(".npz") and name not in named))


def _copies(folder: Path) -> dict[int, dict[str, Any]]:
    """The copies of arrays in each manifest row, by line; broken lines have none."""
    found: dict[int, dict[str, Any]] = {}
    try:
        with (folder / NAME).open("rb") as stream:
            for number, line in enumerate(stream, 1):
                try:
                    fields = json.loads(line.removeprefix(b"\xef\xbb\xbf"))
                except (ValueError, RecursionError):
                    continue
                if isinstance(fields, dict):
                    found[number] = {key: fields.get(key) for key in _COPIES}
    except OSError:
        pass  # the manifest has just been read: it went away, and with it the copies
    return found


def _differing(path: Path, copies: dict[str, Any]) -> str:
    """Which copies are not what the npz has."""
    names: list[str] = []
    with suppress(Exp2procError, OSError), open_trace(str(path)) as npz:
        for key, copy in copies.items():
            # An array that is not exported may be amiss: what matters was read already.
            with suppress(NpzError):
                known = isinstance(copy, list) and key in npz
                if known and not _same(npz.array(key, 64).tolist(), copy):
                    names.append(key)
    return ", ".join(names)


def _same(stored: Any, copy: Any) -> bool:
    """Equality of nested lists of numbers; NaN equals NaN and null."""
    if isinstance(stored, list) and isinstance(copy, list):
        return len(stored) == len(copy) and all(map(_same, stored, copy))
    if isinstance(stored, float) and stored != stored:
        return copy is None or copy != copy
    return bool(stored == copy)
