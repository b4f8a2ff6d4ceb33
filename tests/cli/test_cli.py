"""The installed command as a process: options, streams, exit codes, the JSON report."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.arrays import assert_same_tree
from support.cli import COMMAND, codes, run_cli, run_json
from support.extras import needs

import exp2proc
from exp2proc.cli import COMMANDS
from exp2proc.demo.tree import DemoTree, write_broken


def _all(demo: DemoTree, out: Path) -> tuple[str | Path, ...]:
    return (
        *("convert", "--traces_root", demo.traces),
        *("--tokenizer_model", demo.tokenizer, "--out_root", out),
    )


def _on_a_terminal(*words: str | Path, **env: str) -> str:
    """What a command shows on a terminal."""
    parent, child = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, *map(str, words)],
        stdout=child,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TERM": "xterm-256color", **env},
    ):
        os.close(child)
        text = _read_all(parent)
    os.close(parent)
    return text


def _read_all(parent: int) -> str:
    """All that is written to the other end of a terminal until its last writer closes it."""
    shown = b""
    with contextlib.suppress(OSError):  # Linux says so when nobody is left
        while chunk := os.read(parent, 4096):
            shown += chunk
    return shown.decode()


def test_the_command_is_installed() -> None:
    script = Path(sys.executable).with_name("exp2proc")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"exp2proc {exp2proc.__version__}\n"


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["convert", "--help"]])
def test_help_is_quick(words: list[str]) -> None:
    script = (
        "import sys\n"
        "before = set(sys.modules)\n"  # coverage has imported sqlite3
        "from exp2proc.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'numpy', 'transformers', 'tokenizers', 'joblib', 'rich', 'sqlite3'}\n"
        "heavy &= sys.modules.keys() - before\n"
        "assert not heavy, heavy\n"
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
    for words in (["convert", "--nonsense"], ["nonsense"], ["convert", "--jobs", "0"]):
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
        *("counts", "runs", "replaced", "errors"),
    ]
    assert list(report["versions"]) == ["python", "numpy", "tokenizers", "transformers", "joblib"]
    assert all(report["versions"].values())
    assert report["counts"] == {
        "planned": 96,
        "converted": 86,
        "replaced": 0,
        "kept": 0,
        "failed": 10,
        "pending": 0,
        "unfinished": 0,
    }
    assert len(report["runs"]) == 12
    for run in report["runs"]:
        assert list(run) == [
            *("trace_dir", "out_dir", "dataset", "model_tag", "run_tag"),
            *("counts", "with_hop", "non_finite", "warnings", "record"),
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
        shown = _read_all(parent)
        assert process.stdout is not None
        assert json.loads(process.stdout.read())["counts"]["converted"] == 96
    os.close(parent)
    assert "/96" in shown
    assert "converting" in shown


def test_no_color(demo: DemoTree, tmp_path: Path) -> None:
    write_broken(demo)

    colour = re.compile(r"\x1b\[[\d;]*3\dm")
    assert colour.search(_on_a_terminal(*_all(demo, tmp_path / "colour")))
    assert not colour.search(_on_a_terminal(*_all(demo, tmp_path / "plain"), NO_COLOR="1"))


def test_a_reader_that_goes_away(demo: DemoTree, tmp_path: Path) -> None:
    command = " ".join(map(str, (*COMMAND, *_all(demo, tmp_path / "out"), "--json")))
    done = subprocess.run(
        ["/bin/sh", "-c", f"{command} | true"], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert len(list((tmp_path / "out").rglob("*.npz"))) == 96


def test_a_report_that_cannot_be_written_is_found_before_the_start(
    demo: DemoTree, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    for path, why in ((tmp_path / "file" / "r.json", "file"), (tmp_path, "is a folder")):
        done = run_cli(*_all(demo, tmp_path / "out"), "--report", path)
        assert (done.returncode, done.stdout) == (2, "")
        assert str(path) in done.stderr
        assert why in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_report_says_that_nothing_started_and_what_a_dry_run_saw(
    demo: DemoTree, tmp_path: Path
) -> None:
    path = tmp_path / "r.json"
    words = ("convert", "--traces_root", tmp_path / "nowhere", "--report", path)
    assert run_cli(*words).returncode == 2
    assert json.loads(path.read_text())["problems"][0]["code"] == "no-runs"
    run_cli(*_all(demo, tmp_path / "out"), "--dry_run", "--report", path)
    assert json.loads(path.read_text())["exit_code"] == 0
    assert not (tmp_path / "out").exists()


def test_command_lines_of_the_script_need_only_another_name(demo: DemoTree, tmp_path: Path) -> None:
    _, *words = _all(demo, tmp_path / "out")
    assert run_json(*words)["counts"]["converted"] == 96


@pytest.mark.parametrize("option", ["--trace_dir", "--traces_root", "--out_dir", "--out_root"])
def test_an_empty_value_is_not_the_current_folder(option: str, tmp_path: Path) -> None:
    done = run_cli("convert", option, "", cwd=tmp_path)
    assert done.returncode == 2
    assert f"{option}: it is empty" in done.stderr


def test_a_lost_terminal_ends_a_run_as_sigterm_does() -> None:
    script = (
        "import os, signal, sys\n"
        "from exp2proc.system.signals import Terminated, hear_stops\n"
        "if 'nohup' in sys.argv: signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "hear_stops()\n"
        "try: os.kill(os.getpid(), signal.SIGHUP); print('goes on')\n"
        "except Terminated: print('ends')\n"
    )
    for word, says in (("plain", "ends\n"), ("nohup", "goes on\n")):
        done = subprocess.run(
            [sys.executable, "-c", script, word], capture_output=True, text=True, check=True
        )
        assert done.stdout == says


def test_no_number_is_cut_on_a_narrow_terminal(demo: DemoTree, tmp_path: Path) -> None:
    assert run_cli(*_all(demo, tmp_path / "out")).returncode == 0
    words = ("summary", str(tmp_path / "out" / "needles"))
    wide, narrow = (_on_a_terminal(*words, COLUMNS=columns) for columns in ("100", "40"))
    numbers = re.compile(r"\d+\.\d+")
    assert numbers.findall(narrow) == numbers.findall(wide)
    assert "ifr_in_all_gen" in narrow


def test_a_folder_that_cannot_be_looked_into_may_hide_runs(demo: DemoTree, tmp_path: Path) -> None:
    """Converting the others and calling it done would lose the runs in it."""
    mortal = () if os.geteuid() else ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    if mortal and not shutil.which("setpriv"):
        pytest.skip("root may look into every folder, and setpriv is not here to change that")
    (demo.traces / "needles").chmod(0)
    done = subprocess.run(
        [*mortal, *COMMAND, *map(str, _all(demo, tmp_path / "out"))],
        capture_output=True,
        text=True,
        check=False,
    )
    (demo.traces / "needles").chmod(0o755)
    assert done.returncode == 2
    assert f"the folder {demo.traces / 'needles'}: Permission denied" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.fixture
def undecodable(demo: DemoTree, tmp_path: Path) -> Path:
    """An output folder with a run whose folder's name is no UTF-8."""
    run = next((demo.traces / "needles").rglob("manifest.jsonl")).parent
    strange = tmp_path / os.fsdecode(b"traces/needles/m/b\xff")
    shutil.copytree(run, strange)
    out = tmp_path / "out"
    one = ("--trace_dir", strange, "--tokenizer_model", demo.tokenizer, "--out_root", out)
    assert run_json("convert", *one, "--data_root", demo.data)["counts"]["converted"] == 8
    return out


def test_names_that_are_no_text(undecodable: Path, tmp_path: Path) -> None:
    for words in (("summary", undecodable), ("gallery", undecodable, "-o", tmp_path / "site")):
        done = run_cli(*words)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr


@needs("parquet")
@needs("figures")
def test_names_that_are_no_text_packed_and_drawn(undecodable: Path, tmp_path: Path) -> None:
    for words in (
        ("figure", "shares", undecodable, "-o", tmp_path / "f.pdf"),
        ("pack", undecodable, "-o", tmp_path / "s.parquet"),
        ("unpack", tmp_path / "s.parquet", "-o", tmp_path / "back"),
    ):
        done = run_cli(*words)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert not list(tmp_path.glob(".s.parquet*"))
    assert len(list((tmp_path / "back").rglob("*.npz"))) == 8


@pytest.mark.thorough
def test_names_of_many_scripts(demo: DemoTree, tmp_path: Path) -> None:
    root = tmp_path / "数据 with spaces 🙂"
    demo.root.rename(root)
    moved = DemoTree(root)
    report = run_json(*_all(moved, tmp_path / "输出"), "--jobs", "2")
    assert report["counts"]["converted"] == 96
    assert report["runs"][0]["trace_dir"].startswith(str(moved.traces))
    done = run_cli(*_all(moved, tmp_path / "ascii"), env={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", [("summary",), ("figure", "scores")])
@pytest.mark.parametrize("value", ["QA", "QA=", "QA=,"])
def test_a_group_of_nothing_is_told_by_the_parser(
    tmp_path: Path, command: tuple[str, ...], value: str
) -> None:
    more = ("-o", tmp_path / "f.pdf") if command[0] == "figure" else ()
    done = run_cli(*command, tmp_path, *more, "--group", value)
    assert done.returncode == 2
    assert "argument --group: it may be " in done.stderr
    assert "Traceback" not in done.stderr
