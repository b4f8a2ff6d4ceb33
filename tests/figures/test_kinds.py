"""A kind of figure that is added from outside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support.exported import write_export

import exp2proc
from exp2proc.exports.read import load_source
from exp2proc.figures import fonts, kinds
from exp2proc.figures.arrange import Request
from exp2proc.figures.table import Table
from exp2proc.formats.sample import Sample

pytest.importorskip("matplotlib", reason="the extra figures is not installed")


def _numbers(samples: Sequence[Sample], request: Request) -> Table:
    return Table(("tokens",), [(len(sample.attr),) for sample in samples])


def _draw(figure: Any, table: Table, request: Request, chosen: fonts.Fonts) -> None:
    figure.subplots().bar(range(len(table.rows)), [row[0] for row in table.rows])


def test_a_new_kind_is_one_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = kinds.Kind("how long samples are", ("tokens",), load_source, _numbers, _draw)
    monkeypatch.setitem(kinds.KINDS, "tokens", kind)
    for example in range(3):
        write_export(tmp_path / f"a/m/ifr_3ex/ex_{example:06d}.npz", None, length=4 + example)
    from exp2proc.cli import main

    assert main(["figure", "tokens", str(tmp_path), "-o", str(tmp_path / "f.svg")]) == 0
    assert (tmp_path / "f.csv").read_text() == "tokens\n4\n5\n6\n"
    (bars,) = exp2proc.figure("tokens", tmp_path).axes
    heights = [bar.get_bbox().height for bar in bars.patches if hasattr(bar, "get_bbox")]
    assert heights == [4, 5, 6]
