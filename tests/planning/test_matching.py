"""Which file has a run's texts, what the run's path means, and what a run without either costs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.cli import codes, run_cli, run_json

import exp2proc
from exp2proc.demo.traces import write_jsonl
from exp2proc.demo.tree import DemoTree
from exp2proc.options import TokenizerChoice, parse_tokenizers
from exp2proc.traces.runs import Run

NEEDLES = "needles/demo-1B/attnlrp_negdrop_normnorm_mfaithfulness_gen+recovery_8ex"


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def words(demo: DemoTree, tmp_path: Path, *more: str | Path) -> tuple[str | Path, ...]:
    return (
        *("--traces_root", demo.traces, "--out_root", tmp_path / "out"),
        *("--tokenizer_model", demo.tokenizer, *more),
    )


# Hub names


@pytest.fixture
def hub(demo: DemoTree) -> DemoTree:
    """A demo tree whose runs of one dataset are of a model that is a hub name."""
    (demo.traces / "needles/Qwen").mkdir()
    shutil.move(demo.traces / "needles/demo-1B", demo.traces / "needles/Qwen/Qwen3-8B")
    return demo


def names(report: dict[str, Any]) -> set[tuple[str, str]]:
    found = {(run["dataset"], run["model_tag"]) for run in report["runs"]}
    return {pair for pair in found if "needles" in pair[0]}


def test_a_model_tag_that_is_a_hub_name(hub: DemoTree, tmp_path: Path) -> None:
    report = run_json("convert", *words(hub, tmp_path))
    assert report["counts"]["converted"] == 96
    assert names(report) == {("needles", "Qwen/Qwen3-8B")}
    # where the samples go is the path after `traces`, as ever
    assert len(list((tmp_path / "out/needles/Qwen/Qwen3-8B").rglob("ex_*.npz"))) == 32
    given = ("--dataset_jsonl", hub.data / "needles.jsonl")
    for code, command, more in (
        (0, "plan", ()),
        (0, "plan", ("--layout", "proc_1")),
        (1, "plan", given),
        (0, "doctor", ()),
    ):
        again = () if command == "doctor" else ("--resume",)
        report = run_json(command, *words(hub, tmp_path, *more, *again), code=code)
        assert names(report) == {("needles", "Qwen/Qwen3-8B")}
    shown = run_cli("convert", *words(hub, tmp_path), "--overwrite").stdout
    assert "needles/Qwen/Qwen3-8B/attnlrp_" in shown


def test_what_no_file_decides_is_read_as_ever(hub: DemoTree, tmp_path: Path) -> None:
    shutil.move(hub.data, tmp_path / "gone")
    report = run_json("convert", *words(hub, tmp_path), "--layout", "proc_1")
    assert names(report) == {("needles/Qwen", "Qwen3-8B")}


def test_the_file_with_the_texts_decides(hub: DemoTree, tmp_path: Path) -> None:
    """`Qwen.jsonl` has the name of the likelier reading, and none of the texts."""
    shutil.copy(hub.data / "arithmetic.jsonl", hub.data / "Qwen.jsonl")
    report = run_json("convert", *words(hub, tmp_path))
    assert report["counts"]["converted"] == 96
    assert names(report) == {("needles", "Qwen/Qwen3-8B")}


def test_a_tokenizer_for_a_hub_name(hub: DemoTree, tmp_path: Path) -> None:
    tagged = ("--tokenizer_model", f"Qwen/Qwen3-8B={hub.tokenizer}")
    two = ("--traces_root", hub.traces, "--out_root", tmp_path / "out", *tagged)
    plain = ("--tokenizer_model", f"demo-1B={hub.tokenizer}")
    assert run_json("convert", *two, *plain)["counts"]["converted"] == 96
    report = run_json("convert", *two, "--overwrite", code=1)
    assert (report["counts"]["converted"], set(codes(report))) == (32, {"no-tokenizer"})


def test_tags_and_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_tokenizers(["Qwen/Qwen3-8B=x/y"]).by_tag == {"Qwen/Qwen3-8B": "x/y"}
    for plain in ("/models/a=b", "./a=b", "../a=b", "~/a=b", "a/b/c=d"):
        assert parse_tokenizers([plain]) == TokenizerChoice({}, plain)
    (tmp_path / "models/a=b").mkdir(parents=True)
    assert parse_tokenizers(["models/a=b"]) == TokenizerChoice({}, "models/a=b")
    choice = TokenizerChoice({"Qwen3-8B": "short", "Qwen/Qwen3-8B": "long"}, "rest")
    for dataset, model, served in (
        ("math", "Qwen/Qwen3-8B", "long"),
        ("math/Qwen", "Qwen3-8B", "long"),
        ("math", "Qwen3-8B", "short"),
        ("math", "other/Qwen3-8B", "short"),
        ("", "other", "rest"),
    ):
        assert choice.of(Run(tmp_path, tmp_path, dataset, model, "run")) == served


# Which file


@pytest.fixture
def namesake(demo: DemoTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DemoTree:
    """A demo tree seen from a folder with caches of the same names, but other texts."""
    here = tmp_path / "here/exp/exp2/data"
    here.mkdir(parents=True)
    others = {"needles": "arithmetic", "multihop_zh": "needles", "arithmetic": "needles"}
    for name, other in others.items():
        shutil.copy(demo.data / f"{other}.jsonl", here / f"{name}.jsonl")
    monkeypatch.chdir(tmp_path / "here")
    return demo


@pytest.mark.parametrize("given", [False, True])
def test_a_namesake_with_other_texts(namesake: DemoTree, tmp_path: Path, given: bool) -> None:
    more = ("--data_root", namesake.data) if given else ()
    planned = run_json("plan", *words(namesake, tmp_path, *more))
    assert planned["totals"]["failing"] == 0
    files = {file for run in planned["runs"] for file in run["dataset_files"]}
    assert {Path(file).parent for file in files} == {namesake.data}
    diagnosis = run_json("doctor", *words(namesake, tmp_path, *more))
    assert [run["ready"] for run in diagnosis["runs"]] == [8] * 12
    (command,) = diagnosis["commands"]
    assert "--dataset_jsonl" not in command
    assert run_json(*command[1:])["counts"]["converted"] == 96


def test_a_given_data_root_comes_before_the_working_directory(
    namesake: DemoTree, tmp_path: Path
) -> None:
    """Both files have the texts: the one that was asked for is taken."""
    here = tmp_path / "here/exp/exp2/data"
    for file in namesake.data.iterdir():
        shutil.copy(file, here)
    for more, folder in (((), here), (("--data_root", namesake.data), namesake.data)):
        planned = run_json("plan", *words(namesake, tmp_path, *more))
        files = {file for run in planned["runs"] for file in run["dataset_files"]}
        assert {Path(file).parent for file in files} == {folder}


def test_texts_in_two_candidates(namesake: DemoTree, tmp_path: Path) -> None:
    """An older cache of the same name has some of the texts; the others are in the next."""
    rows = rows_of(namesake.data / "needles.jsonl")
    write_jsonl(tmp_path / "here/exp/exp2/data/needles.jsonl", rows[:3])
    one = ("--trace_dir", namesake.traces / NEEDLES, "--out_root", tmp_path / "out")
    planned = run_json("plan", *one, "--tokenizer_model", namesake.tokenizer)
    (run,) = planned["runs"]
    assert (run["texts"], len(run["dataset_files"])) == (8, 2)


def test_a_candidate_that_cannot_be_read(demo: DemoTree, tmp_path: Path) -> None:
    """The next one is tried; where there is none, the reason is said."""
    one = (
        *("--trace_dir", demo.traces / NEEDLES, "--out_root", tmp_path / "out"),
        *("--tokenizer_model", demo.tokenizer),
    )
    kept = rows_of(demo.data / "needles.jsonl")
    path = demo.data / "needles.jsonl"
    path.unlink()
    path.symlink_to("/proc/self/mem")  # a file of size 0 that no one may read from its beginning
    report = run_json("convert", *one, code=2)
    (problem,) = report["problems"]
    assert problem["code"] == "no-dataset"
    assert f"it cannot be read: {path}: " in problem["message"]
    write_jsonl(demo.root / "exp/needles", kept)
    assert run_json("convert", *one)["counts"]["converted"] == 8


def test_given_files_that_cannot_be_read(demo: DemoTree, tmp_path: Path) -> None:
    gone = ("--dataset_jsonl", tmp_path / "gone.jsonl")
    for more, failing in (
        (gone, 96),
        ((*gone, "--dataset_jsonl", demo.data / "needles.jsonl"), 64),
    ):
        planned = run_json("plan", *words(demo, tmp_path, *more), code=2)
        assert [problem["code"] for problem in planned["problems"]] == ["no-dataset"]
        assert planned["totals"]["failing"] == failing
        code = "no-dataset" if failing == 96 else "dataset-no-match"
        assert {error["code"] for error in planned["failures"]} == {code}


def test_of_given_files_doctor_names_those_that_are_needed(
    demo: DemoTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    some = tmp_path / "some.jsonl"
    write_jsonl(some, rows_of(demo.data / "needles.jsonl")[:3])
    whole = str(demo.data / "needles.jsonl")
    report = run_json(
        *("doctor", "--trace_dir", demo.traces / NEEDLES, "--tokenizer_model", demo.tokenizer),
        *("--dataset_jsonl", some, "--dataset_jsonl", whole),
    )
    assert report["runs"][0]["chosen_datasets"] == [whole]


def test_links_to_runs_of_two_datasets(hub: DemoTree, tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    runs = [next(hub.traces.glob(f"{which}/attnlrp*")) for which in ("needles/*/*", "multi*/*")]
    for number, run in enumerate(runs):
        (tmp_path / f"links/{number}").symlink_to(run)
    report = run_json(
        *("plan", "--layout", "proc_1", "--traces_root", tmp_path / "links"),
        *("--out_root", tmp_path / "out"),
    )
    assert [(run["dataset"], run["model_tag"]) for run in report["runs"]] == [
        ("needles", "Qwen/Qwen3-8B"),
        ("multihop_zh", "demo-1B"),
    ]


# Runs that cannot start


def test_a_run_without_a_dataset_costs_its_rows(demo: DemoTree, tmp_path: Path) -> None:
    (demo.data / "needles.jsonl").unlink()
    planned = run_json("plan", *words(demo, tmp_path), code=1)
    assert planned["totals"]["failing"] == 32
    report = run_json("convert", *words(demo, tmp_path), code=1)
    assert (report["counts"]["converted"], report["counts"]["failed"]) == (64, 32)
    assert codes(report) == ["no-dataset"] * 32
    assert "places that were tried, first /" in report["errors"][0]["message"]
    assert not (tmp_path / "out/needles").exists()
    shown = run_cli("convert", *words(demo, tmp_path), "--resume")
    assert shown.returncode == 1
    assert shown.stdout.startswith("no-dataset (32)\n")
    assert shown.stdout.count("no dataset for ") == 4
    shown = run_cli("plan", *words(demo, tmp_path), "--resume")
    assert shown.stdout.startswith("no-dataset (32)\n")
    report = exp2proc.convert(
        traces_root=demo.traces,
        tokenizer_model=demo.tokenizer,
        out_root=tmp_path / "out",
        resume=True,
    ).to_dict()
    assert (report["counts"]["kept"], codes(report)) == (64, ["no-dataset"] * 32)


@pytest.mark.parametrize("broken", ["absent", "empty"])
def test_a_run_without_a_tokenizer_costs_its_rows(
    demo: DemoTree, tmp_path: Path, broken: str
) -> None:
    """None was given for its model, or one that does not load."""
    shutil.move(demo.traces / "needles/demo-1B", demo.traces / "needles/other")
    (tmp_path / "empty").mkdir()
    given: tuple[str | Path, ...] = ("--tokenizer_model", f"demo-1B={demo.tokenizer}")
    if broken == "empty":
        given = (*given, "--tokenizer_model", f"other={tmp_path / 'empty'}")
    code = {"absent": "no-tokenizer", "empty": "tokenizer-invalid"}[broken]
    asked = ("--traces_root", demo.traces, "--out_root", tmp_path / "out", *given)
    assert run_json("plan", *asked, code=1)["totals"]["failing"] == 32
    for how in (("--jobs", "1"), ("--jobs", "2", "--no_cache", "--overwrite")):
        report = run_json("convert", *asked, *how, code=1)
        assert (report["counts"]["converted"], codes(report)) == (64, [code] * 32)
    refused = run_json("convert", *asked, "--strict", "--overwrite", code=2)
    assert [problem["code"] for problem in refused["problems"]] == [code]


def test_strict_starts_nothing(demo: DemoTree, tmp_path: Path) -> None:
    (demo.data / "needles.jsonl").unlink()
    report = run_json("convert", *words(demo, tmp_path), "--strict", code=2)
    assert [problem["code"] for problem in report["problems"]] == ["no-dataset"] * 4
    assert run_json("plan", *words(demo, tmp_path), "--strict", code=2)["exit_code"] == 2
    assert not (tmp_path / "out").exists()


def test_no_run_that_can_start(demo: DemoTree, tmp_path: Path) -> None:
    """One has no dataset, the other no tokenizer."""
    (demo.data / "needles.jsonl").unlink()
    report = run_json(
        *("convert", "--trace_dir", demo.traces / NEEDLES),
        *(
            "--trace_dir",
            demo.traces / NEEDLES.replace("needles", "multihop_zh").replace("+recovery", ""),
        ),
        *("--tokenizer_model", f"none={demo.tokenizer}", "--out_root", tmp_path / "out"),
        code=2,
    )
    assert {problem["code"] for problem in report["problems"]} == {"no-dataset", "no-tokenizer"}
    assert not (tmp_path / "out").exists()


# Targets that are nowhere


@pytest.mark.parametrize("where", ["manifest", "dataset"])
def test_a_target_that_the_experiment_generated(demo: DemoTree, tmp_path: Path, where: str) -> None:
    """It saved neither the text nor, in the first case, its digest."""
    manifest, cache = demo.traces / NEEDLES / "manifest.jsonl", demo.data / "needles.jsonl"
    if where == "manifest":
        rows = rows_of(manifest)
        rows[2]["target_sha1"] = None
        write_jsonl(manifest, rows)
    else:
        texts = rows_of(cache)
        texts[2]["target"] = None
        write_jsonl(cache, texts)
    one = ("--trace_dir", demo.traces / NEEDLES, "--out_root", tmp_path / "out")
    asked = (*one, "--tokenizer_model", demo.tokenizer)
    (error,) = run_json("convert", *asked, code=1)["errors"]
    assert (error["file"], error["code"]) == ("ex_000002.npz", "dataset-no-match")
    assert "generated the target itself and did not save it" in error["message"]
    assert "--layout proc_1" in error["hint"]
    assert "--dataset_jsonl" not in error["hint"]
    (need,) = run_json("doctor", *asked, code=1)["needs"]
    assert "generated the target itself and did not save it" in need
    assert "--dataset_jsonl" not in need
