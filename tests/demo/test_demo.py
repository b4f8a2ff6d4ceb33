"""The demo as a newcomer runs it."""

from __future__ import annotations

import shlex
from pathlib import Path

from support.arrays import assert_same_npz
from support.cli import run_cli


def _next_commands(shown: str) -> list[list[str]]:
    lines = (line.strip().removeprefix("$ ") for line in shown.splitlines())
    return [shlex.split(line)[1:] for line in lines if line.startswith("exp2proc ")]


def test_from_nothing_to_samples(tmp_path: Path) -> None:
    done = run_cli("demo", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    root = tmp_path / "exp2proc-demo"
    assert len(list((root / "exp/proc/output").rglob("*.npz"))) == 96
    assert len(list((root / "exp/exp2/output/traces").rglob("*.npz"))) == 96
    assert "96 of 96 rows done" in done.stdout
    assert "(8)" in done.stdout
    assert "tokens_cot: " in done.stdout
    assert "\\ufffd" not in done.stdout


def test_the_commands_it_shows_work(tmp_path: Path) -> None:
    shown = run_cli("demo", cwd=tmp_path).stdout
    convert, *look, again = _next_commands(shown)
    assert [words[0] for words in look] == ["summary", "show", "gallery"]
    for words in look:
        assert run_cli(*words, cwd=tmp_path).returncode == 0
    assert run_cli(*convert, cwd=tmp_path).returncode == 2  # the outputs are there
    assert run_cli(*convert, "--resume", cwd=tmp_path).returncode == 0
    broken = run_cli(*again, cwd=tmp_path)
    assert broken.returncode == 1
    for code in ("prompt-length-mismatch (8)", "trace-corrupt (1)", "dataset-no-match (1)"):
        assert code in broken.stdout


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
