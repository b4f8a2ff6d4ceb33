"""Datasets and tokenizers, in layout proc."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from support.arrays import assert_same_npz
from support.cli import codes, run_json
from support.workload import load

from exp2proc.demo.traces import Method, write_jsonl, write_run
from exp2proc.demo.tree import EOS, DemoTree, measure, save_tokenizer, write_tree
from exp2proc.traces.datasets import Text

from . import dataset_kinds, tokenizer_kinds
from .kind import CONVERTS, Kind, named, run_measured

_TEXT = Text("How many? 多少？ \x1b[31m\n", "Let me think 🤔\n\nThe answer is 42.")
_METHOD = Method("ifr_in_all_gen", "run", hops=2)


class Trees:
    """A demo tree's tokenizer, and a run of one text wherever it is wanted."""

    def __init__(self, folder: Path) -> None:
        self.demo: DemoTree = write_tree(folder / "demo", 2)
        self.example = measure(load(self.demo.tokenizer), _TEXT)
        self.good = folder / "good.jsonl"
        write_jsonl(self.good, [_TEXT._asdict()])
        self.write_run(folder / "good")
        words = ("--dataset_jsonl", self.good, "--tokenizer_model", self.demo.tokenizer)
        run_json("convert", "--trace_dir", folder / "good", *words, "--out_dir", folder / "out")
        self.expected = folder / "out" / "ex_000000.npz"

    def write_run(self, folder: Path) -> None:
        write_run(folder, [self.example], _METHOD)


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Trees:
    return Trees(tmp_path_factory.mktemp("trees"))


class Batch:
    """A report, by run."""

    def __init__(self, report: dict[str, Any], traces: Path, out: Path) -> None:
        self.traces, self.out = traces, out
        self.codes = {error["trace_dir"]: error["code"] for error in report["errors"]}

    def check(self, name: Path, kind: Kind, expected: Path) -> None:
        assert self.codes.get(str(self.traces / name), CONVERTS) == kind.expects
        samples = list((self.out / name).iterdir())
        assert len(samples) == (kind.expects == CONVERTS)
        for sample in samples:
            assert_same_npz(sample, expected)


@pytest.fixture(scope="module")
def datasets(trees: Trees, tmp_path_factory: pytest.TempPathFactory) -> tuple[Batch, float]:
    folder = tmp_path_factory.mktemp("datasets")
    traces, out, data = folder / "traces", folder / "out", folder / "data"
    data.mkdir()
    for kind in dataset_kinds.KINDS:
        trees.write_run(traces / kind.slug / "model" / "run")
        line = trees.good.read_bytes().rstrip(b"\n")
        (data / f"{kind.slug}.jsonl").write_bytes(kind.make(line))
    report, peak = run_measured(
        folder / "peak",
        *("convert", "--traces_root", traces, "--data_root", data, "--out_root", out),
        *("--tokenizer_model", trees.demo.tokenizer, "--jobs", "1", "--no_cache"),
    )
    return Batch(report, traces, out), peak


@pytest.mark.parametrize("kind", dataset_kinds.KINDS, ids=named)
def test_dataset(datasets: tuple[Batch, float], trees: Trees, kind: Kind) -> None:
    datasets[0].check(Path(kind.slug, "model", "run"), kind, trees.expected)


def test_memory_is_bounded(datasets: tuple[Batch, float]) -> None:
    """Lines of 100 MB are skipped piece by piece."""
    assert datasets[1] < 350, f"{datasets[1]:.0f} MB"


@pytest.fixture(scope="module")
def tokenizers(
    trees: Trees, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, set[str]], Batch]:
    """The problems of planning by folder, and what came of the tokenizers that do load."""
    folder = tmp_path_factory.mktemp("tokenizers")
    traces, out = folder / "traces", folder / "out"
    kinds = tokenizer_kinds.KINDS
    for kind in kinds:
        trees.write_run(traces / "good" / kind.slug / "run")
        shutil.copytree(trees.demo.tokenizer, folder / kind.slug)
        kind.make(folder / kind.slug)

    def words(*wanted: Kind) -> list[str | Path]:
        runs = [("--trace_dir", traces / "good" / kind.slug / "run") for kind in wanted]
        tags = [("--tokenizer_model", f"{k.slug}={folder / k.slug}") for k in wanted]
        pairs: list[tuple[str | Path, ...]]
        pairs = [*runs, *tags, ("--dataset_jsonl", trees.good), ("--out_root", out)]
        return ["convert", *(word for pair in pairs for word in pair), "--no_cache"]

    refused, _ = run_measured(folder / "peak", *words(*kinds), "--strict")
    assert refused["exit_code"] == 2
    assert not out.exists()
    problems = {
        kind.slug: {p["code"] for p in refused["problems"] if f"/{kind.slug}:" in p["message"]}
        for kind in kinds
    }
    loaded = [kind for kind in kinds if kind.expects != "tokenizer-invalid"]
    report, _ = run_measured(folder / "peak", *words(*loaded))
    return problems, Batch(report, traces, out)


@pytest.mark.parametrize("kind", tokenizer_kinds.KINDS, ids=named)
def test_tokenizer(tokenizers: tuple[dict[str, set[str]], Batch], trees: Trees, kind: Kind) -> None:
    problems, batch = tokenizers
    if kind.expects == "tokenizer-invalid":
        assert problems[kind.slug] == {"tokenizer-invalid"}
    else:
        assert problems[kind.slug] == set()
        batch.check(Path("good", kind.slug, "run"), kind, trees.expected)


def test_tokenizer_that_fails_on_one_text(trees: Trees, tmp_path: Path) -> None:
    """It knows every character that it was tried with, but not those of this text."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers

    from exp2proc.tokens.tokenizer import PROBES

    known = sorted({*"".join(PROBES), *f"end {EOS} more"})
    words = Tokenizer(models.WordLevel({c: n for n, c in enumerate(known)}, unk_token="none"))
    words.pre_tokenizer = pre_tokenizers.Split(Regex("[\\s\\S]"), "isolated")
    save_tokenizer(words, tmp_path / "tokenizer")
    trees.write_run(tmp_path / "run")
    report, _ = run_measured(
        tmp_path / "peak",
        *("convert", "--trace_dir", tmp_path / "run", "--dataset_jsonl", trees.good),
        *("--tokenizer_model", tmp_path / "tokenizer", "--out_dir", tmp_path / "out"),
    )
    assert codes(report) == ["tokenizer-invalid"]
