"""What keeps a worker of a cluster from converting what was planned, told without a cluster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from exp2proc.conversion.cluster import (
    View,
    check_folders,
    compare,
    look,
    new_mark,
    this_environment,
)
from exp2proc.errors import Exp2procError


def _as_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda file: None, ""),
        (lambda file: file.write_text("{}"), ""),
        (lambda file: file.write_text("{} "), "sees another file or folder at"),
        (_as_a_folder, "sees another file or folder at"),
        (Path.unlink, "does not see"),
    ],
)
def test_an_input_must_look_as_it_does_here(
    tmp_path: Path, change: Callable[[Path], object], says: str
) -> None:
    """By what it is and its size; not by its content, which rows prove by themselves."""
    paths = (str(tmp_path / "manifest.jsonl"), str(tmp_path))
    Path(paths[0]).write_text("[]")
    mine = look(paths)
    change(Path(paths[0]))
    problems = list(compare("w1", look(paths), mine, paths, frozenset()))
    assert [problem.code for problem in problems] == ["path-not-visible"] * bool(says)
    where = f"worker w1 on machine {mine.environment.machine}"
    assert [problem.message for problem in problems] == [f"{where} {says} {paths[0]}"] * bool(says)


def test_outputs_must_be_writable_and_the_program_the_same(tmp_path: Path) -> None:
    paths = (str(tmp_path / "in"), str(tmp_path / "out"))
    for path in paths:
        Path(path).mkdir()
    mine = look(paths)
    read_only = tuple(view and view._replace(writable=False) for view in mine.paths)
    seen = View(mine.environment._replace(exp2proc="0.1"), read_only)
    other, locked = compare("w1", seen, mine, paths, frozenset(paths[1:]))
    assert other.code == "worker-environment"
    assert f"has exp2proc 0.1, this machine {mine.environment.exp2proc}" in other.message
    assert locked.code == "path-not-visible"
    assert locked.message.endswith(f"may not write to {paths[1]}")


def test_a_mark_is_written_over_no_link(tmp_path: Path) -> None:
    """In a folder that everybody may write to somebody may have seen its name in another one."""
    victim, out = tmp_path / "victim", tmp_path / "out"
    victim.write_text("of somebody")
    out.mkdir()
    mark = new_mark()
    (out / mark.name).symlink_to(victim)
    mark.put(out)
    assert victim.read_text() == "of somebody"
    with pytest.raises(Exp2procError) as caught:  # as on another machine's disk
        check_folders(this_environment(), (str(tmp_path), str(out)), mark)
    assert caught.value.code == "worker-environment"
    mark.remove(out)
    for _ in range(2):  # two runs may share a folder
        mark.put(out)
    check_folders(this_environment(), (str(tmp_path), str(out)), mark)
