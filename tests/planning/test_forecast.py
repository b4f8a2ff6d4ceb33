"""plan and convert --dry_run: what would happen, and nothing happens."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.cli import on_a_terminal, run_cli, run_json

import exp2proc
from exp2proc.demo.traces import write_jsonl
from exp2proc.demo.tree import DemoTree, write_broken
from exp2proc.options import Options

RUN = "needles/demo-1B/ifr_multi_hop_both_n1_mfaithfulness_gen+recovery_8ex"


def words(demo: DemoTree) -> tuple[str | Path, ...]:
    return (
        *("--traces_root", demo.traces, "--data_root", demo.data),
        *("--tokenizer_model", demo.tokenizer, "--out_root", demo.out),
    )


def manifest(run: Path) -> list[dict[str, Any]]:
    lines = (run / "manifest.jsonl").read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines if line]


def everything(root: Path) -> set[tuple[Path, int]]:
    return {(path, path.stat().st_mtime_ns) for path in root.rglob("*")}


def test_a_tree_in_numbers(demo: DemoTree) -> None:
    before = everything(demo.root)
    report = run_json("plan", *words(demo))
    assert everything(demo.root) == before
    rows = [row for path in demo.traces.rglob("manifest.jsonl") for row in manifest(path.parent)]
    assert report["totals"]["rows"] == len(rows) == 96
    assert report["totals"]["tokens"] == sum(r["prompt_len"] + r["gen_len"] for r in rows)
    assert report["totals"]["texts"] == len({(r["prompt_sha1"], r["target_sha1"]) for r in rows})
    assert report["totals"]["existing"] == report["totals"]["failing"] == 0
    assert (report["failures"], report["problems"], report["exit_code"]) == ([], [], 0)
    run = next(run for run in report["runs"] if run["trace_dir"].endswith(RUN))
    assert run["dataset"] == "needles"
    assert (run["model_tag"], run["method"]) == ("demo-1B", "ifr_multi_hop_both")
    assert run["tokenizer"] == str(demo.tokenizer)
    assert run["dataset_files"] == [str(demo.data / "needles.jsonl")]
    assert (run["rows"], run["texts"]) == (8, 8)


def test_the_table(demo: DemoTree) -> None:
    shown = run_cli("plan", *words(demo))
    assert shown.returncode == 0
    for said in ("96 of 96 rows can be converted", "24 texts", "attnlrp", "needles.jsonl"):
        assert said in shown.stdout


def test_a_dry_run_is_the_same(demo: DemoTree) -> None:
    plans = [run_json(*how, *words(demo)) for how in (("plan",), ("convert", "--dry_run"))]
    for plan in plans:
        del plan["seconds"]  # by what the machine was doing at that moment
    assert plans[0] == plans[1]
    assert not demo.out.exists()


@pytest.mark.parametrize("layout", ["proc", "proc_1"])
def test_size_and_outputs_that_are_there(demo: DemoTree, layout: str) -> None:
    what = (*words(demo), "--layout", layout)
    before = run_json("plan", *what)
    run_json("convert", *what)
    real = sum(path.stat().st_size for path in demo.out.rglob("*.npz"))
    assert real * 0.75 < before["totals"]["size"] < real * 1.25
    after = run_json("plan", *what, code=2)
    assert after["totals"]["existing"] == 96
    assert {problem["code"] for problem in after["problems"]} == {"outputs-exist"}
    resumed = run_json("plan", *what, "--resume")
    assert resumed["totals"]["existing"] == 96
    assert resumed["totals"]["known_texts"] == (24 if layout == "proc" else 0)


def test_rows_that_cannot_work_are_those_that_fail(demo: DemoTree) -> None:
    write_broken(demo)
    run = demo.traces / RUN
    (run / "ex_000001.npz").unlink()
    rows = manifest(run)
    rows[4]["file"] = "../ex_000004.npz"
    rows[6]["target_sha1"] = None
    write_jsonl(run / "manifest.jsonl", rows)
    planned = run_json("plan", *words(demo), code=1)
    foreseen = {(f["trace_dir"], f["file"], f["code"]) for f in planned["failures"]}
    assert sorted(code for _, _, code in foreseen) == [
        "dataset-no-match",
        "dataset-no-match",
        "trace-missing",
        "unsafe-path",
    ]
    assert planned["totals"]["failing"] == 4
    converted = run_json("convert", *words(demo), code=1)
    failed = {(e["trace_dir"], e["file"], e["code"]) for e in converted["errors"]}
    assert foreseen < failed
    assert {code for _, _, code in failed - foreseen} == {"prompt-length-mismatch", "trace-corrupt"}
    shown = run_cli("plan", *words(demo), "--resume")
    assert shown.returncode == 1
    assert "trace-missing (1)" in shown.stdout


def test_what_can_be_told_is_told_though_nothing_can_start(demo: DemoTree) -> None:
    (demo.data / "multihop_zh.jsonl").unlink()
    shown = run_cli("plan", *words(demo)[:4], "--out_root", demo.out)
    assert shown.returncode == 2
    assert "no-dataset (4)" in shown.stderr
    assert "no-tokenizer (1)" in shown.stderr
    assert "no-dataset (32)" in shown.stdout
    assert "no-tokenizer (64)" in shown.stdout
    assert "\n0 of 96 rows can be converted; 0 texts;" in shown.stdout
    report = run_json("plan", *words(demo)[:4], "--out_root", demo.out, code=2)
    assert {p["code"] for p in report["problems"]} == {"no-dataset", "no-tokenizer"}
    assert report["totals"]["failing"] == 96
    assert [run["texts"] for run in report["runs"]] == [0] * 12
    refused = run_json("convert", *words(demo)[:4], "--out_root", demo.out, code=2)
    assert refused["problems"] == report["problems"]


def test_a_missing_dataset_does_not_hide_a_broken_tokenizer(demo: DemoTree) -> None:
    (demo.data / "multihop_zh.jsonl").unlink()
    (demo.tokenizer / "tokenizer.json").write_text("{}")
    report = run_json("convert", *words(demo), code=2)
    assert {p["code"] for p in report["problems"]} == {"no-dataset", "tokenizer-invalid"}
    assert not demo.out.exists()


def test_rows_of_a_tokenizer_that_does_not_load_cannot_work(demo: DemoTree) -> None:
    (demo.tokenizer / "tokenizer.json").write_text("{}")
    report = run_json("plan", *words(demo), code=2)
    told = [report["totals"][name] for name in ("rows", "failing", "texts", "known_texts", "size")]
    assert told == [96, 96, 0, 0, 0]
    assert {failure["code"] for failure in report["failures"]} == {"tokenizer-invalid"}
    refused = run_json("convert", *words(demo), code=2)
    assert refused["problems"] == report["problems"]
    shown = run_cli("plan", *words(demo))
    assert shown.returncode == 2
    assert "tokenizer-invalid (96)" in shown.stdout
    assert "\n0 of 96 rows can be converted; 0 texts;" in shown.stdout


def test_rows_that_could_work_where_nothing_can_start(demo: DemoTree) -> None:
    what = (*words(demo), "--layout", "proc_1")
    run_json("convert", *what)
    shown = run_cli("plan", *what)
    assert shown.returncode == 2
    assert "\nnothing can start as it is; else 96 of 96 rows can be converted;" in shown.stdout


def test_nothing_there(tmp_path: Path) -> None:
    assert run_json("plan", "--traces_root", tmp_path, code=2)["problems"][0]["code"] == "no-runs"
    assert run_cli("plan").returncode == 2


def test_as_a_library(demo: DemoTree) -> None:
    forecast = exp2proc.plan(Options(traces_root=demo.traces, layout="proc_1", out_root=demo.out))
    assert isinstance(forecast, exp2proc.Forecast)
    assert (forecast.total("rows"), forecast.texts, forecast.exit_code) == (96, 24, 0)
    one = exp2proc.plan(
        Options(traces_root=demo.traces / RUN, layout="proc_1", out_dir=demo.out, jobs=1)
    )
    assert 0 < one.seconds < forecast.seconds


def test_nothing_to_do_takes_no_time(demo: DemoTree) -> None:
    one = demo.traces / RUN
    nothing = exp2proc.plan(
        Options(traces_root=one, layout="proc_1", out_root=demo.out, limit=0, jobs=1)
    )
    assert (nothing.jobs, nothing.seconds, nothing.texts) == (1, 0.0, 0)
    assert [nothing.total(name) for name in ("rows", "tokens", "size", "failing")] == [0] * 4


def test_a_run_in_numbers(demo: DemoTree) -> None:
    rows = manifest(demo.traces / RUN)
    for layout, tokenizer in (("proc", str(demo.tokenizer)), ("proc_1", "")):
        options = Options(
            traces_root=demo.traces / RUN,
            data_root=demo.data,
            tokenizer_model=(str(demo.tokenizer),),
            layout=layout,
            out_root=demo.out,
            jobs=1,
        )
        (run,) = exp2proc.plan(options).runs
        assert run.tokenizer == tokenizer
        assert run.tokens == sum(row["prompt_len"] + row["gen_len"] for row in rows)
        assert (run.rows, run.texts, run.failing, run.pending) == (8, 8, 0, 0)


def test_a_size_goes_by_the_first_trace_that_can_be_read(demo: DemoTree) -> None:
    """What its vectors take is measured; where the first three cannot be read it is guessed."""
    options = Options(traces_root=demo.traces / RUN, layout="proc_1", out_root=demo.out, jobs=1)
    measured = exp2proc.plan(options).total("size")
    for number in range(2):
        (demo.traces / RUN / f"ex_{number:06d}.npz").write_bytes(b"PK")
    assert exp2proc.plan(options).total("size") == pytest.approx(measured, rel=0.2)
    (demo.traces / RUN / "ex_000002.npz").write_bytes(b"PK")
    guessed = exp2proc.plan(options).total("size")
    assert guessed != measured
    assert measured / 4 < guessed < measured * 4


def test_a_run_whose_rows_fail_and_wait(demo: DemoTree) -> None:
    """Traces that are not there: of the last row of a young manifest it may be on its way."""
    run = demo.traces / RUN
    for number in (1, 2, 7):
        (run / f"ex_{number:06d}.npz").unlink()
    os.utime(run / "manifest.jsonl")  # young, however long ago the tree was made
    made = exp2proc.plan(Options(traces_root=run, layout="proc_1", out_root=demo.out, jobs=1))
    (only,) = made.runs
    assert (only.rows, only.failing, only.pending, only.texts) == (8, 2, 1, 5)
    assert [failure.file for failure in made.failures] == ["ex_000001.npz", "ex_000002.npz"]
    assert (made.exit_code, made.texts) == (1, 5)


def test_seconds_are_told_to_a_tenth() -> None:
    assert exp2proc.Forecast("proc", seconds=1.26).to_dict()["seconds"] == 1.3


@pytest.mark.parametrize("width", [80, 100])
def test_no_word_of_a_header_is_broken(demo: DemoTree, tmp_path: Path, width: int) -> None:
    other = demo.root / "other.jsonl"
    shutil.copy(demo.data / "needles.jsonl", other)
    for more, told in ((), width == 100), (("--dataset_jsonl", other), True):
        where = ("--traces_root", demo.traces, "--tokenizer_model", demo.tokenizer)
        shown = on_a_terminal(width, "plan", *where, *more, "--out_root", tmp_path / "out")
        end = next(at for at, line in enumerate(shown) if line.startswith(" ──"))
        # What was on the screen while it worked is in `shown` too.
        start = max(at for at, line in enumerate(shown[:end]) if line.startswith(" dataset"))
        head = " ".join(shown[start:end]).split()
        assert {"dataset", "model", "method", "rows", "cannot", "size"} <= {*head}
        assert ("file" in head) == told
        assert ("tokenizer" in head) == (width == 100)
        assert max(map(len, shown[: end + 1])) <= width
        assert any(line.startswith("tokenizer:") for line in shown)
