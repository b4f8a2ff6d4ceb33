"""`--json`: one object on stdout from every command, whatever becomes of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.cli import COMMAND, run_cli
from support.processes import wait_until

import exp2proc
from exp2proc.cli import COMMANDS, main
from exp2proc.demo.tree import DemoTree

_DEMO: dict[str, tuple[str, ...]] = {
    "convert": (
        "--traces_root",
        "{traces}",
        "--tokenizer_model",
        "{tokenizer}",
        "--out_root",
        "{new}",
    ),
    "plan": ("--traces_root", "{traces}", "--layout", "proc_1", "--out_root", "{new}/out"),
    "doctor": ("--traces_root", "{traces}", "--tokenizer_model", "{tokenizer}"),
    "check": ("{out}", "--against", "{traces}"),
    "demo": ("--dir", "{new}/demo"),
    "summary": ("{out}", "--wide"),
    "compare": ("{out}", "--ours", "ifr_multi_hop_both", "--with", "attnlrp"),
    "figure": ("scores", "{out}", "-o", "{new}/scores.svg"),
    "show": ("{sample}",),
    "gallery": ("{out}", "-o", "{new}/site"),
    "bundle": ("{out}", "-o", "{new}/data.zip"),
    "pack": ("{out}", "-o", "{new}/samples.parquet"),
    "unpack": ("{packed}", "-o", "{new}/back"),
    "cache": (),
    "env": (),
    "completion": ("bash",),
    "help": ("convert",),
}
"""What makes each command end well; `view` does not end."""

_NEEDS = {"compare": "scipy", "figure": "matplotlib", "pack": "pyarrow", "unpack": "pyarrow"}


@pytest.fixture(scope="module")
def places(_demo_template: DemoTree, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Where things are that commands read: a demo tree and its export."""
    tree = DemoTree(tmp_path_factory.mktemp("places") / "demo")
    shutil.copytree(_demo_template.root, tree.root)
    exp2proc.convert(
        traces_root=tree.traces, tokenizer_model=tree.tokenizer, out_root=tree.out, jobs=1
    )
    sample = min((tree.out / "needles").rglob("*.npz"))
    packed = tree.root / "packed.parquet"
    names = {"traces": tree.traces, "tokenizer": tree.tokenizer, "out": tree.out}
    return {name: str(at) for name, at in {**names, "sample": sample, "packed": packed}.items()}


def _words(command: str, places: dict[str, str], new: Path) -> list[str]:
    for library in filter(None, (_NEEDS.get(command),)):
        pytest.importorskip(library, reason=f"{command} needs an extra")
    if command == "unpack" and not Path(places["packed"]).exists():
        assert run_cli("pack", places["out"], "-o", places["packed"]).returncode == 0
    return [command, *(word.format(**places, new=new) for word in _DEMO[command])]


def _object(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """What is on stdout: one JSON object, in which no number is none of JSON's."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    found = json.loads(done.stdout, parse_constant=refuse)
    assert isinstance(found, dict)
    assert found["exit_code"] == done.returncode, done
    return found


def test_every_command_is_tried() -> None:
    assert {*_DEMO, "view"} == {*COMMANDS}


@pytest.mark.parametrize("command", _DEMO)
def test_a_good_end(command: str, places: dict[str, str], tmp_path: Path) -> None:
    done = run_cli(*_words(command, places, tmp_path), "--json", cwd=tmp_path)
    assert done.returncode == 0, done
    assert len(_object(done)) > 1
    assert done.stderr == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_a_usage_error(command: str) -> None:
    done = run_cli(command, "--josn", "--json")
    found = _object(done)
    assert (done.returncode, found["code"]) == (2, "usage")
    assert "--josn" in found["message"] or "required" in found["message"]
    assert found["hint"] == f"Try: exp2proc {command} --help"
    assert found["problems"] == [{key: found[key] for key in ("code", "message", "hint")}]
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("convrt", "--json"), "usage"),
        (("convert", "--json"), "usage"),
        (("plan", "--json"), "usage"),
        (("summary", "nowhere", "--json"), "no-samples"),
        (("check", "--json", "--against", "nowhere", "x"), "no-runs"),
        (("doctor", "--json", "--traces_root", "nowhere"), "no-runs"),
        (("gallery", "--json", "-o", "x"), "usage"),
        (("show", "--json", "x", "-o", "x.html", "--top", "3"), "usage"),
        (("demo", "--json", "--dir", "/dev/null"), "system-refuses"),
    ],
    ids=lambda words: "_".join(words[:1]) if isinstance(words, tuple) else words,
)
def test_a_refusal(words: tuple[str, ...], code: str, tmp_path: Path) -> None:
    done = run_cli(*words, cwd=tmp_path)
    found = _object(done)
    assert (done.returncode, found["code"], bool(found["message"])) == (2, code, True)
    assert "See exp2proc" not in found["hint"]
    assert found["hint"]


def test_a_variable_that_may_not_be() -> None:
    found = _object(run_cli("cache", "--json", env={"EXP2PROC_CACHE_MB": "x"}))
    assert found["code"] == "usage"
    assert "EXP2PROC_CACHE_MB" in found["hint"]


def test_files_that_are_no_samples_are_named(places: dict[str, str], tmp_path: Path) -> None:
    shutil.copytree(places["out"], tmp_path / "out")
    bad = min((tmp_path / "out").rglob("*.npz"))
    bad.write_bytes(b"none")
    for words in (
        ("summary", tmp_path / "out"),
        ("gallery", tmp_path / "out", "-o", tmp_path / "site"),
    ):
        done = run_cli(*words, "--json")
        (failure,) = _object(done)["failures"]
        assert done.returncode == 1
        assert failure["message"].startswith(f"{bad}: ")
        assert failure["code"] == "sample-invalid"
        assert failure["hint"]


def _stopped(
    *words: str | Path, told: Path, when: Callable[[], bool]
) -> subprocess.CompletedProcess[str]:
    """A command that gets Ctrl-C once something is so; its standard error goes to a file."""
    command = [*COMMAND, *map(str, words)]
    with (
        told.open("w") as err,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=err, text=True) as process,
    ):
        wait_until(lambda: when() or process.poll() is not None)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    return subprocess.CompletedProcess(command, process.returncode, out, told.read_text())


@pytest.mark.parametrize("as_json", [True, False])
def test_ctrl_c(places: dict[str, str], tmp_path: Path, as_json: bool) -> None:
    sample = Path(places["sample"])
    run = tmp_path / "out/a/b/ifr_4000ex"
    run.mkdir(parents=True)
    for number in range(4000):
        os.link(sample, run / f"ex_{number:06d}.npz")
    site = tmp_path / "site"
    words = ["gallery", str(tmp_path / "out"), "-o", str(site)]
    words += ["--json"] if as_json else []
    done = _stopped(
        *words, told=tmp_path / "err", when=lambda: len(list(site.glob(".*/*/data/*"))) > 20
    )
    assert done.returncode == 130
    if as_json:
        found = _object(done)
        assert (found["code"], done.stderr) == ("interrupted", "")
        assert found["message"] and found["hint"]
    else:
        assert done.stdout == ""
        assert done.stderr.splitlines()[0] == "exp2proc: interrupted"


def test_ctrl_c_while_following(demo: DemoTree) -> None:
    """A conversion that was stopped tells what it did, and that it was stopped."""
    manifest = min(demo.traces.rglob("manifest.jsonl"))
    lines = manifest.read_text(encoding="utf-8").splitlines(keepends=True)
    manifest.write_text("".join(lines[:-1]), encoding="utf-8")  # the run is not complete
    more = ("--out_root", demo.out, "--follow", "--every", "60", "--json")
    words = ("convert", "--traces_root", demo.traces, "--layout", "proc_1", *more)
    told = demo.root / "err"
    done = _stopped(*words, told=told, when=lambda: "round 1: 95 rows" in told.read_text())
    found = _object(done)
    assert (done.returncode, found["code"], found["stopped"]) == (130, "interrupted", "interrupted")
    assert found["hint"].startswith("To go on: exp2proc convert ")
    assert found["counts"]["planned"] == 95


def test_the_server_tells_its_address(places: dict[str, str]) -> None:
    with subprocess.Popen(
        [*COMMAND, "view", places["out"], "--json"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(5)]
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(timeout=30) == 0
    found = json.loads("".join(lines))
    assert found["exit_code"] == 0
    assert found["address"].startswith(f"http://127.0.0.1:{found['port']}/")
    assert rest == ""


def test_a_command_in_a_thread(capsys: pytest.CaptureFixture[str]) -> None:
    """Of a program that calls `main` there; signals are the business of its main thread."""
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(main(["cache", "--json"])))
    thread.start()
    thread.join()
    assert codes == [0]
    assert json.loads(capsys.readouterr().out)["exit_code"] == 0
