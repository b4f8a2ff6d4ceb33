"""What `convert` tells, and where: on screen, and as JSON in a file, whole or not at all."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from attrs import field, frozen

from ..options import option, optional_path

_GROUP: Final = "report"


@frozen(kw_only=True)
class Telling:
    """The options that say what is told, where: of the command line only."""

    report: Path | None = field(
        default=None,
        converter=optional_path,
        metadata=option("write the JSON report to a file", group=_GROUP, metavar="FILE.json"),
    )
    json: bool = field(
        default=False,
        metadata=option("print the JSON report on stdout, and nothing else", group=_GROUP),
    )
    quiet: bool = field(
        default=False, metadata=option("no progress, no summary of success", group=_GROUP)
    )
    verbose: bool = field(
        default=False, metadata=option("tracebacks of internal errors", group=_GROUP)
    )


def unwritable(path: Path) -> str | None:
    """Why a report could not be written to `path`, or None. Nothing is left there."""
    if os.path.isdir(path):
        return f"the report {path}: it is a folder"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _beside(path)
        temporary.touch()
        temporary.unlink()
    except OSError as err:
        return f"the report {path}: {err.strerror or err}"
    return None


def write_report(path: Path, data: dict[str, Any]) -> bool:
    """Write a report; False, with a line on stderr, when the operating system refuses."""
    from ..formats.names import printable

    temporary = _beside(path)
    try:
        temporary.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as err:
        with suppress(OSError):
            temporary.unlink()
        print(printable(f"exp2proc: the report {path}: {err.strerror or err}"), file=sys.stderr)
        return False
    return True


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}")
