"""plan --deep: which outputs are made, stale, missing, and cannot be made; nothing is written."""

from __future__ import annotations

import shutil
from pathlib import Path

from support.cli import run_cli, run_json
from support.processes import fingerprint

import exp2proc
from exp2proc.conversion.standing import Combination, standing
from exp2proc.demo.tree import DemoTree


def _words(demo: DemoTree, out: Path) -> tuple[str | Path, ...]:
    return (
        *("plan", "--traces_root", demo.traces, "--data_root", demo.data),
        *("--tokenizer_model", demo.tokenizer, "--out_root", out, "--deep"),
    )


def _damage(demo: DemoTree, out: Path) -> None:
    """One stale, two missing, one that cannot be made, one combination without a run."""
    exp2proc.convert(
        traces_root=demo.traces, data_root=demo.data, tokenizer_model=demo.tokenizer, out_root=out
    )
    hops = out / "needles/demo-1B/ifr_multi_hop_n1_mfaithfulness_gen+recovery_8ex"
    for number in (0, 3):
        (hops / f"ex_{number:06d}.npz").unlink()
    shutil.copy(hops / "ex_000001.npz", hops / "ex_000002.npz")
    needles = demo.traces / "needles/demo-1B"
    shutil.rmtree(next(needles.glob("attnlrp*")))
    (next(needles.glob("ifr_in_all_gen*")) / "ex_000006.npz").write_bytes(b"")


def test_the_matrix(demo: DemoTree, tmp_path: Path) -> None:
    out = tmp_path / "out"
    _damage(demo, out)
    before = fingerprint(tmp_path)
    report = run_json(*_words(demo, out), code=1)
    deep = report["deep"]
    cells = {(c["dataset"], c["model"], c["method"]): c for c in deep["matrix"]}
    assert len(cells) == 11
    names = ("made", "stale", "missing", "cannot")
    told = {key: tuple(cell[name] for name in names) for key, cell in cells.items()}
    assert told.pop(("needles", "demo-1B", "ifr_multi_hop")) == (5, 1, 2, 0)
    assert told.pop(("needles", "demo-1B", "ifr_in_all_gen")) == (7, 0, 0, 1)
    assert set(told.values()) == {(8, 0, 0, 0)}
    assert deep["absent"] == [{"dataset": "needles", "model": "demo-1B", "method": "attnlrp"}]
    assert [one["file"] for one in deep["stale"]] == ["ex_000002.npz"]
    (cannot,) = deep["cannot"]
    assert cannot["code"] == "trace-corrupt"
    assert "lies at its place" in cannot["message"]
    assert report["totals"]["existing"] == 86
    assert fingerprint(tmp_path) == before


def test_on_screen(demo: DemoTree, tmp_path: Path) -> None:
    _damage(demo, tmp_path / "out")
    done = run_cli(*_words(demo, tmp_path / "out"), env={"COLUMNS": "80"})
    assert done.returncode == 1
    for told in ("5 made", "1 stale", "2 missing", "7 made", "1 cannot", "no run"):
        assert told in done.stdout
    assert "88 rows: 84 made, 1 stale, 2 missing, 1 cannot" in done.stdout
    assert max(map(len, done.stdout.splitlines()[:9])) <= 80


def test_what_cannot_start_is_said_as_by_convert(demo: DemoTree, tmp_path: Path) -> None:
    words = ("plan", "--traces_root", demo.traces, "--data_root", demo.data, "--deep")
    report = run_json(*words, "--out_root", tmp_path, code=2)
    assert [problem["code"] for problem in report["problems"]] == ["no-tokenizer"]
    assert "deep" not in report


def test_two_runs_of_a_method_are_told_apart(demo: DemoTree, tmp_path: Path) -> None:
    needles = demo.traces / "needles/demo-1B"
    run = next(needles.glob("ifr_multi_hop_n1*"))
    shutil.copytree(run, needles / run.name.replace("n1", "n3"))
    found = standing(
        exp2proc.Options(traces_root=needles, layout="proc_1", out_root=tmp_path / "out", jobs=1)
    )
    methods = {cell.method for cell in found.matrix()}
    assert methods == {
        *("attnlrp", "ifr_in_all_gen", "ifr_multi_hop_both", run.name),
        run.name.replace("n1", "n3"),
    }
    assert Combination("needles", "demo-1B", run.name) in found.matrix()
    assert found.absent() == []


def test_what_it_says_is_what_resume_does(demo: DemoTree, tmp_path: Path) -> None:
    """Also of a folder that stands where a sample should be; and the exit codes are those."""
    out = tmp_path / "out"
    _damage(demo, out)
    blocked = next((out / "multihop_zh").rglob("ex_000004.npz"))
    blocked.unlink()
    blocked.mkdir()
    report = run_json(*_words(demo, out), code=1)
    assert report["exit_code"] == 1
    deep = report["deep"]
    done = run_json("convert", *_words(demo, out)[1:-1], "--resume", code=1)
    assert deep["stale"] == done["replaced"]
    assert deep["cannot"] == done["errors"]
    names = {"made": "kept", "stale": "replaced", "missing": "converted", "cannot": "failed"}
    for said, did in names.items():
        assert sum(cell[said] for cell in deep["matrix"]) == done["counts"][did]
