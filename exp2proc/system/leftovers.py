"""What killed runs left behind: temporary files and folders, told from those that are in use.

A temporary name says which process on which machine made it. What a process that is no more has
left is removed by whoever comes next to the folder.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import time
from contextlib import suppress
from typing import Final

_SUFFIX: Final = ".exp2proc-tmp"
_TEMPORARY: Final = re.compile(r"\.([0-9a-f]{8})-(\d+)-\d+" + re.escape(_SUFFIX))
_OLD: Final = 3600.0
"""Seconds after which a temporary file counts as left behind whoever wrote it: another machine's
processes cannot be seen, and a process number of this one may have been given anew."""


def _machine() -> str:
    """Names the machine and its process namespace: process numbers mean nothing outside it."""
    try:
        namespace = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        namespace = 0
    return hashlib.blake2b(
        f"{socket.gethostname()} {namespace}".encode(), digest_size=4
    ).hexdigest()


MACHINE: Final = _machine()
"""Names this machine, where process numbers mean what they say."""

SCRATCH_PREFIX: Final = f"exp2proc-{MACHINE}-"


def temporary_in(folder: str) -> str:
    """A new temporary name in `folder`, of this process, that nobody can guess."""
    number = int.from_bytes(os.urandom(8), "big")
    return f"{folder}/.{MACHINE}-{os.getpid()}-{number}{_SUFFIX}"


def is_temporary(name: str) -> bool:
    """Whether a file or folder is called as `temporary_in` calls them.

    >>> is_temporary(".0123abcd-7-1.exp2proc-tmp"), is_temporary(".notes")
    (True, False)
    """
    return _TEMPORARY.fullmatch(name) is not None


def sweep(folder: str) -> int:
    """Remove the temporary files and folders that killed runs left in `folder`; returns how many.

    Those of living processes stay, and whatever else is there.
    """
    removed = 0
    try:
        names = [entry.name for entry in os.scandir(folder) if entry.name.endswith(_SUFFIX)]
    except OSError:
        return 0
    for name in names:
        match = _TEMPORARY.fullmatch(name)
        path = os.path.join(folder, name)
        if match and _is_left_behind(path, match[1], int(match[2])):
            with suppress(OSError):
                if os.path.isdir(path) and not os.path.islink(path):
                    shutil.rmtree(path)
                else:
                    os.unlink(path)
                removed += 1
    return removed


def _is_left_behind(path: str, machine: str, pid: int) -> bool:
    if machine == MACHINE and not is_alive(pid):
        return True
    try:
        return time.time() - _last_change(path) > _OLD
    except OSError:
        return False


def _last_change(path: str) -> float:
    """Of a file; of a folder that of all folders in it: files come into them while it is made."""
    below = (folder for folder, _, _ in os.walk(path))
    return max(os.stat(one, follow_symlinks=False).st_mtime for one in (path, *below))


def is_alive(pid: int) -> bool:
    """Whether a process of this machine is running (a zombie is not)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            return stream.read().rpartition(b")")[2].split()[:1] != [b"Z"]
    except OSError:
        return True


def sweep_scratch(root: str) -> None:
    """Remove the scratch folders below `root` whose process on this machine is no more."""
    with suppress(OSError):
        for entry in os.scandir(root):
            pid = entry.name.removeprefix(SCRATCH_PREFIX).partition("-")[0]
            if entry.name.startswith(SCRATCH_PREFIX) and pid.isdigit() and not is_alive(int(pid)):
                shutil.rmtree(entry.path, ignore_errors=True)
