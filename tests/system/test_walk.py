"""walk: every folder once, by the path that has no links, whatever the links lead to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from exp2proc.system.walk import truest, walk


def _below(root: Path) -> list[str]:
    return [os.path.relpath(folder.path, root) for folder in walk(root)]


def test_each_folder_once_real_paths_first(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    (root / "a").mkdir(parents=True)
    (root / "b/c").mkdir(parents=True)
    (elsewhere / "d").mkdir(parents=True)
    (root / "a/loop").symlink_to(root)
    (root / "a/to_c").symlink_to(root / "b/c")
    (root / "b/out").symlink_to(elsewhere)
    (root / "b/broken").symlink_to(root / "nothing")
    (elsewhere / "file").write_text("")
    assert _below(root) == [".", "a", "b", "b/c", "b/out", "b/out/d"]
    found = {os.path.relpath(folder.path, root): folder for folder in walk(root)}
    assert found["b/out"].files == ["file"]
    assert found["b"].files == ["broken"]


def test_folders_that_are_not_entered_are_told(tmp_path: Path) -> None:
    for name in (".hidden/x", "seen"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / ".hidden")
    first, *others = walk(tmp_path, enter=lambda name: not name.startswith("."))
    assert (first.files, first.passed_by) == ([], [".hidden"])
    names = [os.path.relpath(folder.path, tmp_path) for folder in others]
    assert names == ["seen", "link", "link/x"]


def test_errors_are_told(tmp_path: Path) -> None:
    told: list[OSError] = []
    assert list(walk(tmp_path / "nothing", on_error=told.append)) == []
    assert [err.filename for err in told] == [str(tmp_path / "nothing")]
    assert list(walk(tmp_path / "nothing")) == []

    def refuse(err: OSError) -> None:
        raise err

    with pytest.raises(FileNotFoundError):
        list(walk(tmp_path / "nothing", on_error=refuse))


@pytest.mark.parametrize("alias", ["a", "z"])
def test_of_two_links_the_one_with_the_real_name_comes_first(tmp_path: Path, alias: str) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    root.mkdir()
    (elsewhere / "m/run").mkdir(parents=True)
    (root / "m").symlink_to(elsewhere / "m")
    (root / alias).symlink_to("m")
    assert _below(root) == [".", "m", "m/run"]


@pytest.mark.parametrize("alias", ["a", "z"])
def test_what_is_real_below_a_link_comes_before_a_link_to_it(tmp_path: Path, alias: str) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    root.mkdir()
    (elsewhere / "m/run").mkdir(parents=True)
    (root / "linked").symlink_to(elsewhere)
    (root / alias).symlink_to(elsewhere / "m")
    assert _below(root) == [".", "linked", "linked/m", "linked/m/run"]


def test_the_truest_of_several_names(tmp_path: Path) -> None:
    (tmp_path / "real/m").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "latest").symlink_to(tmp_path / "real/m")
    names = [str(tmp_path / name) for name in ("latest", "link/m", "real/m")]
    assert truest(names) == truest(names[::-1]) == names[2]
    assert truest(names[:2]) == truest(names[1::-1]) == names[1]
