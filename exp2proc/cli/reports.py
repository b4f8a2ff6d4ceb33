"""What `convert` tells, and where: on screen, and as JSON in a file, whole or not at all."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any, Final

from attrs import field, frozen

from ..errors import PlanError
from ..options import option, optional_path
from ..system.atomic_write import check_writable, written_whole

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
        check_writable(path)
    except OSError as err:
        return f"the report {path}: {err.strerror or err}"
    return None


def write_report(path: Path, data: dict[str, Any]) -> bool:
    """Write a report; False, with a line on stderr, when the operating system refuses."""
    from ..formats.names import printable

    try:
        with written_whole(path) as temporary:
            temporary.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    except OSError as err:
        print(printable(f"exp2proc: the report {path}: {err.strerror or err}"), file=sys.stderr)
        return False
    return True


def refuse(err: PlanError, args: argparse.Namespace) -> int:
    """Say everything that keeps a run from starting; exit code 2."""
    data = {"exit_code": 2, "problems": [problem.to_dict() for problem in err.problems]}
    report = getattr(args, "report", None)  # check has none
    if report is not None and unwritable(report) is None:
        write_report(report, data)
    if args.json:
        print(json.dumps(data, indent=2))
    else:
        from ..terminal.errors import print_problems

        print_problems(err.problems)
    return 2
