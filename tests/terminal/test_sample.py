"""`exp2proc show`: one sample in the terminal."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from rich.cells import cell_len
from support.cli import on_a_terminal, run_cli
from support.exported import NAN, write_export

from exp2proc.demo.tree import DemoTree
from exp2proc.formats.sample import load_sample
from exp2proc.terminal.sample import COLD, COLOURS, GROUND, NARROWEST, WARM


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
    assert before.endswith("\x1b[38;2;0;0;0;48;2;255;217;90m")
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
    listed = re.findall(r"^ *(\d) +0\.\d+ +[█▏▎▍▌▋▊▉]+ +‹", text, re.MULTILINE)
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


def test_scores_that_are_no_numbers(tmp_path: Path) -> None:
    attr = [1.0, float("nan"), float("inf"), 2.0]
    path = write_export(tmp_path / "x.npz", ["a", "b", "c", "d"], attr=attr)
    done = run_cli("show", path, "--top", "4")
    assert (done.returncode, done.stderr) == (0, "")
    assert "2.00000" in done.stdout


@pytest.mark.parametrize("width", [40, 41, 60, 72, 80, 90, 120])
def test_any_width_shows_all(tmp_path: Path, width: int) -> None:
    path = write_export(
        tmp_path / "x.npz",
        [" a", "b" * 50, "游戏" * 30, "d", "e"],
        attr=[5, 0, 2, 2, 1],
        hop=[[1, 1, 1, 1, 0]],
        spans=((0, 1), (2, 2), (3, 3)),
    )
    lines = on_a_terminal(width, "show", path)
    assert max(map(cell_len, lines)) <= width
    text = "\n".join(lines)
    for number in ("input 50.0%", "CoT 20.0%", "output 20.0%", "rest 10.0%", "CoT 25.0%"):
        assert number in text
    bar = next(line for line in lines if line.startswith("▸ attr ")).split()[2]
    counts = [bar.count(fill) for fill in "█▓▒░"]
    assert sum(counts) == len(bar) >= 12
    for count, share in zip(counts, (0.5, 0.2, 0.2, 0.1), strict=True):
        assert abs(count - share * len(bar)) <= 1
    assert re.search(r"^ *0 +5\.00000 +█{8,16} +‹ a›", text, re.MULTILINE)
    narrow = on_a_terminal(20, "show", path)
    assert max(map(cell_len, narrow)) <= NARROWEST


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_colours_can_be_read_and_get_brighter_with_the_score() -> None:
    for ramp in (WARM, COLD):
        papers = [luminance(paper) for paper, _ in (GROUND, *ramp)]
        assert papers == sorted(papers)
        for paper, ink in (GROUND, *ramp):
            assert contrast(paper, ink) >= 4.5, paper
    for colour in COLOURS.values():
        assert contrast(colour, "#ffffff") >= 3, colour
        assert contrast(colour, "#000000") >= 3, colour


def test_no_colour_is_the_theme_s(tmp_path: Path) -> None:
    """A theme may have any black and white, and the ground of the terminal any colour."""
    env = {"FORCE_COLOR": "1", "COLORTERM": "truecolor", "TERM": "xterm-256color"}
    done = run_cli("show", make(tmp_path), env=env)
    for codes in re.findall(r"\x1b\[([\d;]*)m", done.stdout):
        rest = re.sub(r"[34]8;2;\d+;\d+;\d+", "", codes)
        assert not re.search(r"(?:^|;)(?:[349]\d|10\d)(?:;|$)", rest), codes
    # what has no score is darker than all that has: a ground of its own, to the end of each line
    ground = "48;2;" + ";".join(str(int(GROUND[0][at : at + 2], 16)) for at in (1, 3, 5))
    line = next(line for line in done.stdout.split("\n") if "🍎" in line)
    assert re.search(rf"{ground}m +\x1b\[0m$", line)


def test_bars_of_all_parts_are_of_one_scale(tmp_path: Path) -> None:
    path = write_export(
        tmp_path / "x.npz", ["a", "b", "c"], attr=[8, 4, 0.5], spans=((0, 0), (1, 1), (2, 2))
    )
    text = run_cli("show", path).stdout
    assert re.findall(r"\d\.\d{5} +([█▏▎▍▌▋▊▉]+)", text) == ["█" * 16, "█" * 8, "█"]
    assert "one scale" in text


def test_a_sample_of_zeros_has_no_strongest_token(tmp_path: Path) -> None:
    path = write_export(tmp_path / "x.npz", ["a", "b"], attr=[0.0, -0.0])
    text = run_cli("show", path).stdout
    assert "‹" not in text
    assert "«a" not in text
    assert "no token has a score" in text
    path = write_export(tmp_path / "y.npz", ["a", "b", "c"], attr=[0.0, -2e-7, 1e-3])
    text = run_cli("show", path).stdout
    assert re.findall(r"^ +\d +(\S+) ", text, re.MULTILINE) == ["0.00100", "-2.0e-07"]


def test_strongest_is_by_size_with_the_sign_shown(tmp_path: Path) -> None:
    path = write_export(tmp_path / "x.npz", ["a", "b", "c", "d"], attr=[-0.1, 0.2, -0.9, 0.3])
    text = run_cli("show", path, "--top", "2").stdout
    assert re.findall(r"^ +(\d) +(\S+) ", text, re.MULTILINE) == [
        ("2", "-0.90000"),
        ("3", "0.30000"),
    ]
    assert "ab" not in text.replace("«", "").replace("»", "").partition("index")[2]
    assert "«c»«d»" in text
    assert [t.index for t in load_sample(path).top_tokens(2)] == [3, 1]  # highest, as documented


def test_a_break_at_the_end_of_a_part_makes_no_empty_line(tmp_path: Path) -> None:
    path = write_export(tmp_path / "x.npz", ["a", "b\n", "c"], spans=((0, 1), (-1, -1), (2, 2)))
    text = re.sub(r" +$", "", run_cli("show", path).stdout, flags=re.MULTILINE)
    assert "«a»«b↵»\n\n  index" in text


def test_one_of_something(tmp_path: Path) -> None:
    path = write_export(tmp_path / "x.npz", ["a"], hop=[[1]])
    assert "1 token, 1 hop, layout proc\n" in run_cli("show", path).stdout


def test_what_is_no_sample(demo: DemoTree, tmp_path: Path) -> None:
    done = run_cli("show", tmp_path / "absent.npz")
    assert (done.returncode, done.stdout) == (2, "")
    assert re.match(r"exp2proc: no-samples: \S+absent.npz does not exist\nhint: ", done.stderr)
    out = tmp_path / "out"
    inside = make(out)
    assert run_cli("show", out).returncode == 0
    shutil.copy(inside, inside.with_name("ex_000009.npz"))
    done = run_cli("show", out)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no-samples: " in done.stderr
    assert f"{out} holds 2 of them" in done.stderr
    assert f"exp2proc show {out} " in done.stderr
    assert f"exp2proc view {out}" in done.stderr
    trace = next(demo.traces.rglob("ex_*.npz"))
    done = run_cli("show", trace)
    assert (done.returncode, done.stdout) == (2, "")
    assert "sample-invalid: " in done.stderr
    assert "is a trace of exp2, not an exported sample" in done.stderr
    assert f"exp2proc convert --trace_dir {trace.parent}" in done.stderr
    (tmp_path / "x.npz").write_text("text")
    assert f"sample-invalid: {tmp_path / 'x.npz'}: " in run_cli("show", tmp_path / "x.npz").stderr
