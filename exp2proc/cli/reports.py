"""What `convert` tells, and where: on screen, and as JSON in a file, whole or not at all."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

from attrs import field, frozen

from ..errors import Exp2procError
from ..options import option, optional_path
from ..system.atomic_write import check_writable, written_whole
from .targets import REPORT, check_target

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


def check_report(path: Path) -> None:
    """See whether a report could be written to `path`. Nothing is left there.

    Raises:
        Exp2procError: `target-exists`; `usage` when the operating system refuses.
    """
    check_target(path, REPORT)
    try:
        check_writable(path)
    except OSError as err:
        raise Exp2procError("usage", f"the report {path}: {err.strerror or err}") from None


def write_report(path: Path, data: dict[str, Any]) -> bool:
    """Write a report; False, with a line on stderr, where that cannot be."""
    from ..formats.names import printable

    try:
        check_target(path, REPORT)  # this run may have written a sample there
        with written_whole(path) as temporary:
            temporary.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    except Exp2procError as err:
        why = err.message
    except OSError as err:
        why = f"{path}: {err.strerror or err}"
    else:
        return True
    print(printable(f"exp2proc: the report was not written: {why}"), file=sys.stderr)
    return False
