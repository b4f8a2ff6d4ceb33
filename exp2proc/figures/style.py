"""The one look of all figures: sizes, colours, marks, and files that are the same each time."""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from ..errors import Exp2procError, first_line
from ..formats.shares import Part
from ..system.extras import require
from .fonts import Fonts

ENDINGS: Final = (".pdf", ".svg", ".png")
MARK: Final = b"exp2proc figure"
"""Stands in each file, as the program that made it."""

INK: Final = "#1f1d1a"
SOFT: Final = "#6d675f"
LINE: Final = 0.14
"""Inches from a line of text to the next."""
LETTER: Final = 0.055
"""Inches that a letter of a label takes, more or less."""


class PartLook(NamedTuple):
    """How a part is drawn: told apart by colour, lightness, hatching and mark."""

    title: str
    colour: str
    hatch: str
    marker: str
    dashes: str


PART_LOOKS: Final[dict[Part, PartLook]] = {
    "in": PartLook("Input", "#3b9fe0", "", "o", "-"),
    "cot": PartLook("CoT", "#5b21b6", "//////", "s", "--"),
    "out": PartLook("Output", "#0a7d55", "......", "^", "-."),
    "rest": PartLook("Rest", "#c9c2b6", "", "D", ":"),
}

# Okabe and Ito's colours without yellow, which white paper swallows
_COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#1f1d1a")
_MARKERS: Final = "os^Dv<>PX"
_DASHES: Final = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))

_STYLE: Final[dict[str, Any]] = {
    "font.size": 7,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7,
    "figure.labelsize": 7,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "legend.handlelength": 2.2,
    "legend.columnspacing": 1.2,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": SOFT,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#e4dfd6",
    "grid.linewidth": 0.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.4,
    "hatch.linewidth": 0.5,
    "savefig.dpi": 300,
    "pdf.fonttype": 42,  # TrueType, embedded
    "svg.fonttype": "path",  # the same shapes everywhere, whatever is installed
    "svg.hashsalt": "exp2proc",
    "text.parse_math": False,  # a $ in a name is a $
    "axes.formatter.use_mathtext": False,
}
_METADATA: Final[dict[str, dict[str, str | None]]] = {
    ".pdf": {"Creator": MARK.decode(), "CreationDate": None},
    ".svg": {"Creator": MARK.decode(), "Date": None},
    ".png": {"Software": MARK.decode()},
}


def method_look(at: int) -> dict[str, Any]:
    """Colour, marker and dashes of the method that is number `at`."""
    return {
        "color": _COLOURS[at % len(_COLOURS)],
        "marker": _MARKERS[at % len(_MARKERS)],
        "linestyle": _DASHES[at % len(_DASHES)],
    }


_WIDTH: Final = re.compile(r"([0-9]*\.?[0-9]+) ?(in|mm|cm|pt)")
_UNITS: Final = {"in": 1.0, "mm": 25.4, "cm": 2.54, "pt": 72.0}
_NARROWEST, _WIDEST = 1.5, 40.0


def inches(width: str | float) -> float:
    """A width as inches.

    Raises:
        ValueError: it is none, or no figure's.

    >>> inches("82.55mm"), inches("6.75in"), inches(3.25)
    (3.25, 6.75, 3.25)
    """
    said = f"{width}in" if isinstance(width, int | float) else str(width).strip()
    match = _WIDTH.fullmatch(said)
    found = float(match[1]) / _UNITS[match[2]] if match else 0.0
    if not _NARROWEST <= found <= _WIDEST:
        raise ValueError(
            f"it may be a width from {_NARROWEST}in to {_WIDEST:.0f}in, also in mm, cm, pt"
        )
    return round(found, 6)


@contextmanager
def drawing() -> Iterator[Any]:
    """Give matplotlib this look, whatever the user's own settings are; then as before.

    It says nothing meanwhile: where it finds no place for its cache it takes a temporary one.

    Raises:
        Exp2procError: `missing-extra`, when it is not installed or does not start.
    """
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        matplotlib = _matplotlib()
        with matplotlib.rc_context(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"Glyph .* missing from", UserWarning)
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(_STYLE)
            yield matplotlib
    finally:
        logger.setLevel(level)


def _matplotlib() -> Any:
    """The library; it reads the user's settings as it is imported."""
    try:
        require("matplotlib.figure", "figures")
        return require("matplotlib", "figures")
    except ValueError as err:
        said = f"matplotlib does not start ({first_line(err)})"
        hint = "Look at MPLBACKEND, MATPLOTLIBRC and a file matplotlibrc."
        raise Exp2procError("missing-extra", said, hint) from None


def new_figure(fonts: Fonts, width: float) -> Any:
    """An empty figure with these fonts, within `drawing`."""
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams["font.family"] = list(fonts.families)
    return Figure(figsize=(width, width), layout="constrained")


def outline(figure: Any, fonts: Fonts) -> None:
    """Draw texts as shapes that have characters of `fonts.outlined`."""
    from matplotlib.patheffects import Normal
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        if not fonts.outlined.isdisjoint(text.get_text()):
            text.set_path_effects([Normal()])


def file_bytes(figure: Any, ending: str) -> bytes:
    """A figure as a file, the same bytes each time; within `drawing`."""
    if ending not in ENDINGS:
        raise Exp2procError("usage", f"{ending!r} is none of {', '.join(ENDINGS)}")
    stream = io.BytesIO()
    figure.savefig(stream, format=ending[1:], metadata=_METADATA[ending])
    return stream.getvalue()
