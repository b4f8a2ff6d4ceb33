"""Optional libraries: imported where they are used, and missed with the name of their extra."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any, Final

from ..errors import Exp2procError


def require(module: str, extra: str, *, option: str = "") -> Any:
    """Import an optional module.

    Args:
        module: its dotted name.
        extra: the extra of this package that installs it.
        option: the option that asks for it, where one does; named in the message.

    Raises:
        Exp2procError: `missing-extra`, with the command that installs it.

    >>> require("no_such_library.parts", "parquet")
    Traceback (most recent call last):
        ...
    exp2proc.errors.Exp2procError: missing-extra: this needs no_such_library, which does not \
import (No module named 'no_such_library')
    """
    try:
        return import_module(module)
    except ImportError as err:
        command = f"pip install 'exp2proc[{extra}]'"
        if option:
            what, hint = f"{option} needs the extra {extra!r} ({err})", f"Install it: {command}."
        else:
            package = module.partition(".")[0]
            what = f"this needs {package}, which does not import ({err})"
            hint = f"Install it with: {command}"
        raise Exp2procError("missing-extra", what, hint) from None


_NAME: Final = re.compile(r"[\w.-]+")
_EXTRA: Final = re.compile(r"""extra == ['"]([\w.-]+)['"]""")


def packages() -> dict[str, dict[str, str]]:
    """The packages that this installation declares, by extra: name and version, "" where absent.

    Those that are always needed stand under "". Nothing is imported.

    >>> "numpy" in packages()[""]
    True
    """
    from importlib.metadata import PackageNotFoundError, requires, version

    def installed(name: str) -> str:
        try:
            return version(name)
        except PackageNotFoundError:
            return ""

    found: dict[str, dict[str, str]] = {"": {}}
    try:
        declared = requires("exp2proc") or []
    except PackageNotFoundError:  # run from a folder that was never installed
        return found
    for line in declared:
        name, extra = _NAME.match(line), _EXTRA.search(line)
        if name is not None:
            found.setdefault(extra[1] if extra else "", {})[name[0]] = installed(name[0])
    return found
