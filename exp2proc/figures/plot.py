"""From samples to a figure: reads, computes, draws."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..errors import Exp2procError
from ..exports.find import Outs, Where, find_sources
from ..exports.read import OnError, read_each, successes
from ..formats.layouts import SCORES
from ..viewer.heat import SCALES, Scale
from . import fonts, style
from .arrange import Request
from .kinds import KINDS, check_heeded
from .table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_OWN: Final = "0123456789 ↑↓–·/"
"""What drawings write beside the table's texts, and their fonts have."""


class Plot(NamedTuple):
    """A figure and what is in it.

    Attributes:
        figure: of matplotlib.
        table: its numbers.
        missing: characters that no installed font has.
    """

    figure: Any
    table: Table
    missing: str


def plot(kind: str, read: Sequence[Any], request: Request) -> Plot:
    """Draw what the kind's `read` gave of each sample; within `style.drawing`.

    Raises:
        Exp2procError: `nothing-to-draw`; `usage`.
    """
    table = KINDS[kind].numbers(read, request)
    texts = {value for row in table.rows for value in row if isinstance(value, str)}
    chosen = fonts.choose("".join([*texts, _OWN, "↵∅→"]), KINDS[kind].font)
    drawn = style.new_figure(chosen, request.width)
    KINDS[kind].draw(drawn, table, request, chosen)
    style.outline(drawn, chosen)
    return Plot(drawn, table, chosen.missing)


def told_missing(missing: str) -> str:
    """One line on characters that cannot be drawn.

    >>> told_missing("\U00012000")
    'no installed font has U+12000: drawn as a box'
    """
    some = ", ".join(f"U+{ord(char):04X}" for char in missing[:5])
    more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
    return (
        f"no installed font has {some}{more}: drawn as {'a box' if len(missing) == 1 else 'boxes'}"
    )


def figure(
    kind: str,
    outs: Outs,
    *,
    methods: Mapping[str, Sequence[str]] | None = None,
    panels: Mapping[str, Sequence[str]] | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    labels: Mapping[str, str] | None = None,
    order: Sequence[str] = (),
    score: str | None = None,
    hop: int | None = None,
    scale: Scale = "linear",
    width: float | str = 3.25,
    where: Where | None = None,
    jobs: int = 1,
    on_error: OnError | None = None,
) -> Figure:
    """A figure of what is below one or more output folders, as a `matplotlib.figure.Figure`.

    >>> drawn = exp2proc.figure("length", demo.out / "needles", score="recovery")
    >>> drawn.get_size_inches().tolist()[0]
    3.25

    Args:
        kind: `length`, faithfulness against the CoT's length; `scores`, each method's
            distribution; `shares`, where the attribution goes, by method and by length; `hops`,
            the same from hop to hop; `sample`, one sample's tokens coloured.
        outs: an output folder, an npz, or several of either.
        methods: name -> runs: only these, in order; several are averaged example by example. A
            run is named by its method, setting or run_tag.
        panels: name -> datasets: only these, in order; several are taken together.
        groups: name -> datasets that are taken together, among the others.
        labels: run -> name.
        order: runs and datasets that come first. The lengths of the first method decide the bins.
        score: `rise`, `mas` or `recovery`. `length` shows MAS unless it is given, `scores` all.
        hop: of a single sample: this hop instead of `attr`.
        scale: of a single sample's colours: linear, log or rank.
        width: in inches, or as text: "82mm".
        where: which samples count, by their `Source`.
        jobs: worker processes that read; 1 reads here.
        on_error: is told of each file that is not a sample, which is then left out. Without it
            the first such file raises.

    Raises:
        Exp2procError: `missing-extra` without matplotlib; `usage` for what may not be or is not
            there; `nothing-to-draw`; `no-samples`, `samples-collide`, `sample-invalid`.
    """
    _one_of("kind", kind, KINDS)
    _one_of("score", score, [None, *SCORES])
    _one_of("scale", scale, SCALES)
    try:
        inches = style.inches(width)
    except ValueError as err:
        raise Exp2procError("usage", f"width is {width!r}: {err}") from None
    request = Request(methods, panels, groups or {}, labels or {}, order, score, hop, scale, inches)
    check_heeded(kind, request)
    sources = find_sources(outs, where)
    with style.drawing():
        read = list(successes(read_each(sources, KINDS[kind].read, jobs=jobs), on_error))
        drawn = plot(kind, read, request)
    if drawn.missing:
        warnings.warn(told_missing(drawn.missing), stacklevel=2)
    made: Figure = drawn.figure
    return made


def _one_of(name: str, value: object, known: Any) -> None:
    if value not in known:
        said = ", ".join(str(one) for one in known if one is not None)
        raise Exp2procError(
            "usage", f"{name} is {value!r}: it may be {said}", "See exp2proc.figure."
        )
