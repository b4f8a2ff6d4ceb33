"""Writing one file whole, where a folder vanishes or somebody takes the temporary file away."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

import pytest

from exp2proc.system.atomic_write import check_writable, claim_folder, write_whole, written_whole


class Renames:
    """`os.replace`, with somebody who takes the temporary file away before the first of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, taken: int, folder: Path | None) -> None:
        self._real = os.replace
        self._taken = taken
        self._folder = folder
        self.tried = 0
        monkeypatch.setattr(os, "replace", self)

    def __call__(self, source: str, target: str) -> None:
        self.tried += 1
        if self.tried <= self._taken:
            os.unlink(source)
            if self._folder is not None:
                self._folder.rmdir()
        self._real(source, target)


def test_a_file_that_was_taken_for_a_leftover_is_written_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    renames = Renames(monkeypatch, 1, None)
    write_whole(str(tmp_path / "a"), b"content", replace=False)
    assert renames.tried == 2
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"content")]


def test_but_not_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    renames = Renames(monkeypatch, 9, None)
    with pytest.raises(FileNotFoundError):
        write_whole(str(tmp_path / "a"), b"content", replace=True)
    assert renames.tried == 2
    assert not list(tmp_path.iterdir())


def test_a_folder_that_vanished_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    renames = Renames(monkeypatch, 9, folder)
    with pytest.raises(FileNotFoundError) as caught:
        write_whole(str(folder / "a"), b"content", replace=True)
    assert caught.value.errno == errno.ENOENT
    assert renames.tried == 1
    assert not folder.exists()


def test_a_folder_that_was_never_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_whole(str(tmp_path / "no" / "a"), b"content", replace=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("there", ["file", "broken link"])
def test_what_is_there_is_replaced_only_if_it_may_be(tmp_path: Path, there: str) -> None:
    path = tmp_path / "a"
    if there == "file":
        path.write_bytes(b"old")
    else:
        path.symlink_to("nowhere")
    with pytest.raises(FileExistsError):
        write_whole(str(path), b"new", replace=False)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]
    assert path.is_symlink() == (there != "file")
    write_whole(str(path), b"new", replace=True)
    assert (path.read_bytes(), path.is_symlink()) == (b"new", False)


def test_a_block_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "reports/r.json"
    with written_whole(path) as temporary:
        temporary.write_text("first")
    with suppress(KeyboardInterrupt), written_whole(path) as temporary:
        temporary.write_text("second")
        raise KeyboardInterrupt
    assert [entry.name for entry in path.parent.iterdir()] == ["r.json"]
    assert path.read_text() == "first"


def test_seeing_whether_a_file_could_be_written_leaves_nothing(tmp_path: Path) -> None:
    check_writable(tmp_path / "reports/r.json")
    assert not list((tmp_path / "reports").iterdir())
    with pytest.raises(OSError, match=os.strerror(errno.ENAMETOOLONG)):
        check_writable(tmp_path / ("x" * 300))


def test_a_folder_of_somebody_else_is_not_claimed(tmp_path: Path) -> None:
    assert claim_folder(tmp_path / "mine", ".marker")
    (tmp_path / "mine/more").touch()
    assert claim_folder(tmp_path / "mine", ".marker")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/file").touch()
    assert not claim_folder(tmp_path / "other", ".marker")
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["file"]
