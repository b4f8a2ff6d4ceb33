"""`exp2proc show`: one sample in the terminal."""

from __future__ import annotations

import re
from pathlib import Path

from support.cli import run_cli
from support.exported import NAN, write_export


def make(tmp_path: Path) -> Path:
    return write_export(
        tmp_path / "ex_000000.npz",
        [" Ada", " \x1b[31m", "🍎", "🍎", "🍎", "so\n", "x", " 3"],
        attr=[0.1, 0, 0.2, 0.2, 0.2, 0.05, -0.1, 0.4],
        hop=[[0, 0, 0, 0, 0, 1, 0, 0], [0] * 8],
        spans=((0, 4), (5, 6), (7, 7)),
        scores=(0.25, 0.5, NAN),
    )


def test_parts_scores_and_strongest_tokens_without_colour(tmp_path: Path) -> None:
    done = run_cli("show", make(tmp_path), "--top", "2")
    assert (done.returncode, done.stderr) == (0, "")
    text = done.stdout
    assert "\x1b" not in text
    assert text.index("input: tokens 0 to 4") < text.index("CoT: tokens 5 to 6")
    assert text.index("CoT: tokens 5 to 6") < text.index("output: tokens 7 to 7")
    # three pieces of one apple: shown once in the text, and marked
    assert " Ada \\x1b[31m«🍎»\n" in text
    assert "« 3»" in text
    assert re.search(r"^ *7 +0\.40000 +█+ +‹ 3›", text, re.MULTILINE)
    assert re.search(r"^ *2 +0\.20000 ", text, re.MULTILINE)
    assert not re.search(r"^ *4 +0\.20000 ", text, re.MULTILINE)
    assert "RISE 0.250 (lower is better)" in text
    assert "Recovery@10% absent" in text


def test_colours_by_attribution(tmp_path: Path) -> None:
    env = {"FORCE_COLOR": "1", "COLORTERM": "truecolor", "TERM": "xterm-256color"}
    done = run_cli("show", make(tmp_path), env=env)
    assert "«" not in done.stdout
    before = done.stdout.partition("🍎")[0]
    # the strongest cell is the brightest: 3 x 0.2, as one apple
    assert before.endswith("\x1b[30;48;2;255;217;90m")
    assert "negative" in done.stdout
    assert "\\x1b[31m" in done.stdout
    plain = run_cli("show", make(tmp_path), env={**env, "NO_COLOR": "1"})
    assert "48;2" not in plain.stdout
    assert "«🍎»" in plain.stdout


def test_tokens_of_both_cot_and_output_are_shown_once_as_output(tmp_path: Path) -> None:
    path = write_export(
        tmp_path / "x.npz",
        [" in", "a", "b", "c", "d"],
        attr=[0.1, 0.2, 0.9, 0.8, 0.3],
        spans=((0, 0), (1, 4), (2, 3)),
    )
    text = run_cli("show", path, "--top", "2").stdout
    assert "2 tokens are of both CoT and output: shown as output" in text
    titles = re.findall(r"(?:input|CoT|output): tokens \d to \d", text)
    assert titles == [
        "input: tokens 0 to 0",
        "CoT: tokens 1 to 1",
        "output: tokens 2 to 3",
        "CoT: tokens 4 to 4",
    ]
    listed = re.findall(r"^ *(\d) +0\.\d+ +█+ +‹", text, re.MULTILINE)
    assert listed == ["0", "4", "1", "2", "3"]
    assert text.count("«b»") == 1
    same = write_export(tmp_path / "y.npz", ["i", "o"], spans=((0, 0), (1, 1), (1, 1)))
    text = run_cli("show", same).stdout
    assert "1 tokens" not in text
    assert "1 token is of both CoT and output: shown as output" in text
    assert "CoT: tokens" not in text


def test_a_hop(tmp_path: Path) -> None:
    path = make(tmp_path)
    done = run_cli("show", path, "--hop", "0")
    assert "▸ hop 0" in done.stdout
    assert "CoT 100.0%" in done.stdout
    for wrong in ("2", "-1"):
        done = run_cli("show", path, f"--hop={wrong}")
        assert done.returncode == 2
        assert "2 hops" in done.stderr


def test_without_text_and_without_tokens(tmp_path: Path) -> None:
    done = run_cli("show", write_export(tmp_path / "a.npz", None, length=5), "--top=1")
    assert "····«·»" in done.stdout
    assert re.search(r"^ *4 +5\.00000", done.stdout, re.MULTILINE)
    done = run_cli("show", write_export(tmp_path / "b.npz", []))
    assert (done.returncode, done.stderr) == (0, "")
    done = run_cli("show", tmp_path / "absent.npz")
    assert done.returncode == 2
    assert "sample-invalid" in done.stderr


def test_scores_that_are_no_numbers(tmp_path: Path) -> None:
    attr = [1.0, float("nan"), float("inf"), 2.0]
    path = write_export(tmp_path / "x.npz", ["a", "b", "c", "d"], attr=attr)
    done = run_cli("show", path, "--top", "4")
    assert (done.returncode, done.stderr) == (0, "")
    assert "2.00000" in done.stdout
