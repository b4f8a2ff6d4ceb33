"""Tokens as a picture: text in lines, a coloured rectangle behind each cell. No font, no script.

Fonts are named, not embedded, and differ from reader to reader; so the text of each cell is fitted
to its rectangle, whose width is counted in columns: East Asian wide characters and emoji take two.
Lines run from left to right, also those of scripts that do not.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

from ..formats.names import printable
from ..formats.shares import Part
from .heat import Scale, Shaded, colour, stretches
from .heatmap import TITLES, coloured_by, facts, visible

if TYPE_CHECKING:
    from ..formats.sample import Sample

COLUMNS: Final = 100
_SIZE: Final = 14
_COLUMN: Final = 8.4  # of a monospace font of that size
_LINE: Final = 21
_MARGIN: Final = 24
_FONTS: Final = (
    "'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', 'Noto Sans Mono', 'Noto Sans CJK SC',"
    " 'PingFang SC', 'Microsoft YaHei', 'Noto Color Emoji', 'Apple Color Emoji',"
    " 'Segoe UI Emoji', monospace"
)
_INK: Final = "#1f1d1a"
_SOFT: Final = "#6d675f"
_COLOURS: Final[dict[Part, str]] = {
    "in": "#0b78b8",
    "cot": "#7b46d8",
    "out": "#0b8a5f",
    "rest": "#8a8378",
}
_BREAK: Final = "↵"
_EMPTY: Final = "∅"
_CLOSING: Final = "，。、；：？！）》」』】〉”’…—,.;:?!)%"
"""No line begins with these."""
_NOT_XML: Final = re.compile("[\ufffe\uffff]")


class Glyph(NamedTuple):
    """One character of a line.

    Attributes:
        char: it.
        width: its columns.
        owner: number of the cell it is of; cells without colour have one number together.
    """

    char: str
    width: int
    owner: int


def column_width(char: str, before: str) -> int:
    r"""The columns of a character: 2 where it is wide, 0 where it joins what is before it.

    >>> [column_width(char, "x") for char in ("a", "游", "\u0301", "🍎")]
    [1, 2, 0, 2]
    """
    if char == "\ufe0f":  # makes an emoji of what is before it
        return 2 - column_width(before, "") if before else 0
    if unicodedata.category(char) in ("Mn", "Me", "Cf") or "\u1160" <= char <= "\u11ff":
        return 0
    if before == "\u200d" or "\U0001f3fb" <= char <= "\U0001f3ff":
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def svg(
    sample: Sample,
    name: str,
    *,
    hop: int | None = None,
    scale: Scale = "linear",
    columns: int = COLUMNS,
) -> str:
    """A heatmap as an SVG picture on white paper.

    Args:
        sample: of either layout.
        name: its title.
        hop: colour by this hop instead of `attr`.
        scale: of the colours.
        columns: of a line, at least 20.

    Raises:
        IndexError: there is no such hop.
    """
    name = printable(name)
    said = " · ".join(f"{fact.name} {fact.value}" for fact in facts(sample, hop))
    about = f"{coloured_by(hop)} · {said} · {scale} scale"
    body: list[str] = []
    y = _MARGIN
    for line in _plain(name, columns):
        body.append(_text(line, 0, y, f' font-weight="bold" fill="{_INK}"'))
        y += _LINE
    for line in _plain(about, columns):
        body.append(_text(line, 0, y, f' fill="{_SOFT}"'))
        y += _LINE
    for part, first, last, cells in stretches(sample, hop, scale):
        y += _LINE // 2
        title = f"{TITLES[part]}: tokens {first}–{last}"
        body.append(_text(title, 0, y, f' fill="{_COLOURS[part]}"'))
        y += _LINE
        for glyphs in wrapped(glyphs_of(cells), columns):
            body += _line(glyphs, cells, y)
            y += _LINE
    width, height = round(columns * _COLUMN + 2 * _MARGIN), y + _MARGIN
    root = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}" font-family="{_FONTS}" font-size="{_SIZE}"'
        ' xml:space="preserve">'
    )
    return "\n".join(
        [
            root,
            "<!-- exp2proc show -->",
            f"<title>{_escaped(name)}</title>",
            '<rect width="100%" height="100%" fill="#ffffff"/>',
            *body,
            "</svg>\n",
        ]
    )


def wrapped(glyphs: Iterable[Glyph], columns: int) -> Iterator[list[Glyph]]:
    """Lines of at most so many columns, ended by line breaks, else behind spaces or wide glyphs."""
    line: list[Glyph] = []
    used = end = 0  # `end`: how many glyphs the line keeps if it must end
    for glyph in glyphs:
        if glyph.char == "\n":
            yield line
            line, used, end = [], 0, 0
            continue
        wide = glyph.width == 2 or (bool(line) and line[-1].width == 2)
        if line and glyph.width and glyph.char not in _CLOSING and (wide or line[-1].char == " "):
            end = len(line)
        if line and used + glyph.width > columns:
            end = end or len(line)
            yield line[:end]
            line = line[end:]
            used, end = sum(one.width for one in line), 0
        line.append(glyph)
        used += glyph.width
    if line:
        yield line


def glyphs_of(cells: Sequence[Shaded]) -> Iterator[Glyph]:
    """The characters of cells; what joins the one before it is drawn with that, in its colour."""
    before, owner = "", -1
    for number, (cell, level, _) in enumerate(cells):
        text = visible(cell.text).replace("\t", "   ").replace("\n", f"{_BREAK}\n") or _EMPTY
        for char in _NOT_XML.sub("\ufffd", text):
            width = column_width(char, before)
            owner = owner if before and not width else number if level else -1
            yield Glyph(char, width, owner)
            before = "" if char == "\n" else char


def _line(glyphs: Sequence[Glyph], cells: Sequence[Shaded], y: float) -> Iterator[str]:
    column = 0
    for owner, some in groupby(glyphs, key=lambda glyph: glyph.owner):
        run = list(some)
        width = sum(glyph.width for glyph in run)
        if owner >= 0:
            yield (
                f'<rect x="{_x(column)}" y="{y}" width="{width * _COLUMN:.1f}"'
                f' height="{_LINE - 2}" rx="2" fill="{colour(cells[owner].level)}"/>'
            )
        text = "".join(glyph.char for glyph in run)
        if drawn := text.strip(" "):
            ahead = len(text) - len(text.lstrip(" "))
            fit = width - (len(text) - len(drawn))
            yield _text(drawn, column + ahead, y, f' fill="{_INK}"', fit)
        column += width


def _plain(text: str, columns: int) -> list[str]:
    return textwrap.wrap(text, columns, break_on_hyphens=False) or [""]


def _text(text: str, column: int, y: float, more: str, fit: int = 0) -> str:
    if fit:
        more += f' textLength="{fit * _COLUMN:.1f}" lengthAdjust="spacingAndGlyphs"'
    return f'<text x="{_x(column)}" y="{y + 15}"{more}>{_escaped(text)}</text>'


def _x(column: int) -> str:
    return f"{_MARGIN + column * _COLUMN:.1f}"


def _escaped(text: str) -> str:
    return escape(text, quote=False)
