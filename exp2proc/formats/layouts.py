"""What a sample holds: one table of layouts, one of scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple


@dataclass(frozen=True, slots=True)
class Score:
    """One of the scores that a sample carries.

    Attributes:
        key: of the sample format.
        label: as papers print it.
        higher_is_better: its direction.
    """

    key: str
    label: str
    higher_is_better: bool

    @property
    def arrow(self) -> str:
        """The direction as a sign."""
        return "↑" if self.higher_is_better else "↓"


SCORES: Final = (
    Score("rise", "RISE", higher_is_better=False),
    Score("mas", "MAS", higher_is_better=False),
    Score("recovery", "Recovery@10%", higher_is_better=True),
)


DIRECTIONS: Final = "RISE and MAS: lower is better; Recovery@10%: higher is better"


class Layout(NamedTuple):
    """One form of sample files: its name, and where outputs go when nothing else is said."""

    name: str
    default_root: str


LAYOUTS: Final = {
    layout.name: layout
    for layout in (Layout("proc", "exp/proc/output"), Layout("proc_1", "exp/proc_1/output"))
}
