"""Completion, in a real bash: commands, options, values, files and folders."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from support.cli import run_cli

from exp2proc.cli import COMMANDS
from exp2proc.cli.completion import SHELLS, whole_parser
from exp2proc.cli.values import path

_ASK = """\
set -eu
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
set +eu
spec=$(complete -p exp2proc)
function=${spec#*-F }; function=${function%% *}
$function exp2proc "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def _completed(folder: Path, *words: str) -> set[str]:
    """What bash offers for the last of the words, in a folder."""
    script = folder / ".completion"
    script.write_text(run_cli("completion", "bash").stdout)
    done = subprocess.run(
        ["bash", "--norc", "-c", _ASK, "bash", str(script), "exp2proc", *words],
        capture_output=True,
        text=True,
        cwd=folder,
        check=True,
    )
    assert done.stderr == ""
    return {line.strip() for line in done.stdout.splitlines() if line.strip()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a folder and a file in it."""
    if not shutil.which("bash"):
        pytest.skip("bash is not here")
    (tmp_path / "traces").mkdir()
    (tmp_path / "trash.jsonl").touch()
    return tmp_path


def test_commands(folder: Path) -> None:
    assert _completed(folder, "c") == {name for name in COMMANDS if name.startswith("c")}


def test_options(folder: Path) -> None:
    assert _completed(folder, "convert", "--tr") == {"--trace_dir", "--traces_root"}
    assert "--json" in _completed(folder, "gallery", "--")


def test_values(folder: Path) -> None:
    assert _completed(folder, "convert", "--layout", "") == {"proc", "proc_1"}
    assert "length" in _completed(folder, "figure", "")
    assert _completed(folder, "completion", "") == {*SHELLS}


def test_folders_and_files(folder: Path) -> None:
    assert _completed(folder, "convert", "--traces_root", "tra") == {"traces"}
    assert _completed(folder, "convert", "--dataset_jsonl", "tra") == {"traces", "trash.jsonl"}
    assert _completed(folder, "summary", "tra") == {"traces", "trash.jsonl"}
    assert _completed(folder, "convert", "--limit", "tra") == set()


def test_every_path_is_completed() -> None:
    (commands,) = (action for action in whole_parser()._actions if action.dest == "command")
    assert isinstance(commands.choices, dict)
    paths = [
        (name, action)
        for name, parser in commands.choices.items()
        for action in parser._actions
        if action.type is path or action.dest in ("out", "outs", "output")
    ]
    assert len(paths) > 15
    for name, action in paths:
        assert hasattr(action, "complete"), (name, action)


@pytest.mark.parametrize("shell", SHELLS)
def test_shells(shell: str) -> None:
    done = run_cli("completion", shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(command in done.stdout for command in COMMANDS)
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=done.stdout, text=True, check=True)


def test_another_shell() -> None:
    done = run_cli("completion", "fihs")
    assert done.returncode == 2
    assert done.stderr.endswith("Try: exp2proc completion --help\n")
