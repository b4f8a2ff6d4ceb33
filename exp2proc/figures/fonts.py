"""Which installed fonts have the glyphs that a figure needs. Imports matplotlib."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final, NamedTuple

SANS: Final = "DejaVu Sans"
MONO: Final = "DejaVu Sans Mono"
"""matplotlib brings both along."""

_PREFERRED: Final = (
    *("Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "WenQuanYi Micro Hei"),
    *("WenQuanYi Zen Hei", "PingFang SC", "Hiragino Sans GB", "Microsoft YaHei", "SimHei"),
    *("Droid Sans Fallback", "Noto Sans CJK JP", "Noto Sans", "Arial Unicode MS"),
)
_USELESS: Final = ("Emoji", "Last Resort", "LastResort", "Unifont Upper")
"""Fonts of pictures, which cannot be drawn, or of boxes."""
_REGULAR: Final = (350, 550)


class Fonts(NamedTuple):
    """Fonts for some text.

    Attributes:
        families: in the order in which they are asked for a glyph; the first is SANS or MONO.
        plain: characters that the first of them has.
        outlined: characters to draw as shapes: a PDF can embed their font only under a type that it
            is not (matplotlib writes CFF as TrueType), which some printers refuse.
        missing: characters that no font has; they are drawn as boxes.
    """

    families: tuple[str, ...]
    plain: frozenset[str]
    outlined: frozenset[str]
    missing: str


def choose(text: str, first: str = SANS) -> Fonts:
    """Fonts for a text: the first that has a glyph, in an order that depends on names only."""
    from matplotlib.font_manager import fontManager

    wanted = {char for char in text if unicodedata.category(char) not in ("Cc", "Cf", "Mn", "Cs")}
    path = fontManager.findfont(first, fallback_to_default=False)
    plain = wanted & _glyphs_of(path)
    left, families, outlined = wanted - plain, [first], set[str]()
    for entry in _others() if left else ():
        with suppress(OSError, RuntimeError):  # it was removed since the list was made
            if found := left & _glyphs_of(entry.fname):
                families.append(entry.name)
                outlined |= found if not _is_truetype(entry.fname) else set()
                left -= found
        if not left:
            break
    return Fonts(tuple(families), frozenset(plain), frozenset(outlined), "".join(sorted(left)))


def _others() -> Iterator[Any]:
    """The installed fonts, one of each name, upright, of regular weight; preferred ones first."""
    from matplotlib.font_manager import fontManager

    by_name: dict[str, Any] = {}
    for entry in sorted(fontManager.ttflist, key=lambda one: (one.name, one.fname)):
        upright = entry.style == "normal" and entry.stretch in ("normal", 400)
        regular = isinstance(entry.weight, int) and _REGULAR[0] < entry.weight < _REGULAR[1]
        if upright and regular and not any(word in entry.name for word in _USELESS):
            by_name.setdefault(entry.name, entry)
    for name in _PREFERRED:
        if name in by_name:
            yield by_name.pop(name)
    yield from by_name.values()


def _glyphs_of(path: str) -> set[str]:
    from matplotlib.ft2font import FT2Font

    return set(map(chr, FT2Font(path).get_charmap()))


def _is_truetype(path: str) -> bool:
    """Whether a font, or the first of a collection, has TrueType outlines."""
    with open(path, "rb") as stream:
        tag = stream.read(4)
        if tag == b"ttcf":
            stream.seek(12)
            stream.seek(int.from_bytes(stream.read(4), "big"))
            tag = stream.read(4)
    return tag in (b"\0\1\0\0", b"true")
