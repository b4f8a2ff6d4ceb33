"""The installed command as a process: options, streams, exit codes, the JSON report."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.arrays import assert_same_tree
from support.cli import COMMAND, codes, run_cli, run_json

import exp2proc
from exp2proc.cli import COMMANDS
from exp2proc.demo.tree import DemoTree, write_broken


def _all(demo: DemoTree, out: Path) -> tuple[str | Path, ...]:
    return (
        *("convert", "--traces_root", demo.traces),
        *("--tokenizer_model", demo.tokenizer, "--out_root", out),
    )


def test_the_command_is_installed() -> None:
    script = Path(sys.executable).with_name("exp2proc")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"exp2proc {exp2proc.__version__}\n"


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["convert", "--help"]])
def test_help_is_quick(words: list[str]) -> None:
    script = (
        "import sys\n"
        "from exp2proc.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'numpy', 'transformers', 'tokenizers', 'joblib', 'rich', 'sqlite3'}\n"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", script, *words], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(command: str) -> None:
    done = run_cli(command, "--help")
    assert done.returncode == 0
    assert "examples:" in done.stdout
    for option in re.findall(r"^  (--\w+)", done.stdout, re.MULTILINE):
        line = done.stdout.split(f"  {option}", 1)[1].split("\n  -", 1)[0]
        assert len(line.split()) > 1, f"{command} {option} has no help"


def test_usage_errors() -> None:
    for words in ([], ["convert", "--nonsense"], ["nonsense"], ["convert", "--jobs", "0"]):
        done = run_cli(*words)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.endswith("--help\n")


def test_underscores_and_dashes_are_the_same(demo: DemoTree, tmp_path: Path) -> None:
    words = ["--traces_root", "--tokenizer_model", "--out_root", "--data_root"]
    values = [demo.traces, demo.tokenizer, None, demo.data]
    for name, spell in (("a", str), ("b", lambda word: "--" + word[2:].replace("_", "-"))):
        out = [tmp_path / name if value is None else value for value in values]
        pairs = [part for pair in zip(map(spell, words), out, strict=True) for part in pair]
        assert run_json("convert", *pairs)["counts"]["converted"] == 96
        joined = [f"{spell(w)}={v}" for w, v in zip(words, out, strict=True)]
        assert run_json("convert", *joined, spell("--overwrite"))["counts"]["converted"] == 96
    assert assert_same_tree(tmp_path / "a", tmp_path / "b") == 96


def test_json_report(demo: DemoTree, tmp_path: Path) -> None:
    write_broken(demo)
    path = tmp_path / "reports" / "r.json"
    report = run_json(*_all(demo, tmp_path / "out"), "--report", path, code=1)
    assert json.loads(path.read_text(encoding="utf-8")) == report
    assert list(report) == [
        *("exp2proc_version", "versions", "layout", "seconds", "exit_code", "stopped"),
        *("counts", "runs", "errors"),
    ]
    assert list(report["versions"]) == ["python", "numpy", "tokenizers", "transformers", "joblib"]
    assert all(report["versions"].values())
    assert report["counts"] == {
        "planned": 96,
        "converted": 86,
        "kept": 0,
        "failed": 10,
        "pending": 0,
        "unfinished": 0,
    }
    assert len(report["runs"]) == 12
    for run in report["runs"]:
        assert list(run) == [
            *("trace_dir", "out_dir", "dataset", "model_tag", "run_tag"),
            *("counts", "with_hop", "non_finite"),
        ]
    for name, total in report["counts"].items():
        assert sum(run["counts"][name] for run in report["runs"]) == total
    assert sorted(codes(report)) == [
        *("dataset-no-match",),
        *("prompt-length-mismatch",) * 8,
        *("trace-corrupt",),
    ]
    for error in report["errors"]:
        assert list(error) == ["trace_dir", "file", "example_idx", "code", "message", "hint"]
        assert all(error[key] not in (None, "") for key in error)


def test_human_summary(demo: DemoTree, tmp_path: Path) -> None:
    write_broken(demo)
    done = run_cli(*_all(demo, tmp_path / "out"))
    assert done.returncode == 1
    out = done.stdout
    assert re.search(r"12 runs +96 +86 +0 +10 +48", out)
    assert re.search(r"^prompt-length-mismatch \(8\)$", out, re.MULTILINE)
    assert out.count("Prompt token length mismatch: expected") == 3
    assert "and 5 more" in out
    assert "trace-corrupt (1)" in out
    assert out.count("hint: ") == 3
    assert "86 of 96 rows done" in out
    assert "\x1b" not in out
    assert done.stderr == ""


def test_quiet(demo: DemoTree, tmp_path: Path) -> None:
    done = run_cli(*_all(demo, tmp_path / "out"), "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    write_broken(demo)
    done = run_cli(*_all(demo, tmp_path / "again"), "--quiet")
    assert (done.returncode, done.stdout) == (1, "")
    assert "prompt-length-mismatch (8)" in done.stderr
    assert "12 runs" not in done.stderr


def test_nothing_is_written_when_nothing_can_start(demo: DemoTree, tmp_path: Path) -> None:
    done = run_cli(*_all(demo, tmp_path / "out"), "--dataset_jsonl", tmp_path / "nothing")
    assert (done.returncode, done.stdout) == (2, "")
    assert "nothing was started and nothing was written" in done.stderr
    assert "no-dataset" in done.stderr
    assert "hint: " in done.stderr
    assert not (tmp_path / "out").exists()
    refusal = run_json(
        *_all(demo, tmp_path / "out"), "--dataset_jsonl", tmp_path / "nothing", code=2
    )
    assert refusal["problems"][0]["code"] == "no-dataset"


def test_existing_outputs_are_named_with_the_flags_to_pass(demo: DemoTree, tmp_path: Path) -> None:
    assert run_cli(*_all(demo, tmp_path / "out")).returncode == 0
    done = run_cli(*_all(demo, tmp_path / "out"))
    assert done.returncode == 2
    assert "8 of 8 outputs are already in" in done.stderr
    assert "--resume" in done.stderr
    assert "--overwrite" in done.stderr
    report = run_json(*_all(demo, tmp_path / "out"), "--resume")
    assert (report["counts"]["kept"], report["runs"][1]["with_hop"]) == (96, 8)


def test_fail_fast(demo: DemoTree, tmp_path: Path) -> None:
    write_broken(demo)
    report = run_json(*_all(demo, tmp_path / "out"), "--fail_fast", "--jobs", "1", code=1)
    assert report["stopped"] == "fail_fast"
    assert report["counts"]["failed"] == 1
    assert report["counts"]["unfinished"] > 0
    done = run_cli(*_all(demo, tmp_path / "out"), "--fail_fast", "--overwrite")
    assert done.returncode == 1
    (line,) = (ln for ln in done.stdout.splitlines() if ln.startswith("to go on: "))
    assert line.endswith("--resume")
    assert "--overwrite" not in line


def test_two_workers_give_what_one_gives(demo: DemoTree, tmp_path: Path) -> None:
    write_broken(demo)
    ways = (
        ("--jobs", "1"),
        ("--jobs", "2"),
        ("--jobs", "2", "--backend", "threading"),
        ("--backend", "sequential"),
    )
    reports = []
    for number, way in enumerate(ways):
        report = run_json(*_all(demo, tmp_path / str(number)), *way, "--no_cache", code=1)
        assert assert_same_tree(tmp_path / str(number), tmp_path / "0") == 86
        reports.append({"counts": report["counts"], "errors": report["errors"]})
    assert all(report == reports[0] for report in reports)


def test_a_terminal_gets_a_bar_and_a_log_gets_none(demo: DemoTree, tmp_path: Path) -> None:
    parent, child = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, *map(str, _all(demo, tmp_path / "out")), "--json"],
        stdout=subprocess.PIPE,
        stderr=child,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    ) as process:
        os.close(child)
        shown = b""
        while True:
            try:
                chunk = os.read(parent, 4096)
            except OSError:  # Linux says so when the last writer has closed
                break
            if not chunk:
                break
            shown += chunk
        assert process.stdout is not None
        assert json.loads(process.stdout.read())["counts"]["converted"] == 96
    os.close(parent)
    assert "/96" in shown.decode()
    assert "converting" in shown.decode()


def test_no_color(demo: DemoTree, tmp_path: Path) -> None:
    write_broken(demo)

    def shown(out: str, **env: str) -> bytes:
        parent, child = pty.openpty()
        with subprocess.Popen(
            [*COMMAND, *map(str, _all(demo, tmp_path / out))],
            stdout=child,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "TERM": "xterm-256color", **env},
        ):
            os.close(child)
            text = b""
            while True:
                try:
                    chunk = os.read(parent, 4096)
                except OSError:
                    break
                if not chunk:
                    break
                text += chunk
        os.close(parent)
        return text

    colour = re.compile(rb"\x1b\[[\d;]*3\dm")
    assert colour.search(shown("colour"))
    assert not colour.search(shown("plain", NO_COLOR="1"))


def test_a_reader_that_goes_away(demo: DemoTree, tmp_path: Path) -> None:
    command = " ".join(map(str, (*COMMAND, *_all(demo, tmp_path / "out"), "--json")))
    done = subprocess.run(
        ["/bin/sh", "-c", f"{command} | true"], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert len(list((tmp_path / "out").rglob("*.npz"))) == 96


def test_a_report_that_cannot_be_written_does_not_cost_the_run(
    demo: DemoTree, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    done = run_cli(*_all(demo, tmp_path / "out"), "--report", tmp_path / "file" / "r.json")
    assert done.returncode == 0
    assert "96 of 96 rows done" in done.stdout
    assert "Not a directory" in done.stderr or "File exists" in done.stderr


def test_names_of_many_scripts(demo: DemoTree, tmp_path: Path) -> None:
    root = tmp_path / "数据 with spaces 🙂"
    demo.root.rename(root)
    moved = DemoTree(root)
    report = run_json(*_all(moved, tmp_path / "输出"), "--jobs", "2")
    assert report["counts"]["converted"] == 96
    assert report["runs"][0]["trace_dir"].startswith(str(moved.traces))
    done = run_cli(*_all(moved, tmp_path / "ascii"), env={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, "")
