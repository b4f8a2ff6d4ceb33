"""Optional libraries: imported where they are used, and missed with the name of their extra."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ..errors import Exp2procError


def require(module: str, extra: str) -> Any:
    """Import an optional module.

    Raises:
        Exp2procError: `missing-extra`, with the command that installs it.
    """
    try:
        return import_module(module)
    except ImportError as err:
        package = module.partition(".")[0]
        raise Exp2procError(
            "missing-extra",
            f"this needs {package}, which does not import ({err})",
            f"Install it with: pip install 'exp2proc[{extra}]'",
        ) from None
