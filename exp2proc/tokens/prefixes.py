"""What stands before a prompt when it is tokenized.

The traces of the published experiment have a space there, those that its public package has written
since May 2026 have nothing. Which of them a run was made with its lengths often tell, a single row
never does: it is an option, not a guess.
"""

from __future__ import annotations

from typing import Final

PREFIXES: Final = {"space": " ", "none": ""}
DEFAULT_PREFIX: Final = "space"

MEANING: Final = {"space": "with a leading space", "none": "without the leading space"}
"""How prompts are tokenized under each, for messages."""


def other_prefix(prefix: str) -> str:
    """The one that it is if it is not this.

    >>> other_prefix("space")
    'none'
    """
    return next(name for name in PREFIXES if name != prefix)
