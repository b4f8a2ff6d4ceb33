"""The tables of layouts and scores: what they offer, one of each from outside."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest

import exp2proc
from exp2proc.cli import main
from exp2proc.demo.tree import DemoTree
from exp2proc.formats.layouts import FT_IFR_METHODS, LAYOUTS, SCORES, Key, Layout, Score
from exp2proc.formats.sample import load_scores


def test_the_tables_are_named_by_their_keys() -> None:
    assert list(LAYOUTS) == [layout.name for layout in LAYOUTS.values()] == ["proc", "proc_1"]
    assert list(SCORES) == [score.key for score in SCORES.values()]
    assert len({layout.default_root for layout in LAYOUTS.values()}) == len(LAYOUTS)


def test_scores_are_taken_from_where_exp2_puts_them() -> None:
    """The scores of the row attribution, not of the sequence or the recursive one."""
    rows, columns = ("seq", "row", "rec"), ("RISE", "MAS", "RISE+AP")
    arrays = {
        "faithfulness_scores": np.array([[f"{row} {name}" for name in columns] for row in rows]),
        "recovery_scores": np.array([f"{row} Recovery@10%" for row in rows]),
    }
    for score in SCORES.values():
        assert arrays[score.array].shape == score.shape
        assert arrays[score.array][score.at] == f"row {score.label}"


@pytest.mark.parametrize("method", ["attnlrp", "ifr_multi_hop", *sorted(FT_IFR_METHODS)])
def test_who_carries_hops(method: str) -> None:
    proc, proc_1 = LAYOUTS["proc"], LAYOUTS["proc_1"]
    assert proc.wants_hops(method) == proc.requires_hops(method) == (method in FT_IFR_METHODS)
    assert proc_1.wants_hops(method)
    assert not proc_1.requires_hops(method)


def test_keys_are_told_apart_by_order_and_number() -> None:
    names = [key.name for key in LAYOUTS["proc"].keys]
    assert LAYOUTS["proc"].fits(names)
    assert LAYOUTS["proc"].fits(names[:-1])  # hop is optional
    assert not LAYOUTS["proc"].fits(names[1:])
    assert not LAYOUTS["proc"].fits([*names, "more"])
    assert not LAYOUTS["proc"].fits([names[1], names[0], *names[2:]])
    assert not LAYOUTS["proc_1"].fits(names)


def test_a_layout_and_a_score_from_outside(
    demo: DemoTree,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An entry each, and every command knows them: convert, check, summary, show."""
    score = Score("rise_ap", "RISE+AP", False, "faithfulness_scores", (3, 3), (1, 2))
    proc = LAYOUTS["proc_1"]
    keys = (
        *(key for key in proc.keys if key.name not in ("length", "mas")),
        Key("rise_ap", "score"),
    )
    lean = Layout("lean", keys, frozenset({"ifr_multi_hop"}), hop_required=False, default_root="o")
    words = ["--traces_root", str(demo.traces), "--out_root", str(tmp_path / "out")]
    assert main(["convert", *words, "--layout", "lean"]) == 2
    assert "invalid choice: 'lean'" in capsys.readouterr().err

    monkeypatch.setitem(SCORES, score.key, score)
    monkeypatch.setitem(LAYOUTS, lean.name, lean)
    assert main(["convert", *words, "--layout", "lean"]) == 0
    made = sorted((tmp_path / "out").rglob("*.npz"))
    assert len(made) == 96
    for path in made:
        sample = exp2proc.load_sample(path)
        with np.load(path) as arrays:
            assert [*arrays] == [k.name for k in keys if k.name != "hop" or sample.hop is not None]
            assert arrays["rise_ap"] == sample.scores["rise_ap"] == load_scores(path)["rise_ap"]
        trace = next(demo.traces.rglob(str(path.relative_to(tmp_path / "out"))))
        with np.load(trace) as arrays:
            assert sample.scores["rise_ap"] == arrays["faithfulness_scores"][1, 2]
        assert sample.layout == "lean"
        assert (sample.hop is not None) == ("ifr_multi_hop_n1" in str(path))
        assert np.isnan(sample.mas)  # a score of the table that this layout does not carry
    capsys.readouterr()

    assert main(["check", str(tmp_path / "out"), "--against", str(demo.traces)]) == 0
    assert "96 compared with their traces: no problems" in capsys.readouterr().out
    assert main(["summary", str(tmp_path / "out"), "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert all(row["rise_ap_n"] == "8" and row["mas_n"] == "0" for row in rows)
    assert main(["show", str(made[0])]) == 0
    assert "RISE+AP 0." in capsys.readouterr().out
