"""The page inside a notebook: one sample, in a frame of its own that reaches nothing outside."""

from __future__ import annotations

import html
from typing import Final
from urllib.parse import urlencode

from ..formats.layouts import LAYOUTS
from ..formats.sample import Sample, encode, pack_text, values_of
from .page import inside, make_page

_HEIGHT: Final = 760


class EmbeddedView:
    """A sample in the viewer, for the output of a notebook's cell.

    >>> sample = exp2proc.load_sample(next(demo.out.rglob("ifr_multi_hop_both*/*.npz")))
    >>> str(EmbeddedView(sample, hop=1, scale="log")._repr_html_())[:7]
    '<iframe'

    Args:
        sample: of either layout.
        hop: shown first; None is the row attribution.
        scale: of the colours.
        height: of the frame, in pixels.

    Raises:
        IndexError: there is no such hop.
    """

    def __init__(
        self,
        sample: Sample,
        *,
        hop: int | None = None,
        scale: str = "linear",
        height: int = _HEIGHT,
    ) -> None:
        sample.scores_of(hop)
        values = values_of(sample)
        if sample.tok is not None:
            values["tok"] = pack_text(sample.tok)
        held = inside(sample.source, encode(LAYOUTS[sample.layout], values))
        name = "/".join(filter(None, (*held["names"].values(), held["path"])))
        chosen = {"s": name, "v": "attr" if hop is None else str(hop), "scale": scale}
        page = make_page("files", [held], address=urlencode(chosen))
        self._html = (
            f'<iframe srcdoc="{html.escape(page)}" sandbox="allow-scripts allow-downloads"'
            f' style="width: 100%; height: {height}px; border: 0"></iframe>'
        )

    def _repr_html_(self) -> str:
        return self._html
