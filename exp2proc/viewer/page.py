"""The page: its parts put into one file that needs nothing else.

A strict policy stands in it: no script and no style but its own, by their hashes, and no network.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final, Literal

from ..formats.names import Source
from .heatmap import render

Kind = Literal["folder", "server", "files"]

_SCRIPTS: Final = (
    *("words", "dom", "npz", "measure", "cells", "units", "catalog", "sources"),
    *("heatmap", "list", "sample", "take", "main"),
)
"""The page's scripts, in the order in which they need one another."""

_ALSO: Final[dict[Kind, str]] = {
    "folder": "script-src {script} 'self'; connect-src 'none'",
    "server": "script-src {script}; connect-src 'self'",
    "files": "script-src {script}; connect-src 'none'",
}


def make_page(kind: Kind, samples: list[dict[str, Any]] | None = None, *, address: str = "") -> str:
    """The page's HTML.

    Args:
        kind: where its samples come from: `data/` beside it, the server that it comes from, or
            files (those inside it, else what is dropped on it).
        samples: for "files": what `inside` gives of each; also `gold`, as in `Facts`.
        address: what is shown first, as it stands behind the # of the page's address.

    >>> page = make_page("files")
    >>> page.startswith("<!doctype html>"), "connect-src 'none'" in page
    (True, True)
    """
    style, script, icon, skeleton = _parts()
    allowed = _ALSO[kind].format(script=_source_hash(script))
    policy = (
        f"default-src 'none'; {allowed}; style-src {_source_hash(style)};"
        " img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    given: dict[str, Any] = {"kind": kind}
    if samples is not None:
        given["samples"] = samples
    if address:
        given["address"] = address
    values = {
        "policy": policy,
        "icon": icon,
        "style": style,
        "source": json.dumps(given).replace("<", "\\u003c"),
        "script": script,
    }
    page = skeleton
    for name, value in values.items():
        page = value.join(page.split(f"{{{name}}}"))
    return page


def inside(source: Source | None, npz: bytes | bytearray) -> dict[str, Any]:
    """A sample for `make_page`, by its file's content and what its path says it is of."""
    file = "sample.npz" if source is None else source.name.rpartition("/")[2]
    dataset, model, tag = (
        ("", "", "") if source is None else (source.dataset, source.model, source.run_tag)
    )
    names = {"dataset": dataset, "model": model, "tag": tag}
    return {"path": file, "names": names, "npz": base64.b64encode(npz).decode()}


@lru_cache(maxsize=1)
def _parts() -> tuple[str, str, str, str]:
    folder = files("exp2proc.viewer").joinpath("web")

    def text(name: str) -> str:
        return folder.joinpath(name).read_text(encoding="utf-8")

    style = f"{render('heat.css')}\n{text('viewer.css')}"
    script = "\n".join(text(f"{name}.js") for name in _SCRIPTS)
    icon = base64.b64encode(text("icon.svg").encode()).decode()
    return style, script, f"data:image/svg+xml;base64,{icon}", text("viewer.html")


def _source_hash(content: str) -> str:
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
