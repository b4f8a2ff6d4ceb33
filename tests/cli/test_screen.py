"""What commands show: within 80 columns, no blanks at the ends of lines, one thing called one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.cli import on_a_terminal, run_cli

import exp2proc
from exp2proc.demo.tree import DemoTree, write_broken, write_tree
from exp2proc.formats.names import setting_of


def _shown(words: list[str]) -> list[str]:
    return on_a_terminal(80, *words)


def _commands(tree: DemoTree, new: Path) -> list[list[str]]:
    """Commands that show something of a demo, and of its export."""
    runs = ("--traces_root", tree.traces, "--data_root", tree.data)
    where = (*runs, "--tokenizer_model", tree.tokenizer)
    out = tree.out
    found: list[tuple[object, ...]] = [
        ("convert", *where, "--out_root", out, "--resume"),
        ("convert", *where, "--out_root", out),
        ("plan", *where, "--out_root", new / "out"),
        ("plan", *where, "--out_root", out, "--deep"),
        ("doctor", *where),
        ("doctor", *runs),
        ("check", out, "--against", tree.traces),
        ("summary", out),
        ("summary", out, "--wide"),
        ("summary", out, "--spread", "ci95", "--against", tree.root / "exp/exp2/output"),
        ("compare", out, "--ours", "ifr_multi_hop_both"),
        ("show", min(out.rglob("*.npz"))),
        ("gallery", out, "-o", new / "site"),
        ("figure", "scores", out, "-o", new / "scores.svg"),
        ("pack", out, "-o", new / "p.parquet"),
        ("unpack", new / "p.parquet", "-o", new / "back"),
        ("cache",),
        ("env",),
    ]
    return [[str(word) for word in words] for words in found]


@pytest.fixture
def broken(demo: DemoTree) -> DemoTree:
    """A demo with failures, converted, and scores of which some are missing."""
    write_broken(demo)
    exp2proc.convert(
        traces_root=demo.traces, data_root=demo.data, tokenizer_model=demo.tokenizer,
        out_root=demo.out,
    )  # fmt: skip
    return demo


_COPIED = re.compile(r"\s*(to go on: |open |hint: Install .*)?exp2proc ")
"""Lines that hold a command, to be copied as a whole."""


def _too_long(lines: list[str]) -> list[str]:
    """Lines over 80 columns, but for those of one word, perhaps behind its name."""
    return [
        line
        for line in lines
        if len(line) > 80 and not _COPIED.match(line) and max(map(len, line.split())) < 60
    ]


@pytest.mark.thorough
def test_every_command_fits(broken: DemoTree, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    pytest.importorskip("matplotlib")
    for words in _commands(broken, tmp_path / "new"):
        (tmp_path / "new").mkdir(exist_ok=True)
        lines = _shown(words)
        assert not _too_long(lines), words
        assert words[0] == "show" or "…" not in "".join(lines), words
        for text in ("\n".join(lines), *_log(words)):
            assert not re.findall(r"[ \t]+$", text, re.MULTILINE), words


def _log(words: list[str]) -> tuple[str, str]:
    done = run_cli(*words, *(["--overwrite"] if words[0] in ("pack", "unpack") else []))
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


def test_names_of_runs_are_short_where_there_is_no_room(demo: DemoTree) -> None:
    words = ("--traces_root", demo.traces, "--layout", "proc_1", "--out_root", demo.out)
    lines = on_a_terminal(80, "convert", *words)
    names = [line.split()[0] for line in lines if "demo-1B" in line]
    assert len(names) == 12
    tags = [path.parent.name for path in demo.traces.rglob("manifest.jsonl")]
    assert {name.rpartition("/")[2] for name in names} == {*map(setting_of, tags)}
    log = run_cli("convert", *words, "--resume").stdout
    assert all(tag in log for tag in tags)


@pytest.mark.parametrize("spread", ["sem", "ci95"])
def test_a_summary_with_many_digits_is_not_cut(tmp_path: Path, spread: str) -> None:
    """Where scores are missing in some samples their number stands behind each mean."""
    pytest.importorskip("scipy")
    tree = write_tree(tmp_path / "demo", 12)
    run = next((tree.traces / "needles").rglob("attnlrp*"))
    for trace in sorted(run.glob("*.npz"))[:2]:
        import numpy as np

        with np.load(trace) as npz:
            arrays = {key: npz[key] for key in npz.files if "scores" not in key}
        np.savez_compressed(trace, **arrays)
    exp2proc.convert(traces_root=tree.traces / "needles", layout="proc_1", out_root=tree.out)
    lines = on_a_terminal(80, "summary", tree.out, "--spread", spread)
    assert max(map(len, lines)) <= 80
    assert "…" not in "".join(lines)
    row = next(line for line in lines if line.strip().startswith("attnlrp"))
    assert row.count("(10)") == 3
    numbers = re.compile(r"\d+\.\d+")
    log = run_cli("summary", tree.out, "--spread", spread).stdout
    assert numbers.findall("\n".join(lines)) == numbers.findall(log)


_MORE_THAN_ONE = re.compile(
    r"(?<![\d.,])1 (?:samples|rows|runs|texts|folders|files|hops|tokens|traces|entries|workers"
    r"|problems|warnings|caches|scores|examples|datasets)\b"
)


def test_one_is_called_one(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    pytest.importorskip("matplotlib")
    tree = write_tree(tmp_path / "demo", 1)
    for manifest in sorted(tree.traces.rglob("manifest.jsonl")):
        if "both" not in manifest.parent.name or "needles" not in str(manifest):
            manifest.unlink()
    exp2proc.convert(
        traces_root=tree.traces, data_root=tree.data, tokenizer_model=tree.tokenizer,
        out_root=tree.out,
    )  # fmt: skip
    (tmp_path / "new").mkdir()
    seen = 0
    for words in _commands(tree, tmp_path / "new"):
        shown = "\n".join(_log(words))
        assert not _MORE_THAN_ONE.findall(shown), (words, shown)
        seen += shown.count("1 sample") + shown.count("1 row") + shown.count("1 token")
    assert seen > 5
