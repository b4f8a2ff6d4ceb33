"""Temporary files that a kill leaves are swept by the next writer to the same folder."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.cli import run_cli
from support.exported import write_export

from exp2proc.demo.tree import DemoTree
from exp2proc.system import atomic_write
from exp2proc.system.atomic_write import (
    check_writable,
    claim_folder,
    replaced_together,
    write_new,
    write_whole,
    written_whole,
)
from exp2proc.system.leftovers import MACHINE, SCRATCH_PREFIX, is_alive, sweep
from exp2proc.system.scratch import scratch_folder

_KILLED_WHEN_RENAMING = (
    "import os, signal, sys\n"
    "os.replace = lambda *paths: os.kill(os.getpid(), signal.SIGKILL)\n"
    "os.rename = os.replace\n"
    "from exp2proc.cli import main\n"
    "sys.exit(main(sys.argv[1:]))\n"
)
"""Runs a command that is killed after it has written a temporary file, before it is in place."""


def _killed(*words: str | Path) -> None:
    code = [sys.executable, "-c", _KILLED_WHEN_RENAMING, *map(str, words)]
    done = subprocess.run(code, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


def _hidden(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.startswith(".")]


def test_of_a_report(demo: DemoTree, tmp_path: Path) -> None:
    report = tmp_path / "reports/report.json"
    words = (
        *("convert", "--dry_run", "--traces_root", demo.traces, "--layout", "proc_1"),
        *("--report", report),
    )
    _killed(*words)
    assert len(_hidden(report.parent)) == 1
    assert not report.exists()
    done = run_cli(*words)
    assert (done.returncode, _hidden(report.parent)) == (0, [])
    assert json.loads(report.read_text())["exit_code"] == 0


def test_of_pack_and_unpack(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="the extra parquet is not installed")
    run = tmp_path / "out/math/qwen-8B/ifr_n1_9ex"
    write_export(run / "ex_000000.npz", ["a", "b"])
    packed = tmp_path / "packed/samples.parquet"
    _killed("pack", tmp_path / "out", "-o", packed)
    assert len(_hidden(packed.parent)) == 1
    assert run_cli("pack", tmp_path / "out", "-o", packed).returncode == 0
    assert list(packed.parent.iterdir()) == [packed]
    back = tmp_path / "back"
    _killed("unpack", packed, "-o", back)
    folder = back / run.relative_to(tmp_path / "out")
    assert len(_hidden(folder)) == 1
    assert run_cli("unpack", packed, "-o", back).returncode == 0
    assert [path.name for path in folder.iterdir()] == ["ex_000000.npz"]


_LINKS_PLANTED = (
    "import os, sys\n"
    "from exp2proc.cli import main\n"
    "from exp2proc.system.leftovers import MACHINE\n"
    "folder, victim, *words = sys.argv[1:]\n"
    "for number in range(50):\n"
    "    os.symlink(victim, f'{folder}/.{MACHINE}-{os.getpid()}-{number}.exp2proc-tmp')\n"
    "sys.exit(main(words))\n"
)
"""Runs a command in whose way there are links with the names of its first temporary files."""


@pytest.mark.parametrize("command", ["convert", "pack"])
def test_a_link_in_the_place_of_a_temporary_file_is_not_followed(
    demo: DemoTree, tmp_path: Path, command: str
) -> None:
    """In a folder that everybody may write to: whose file would it be that is written?"""
    victim, shared = tmp_path / "victim", tmp_path / "shared"
    victim.write_text("of somebody")
    shared.mkdir()
    target = shared / "written.parquet"
    words: tuple[str | Path, ...] = (
        *("convert", "--dry_run", "--traces_root", demo.traces, "--layout", "proc_1"),
        *("--report", target),
    )
    if command == "pack":
        pytest.importorskip("pyarrow", reason="the extra parquet is not installed")
        write_export(tmp_path / "out/math/qwen-8B/ifr_n1_9ex/ex_000000.npz", ["a", "b"])
        words = ("pack", tmp_path / "out", "-o", target)
    code = [sys.executable, "-c", _LINKS_PLANTED, *map(str, (shared, victim, *words))]
    done = subprocess.run(code, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert victim.read_text() == "of somebody"
    assert target.is_file() and not target.is_symlink()


def test_what_is_new_is_no_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever guesses a name all the same."""
    victim, link = tmp_path / "victim", tmp_path / "link"
    for content in (None, "of somebody"):
        if content is not None:
            victim.write_text(content)
        link.unlink(missing_ok=True)
        link.symlink_to(victim)
        monkeypatch.setattr(atomic_write, "temporary_in", lambda folder: str(link))
        with pytest.raises(FileExistsError), written_whole(tmp_path / "a"):
            pytest.fail("there is nothing to write to")
        with pytest.raises(FileExistsError):
            write_new(str(link), b"x")
        assert (victim.read_text() if victim.exists() else None) == content
    assert not (tmp_path / "a").exists()


def test_a_link_is_no_marker(tmp_path: Path) -> None:
    victim, site = tmp_path / "victim", tmp_path / "site"
    victim.write_text("")
    os.utime(victim, (0, 0))
    write_export(tmp_path / "out/math/qwen-8B/ifr_n1_9ex/ex_000000.npz", ["a", "b"])
    site.mkdir()
    (site / ".exp2proc-gallery").symlink_to(victim)
    done = run_cli("gallery", tmp_path / "out", "-o", site)
    assert (done.returncode, "target-exists" in done.stderr) == (2, True)
    assert victim.stat().st_mtime == 0
    assert os.listdir(site) == [".exp2proc-gallery"]


def test_a_block_that_fails_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "new/file"

    def fail() -> None:
        with written_whole(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(path.parent.iterdir()) == []
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        fail()
    assert [p.read_text() for p in path.parent.iterdir()] == ["old"]
    with written_whole(path) as temporary:
        assert path.read_text() == "old"
        temporary.write_text("new")
    assert [p.read_text() for p in path.parent.iterdir()] == ["new"]


def test_a_name_without_a_folder_is_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_whole("a", b"x", replace=False)
    with pytest.raises(FileExistsError):
        write_whole("a", b"y", replace=False)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"x"]


def test_check_writable_leaves_nothing_but_the_folder(tmp_path: Path) -> None:
    check_writable(tmp_path / "a/b")
    assert list((tmp_path / "a").iterdir()) == []
    (tmp_path / "file").write_text("")
    for bad in (tmp_path / ("x" * 300), tmp_path / "file/b"):
        with pytest.raises(OSError, match=r"name too long|File exists|Not a directory"):
            check_writable(bad)
    assert sorted(os.listdir(tmp_path)) == ["a", "file"]


def test_a_folder_with_somebody_elses_files_is_not_claimed(tmp_path: Path) -> None:
    assert claim_folder(tmp_path / "new", ".mine")
    (tmp_path / "new/more").write_text("")
    assert claim_folder(tmp_path / "new", ".mine")
    assert not claim_folder(tmp_path, ".mine")
    assert os.listdir(tmp_path) == ["new"]


def _taking(
    monkeypatch: pytest.MonkeyPatch, take: Callable[[str], object], times: int
) -> list[str]:
    """Have something happen to the first temporary files, once they are written."""
    write, written = atomic_write.write_new, list[str]()

    def write_and_take(path: str, data: bytes) -> None:
        write(path, data)
        written.append(path)
        if len(written) <= times:
            take(path)

    monkeypatch.setattr(atomic_write, "write_new", write_and_take)
    return written


def test_a_temporary_file_that_was_swept_is_written_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another machine, whose clock is wrong, may take it for a leftover."""
    written = _taking(monkeypatch, os.unlink, times=1)
    write_whole(str(tmp_path / "a"), b"content", replace=False)
    assert (tmp_path / "a").read_bytes() == b"content"
    assert len(set(written)) == 2


def test_what_is_swept_again_and_again_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = _taking(monkeypatch, os.unlink, times=99)
    with pytest.raises(FileNotFoundError):
        write_whole(str(tmp_path / "a"), b"content", replace=True)
    assert len(written) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_vanished_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    written = _taking(monkeypatch, lambda path: shutil.rmtree(folder), times=99)
    with pytest.raises(FileNotFoundError):
        write_whole(str(folder / "a"), b"content", replace=True)
    assert len(written) == 1
    assert not folder.exists()


def _process() -> subprocess.Popen[bytes]:
    """One that has ended, and whose end nobody has asked for: a zombie until it is waited for."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    return process


def test_a_process_is_alive_until_it_has_ended() -> None:
    ended = _process()
    if os.path.isdir("/proc/self"):
        assert not is_alive(ended.pid)
    ended.wait()
    assert not is_alive(ended.pid)
    assert is_alive(os.getpid())
    assert is_alive(1)  # somebody else's, perhaps
    assert is_alive(1 << 80)  # no number of a process here: nothing is known of it


def test_what_is_left_behind_and_what_is_not(tmp_path: Path) -> None:
    """By its name: whose it is. What may be a living process's, or is not known, stays an hour."""
    ended = _process()
    ended.wait()
    dead, alive, stranger = (
        f".{machine}-{pid}-0.exp2proc-tmp"
        for machine, pid in ((MACHINE, ended.pid), (MACHINE, os.getpid()), ("0" * 8, ended.pid))
    )
    others = ["ex_000000.npz", ".exp2proc-tmp", f".{MACHINE}-{ended.pid}-0", f"x{dead}"]
    for name in (dead, alive, stranger, *others):
        (tmp_path / name).touch()
    assert sweep(str(tmp_path)) == 1
    assert sorted(os.listdir(tmp_path)) == sorted([alive, stranger, *others])
    for path in tmp_path.iterdir():
        os.utime(path, (time.time() - 3500,) * 2)
    assert sweep(str(tmp_path)) == 0
    for path in tmp_path.iterdir():
        os.utime(path, (time.time() - 3700,) * 2)
    assert sweep(str(tmp_path)) == 2
    assert sorted(os.listdir(tmp_path)) == sorted(others)
    assert sweep(str(tmp_path / "nowhere")) == 0


def test_folders_that_are_left_behind(tmp_path: Path) -> None:
    """One that another machine is still putting files into is not, however long it takes."""
    ended = _process()
    ended.wait()
    dead, stranger = (
        tmp_path / f".{machine}-{ended.pid}-0.exp2proc-tmp" for machine in (MACHINE, "0" * 8)
    )
    (tmp_path / "other").mkdir()
    for folder in (dead, stranger):
        (folder / "new/pages").mkdir(parents=True)
    link = tmp_path / f".{MACHINE}-{ended.pid}-1.exp2proc-tmp"
    link.symlink_to(tmp_path / "other")
    for path in (stranger, stranger / "new"):
        os.utime(path, (time.time() - 7200,) * 2)
    assert sweep(str(tmp_path)) == 2
    assert sorted(os.listdir(tmp_path)) == sorted([stranger.name, "other"])
    os.utime(stranger / "new/pages", (time.time() - 7200,) * 2)
    assert sweep(str(tmp_path)) == 1
    assert os.listdir(tmp_path) == ["other"]


def test_what_could_not_be_replaced_together_is_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "index").write_text("old")

    def fail(error: type[BaseException]) -> None:
        with replaced_together(tmp_path, ["pages", "index"]) as new:
            (new / "pages").mkdir()
            (new / "index").write_text("new")
            raise error

    for error in (KeyboardInterrupt, OSError):
        with pytest.raises(error):
            fail(error)
        assert os.listdir(tmp_path) == ["index"]
        assert (tmp_path / "index").read_text() == "old"


def test_scratch_folders_of_processes_that_are_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ended = _process()
    ended.wait()
    left = tmp_path / f"{SCRATCH_PREFIX}{ended.pid}-abc"
    others = (
        f"{SCRATCH_PREFIX}{os.getpid()}-abc",
        f"{SCRATCH_PREFIX}x-abc",
        f"exp2proc-00000000-{ended.pid}-abc",
    )
    for name in (left.name, *others):
        (tmp_path / name).mkdir()
        (tmp_path / name / "journal").touch()
    with scratch_folder() as mine:
        assert sorted(os.listdir(tmp_path)) == sorted([*others, mine.name])
    assert sorted(os.listdir(tmp_path)) == sorted(others)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    with scratch_folder() as mine:
        assert not mine.exists()
