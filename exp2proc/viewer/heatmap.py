"""Tokens as a heatmap in HTML: the one place that draws them, for the gallery and for notebooks.

Markup comes from templates that escape whatever a text holds; colours are classes, so that a page
needs no inline style and can forbid it.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..formats.layouts import SCORES
from ..formats.names import UNKNOWN, printable
from ..formats.sample import Sample
from ..formats.shares import PARTS, Part
from .heat import STEPS, Scale, Shaded, stretches

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
    found: list[Section] = []
    for part, first, last, cells in stretches(sample, hop, scale):
        chunks = list(_chunks([_draw(one, titles) for one in cells]))
        found.append(Section(part, first, last, chunks))
    return found


def _draw(shaded: Shaded, title: bool) -> Drawn:
    cell, level, value = shaded
    text = cell.text
    more: Sequence[str] = ()
    if not text.isprintable():
        text, *more = visible(text).split("\n")
    note = f"{cell.start}: {value:.4g}" if title else ""
    return Drawn(_SHADES[level + STEPS], cell.stop - cell.start, text, more, note)


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
        loader=jinja2.PackageLoader("exp2proc.viewer"),
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


class Fact(NamedTuple):
    """What is said of a sample above its tokens.

    Attributes:
        name: of a score, with its direction, or of a part.
        value: as text.
    """

    name: str
    value: str


def facts(sample: Sample, hop: int | None = None) -> list[Fact]:
    """The scores of a sample, and the share of each part of it in the attribution.

    Raises:
        IndexError: there is no such hop.
    """
    found = [
        Fact(f"{score.label} {score.arrow}", number(sample.scores[score.key]))
        for score in SCORES.values()
    ]
    shares = sample.shares(hop)
    parts = [part for part in PARTS if part != "rest" or shares[part] > 0]
    return found + [Fact(TITLES[part], percent(shares[part])) for part in parts]


def coloured_by(hop: int | None) -> str:
    """What the colours stand for."""
    return "attr" if hop is None else f"hop {hop}"


def page_html(sample: Sample, name: str, *, hop: int | None = None, scale: Scale = "linear") -> str:
    """A heatmap as a page of its own: no script, no other file, and no right to have any.

    Args:
        sample: of either layout.
        name: its title.
        hop: colour by this hop instead of `attr`.
        scale: of the colours.

    Raises:
        IndexError: there is no such hop.
    """
    style = render("page.css")
    return render(
        "page.html",
        name=printable(name),
        style=style,
        style_hash=b64encode(sha256(style.encode()).digest()).decode(),
        sections=sections(sample, hop=hop, scale=scale, titles=True),
        facts=facts(sample, hop),
        coloured_by=coloured_by(hop),
        scale=scale,
    )


def notebook_html(sample: Sample, *, hop: int | None = None, scale: Scale = "linear") -> str:
    """A heatmap that stands alone, for a notebook: style, facts, tokens. No script.

    Raises:
        IndexError: there is no such hop.
    """
    return render(
        "notebook.html",
        name=None if sample.source is None else printable(sample.source.short_name),
        sections=sections(sample, hop=hop, scale=scale, titles=True),
        facts=facts(sample, hop),
        coloured_by=coloured_by(hop),
    )
