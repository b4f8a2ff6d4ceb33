"""Drawing the tables of numbers, each kind in a function. Within `style.drawing` only."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final

from ..errors import Exp2procError
from ..formats.cells import Cell
from ..formats.layouts import SCORES
from ..formats.names import printable
from ..formats.shares import PARTS
from ..viewer.heat import Shaded, colour
from ..viewer.svg import Glyph, glyphs_of, wrapped
from .arrange import Request
from .fonts import Fonts
from .style import INK, LETTER, LINE, PART_LOOKS, SOFT, method_look
from .table import Table, distinct, grouped

_NARROWEST_PANEL: Final = 1.5
_TITLE_LETTER: Final = 0.06
"""Inches."""
_LABEL: Final = 22
"""Letters of a line of a label beside its axes."""


def draw_length(figure: Any, table: Table, request: Request, fonts: Fonts) -> None:
    """A pair of axes for each panel, a line for each method, its points above their bins."""
    from matplotlib.ticker import MaxNLocator

    records = table.records()
    panels, methods = distinct(records, "panel"), distinct(records, "method")
    columns = _columns(len(panels), request.width / _NARROWEST_PANEL)
    rows = math.ceil(len(panels) / columns)
    legend = _legend(figure, [(name, method_look(at)) for at, name in enumerate(methods)], request)
    figure.set_size_inches(request.width, rows * (1.9 if columns == 1 else 1.6) + legend + 0.15)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax, (panel, inside) in zip(axes, grouped(records, "panel"), strict=False):
        places = [(one["low"] + one["high"] - 1) / 2 for one in inside]
        span = max(10.0, max(places) - min(places))
        middle = (min(places) + max(places)) / 2
        ax.set_xlim(middle - 0.6 * span, middle + 0.6 * span)
        for (name,), points in grouped(inside, "method"):
            at = methods.index(name)
            # so that bars do not hide bars
            aside = (at - (len(methods) - 1) / 2) * span * min(0.014, 0.08 / len(methods))
            ax.errorbar(
                [(one["low"] + one["high"] - 1) / 2 + aside for one in points],
                [one["y"] for one in points],
                [one["err"] for one in points],
                **method_look(at),
                elinewidth=0.8,
                capsize=1.6,
                capthick=0.8,
            )
        ax.set_title(_title(panel[0], request.width / columns))
        ax.grid(axis="y")
        ax.xaxis.set_major_locator(MaxNLocator(nbins=5 if columns > 1 else 7, integer=True))
        ax.locator_params(axis="y", nbins=6)
    for ax in axes[len(panels) :]:
        ax.remove()
    score = SCORES[request.score or "mas"]
    figure.supxlabel("CoT length (tokens)")
    for ax in axes[: len(panels) : columns]:
        ax.set_ylabel("1 / MAS ↑" if score.key == "mas" else f"{score.label} {score.arrow}")


def draw_scores(figure: Any, table: Table, request: Request, fonts: Fonts) -> None:
    """Each method a row: its points, their box, the mean with its interval."""
    records = table.records()
    methods = distinct(records, "method")
    labels = [_folded(name, _LABEL) for name in methods]
    beside = max(len(line) for label in labels for line in label.split("\n")) * LETTER
    panels = distinct(records, "panel")
    columns = _columns(len(panels), request.width - beside)
    placed: list[Any] = []  # what stands where: each score begins a row
    for (key,), inside in grouped(records, "score"):
        placed += ((key, *panel, items) for panel, items in grouped(inside, "panel"))
        placed += [None] * (-len(placed) % columns)
    rows = len(placed) // columns
    tall = max(0.17, max(label.count("\n") + 1 for label in labels) * 0.105) * len(methods) + 0.52
    figure.set_size_inches(request.width, rows * tall + 0.1)
    axes = figure.subplots(rows, columns, squeeze=False, sharex="row", sharey=True).ravel()
    for number, (ax, found) in enumerate(zip(axes, placed, strict=True)):
        if found is None:
            ax.remove()
            continue
        key, panel, inside = found
        for (name,), items in grouped(inside, "method"):
            at = methods.index(name)
            _distribution(ax, at, items, method_look(at)["color"])
        above = placed[number - columns] if number >= columns else None
        if columns < len(panels) or above is None or above[1] != panel:
            ax.set_title(_title(panel, (request.width - beside) / columns))
        ax.set_yticks(range(len(methods)), labels)
        ax.tick_params(axis="y", length=0, labelleft=number % columns == 0)
        ax.set_ylim(len(methods) - 0.45, -0.55)
        ax.set_xlabel(f"{SCORES[key].label} {SCORES[key].arrow}")
        ax.grid(axis="x")
        ax.locator_params(axis="x", nbins=5)


def _distribution(ax: Any, at: int, items: Sequence[dict[str, Any]], shade: str) -> None:
    from matplotlib.patches import Rectangle

    points = [one["value"] for one in items if one["item"] == "point"]
    of = {one["item"]: one["value"] for one in items if one["item"] != "point"}
    aside = [at + 0.26 * (2 * (number * 0.618034 % 1) - 1) for number in range(len(points))]
    ax.scatter(points, aside, s=3, color=shade, alpha=0.35, linewidths=0, zorder=1)
    box = (of["q1"], at - 0.3), of["q3"] - of["q1"], 0.6
    ax.add_patch(Rectangle(*box, fill=False, edgecolor=SOFT, linewidth=0.7, zorder=2))
    for one, other in (("whisker_low", "q1"), ("q3", "whisker_high")):
        ax.plot([of[one], of[other]], [at, at], color=SOFT, linewidth=0.7, zorder=2)
    ax.plot([of["median"]] * 2, [at - 0.3, at + 0.3], color=INK, linewidth=0.9, zorder=3)
    if of["low"] is not None:
        ax.plot([of["low"], of["high"]], [at, at], color=shade, linewidth=2.2, zorder=4)
    mean = {"marker": "D", "markersize": 3, "markeredgecolor": "white", "markeredgewidth": 0.5}
    ax.plot([of["mean"]], [at], color=shade, zorder=5, **mean)


def draw_shares(figure: Any, table: Table, request: Request, fonts: Fonts) -> None:
    """A thick bar for each method, and below it a thin one for each bin of CoT lengths."""
    from matplotlib.patches import Patch

    records = table.records()
    panels = list(grouped(records, "panel"))
    looks = [PART_LOOKS[part] for part in distinct(records, "part")]
    handles = [
        Patch(facecolor=look.colour, hatch=look.hatch, edgecolor="white", linewidth=0)
        for look in looks
    ]
    figure.legend(handles, [look.title for look in looks], loc="outside upper center", ncols=4)
    bars = [len(list(grouped(inside, "method", "bin"))) for _, inside in panels]
    methods = [len(distinct(inside, "method")) for _, inside in panels]
    tall = [0.1 * some + 0.14 * few + 0.25 for some, few in zip(bars, methods, strict=True)]
    columns = _columns(len(panels), request.width / 3.2)
    heights = [max(tall[at : at + columns]) for at in range(0, len(panels), columns)]
    figure.set_size_inches(request.width, sum(heights) + 0.15 * len(heights) + 0.5)
    axes = figure.subplots(
        len(heights), columns, squeeze=False, height_ratios=heights, sharex=True
    ).ravel()
    for ax in axes[len(panels) :]:
        ax.remove()
    for ax, ((panel,), inside) in zip(axes, panels, strict=False):
        y = 0.0
        ticks: list[float] = []
        labels: list[str] = []
        for (name, at), parts in grouped(inside, "method", "bin"):
            thick = 1.5 if at is None else 0.85
            y += 0.7 if at is None and ticks else 0.0
            left = 0.0
            for one in parts:
                look = PART_LOOKS[one["part"]]
                ax.barh(
                    y + thick / 2,
                    one["share"],
                    thick * 0.94,
                    left,
                    color=look.colour,
                    hatch=look.hatch,
                    edgecolor="white",
                    linewidth=0.3,
                )
                left += one["share"]
            ticks.append(y + thick / 2)
            low, high = parts[0]["low"], parts[0]["high"]
            labels.append(_folded(name, _LABEL) if at is None else f"CoT {low}–{high - 1}")
            y += thick
        ax.set_yticks(ticks, labels)
        for tick, label in zip(ax.get_yticklabels(), labels, strict=True):
            tick.set_fontsize(5.2 if label.startswith("CoT ") else 6.5)
        ax.tick_params(axis="y", length=0)
        ax.set_ylim(y, 0)
        ax.set_xlim(0, 1)
        ax.set_title(_title(panel, request.width / columns * 0.8))
        ax.spines["left"].set_visible(False)
        ax.tick_params(axis="x", labelbottom=True)
    figure.supxlabel("share of |attribution|")


def draw_hops(figure: Any, table: Table, request: Request, fonts: Fonts) -> None:
    """A pair of axes for each panel and method: the parts' shares over hops, and their bands."""
    from matplotlib.ticker import MaxNLocator

    records = table.records()
    cells = list(grouped(records, "panel", "method"))
    columns = _columns(len(cells), request.width / _NARROWEST_PANEL)
    rows = math.ceil(len(cells) / columns)
    looks = {part: PART_LOOKS[part] for part in PARTS}
    handles = [
        (look.title, {"color": look.colour, "marker": look.marker, "linestyle": look.dashes})
        for look in looks.values()
    ]
    legend = _legend(figure, handles, request)
    figure.set_size_inches(request.width, rows * 1.6 + legend + 0.15)
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for ax, ((panel, method), inside) in zip(axes, cells, strict=False):
        for part, look in looks.items():
            line = [one for one in inside if one["part"] == part]
            hops = [one["hop"] for one in line]
            band = [one["low"] for one in line], [one["high"] for one in line]
            ax.fill_between(hops, *band, color=look.colour, alpha=0.22, linewidth=0)
            means = [one["mean"] for one in line]
            ax.plot(hops, means, color=look.colour, marker=look.marker, linestyle=look.dashes)
        titles = [_title(name, request.width / columns) for name in (panel, method)]
        ax.set_title("\n".join(titles))
        ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        ax.set_ylim(0, 1)
        ax.grid(axis="y")
    for ax in axes[len(cells) :]:
        ax.remove()
    figure.supxlabel("hop (line: mean; band: middle half of the samples)", fontsize=6.5)
    for ax in axes[: len(cells) : columns]:
        ax.set_ylabel("share of |attribution|")


_POINTS: Final = 6.0
_ADVANCE: Final = _POINTS * 1233 / 2048  # of DejaVu Sans Mono
_STEP: Final = _POINTS * 1.4
_MARGIN: Final = 4.0
_TALLEST: Final = 14_000.0
"""Points; a page of PDF has 14,400 at most."""


def draw_sample(figure: Any, table: Table, request: Request, fonts: Fonts) -> None:
    """Text in lines, a rectangle behind each cell; East Asian wide characters take two columns."""
    columns = int((request.width * 72 - 3 * _MARGIN) / _ADVANCE)
    figure.set_layout_engine("none")
    ax = figure.add_axes((0, 0, 1, 1))
    y = _MARGIN
    for (part,), inside in grouped(table.records(), "part"):
        look = PART_LOOKS[part]
        top = y
        title = f"{look.title}: tokens {inside[0]['first']}–{inside[-1]['last']}"
        shown = SOFT if part == "rest" else look.colour
        ax.text(2 * _MARGIN, y + _POINTS, title, color=shown, fontsize=_POINTS, fontweight="bold")
        y += _STEP
        cells = [
            Shaded(Cell(one["first"], one["last"] + 1, one["text"]), one["level"], one["value"])
            for one in inside
        ]
        for line in wrapped(glyphs_of(cells), columns):
            _draw_line(ax, line, cells, y, fonts)
            y += _STEP
            if y > _TALLEST:
                said = f"the sample needs more than {_TALLEST / 72:.0f} inches at this width"
                raise Exp2procError("usage", said, "Give the figure a larger --width.")
        ax.plot([_MARGIN, _MARGIN], [top, y - 2], color=look.colour, linewidth=1.6)
        y += _STEP / 2
    figure.set_size_inches(request.width, y / 72)
    ax.set_xlim(0, request.width * 72)
    ax.set_ylim(y, 0)
    ax.set_axis_off()


def _draw_line(
    ax: Any, line: Sequence[Glyph], cells: Sequence[Shaded], y: float, fonts: Fonts
) -> None:
    from matplotlib.patches import Rectangle

    column = 0
    for owner, some in groupby(line, key=lambda glyph: glyph.owner):
        width = sum(glyph.width for glyph in some)
        if owner >= 0:
            corner = (2 * _MARGIN + column * _ADVANCE, y + 0.2)
            shade = colour(cells[owner].level)
            box = Rectangle(corner, width * _ADVANCE, _STEP - 0.6, facecolor=shade, linewidth=0)
            ax.add_patch(box)
        column += width
    column = 0
    for text, width, plain in _runs(line, fonts):
        if text.strip(" "):
            x = 2 * _MARGIN + (column if plain else column + width / 2) * _ADVANCE
            align = "left" if plain else "center"
            ax.text(x, y + _POINTS, text, fontsize=_POINTS, color=INK, ha=align)
        column += width


def _runs(line: Sequence[Glyph], fonts: Fonts) -> list[tuple[str, int, bool]]:
    """Text to draw at once, its columns, and whether these are just what it takes.

    What another font draws is as wide as that likes: a wide character alone, else a stretch.
    """
    found: list[tuple[str, int, bool]] = []
    last: bool | None = None  # whether the open run is plain; None: it is closed
    for glyph in line:
        plain = glyph.char in fonts.plain and glyph.width == 1
        if found and (glyph.width == 0 or (plain == last and glyph.width == 1)):
            text, width, kept = found[-1]
            found[-1] = text + glyph.char, width + glyph.width, kept
        else:
            found.append((glyph.char, glyph.width, plain))
            last = plain if glyph.width == 1 else None
    return found


def _legend(figure: Any, looks: Sequence[tuple[str, dict[str, Any]]], request: Request) -> float:
    """A legend above all axes, in as many columns as fit; returns its height."""
    from matplotlib.lines import Line2D

    letters = int(request.width / LETTER) - 10
    names = [_folded(name, letters) for name, _ in looks]
    longest = max(len(line) for name in names for line in name.split("\n"))
    columns = max(1, min(len(looks), int(request.width / (longest * 0.048 + 0.42))))
    handles = [Line2D([], [], **look) for _, look in looks]
    figure.legend(handles, names, loc="outside upper center", ncols=columns)
    return LINE * math.ceil(len(looks) / columns) + 0.1


def _columns(count: int, fit: float) -> int:
    """In how many columns so many axes stand, where so many would fit: all rows alike long."""
    return math.ceil(count / math.ceil(count / max(1, int(fit))))


def _title(name: str, wide: float) -> str:
    """A title above axes that take up so many inches, what stands beside them included."""
    return _folded(name, int(wide * 0.75 / _TITLE_LETTER))


def _folded(name: str, letters: int) -> str:
    """A name in lines, broken behind spaces and signs, else anywhere."""
    name, letters = printable(name), max(8, letters)
    lines = [""]
    for piece in re.findall(r"[^ _/+·-]*[ _/+·-]*", name):
        if len(lines[-1]) + len(piece.rstrip()) > letters and lines[-1]:
            lines.append("")
        lines[-1] += piece
        while len(lines[-1].rstrip()) > letters:
            lines[-1:] = [lines[-1][:letters], lines[-1][letters:]]
    return "\n".join(filter(None, map(str.rstrip, lines)))
