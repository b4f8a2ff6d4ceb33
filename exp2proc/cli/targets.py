"""The kinds of files that commands are told to write."""

from __future__ import annotations

import json
from typing import BinaryIO

from ..system.targets import Kind as Kind
from ..system.targets import check_target as check_target


def _is_report(stream: BinaryIO) -> bool:
    try:
        found = json.load(stream)
    except (ValueError, RecursionError):
        return False
    return (
        isinstance(found, dict) and "exit_code" in found and bool({"counts", "problems"} & {*found})
    )


REPORT = Kind("report of exp2proc", _is_report)
PAGE = Kind("page of exp2proc", lambda stream: b'content="exp2proc"' in stream.read(1 << 12))
