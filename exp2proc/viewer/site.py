"""The gallery: a folder with the page and its samples, readable without a server.

    index.html     the page
    data/index.js  the list
    data/<id>.js   a sample without its text, or a text: an npz, as base64

All is made in a hidden folder and then put in place together, index.html last: where it stands,
all is of one build.

Data comes as scripts, not as files to fetch: a page opened from a folder may load the one but not
the other. What is packed stays packed, and a text lies there once for all its samples.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from ..errors import Exp2procError
from ..exports.find import Outs, find_sources
from ..exports.read import read_each, reason
from ..formats import npz
from ..formats.names import Source
from ..formats.sample import load_sample
from ..results import OnProgress, Progress
from ..system.atomic_write import claim_folder, replaced_together, write_whole
from ..system.files import given
from ..traces.runs import refuse_traces
from . import facts
from .facts import Facts, Work
from .page import make_page

MARKER: Final = ".exp2proc-gallery"
_FOLDERS: Final = ("pages", "static", "data")
"""What a gallery has in its folder; `pages` and `static` are of earlier releases."""
_INDEX: Final = "index.html"


@dataclass(frozen=True, slots=True)
class Gallery:
    """What was built.

    Attributes:
        index: the page to open.
        samples: how many it shows.
        failures: files that are no samples, with the reason.
        gold: how many of the samples have gold tokens.
    """

    index: Path
    samples: int
    failures: list[tuple[Source, Exp2procError]]
    gold: int = 0


def build_gallery(
    outs: Outs,
    target: str | Path,
    *,
    against: str | Path | None = None,
    jobs: int = 1,
    on_progress: OnProgress | None = None,
) -> Gallery:
    """Build the site of all samples below one or more output folders.

    >>> built = build_gallery(next(demo.out.glob("*/*/attnlrp*")), folder / "site")
    >>> built.samples, built.index.name
    (8, 'index.html')

    Args:
        outs: an output folder, an npz, or several of either.
        target: the folder of the site: a new or empty one, or an earlier gallery, which is
            replaced when the new one is whole.
        against: a folder of traces, whose gold tokens are marked.
        jobs: worker processes.
        on_progress: told after each sample.

    Raises:
        Exp2procError: `no-samples`, `samples-collide`, `target-exists`, `output-is-trace`.
        OSError: the operating system refuses.
    """
    root = given(target, "target")
    sources = find_sources(outs)
    works = facts.find_work(sources, None if against is None else given(against, "against"))
    ids = [f"s{facts.digest(source.name)}" for source in sources]
    rows: list[tuple[int, Facts]] = []
    failed: list[tuple[int, Exp2procError]] = []
    items = list(zip(works, ids, strict=True))
    _claim(root)
    try:
        with replaced_together(root, (*_FOLDERS, _INDEX)) as new:
            data = new / "data"
            data.mkdir()
            results = read_each(items, partial(_write_sample, data), jobs=jobs)
            for at, (_, result) in enumerate(results):
                if isinstance(result, Exp2procError):
                    failed.append((at, result))
                else:
                    rows.append((at, result))
                if on_progress is not None:
                    on_progress(Progress(at + 1, len(items), len(failed)))
            if not rows:
                raise Exp2procError("no-samples", f"none of {len(items)} npz files is a sample")
            _write_index(new, sources, ids, rows, failed)
    except BaseException:
        _let_go(root)
        raise
    failures = [(sources[at], error) for at, error in failed]
    gold = sum(found.gold is not None for _, found in rows)
    return Gallery(root / _INDEX, len(rows), failures, gold)


def _write_sample(data: Path, item: tuple[Work, str]) -> Facts:
    work, name = item
    sample = load_sample(work.source.place)
    found = facts.facts_of(work, sample)
    with npz.NpzReader(work.source.place) as reader:
        members = {key: reader.member(key) for key in reader.keys}
    if "tok" in members:
        text = {"tok": members.pop("tok")}
        if not (data / f"{found.text}.js").exists():
            _write_npz(data, found.text, text)
    _write_npz(data, name, members)
    return found


def _write_npz(data: Path, name: str, members: dict[str, npz.Member]) -> None:
    encoded = base64.b64encode(npz.archive(members.items())).decode()
    script = f'exp2proc.put("{name}", "{encoded}");\n'
    write_whole(str(data / f"{name}.js"), script.encode(), replace=True)


def _write_index(
    root: Path,
    sources: Sequence[Source],
    ids: Sequence[str],
    rows: Sequence[tuple[int, Facts]],
    failed: Sequence[tuple[int, Exp2procError]],
) -> None:
    told: dict[str, Any] = {
        **facts.names(sources, ids),
        **facts.message(rows, set()),
        "failed": [[at, reason(sources[at].place, error)] for at, error in failed],
        "done": True,
    }
    text = json.dumps(told, separators=(",", ":"))
    (root / "data/index.js").write_text(f"exp2proc.index({text});\n", encoding="ascii")
    (root / _INDEX).write_text(make_page("folder"), encoding="utf-8")


def _claim(root: Path) -> None:
    """Take the folder of the site, unless somebody else's files are there.

    All that could stand in the way is seen before anything is changed; links are not followed.
    """
    refuse_traces(root)
    for folder in (root, *(root / name for name in _FOLDERS)):
        is_link = folder != root and folder.is_symlink()
        if is_link or (folder.exists() and not folder.is_dir()):
            what = "a link" if is_link else "not a folder"
            raise Exp2procError("target-exists", f"{folder} is {what}", "Move it away.")
    if not claim_folder(root, MARKER):
        raise Exp2procError(
            "target-exists",
            f"{root} is not empty and no gallery",
            "Name a new or empty folder with -o; only an earlier gallery is replaced.",
        )


def _let_go(root: Path) -> None:
    """Where no gallery stands, leave no sign of one, nor the folder unless there is more in it."""
    with suppress(OSError):
        if not any((root / name).exists() for name in (*_FOLDERS, _INDEX)):
            (root / MARKER).unlink()
            root.rmdir()
