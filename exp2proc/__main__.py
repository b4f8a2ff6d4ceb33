"""`python -m exp2proc`."""

import os
import sys


def _leave_working_directory() -> None:
    """Do not look for modules in the working directory, where `python -m` looks first.

    A `queue.py` of the user's would be taken for Python's own. The folder stays where this package
    itself was found in it.
    """
    home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    try:
        if not getattr(sys.flags, "safe_path", False) and sys.path[0] == os.getcwd() != home:
            del sys.path[0]
    except OSError:  # it has been removed
        pass


_leave_working_directory()

from .cli import main  # noqa: E402

sys.exit(main())
