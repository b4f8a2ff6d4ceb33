"""Tokens as a heatmap in HTML: the one place that draws them, for the gallery and for notebooks.

Markup comes from templates that escape whatever a text holds; colours are classes, so that a page
needs no inline style and can forbid it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..formats.layouts import SCORES
from ..formats.names import UNKNOWN
from ..formats.sample import Sample
from ..formats.shares import PARTS, Part, part_numbers
from .cells import Cell, sample_cells
from .heat import STEPS, Scale, cell_scores, levels

if TYPE_CHECKING:
    import jinja2

TITLES: Final[dict[Part, str]] = {"in": "Input", "cot": "CoT", "out": "Output", "rest": "Rest"}

# A chunk is a block that the browser lays out only when it comes into view. It ends at the first
# line break once it has so many cells: without one it would break the line itself.
_CHUNK: Final = 120


class Drawn(NamedTuple):
    """One cell, ready for the template.

    Attributes:
        shade: its colour class, "" for none.
        tokens: how many tokens it stands for.
        text: what it shows, up to its first line break.
        more: the lines after that.
        title: index and score as text, "" for none.
    """

    shade: str
    tokens: int
    text: str
    more: Sequence[str]
    title: str


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of tokens of one part.

    Attributes:
        part: input, CoT, output or rest.
        first, last: its tokens, a closed range.
        chunks: its cells.
    """

    part: Part
    first: int
    last: int
    chunks: list[list[Drawn]]


_SHADES: Final = (
    *(f"n{level}" for level in range(STEPS, 0, -1)),
    "",
    *(f"p{level}" for level in range(1, STEPS + 1)),
)
"""The colour class of each level, by level + STEPS."""

# What would be invisible or could turn the text around it: controls, embeddings and overrides of
# direction, lone surrogates. Marks of direction (U+200E, U+200F) belong to honest texts.
_UNSEEN: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    """Text with its controls shown as symbols; line breaks stay."""
    return _UNSEEN.sub(_symbol, text)


def _symbol(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code == 9:
        return "→\t"
    if code < 32:
        return chr(0x2400 + code)
    return "␡" if code == 127 else f"⟨U+{code:04X}⟩"


def sections(
    sample: Sample, *, hop: int | None = None, scale: Scale = "linear", titles: bool = False
) -> list[Section]:
    """What to draw of a sample.

    Args:
        sample: of either layout.
        hop: colour by this hop instead of `attr`.
        scale: of the colours.
        titles: whether each cell tells its index and score when it is pointed at.

    Raises:
        IndexError: there is no such hop.
    """
    scores = sample.scores_of(hop)
    cells = sample_cells(sample)
    values = cell_scores(scores, cells)
    shade = [_SHADES[level + STEPS] for level in levels(values, scale).tolist()]
    notes = [""] * len(cells)
    if titles:
        notes = [f"{c.start}: {v:.4g}" for c, v in zip(cells, values.tolist(), strict=True)]
    drawn = [_draw(*both) for both in zip(cells, shade, notes, strict=True)]
    numbers = part_numbers(len(scores), sample.spans)
    found: list[Section] = []
    pairs = zip(cells, drawn, strict=True)
    for number, stretch in groupby(pairs, key=lambda pair: int(numbers[pair[0].start])):
        inside = list(stretch)
        first, last = inside[0][0].start, inside[-1][0].stop - 1
        chunks = list(_chunks([cell for _, cell in inside]))
        found.append(Section(PARTS[number], first, last, chunks))
    return found


def _draw(cell: Cell, shade: str, title: str) -> Drawn:
    text = cell.text
    more: Sequence[str] = ()
    if not text.isprintable():
        text, *more = visible(text).split("\n")
    return Drawn(shade, cell.stop - cell.start, text, more, title)


def _chunks(cells: Sequence[Drawn]) -> Iterator[list[Drawn]]:
    chunk: list[Drawn] = []
    for cell in cells:
        chunk.append(cell)
        ends_line = bool(cell.more) and not cell.more[-1]
        if ends_line and len(chunk) >= _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


@lru_cache(maxsize=1)
def environment() -> jinja2.Environment:
    """The templates, escaping everything that is not markup of their own."""
    import jinja2

    env = jinja2.Environment(
        loader=jinja2.PackageLoader("exp2proc.gallery"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    env.globals.update(
        UNKNOWN=UNKNOWN, TITLES=TITLES, PARTS=PARTS, STEPS=STEPS, SCORES=[*SCORES.values()]
    )
    env.filters["percent"] = percent
    env.filters["number"] = number
    return env


def percent(share: float) -> str:
    """A share as text, "–" when it is NaN."""
    return "–" if share != share else f"{100 * share:.1f} %"


def number(value: float | None) -> str:
    """A score as text, "–" when it is absent."""
    return "–" if value is None or value != value else f"{value:.3f}"


def render(template: str, **values: Any) -> str:
    """One template as text."""
    return environment().get_template(template).render(**values)


def notebook_html(sample: Sample, *, hop: int | None = None, scale: Scale = "linear") -> str:
    """A heatmap that stands alone, for a notebook: style, facts, tokens. No script.

    Raises:
        IndexError: there is no such hop.
    """
    return render(
        "notebook.html",
        sample=sample,
        sections=sections(sample, hop=hop, scale=scale, titles=True),
        shares=sample.shares(hop),
        hop=hop,
    )
