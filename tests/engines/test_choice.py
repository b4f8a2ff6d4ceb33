"""Choosing an engine: what goes together, what is missing, what joblib's contexts say."""

from __future__ import annotations

import pickle
import subprocess
from pathlib import Path

import pytest
from joblib import parallel_config
from support.arrays import assert_same_tree
from support.cli import COMMAND, import_first, run_cli
from support.plain import load_texts

import exp2proc
from exp2proc.demo.tree import DemoTree
from exp2proc.engines import open_engine
from exp2proc.engines.choice import EngineChoice
from exp2proc.options import Options
from exp2proc.planning.shards import make_shards


@pytest.mark.parametrize(("extra", "package"), [("dask", "distributed"), ("ray", "ray")])
def test_a_missing_extra_is_named(demo: DemoTree, tmp_path: Path, extra: str, package: str) -> None:
    hidden = tmp_path / "site"
    (hidden / package).mkdir(parents=True)
    (hidden / package / "__init__.py").write_text("raise ImportError('hidden by a test')")
    done = run_cli(
        *("convert", "--traces_root", demo.traces, "--tokenizer_model", demo.tokenizer),
        *("--out_root", tmp_path / "out", "--backend", extra),
        env=import_first(hidden),
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "missing-extra" in done.stderr
    assert f"exp2proc[{extra}]" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("words", [["--scheduler", "tcp://h:1"], ["--address", "h:1"]])
def test_an_address_needs_its_backend(demo: DemoTree, words: list[str]) -> None:
    done = run_cli("convert", "--traces_root", demo.traces, *words)
    assert done.returncode == 2
    assert f"{words[0]} goes with --backend" in done.stderr


def test_working_in_this_process_loads_no_engine(demo: DemoTree, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ("convert", "--traces_root", demo.traces, "--layout", "proc_1", "--out_root", out)
    script = (
        "import sys\n"
        "from exp2proc.cli import main\n"
        "assert main(sys.argv[1:]) == 0\n"
        "heavy = {'joblib', 'distributed', 'ray', 'transformers'}\n"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()\n"
    )
    subprocess.run(
        [COMMAND[0], "-c", script, *map(str, words)], check=True, stdout=subprocess.DEVNULL
    )
    assert len(list((tmp_path / "out").rglob("*.npz"))) == 96


@pytest.mark.parametrize(
    ("backend", "n_jobs", "asked", "workers"),
    [
        (None, None, None, 1),  # 10 ms of work: not worth a process
        ("loky", 3, None, 3),
        ("threading", 3, None, 3),
        ("sequential", 3, None, 1),
        ("loky", 3, "threading", 1),  # what is asked for by name wins
    ],
)
def test_an_active_context_says_where(
    backend: str | None, n_jobs: int | None, asked: str | None, workers: int
) -> None:
    choice = EngineChoice(backend=asked)  # type: ignore[arg-type]
    if backend is None:
        with open_engine(choice) as engine:
            assert engine.workers(0.01) == workers
        return
    with parallel_config(backend=backend, n_jobs=n_jobs), open_engine(choice) as engine:
        assert engine.workers(0.01) == workers
        assert not engine.remote


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_converting_in_a_context(demo: DemoTree, tmp_path: Path, backend: str) -> None:
    def convert(out: Path) -> int:
        return exp2proc.convert(
            traces_root=demo.traces, tokenizer_model=demo.tokenizer, out_root=out
        ).counts.converted

    assert convert(tmp_path / "here") == 96
    with parallel_config(backend=backend, n_jobs=2):
        assert convert(tmp_path / "there") == 96
    assert assert_same_tree(tmp_path / "there", tmp_path / "here") == 96


def test_shards_carry_paths_and_offsets_never_texts(demo: DemoTree, tmp_path: Path) -> None:
    plan = exp2proc.make_plan(
        Options(traces_root=demo.traces, tokenizer_model=(str(demo.tokenizer),), out_root=tmp_path)
    )
    shards = make_shards(plan.texts, plan.folders(), 2)
    sent = pickle.dumps(shards)
    assert str(demo.traces).encode() in sent
    texts = [text for path in demo.data.glob("*.jsonl") for text in load_texts(path).values()]
    assert len(texts) == 24
    for prompt, target in texts:
        assert prompt.encode() not in sent
        assert target.encode() not in sent


def test_a_context_without_workers_is_refused(demo: DemoTree, tmp_path: Path) -> None:
    with parallel_config(n_jobs=0), pytest.raises(exp2proc.PlanError, match="n_jobs=0"):
        exp2proc.convert(traces_root=demo.traces, layout="proc_1", out_root=tmp_path / "out")
