"""The demo as a newcomer runs it."""

from __future__ import annotations

import itertools
import math
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from support.arrays import assert_same_npz
from support.cli import COMMAND, run_cli

import exp2proc
from exp2proc.demo.tree import DemoTree

_FAILURES = ("prompt-length-mismatch (8)", "trace-corrupt (1)", "dataset-no-match (1)")


def _commands(shown: str) -> list[str]:
    """The commands that a demo shows, as they are typed."""
    lines = (line.strip().removeprefix("$ ") for line in shown.replace("\\\n", " ").splitlines())
    return [line for line in lines if line.startswith("exp2proc ")]


def _typed(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A command as the shell takes it, in a folder."""
    path = os.pathsep.join([str(Path(COMMAND[0]).parent), os.environ["PATH"]])
    return subprocess.run(
        ["/bin/sh", "-c", command],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path},
        cwd=folder,
        check=False,
    )


def test_from_nothing_to_samples(tmp_path: Path) -> None:
    done = run_cli("demo", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    root = tmp_path / "exp2proc-demo"
    assert len(list((root / "exp/proc/output").rglob("*.npz"))) == 96
    assert len(list((root / "exp/exp2/output/traces").rglob("*.npz"))) == 96
    assert "96 of 96 rows of 12 runs done" in done.stdout


def test_it_says_little_and_the_same_each_time(tmp_path: Path) -> None:
    shown = run_cli("demo", cwd=tmp_path).stdout
    lines = shown.splitlines()
    assert 8 <= len(lines) <= 12
    assert max(map(len, lines)) <= 80
    assert all(line == line.rstrip() for line in lines)
    assert run_cli("demo", cwd=tmp_path).stdout == shown


@pytest.mark.thorough
def test_the_commands_it_shows_work(tmp_path: Path) -> None:
    convert, *look, breaking = _commands(run_cli("demo", cwd=tmp_path).stdout)
    assert [command.split()[1] for command in look] == ["summary", "show", "gallery"]
    for command in look:
        done = _typed(command, tmp_path)
        assert (done.returncode, done.stderr) == (0, ""), command
    assert (tmp_path / "exp2proc-demo/site/index.html").is_file()
    assert _typed(convert, tmp_path).returncode == 2  # the outputs are there
    assert _typed(f"{convert} --resume", tmp_path).returncode == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "exp2proc-demo").rglob("*")}
    broken = _typed(breaking, tmp_path)
    assert (broken.returncode, broken.stderr) == (1, "")
    assert all(code in broken.stdout for code in _FAILURES)
    assert len(_commands(broken.stdout)) == 1, "the conversion"
    assert "86 of 96 rows of 12 runs done" in broken.stdout
    assert (tmp_path / "exp2proc-demo-broken").is_dir()
    for path, when in before.items():
        assert path.stat().st_mtime_ns == when, path


def test_a_broken_demo_has_a_folder_of_its_own(tmp_path: Path) -> None:
    shown = run_cli("demo", "--dir", tmp_path / "a b").stdout
    breaking = _commands(shown)[-1]
    assert _typed(breaking, tmp_path).returncode == 1
    assert (tmp_path / "a b-broken").is_dir()
    for words, there in ((("--break",), "a b"), ((), "a b-broken")):
        done = run_cli("demo", "--dir", tmp_path / there, *words)
        assert done.returncode == 2
        assert "target-exists" in done.stderr
    assert run_cli("demo", "--dir", tmp_path / "a b-broken", "--break").returncode == 1


def test_the_needle_lights_up(demo: DemoTree) -> None:
    """What the scores say of a method is what its attributions show."""
    means: dict[str, list[float]] = {}
    for run in sorted((demo.traces / "needles/demo-1B").iterdir()):
        scores = []
        for trace in sorted(run.glob("*.npz")):
            with np.load(trace) as npz:
                row, gold = npz["v_row_prompt"], npz["gold_prompt_token_indices"]
                count = math.ceil(len(row) / 10)
                found = len(set(np.argsort(-row, kind="stable")[:count]) & set(gold)) / len(gold)
                assert npz["recovery_scores"][1] == pytest.approx(found)
                assert np.all(npz["faithfulness_scores"] > 0)
                scores.append([*npz["faithfulness_scores"][1, :2], found])
                if run.name.startswith("ifr_multi_hop_both"):
                    assert npz["v_row_all"].argmax() in {*gold, *range(len(row), 10**6)}
                    assert row[gold].sum() > 0.5 * row.sum()
        means[run.name.partition("_n")[0]] = list(np.mean(scores, axis=0))
    better = ("ifr_multi_hop_both", "ifr_in_all_gen", "ifr_multi_hop", "attnlrp")
    for one, other in itertools.pairwise(better):
        rise, mas, recovery = zip(means[one], means[other], strict=True)
        assert rise[0] < rise[1] and mas[0] < mas[1] and recovery[0] > recovery[1], (one, other)


def test_the_gold_tokens_are_the_needle(demo: DemoTree) -> None:
    exp2proc.convert(
        traces_root=demo.traces / "needles",
        data_root=demo.data,
        tokenizer_model=demo.tokenizer,
        out_root=demo.out,
    )
    for sample in exp2proc.iter_samples(demo.out, method="attnlrp"):
        assert sample.source is not None and sample.tok is not None
        trace = next(demo.traces.glob(f"needles/*/attnlrp*/{sample.source.path.name}"))
        with np.load(trace) as npz:
            gold = npz["gold_prompt_token_indices"]
        told = "".join(sample.tok[at] for at in gold)
        assert re.fullmatch(r" The special number for \w+ is \d+\.", told)


@pytest.mark.thorough
def test_it_is_the_same_every_time(tmp_path: Path) -> None:
    for name in ("a", "b", "a"):  # the last one again, in place
        assert run_cli("demo", "--dir", tmp_path / name).returncode == 0
    for path in sorted((tmp_path / "a").rglob("*.*")):
        if path.is_file():
            other = tmp_path / "b" / path.relative_to(tmp_path / "a")
            if path.suffix == ".npz":  # their zip headers carry the time
                assert_same_npz(path, other)
            else:
                assert path.read_bytes() == other.read_bytes(), path


def test_it_touches_no_folder_of_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    done = run_cli("demo", "--dir", tmp_path)
    assert done.returncode == 2
    assert "not empty and not a demo" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    done = run_cli("demo", "--dir", tmp_path / "thesis.tex" / "demo")
    assert done.returncode == 2
    assert "Not a directory" in done.stderr
