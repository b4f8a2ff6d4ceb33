"""One sample in the terminal: its tokens coloured by attribution, part by part, and the strongest.

Readable without colour: then the strongest tokens stand between marks in the text itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from typing import Final

import numpy as np
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.style import Style
from rich.table import Table
from rich.text import Text

from ..formats.layouts import SCORES
from ..formats.names import printable
from ..formats.sample import Sample
from ..formats.shares import PARTS, Part, TopToken, both, part_numbers
from ..viewer.cells import sample_cells
from ..viewer.heat import STEPS, cell_scores, levels

TITLES: Final[dict[Part, str]] = {"in": "input", "cot": "CoT", "out": "output", "rest": "rest"}
_COLOURS: Final[dict[Part, str]] = {
    "in": "dodger_blue1",
    "cot": "medium_purple1",
    "out": "green3",
    "rest": "grey62",
}
_MARKS: Final = ("«", "»")
_BAR: Final = 16
_SHARE_BAR: Final = 40
_FILLS: Final[dict[Part, str]] = {"in": "█", "cot": "▓", "out": "▒", "rest": "░"}

# Dark to bright, each with an ink that can be read on it, on any terminal background.
_WARM: Final = (("#4a1a2c", "white"), ("#7a1f3d", "white"), ("#b53a2c", "white"))
_WARM_BRIGHT: Final = (("#e0701b", "black"), ("#f5a623", "black"), ("#ffd95a", "black"))
_COLD: Final = (("#1b2a52", "white"), ("#24479a", "white"), ("#3d7be0", "white"))
_COLD_BRIGHT: Final = (("#62a3f0", "black"), ("#93c6f7", "black"), ("#c4e3ff", "black"))


def _styles(ramp: tuple[tuple[str, str], ...]) -> tuple[Style, ...]:
    return (Style(), *(Style(bgcolor=paper, color=ink) for paper, ink in ramp))


_UP: Final = _styles(_WARM + _WARM_BRIGHT)
_DOWN: Final = _styles(_COLD + _COLD_BRIGHT)


def sample_view(
    sample: Sample, name: str, *, hop: int | None = None, top: int = 8, colour: bool = True
) -> RenderableType:
    """What `exp2proc show` prints.

    Args:
        sample: of either layout.
        name: shown as its title.
        hop: show this hop instead of `attr`.
        top: how many of the strongest tokens to list for each part.
        colour: whether the console shows colours.

    Raises:
        IndexError: there is no such hop.
    """
    scores = sample.scores_of(hop)
    return Group(
        Text(printable(name), style="bold"),
        Text(_facts(sample)),
        Text(),
        _share_table(sample, hop),
        *_parts(sample, hop, top, colour),
        Text(),
        *(_legend(colour, bool((scores < 0).any()))),
    )


def _facts(sample: Sample) -> str:
    hops = 0 if sample.hop is None else len(sample.hop)
    facts = [f"{len(sample.attr)} tokens, {hops} hops, layout {sample.layout}"]
    if count := both(sample.spans):
        tokens = "1 token is" if count == 1 else f"{count} tokens are"
        facts.append(f"{tokens} of both CoT and output: shown as output")
    for score in SCORES.values():
        value = sample.scores[score.key]
        shown = f"{value:.3f}" if value == value else "absent"
        better = "higher" if score.higher_is_better else "lower"
        facts.append(f"{score.label} {shown} ({better} is better)")
    return "\n".join(facts)


def _share_table(sample: Sample, chosen: int | None) -> Table:
    """Where the mass of attr and of each hop goes."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    hops: list[int | None] = [None, *range(0 if sample.hop is None else len(sample.hop))]
    for hop in hops:
        shares = sample.shares(hop)
        name = "attr" if hop is None else f"hop {hop}"
        mark = "▸ " if hop == chosen else "  "
        bar, end, before = Text(), 0.0, 0
        for part in PARTS if shares["in"] == shares["in"] else ():
            end += shares[part] * _SHARE_BAR
            bar.append(_FILLS[part] * (round(end) - before), style=_COLOURS[part])
            before = round(end)
        numbers = Text()
        for part in PARTS if bar else ():
            if part != "rest" or shares[part] > 0:
                numbers.append(f"{_FILLS[part]} ", style=_COLOURS[part])
                numbers.append(f"{TITLES[part]} {shares[part]:.1%}  ")
        table.add_row(Text(mark + name), bar, numbers)
    return table


def _parts(sample: Sample, hop: int | None, top: int, colour: bool) -> Iterator[RenderableType]:
    """Each stretch of tokens of one part; after a part's first stretch its strongest tokens."""
    scores = sample.scores_of(hop)
    drawn = sample_cells(sample)
    shades = levels(cell_scores(scores, drawn))
    numbers = part_numbers(len(scores), sample.spans)
    strongest: dict[Part, list[TopToken]] = {}
    for part in PARTS[:3]:  # of the tokens that are drawn in it
        inside = np.where(numbers == PARTS.index(part), scores, np.float32(np.nan))
        strongest[part] = replace(sample, attr=inside).top_tokens(top, "all")
    marked = {token.index for tokens in strongest.values() for token in tokens}
    pairs = zip(drawn, shades.tolist(), strict=True)
    for number, stretch in groupby(pairs, key=lambda pair: int(numbers[pair[0].start])):
        part, line = PARTS[number], Text()
        shown = list(stretch)
        for cell, level in shown:
            text = _visible(cell.text)
            if not colour and marked.intersection(range(cell.start, cell.stop)):
                text = text.join(_MARKS)
            line.append(text, style=_shade(level) if colour else None)
        title = f"{TITLES[part]}: tokens {shown[0][0].start} to {shown[-1][0].stop - 1}"
        style = _COLOURS[part]
        yield Text()
        yield Rule(Text(title, style=f"bold {style}"), align="left", style=style)
        yield line
        if tokens := strongest.pop(part, []):
            yield Text()
            yield Padding(_top_table(tokens, part), (0, 0, 0, 2))


def _visible(text: str) -> str:
    """A piece that cannot steer the terminal; line breaks are shown and made."""
    return "↵\n".join(printable(line) for line in text.split("\n"))


def _shade(level: int) -> Style:
    ramp = _UP if level > 0 else _DOWN
    return ramp[round(abs(level) * (len(ramp) - 1) / STEPS)]


def _top_table(tokens: list[TopToken], part: Part) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("index", "score"):
        table.add_column(name, justify="right")
    table.add_column("")
    table.add_column("token")
    finite = [abs(token.score) for token in tokens if math.isfinite(token.score)]
    highest = max(finite, default=0.0) or 1.0
    for token in tokens:
        share = abs(token.score) / highest if math.isfinite(token.score) else 0.0
        bar = "█" * max(1, round(share * _BAR))
        shown = "" if token.token is None else repr(token.token)[1:-1]
        table.add_row(
            str(token.index),
            f"{token.score:.5f}",
            Text(bar, style=_COLOURS[part]),
            Text(f"‹{printable(shown)}›" if token.token is not None else ""),
        )
    return table


def _legend(colour: bool, negative: bool) -> Iterator[Text]:
    if not colour:
        yield Text(f"{_MARKS[0]}…{_MARKS[1]} marks the strongest tokens, those that are listed")
        return
    legend = Text("score, none to highest: ")
    for style in _UP:
        legend.append("   ", style=style)
    if negative:
        legend.append("   negative: ")
        for style in _DOWN[1:]:
            legend.append("   ", style=style)
    yield legend
