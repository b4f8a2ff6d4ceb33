"""One sample in the terminal: its tokens coloured by attribution, part by part, and the strongest.

Readable without colour: then the strongest tokens stand between marks in the text itself. With
colour the tokens stand on a ground of their own, so that the strongest are the brightest whatever
the terminal's background is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.style import Style
from rich.table import Table
from rich.text import Text

from ..formats.layouts import SCORES
from ..formats.names import counted, printable
from ..formats.sample import Sample
from ..formats.shares import PARTS, Part, both, part_numbers, strongest
from ..viewer.heat import STEPS, Scale, stretches

TITLES: Final[dict[Part, str]] = {"in": "input", "cot": "CoT", "out": "output", "rest": "rest"}
# Neither dark nor bright: to be seen on any background.
COLOURS: Final[dict[Part, str]] = {
    "in": "#1e88c8",
    "cot": "#8b5cf0",
    "out": "#0f9d68",
    "rest": "#8a8378",
}
NARROWEST: Final = 40
"""Columns that a sample needs."""

_MARKS: Final = ("«", "»")
_BAR: Final = 16
_SHARE_BAR: Final = 40
_SHARE_BAR_LEAST: Final = 12
_FILLS: Final[dict[Part, str]] = {"in": "█", "cot": "▓", "out": "▒", "rest": "░"}
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"

# Dark to bright, each with an ink that can be read on it; first what has no score.
GROUND: Final = ("#16181d", "#e8e4dc")
WARM: Final = (
    *(("#4a1a2c", "#ffffff"), ("#7a1f3d", "#ffffff"), ("#b53a2c", "#ffffff")),
    *(("#e0701b", "#000000"), ("#f5a623", "#000000"), ("#ffd95a", "#000000")),
)
COLD: Final = (
    *(("#1b2a52", "#ffffff"), ("#24479a", "#ffffff"), ("#3369c4", "#ffffff")),
    *(("#62a3f0", "#000000"), ("#93c6f7", "#000000"), ("#c4e3ff", "#000000")),
)


def _styles(ramp: tuple[tuple[str, str], ...]) -> tuple[Style, ...]:
    return tuple(Style(bgcolor=paper, color=ink) for paper, ink in (GROUND, *ramp))


_UP: Final = _styles(WARM)
_DOWN: Final = _styles(COLD)


def sample_view(
    sample: Sample,
    name: str,
    *,
    hop: int | None = None,
    top: int = 8,
    scale: Scale = "linear",
    colour: bool = True,
    width: int = 80,
) -> RenderableType:
    """What `exp2proc show` prints.

    Args:
        sample: of either layout.
        name: shown as its title.
        hop: show this hop instead of `attr`.
        top: how many of the strongest tokens, by |score|, to list for each part.
        scale: of the colours.
        colour: whether the console shows colours.
        width: the console's columns, from `NARROWEST`.

    Raises:
        IndexError: there is no such hop.
    """
    scores = sample.scores_of(hop)
    return Group(
        Text(printable(name), style="bold"),
        Text(_facts(sample)),
        Text(),
        *_share_lines(sample, hop, width),
        *_parts(sample, hop, top, scale, colour, width),
        Text(),
        *_legend(scores, colour),
    )


def _facts(sample: Sample) -> str:
    hops = 0 if sample.hop is None else len(sample.hop)
    tokens = counted(len(sample.attr), "token")
    facts = [f"{tokens}, {counted(hops, 'hop')}, layout {sample.layout}"]
    if count := both(sample.spans):
        are = "is" if count == 1 else "are"
        facts.append(f"{counted(count, 'token')} {are} of both CoT and output: shown as output")
    for score in SCORES.values():
        value = sample.scores[score.key]
        shown = f"{value:.3f}" if value == value else "absent"
        better = "higher" if score.higher_is_better else "lower"
        facts.append(f"{score.label} {shown} ({better} is better)")
    return "\n".join(facts)


def _share_lines(sample: Sample, chosen: int | None, width: int) -> Iterator[Text]:
    """Where the mass of attr and of each hop goes: a bar, its numbers beside it or below."""
    hops: list[int | None] = [None, *range(0 if sample.hop is None else len(sample.hop))]
    names = ["attr" if hop is None else f"hop {hop}" for hop in hops]
    shares = [sample.shares(hop) for hop in hops]
    numbers = [_share_numbers(found) for found in shares]
    before = 2 + max(map(len, names)) + 2
    beside = max(sum(one.cell_len + 2 for one in some) for some in numbers)
    bar = width - before - beside
    one_line = bar >= _SHARE_BAR_LEAST
    bar = min(_SHARE_BAR, bar if one_line else width - before)
    for hop, name, found, some in zip(hops, names, shares, numbers, strict=True):
        mark = "▸ " if hop == chosen else "  "
        line = Text((mark + name).ljust(before), no_wrap=True)
        if some:
            line.append_text(_share_bar(found, bar))
        if one_line:
            yield Text("  ").join([line, *some])
            continue
        yield line
        line = Text(" " * before, no_wrap=True)
        for at, one in enumerate(some):
            if at and line.cell_len + one.cell_len + 2 > width:
                yield line
                line = Text(" " * before, no_wrap=True)
            line.append_text(one).append("  ")
        yield from [line] if some else ()


def _share_bar(shares: dict[Part, float], width: int) -> Text:
    bar, end, before = Text(), 0.0, 0
    for part in PARTS:
        end += shares[part] * width
        bar.append(_FILLS[part] * (round(end) - before), style=COLOURS[part])
        before = round(end)
    return bar


def _share_numbers(shares: dict[Part, float]) -> list[Text]:
    """Each part with its share; none where there is no mass."""
    return [
        Text.assemble((_FILLS[part], COLOURS[part]), f" {TITLES[part]} {shares[part]:.1%}")
        for part in PARTS
        if (shares[part] > 0 if part == "rest" else shares[part] == shares[part])
    ]


def _parts(
    sample: Sample, hop: int | None, top: int, scale: Scale, colour: bool, width: int
) -> Iterator[RenderableType]:
    """Each stretch of tokens of one part; after a part's first stretch its strongest tokens."""
    scores = sample.scores_of(hop)
    numbers = part_numbers(len(scores), sample.spans)
    # Of the tokens that are drawn in the part.
    listed = {
        part: strongest(scores, numbers == number, top) for number, part in enumerate(PARTS[:3])
    }
    marked = {at for found in listed.values() for at, _ in found}
    sizes = [abs(score) for found in listed.values() for _, score in found]
    highest = max(filter(math.isfinite, sizes), default=1.0)
    for part, first, last, cells in stretches(sample, hop, scale):
        line = Text(style=_UP[0] if colour else "")
        for cell, level, _ in cells:
            text = _visible(cell.text)
            if not colour and marked.intersection(range(cell.start, cell.stop)):
                bare = text.rstrip("\n")
                text = bare.join(_MARKS) + text[len(bare) :]
            line.append(text, style=_shade(level) if colour else None)
        if line.plain.endswith("\n"):
            line.right_crop(1)  # what follows begins a line anyway
        style = COLOURS[part]
        yield Text()
        title = Text(f"{TITLES[part]}: tokens {first} to {last}", style=f"bold {style}")
        yield Rule(title, align="left", style=style)
        yield Padding(line, 0, style=_UP[0]) if colour else line
        if found := listed.pop(part, []):
            yield Text()
            yield Padding(_top_table(sample, found, part, highest, width), (0, 0, 0, 2))


def _visible(text: str) -> str:
    """A piece that cannot steer the terminal; line breaks are shown and made."""
    return "↵\n".join(printable(line) for line in text.split("\n"))


def _shade(level: int) -> Style:
    ramp = _UP if level > 0 else _DOWN
    return ramp[round(abs(level) * (len(ramp) - 1) / STEPS)]


def _top_table(
    sample: Sample, found: list[tuple[int, float]], part: Part, highest: float, width: int
) -> Table:
    """Tokens with their scores; the bars of all parts are of the same `highest`."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("index", "score"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("token", overflow="fold")
    bar = _BAR if width >= 60 else _BAR // 2
    for at, score in found:
        share = abs(score) / highest if math.isfinite(score) else 0.0
        token = "" if sample.tok is None else f"‹{printable(repr(str(sample.tok[at]))[1:-1])}›"
        cells = (score_text(score), Text(_bar(share, bar), style=COLOURS[part]), Text(token))
        table.add_row(str(at), *cells)
    return table


def _bar(share: float, width: int) -> str:
    """A bar to an eighth of a column; one of something is never nothing."""
    eighths = max(1, round(share * width * 8))
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def score_text(score: float) -> str:
    """A score with its sign; five places, and digits that tell where these are all zero.

    >>> score_text(0.25), score_text(-1.5e-7), score_text(-0.0)
    ('0.25000', '-1.5e-07', '0')
    """
    if score == 0:
        return "0"
    return f"{score:.5f}" if abs(score) >= 5e-6 or score != score else f"{score:.1e}"


def _legend(scores: npt.NDArray[np.float32], colour: bool) -> Iterator[Text]:
    if colour:
        yield _ramp("score: none ", _UP)
        if (scores < 0).any():
            yield _ramp("negative: none ", _DOWN)
    if not np.nan_to_num(scores).any():
        yield Text("no token has a score")
        return
    marks = "" if colour else f", marked {_MARKS[0]}…{_MARKS[1]} in the text"
    yield Text(f"strongest: by |score|{marks}; the bars of all parts are of one scale")


def _ramp(name: str, styles: tuple[Style, ...]) -> Text:
    line = Text(name, no_wrap=True)
    for style in styles:
        line.append("  ", style=style)
    return line.append(" highest")
