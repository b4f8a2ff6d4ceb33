r"""Tokens as TeX: a \colorbox for each cell, for papers. Needs the package xcolor alone.

A snippet for \input. Spaces and line breaks of the text stay what they are; TeX breaks long lines.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ..formats.names import printable
from ..formats.shares import Part
from .heat import Scale, Shaded, colour, stretches
from .heatmap import TITLES, coloured_by, facts

if TYPE_CHECKING:
    from ..formats.sample import Sample

_ESCAPED: Final = {
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "-": "-{}",  # two of them would be a dash
    "`": "`{}",  # ?` and !` would be Spanish
    "'": "'{}",
    "\t": r"$\to$\ \ \ ",
    " ": r"\ ",
}
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"})
"""Categories that no font has: their code is shown."""
_JOINER: Final = "\u200d"


def tex_text(text: str) -> str:
    r"""A text without line breaks as TeX.

    >>> print(tex_text("50% of_$x^2$--"))
    50\%\ of\_\$x\textasciicircum{}2\$-{}-{}
    """
    return "".join(map(_char, text))


def _char(char: str) -> str:
    if char in _ESCAPED:
        return _ESCAPED[char]
    if char != _JOINER and unicodedata.category(char) in _UNSEEN:
        return f"<U+{ord(char):04X}>"
    return char


def tex(sample: Sample, name: str, *, hop: int | None = None, scale: Scale = "linear") -> str:
    """A heatmap as a TeX snippet.

    Args:
        sample: of either layout.
        name: told in a comment.
        hop: colour by this hop instead of `attr`.
        scale: of the colours.

    Raises:
        IndexError: there is no such hop.
    """
    found = stretches(sample, hop, scale)
    body = [line for stretch in found for line in _stretch(*stretch)]
    levels = sorted({one.level for stretch in found for one in stretch.cells if one.level})
    said = ", ".join(f"{fact.name} {fact.value}" for fact in facts(sample, hop))
    for sign, plain in (("↓", "(lower is better)"), ("↑", "(higher is better)"), ("–", "absent")):
        said = said.replace(sign, plain)
    shown = printable(name).encode("ascii", "backslashreplace").decode()
    return "\n".join(
        [
            f"% exp2proc show: {shown}",
            f"% {coloured_by(hop)}, {said}, {scale} scale",
            r"% Use: \usepackage{xcolor} in the preamble, \input{this file} in the text.",
            *_engine("\n".join(body)),
            r"\begingroup",
            r"\setlength{\fboxsep}{1pt}\setlength{\parindent}{0pt}\setlength{\parskip}{0pt}%",
            r"\raggedright\sloppy\ttfamily",
            r"\def\exptwoproc#1#2{\colorbox{exp2proc#1}{\strut#2}}%",
            *map(_definition, levels),
            *body,
            r"\endgroup",
            "",
        ]
    )


def _definition(level: int) -> str:
    return rf"\definecolor{{exp2proc{_name(level)}}}{{HTML}}{{{colour(level)[1:].upper()}}}%"


def _name(level: int) -> str:
    return f"p{level}" if level > 0 else f"n{-level}"


def _engine(body: str) -> Iterator[str]:
    if body.isascii():
        yield "% Engine: any (pdflatex, xelatex, lualatex)."
        return
    yield "% Engine: xelatex or lualatex, as more than ASCII is in it, and a font with it, as"
    yield r"% \usepackage{fontspec}\setmonofont{Noto Sans Mono CJK SC}; or xeCJK, \setCJKmonofont."


def _stretch(part: Part, first: int, last: int, cells: list[Shaded]) -> Iterator[str]:
    yield rf"\par\medskip\textbf{{{TITLES[part]}}} {{\small tokens {first}-{last}}}\par\smallskip"
    yield r"\leavevmode\strut%"
    for cell, level, _ in cells:
        for line in re.split("(\n)", cell.text):
            if line == "\n":
                yield _cell(r"{\tiny$\hookleftarrow$}", level) + "%"
                yield r"\par\leavevmode\strut%"
            elif line:
                yield from _spaced(line, level)
        if not cell.text:
            yield _cell(r"{\tiny$\emptyset$}", level) + "%"
    yield r"\par"


def _spaced(text: str, level: int) -> Iterator[str]:
    """A cell, with its leading spaces outside of the box: there lines may be broken."""
    bare = text.lstrip(" ")
    ahead = r"\ " * (len(text) - len(bare))
    if not bare:
        yield _cell(ahead, level) + r"\allowbreak%"
        return
    if ahead:
        yield ahead + "%"
    wide = unicodedata.east_asian_width(bare[-1]) in "WF"
    yield _cell(tex_text(bare), level) + (r"\allowbreak%" if wide else "%")


def _cell(text: str, level: int) -> str:
    return rf"\exptwoproc{{{_name(level)}}}{{{text}}}" if level else text
