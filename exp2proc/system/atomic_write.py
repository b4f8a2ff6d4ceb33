"""Writing files so that what stands at a final path is always complete.

A file is written beside its place under a temporary name and then renamed, and so are files that
belong together; what a killed run left under such a name, the next writer to the folder sweeps.

No fsync: a power cut may leave a file that is there and empty.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from .leftovers import sweep, temporary_in
from .signals import stops_wait


def write_whole(path: str, data: bytes, *, replace: bool) -> None:
    """Write `data` to `path`, whole or not at all. For many files: the caller sweeps the folder.

    Args:
        path: the final path; its folder exists.
        data: the content.
        replace: whether a file that is already there may be replaced.

    Raises:
        FileExistsError: it is there and `replace` is false.
        OSError: the operating system refuses, with its own reason.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_whole(f"{folder}/a", b"content", replace=False)
    ...     os.listdir(folder), os.path.getsize(f"{folder}/a")
    (['a'], 7)
    """
    folder = os.path.dirname(path) or "."
    for last in (False, True):
        temporary = temporary_in(folder)
        try:
            write_new(temporary, data)
            if not replace and os.path.lexists(path):
                raise FileExistsError(errno.EEXIST, "File exists", path)
            os.replace(temporary, path)
            return
        except FileNotFoundError:
            # Another process may have taken the file for a leftover: write it once more.
            if last or not os.path.isdir(folder):
                raise
        except BaseException as err:
            with suppress(OSError):
                os.unlink(temporary)
            _name(err, temporary, path)
            raise


def _name(err: BaseException, temporary: str, path: str) -> None:
    """Let what the system refuses name the file that it is about: a full disk names none."""
    if not isinstance(err, OSError) or isinstance(err, FileExistsError):
        return
    named = err.filename2 or err.filename  # where a file is copied, the copy
    if named is None:
        err.filename = path
    elif isinstance(named, str) and named.startswith(temporary):
        err.filename, err.filename2 = path + named[len(temporary) :], None


def write_new(path: str, data: bytes) -> None:
    """Write a file that is not there yet. A link in its place is not followed.

    Raises:
        FileExistsError: it is there, or a link.
        OSError: the operating system refuses, with its own reason.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    for more in ("O_NOFOLLOW", "O_CLOEXEC", "O_BINARY"):
        flags |= getattr(os, more, 0)
    fd = os.open(path, flags, 0o666)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
    finally:
        os.close(fd)


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A temporary path to write to, which takes the place of `path` when the block has ended well.

    The folder is made where there is none, and swept of what killed runs left in it.

    Raises:
        OSError: the operating system refuses, with its own reason.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with written_whole(Path(folder, "report.json")) as temporary:
    ...         _ = temporary.write_text("{}")
    ...     os.listdir(folder)
    ['report.json']
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(str(path.parent))
    temporary = Path(temporary_in(str(path.parent)))
    write_new(str(temporary), b"")  # from here on it is no link of somebody else's
    try:
        yield temporary
        temporary.replace(path)
    except BaseException as err:
        with suppress(OSError):
            temporary.unlink()
        _name(err, str(temporary), str(path))
        raise


@contextmanager
def replaced_together(folder: Path, names: Sequence[str]) -> Iterator[Path]:
    """A new folder to make files and folders in, which take the places of those of `folder`.

    It is hidden in `folder`, which is there and is swept of what killed runs left in it. When the
    block has ended well, the old of these names go, that of the last name first, and the new come,
    that of the last name last: where it stands, it and all others were made together.

    Args:
        folder: where they belong; whatever else is in it stays.
        names: of what is made; one that is not made any more only goes.

    Raises:
        OSError: the operating system refuses, with its own reason.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "index").write_text("old")
    ...     with replaced_together(Path(folder), ["pages", "index"]) as new:
    ...         (new / "pages").mkdir()
    ...         _ = (new / "index").write_text("new")
    ...     sorted(os.listdir(folder)), Path(folder, "index").read_text()
    (['index', 'pages'], 'new')
    """
    sweep(str(folder))
    hidden = Path(temporary_in(str(folder)))
    new, old = hidden / "new", hidden / "old"
    try:
        for made in (hidden, new, old):
            made.mkdir()
        yield new
        with stops_wait():
            for name in reversed(names):
                with suppress(FileNotFoundError):
                    (folder / name).rename(old / name)
            for name in names:
                with suppress(FileNotFoundError):
                    (new / name).rename(folder / name)
    except OSError as err:
        _name(err, str(new), str(folder))
        raise
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def check_writable(path: Path) -> None:
    """See whether `path` could be written. Its folder is made, nothing else is left there.

    Raises:
        OSError: it could not, with the operating system's reason.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        path.lstat()  # fails for a name that no file can have
    temporary = temporary_in(str(path.parent))
    write_new(temporary, b"")
    os.unlink(temporary)


def claim_folder(folder: Path, marker: str) -> bool:
    """Make `folder` this program's own, by an empty file named `marker`; says whether it is.

    A folder that somebody else's files are in is not taken: it stays as it is. A link is no marker.

    Raises:
        OSError: the operating system refuses, with its own reason.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / marker
    if not any(folder.iterdir()):
        with suppress(FileExistsError):
            write_new(str(path), b"")
    return path.is_file() and not path.is_symlink()
