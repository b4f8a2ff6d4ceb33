"""Means of an export beside those that exp2 wrote itself, as CSVs next to its traces.

exp2 writes `<root>/faithfulness/<dataset>/<model>/<method>_<N>_examples.csv`, likewise `recovery/`,
at the end of a run. Its name says less than a run_tag: another run of the method with as many
examples writes over it.
"""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from ..errors import Exp2procError
from ..formats.layouts import SCORES
from ..formats.names import promised_by, short_dataset, spelled
from ..system.files import absolute, open_regular
from ..system.walk import walk
from .scores import ScoreRow, finite

State = Literal["same", "differs", "other-run", "no-csv"]

_FOLDERS: Final = {"faithfulness": ("rise", "mas"), "recovery": ("recovery",)}
"""What exp2 writes where."""
_NAME: Final = re.compile(r"(.+)_(\d{1,9})_examples\.csv")
_MEAN: Final = re.compile(r"Row Attr (?:Scores|Recovery) Mean")
_STD: Final = re.compile(r"Row Attr (?:Scores Var|Recovery Std)")
_MAX_BYTES: Final = 1 << 16
_TOLERANCE: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Beside:
    """One score of one run, and what exp2 says of it.

    Attributes:
        dataset, model, run_tag: of the run; the dataset in full.
        score: its key.
        state: `same`; `differs`; `other-run` where the CSV is that of another run of the method;
            `no-csv`.
        file: the CSV, from the root that was named; "" for `no-csv`.
        n, mean, std: of the export; `std` with ddof 0.
        exp2_n, exp2_mean, exp2_std: of the CSV; `exp2_n` is None where it does not say.
    """

    dataset: str
    model: str
    run_tag: str
    score: str
    state: State
    file: str
    n: int
    mean: float | None
    std: float | None
    exp2_n: int | None = None
    exp2_mean: float | None = None
    exp2_std: float | None = None


@dataclass(frozen=True, slots=True)
class Against:
    """An export next to the CSVs of exp2.

    Attributes:
        scores: of each run those that it has.
        no_export: CSVs that no run of this export belongs to, from the root that was named.
        unreadable: CSVs that cannot be read, each with the reason.
    """

    scores: list[Beside]
    no_export: list[str]
    unreadable: list[tuple[str, str]]

    @property
    def exit_code(self) -> int:
        """1 when a score differs or a CSV cannot be read, else 0."""
        return int(bool(self.unreadable) or any(one.state == "differs" for one in self.scores))

    def of(self, state: State) -> list[Beside]:
        """The scores of one state."""
        return [one for one in self.scores if one.state == state]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "scores": [
                {k: finite(v) if isinstance(v, float) else v for k, v in asdict(one).items()}
                for one in self.scores
            ],
            "no_export": self.no_export,
            "unreadable": [{"file": file, "why": why} for file, why in self.unreadable],
        }


class _Table(NamedTuple):
    file: str
    folder: str
    method: str
    asked: int
    mean: dict[str, float]
    std: dict[str, float]
    n: int | None


def compare_with_exp2(rows: Sequence[ScoreRow], root: str | Path) -> Against:
    """The means and deviations of runs beside those of the CSVs below `root`.

    Equal are numbers that differ by no more than a billionth of themselves.

    Args:
        rows: of `score_rows`, without groups.
        root: exp2's output folder, which holds `faithfulness` and `recovery`.

    Raises:
        Exp2procError: `usage`, when there is no such CSV.
    """
    tables, unreadable = _read_tables(absolute(Path(root)))
    found: list[Beside] = []
    met: set[str] = set()
    for key in SCORES:
        some = [table for table in tables if key in table.mean]
        pairs = [(row, _table_of(row, some)) for row in rows if row.estimates[key].n]
        met.update(table.file for _, table in pairs if table is not None)
        right = {table.file for row, table in pairs if table and _same(row, table, key)}
        for row, table in pairs:
            state: State = "no-csv"
            if table is not None and _same(row, table, key):
                state = "same"
            elif table is not None:
                state = "other-run" if table.file in right else "differs"
            found.append(_beside(row, table, key, state))
    found.sort(key=lambda one: (one.dataset, one.model, one.run_tag))
    lone = sorted(table.file for table in tables if table.file not in met)
    return Against(found, lone, unreadable)


def _beside(row: ScoreRow, table: _Table | None, key: str, state: State) -> Beside:
    mine = row.estimates[key]
    names = (row.dataset, row.model, row.run_tag, key, state)
    if table is None:
        return Beside(*names, "", mine.n, mine.mean, mine.std)
    theirs = (table.n, table.mean[key], table.std.get(key))
    return Beside(*names, table.file, mine.n, mine.mean, mine.std, *theirs)


def _same(row: ScoreRow, table: _Table, key: str) -> bool:
    mine = row.estimates[key]
    pairs = [(mine.mean, table.mean[key]), (mine.std, table.std.get(key))]
    return (table.n is None or table.n == mine.n) and all(
        one is not None
        and (other is None or math.isclose(one, other, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE))
        for one, other in pairs
    )


def _table_of(row: ScoreRow, tables: Sequence[_Table]) -> _Table | None:
    """The CSV of a run: of its dataset by its full name, else by its short one."""
    promised = promised_by(row.run_tag)
    end = f"/{row.model}" if row.model else ""
    some = [
        table
        for table in tables
        if table.method == row.method
        and table.folder.endswith(end)
        and promised in (None, table.asked)
    ]
    for spell in (str, short_dataset):
        fits = [t for t in some if spell(t.folder.removesuffix(end)) == spell(row.dataset)]
        if len(fits) == 1:
            return fits[0]
    return None


def _read_tables(root: Path) -> tuple[list[_Table], list[tuple[str, str]]]:
    tables: list[_Table] = []
    unreadable: list[tuple[str, str]] = []
    for kind, keys in _FOLDERS.items():
        for folder in walk(root / kind):
            below = os.path.relpath(folder.path, root / kind)
            for name in folder.files:
                match = _NAME.fullmatch(name)
                if match is None:
                    continue
                file = spelled(f"{kind}/{below}/{name}")
                try:
                    mean, std, n = _read(os.path.join(folder.path, name), keys)
                except OSError as err:
                    unreadable.append((file, err.strerror or str(err)))
                except ValueError as err:
                    unreadable.append((file, str(err)))
                else:
                    method, asked = spelled(match[1]), int(match[2])
                    tables.append(_Table(file, spelled(below), method, asked, mean, std, n))
    if not tables and not unreadable:
        raise Exp2procError(
            "usage",
            f"{root} holds no CSV of exp2 below faithfulness or recovery",
            "Name exp2's output folder, the one that holds traces, faithfulness and recovery.",
        )
    return tables, unreadable


def _read(path: str, keys: Sequence[str]) -> tuple[dict[str, float], dict[str, float], int | None]:
    """Means and deviations by score, and the number of examples where it is told."""
    with open_regular(path) as stream:
        data = stream.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise ValueError(f"it is larger than {_MAX_BYTES} bytes")
    lines = list(csv.reader(io.StringIO(data.decode("utf-8"), newline="")))
    heads = lines[0] if lines else []
    columns = {key: heads.index(SCORES[key].label) for key in keys if SCORES[key].label in heads}
    by_name = {line[0]: line for line in lines if line}
    mean = next((line for name, line in by_name.items() if _MEAN.fullmatch(name)), None)
    if len(columns) != len(keys) or mean is None:
        raise ValueError(
            "it is no table of exp2: it lacks a column, or the mean of row attribution"
        )
    std = next((line for name, line in by_name.items() if _STD.fullmatch(name)), None)
    used = by_name.get("Examples Used")
    try:
        return (
            {key: float(mean[at]) for key, at in columns.items()},
            {} if std is None else {key: float(std[at]) for key, at in columns.items()},
            None if used is None else int(used[1]),
        )
    except (IndexError, ValueError):
        raise ValueError("a number of it is none") from None
