"""Building the site: a page and a data file a sample, a file a text, the index.

    index.html           scores, filters, the list of samples
    pages/<id>.html      one sample, its tokens drawn
    data/<id>.js         its vectors, for other hops and scales
    data/text-<id>.js    which samples are of the same text
    static/              styles and scripts

All is made in a hidden folder and then put in place together, index.html last: where it stands,
all is of one build.

Data comes as scripts, not as JSON to fetch: a page opened from a folder may load the one but not
the other. Ids are digests of names, so a link stays good when the site is built again.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..errors import Exp2procError
from ..exports.find import Outs, find_sources
from ..exports.read import read_each
from ..formats.names import UNKNOWN, Source
from ..formats.sample import Sample, load_sample
from ..formats.shares import PARTS, both
from ..results import OnProgress, Progress
from ..system.atomic_write import claim_folder, replaced_together
from ..system.files import given
from ..traces.runs import refuse_traces
from .cells import sample_cells
from .heatmap import number, render, sections, visible
from .index import Entry, write_index

MARKER: Final = ".exp2proc-gallery"
_FOLDERS: Final = ("pages", "data", "static")
_INDEX: Final = "index.html"
_SNIPPET: Final = 120
_SNIPPET_CELLS: Final = 200


@dataclass(frozen=True, slots=True)
class Page:
    """A sample's place in the site.

    Attributes:
        source: of the sample.
        id: names its files.
        before, after: ids of the neighbours, "" where there is none.
    """

    source: Source
    id: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Gallery:
    """What was built.

    Attributes:
        index: the page to open.
        samples: pages of samples.
        failures: files that are no samples, with the reason.
    """

    index: Path
    samples: int
    failures: list[tuple[Source, Exp2procError]]


def build_gallery(
    outs: Outs, target: str | Path, *, jobs: int = 1, on_progress: OnProgress | None = None
) -> Gallery:
    """Build the site of all samples below one or more output folders.

    >>> built = build_gallery(next(demo.out.glob("*/*/attnlrp*")), folder / "site")
    >>> built.samples, built.index.name
    (8, 'index.html')

    Args:
        outs: an output folder, an npz, or several of either.
        target: the folder of the site: a new or empty one, or an earlier gallery, which is
            replaced when the new one is whole.
        jobs: worker processes.
        on_progress: told after each sample.

    Raises:
        Exp2procError: `no-samples`, `samples-collide`, `target-exists`, `output-is-trace`.
        OSError: the operating system refuses.
    """
    root = given(target, "target")
    pages = list(_pages(find_sources(outs)))
    entries: list[Entry] = []
    failures: list[tuple[Source, Exp2procError]] = []
    _claim(root)
    try:
        with replaced_together(root, (*_FOLDERS, _INDEX)) as new:
            _furnish(new)
            results = read_each(pages, partial(_write_page, new), jobs=jobs)
            for done, (page, result) in enumerate(results, 1):
                if isinstance(result, Exp2procError):
                    failures.append((page.source, result))
                    _write(new / f"pages/{page.id}.html", "broken.html", page=page, error=result)
                else:
                    entries.append(result)
                if on_progress is not None:
                    on_progress(Progress(done, len(pages), len(failures)))
            if not entries:
                raise Exp2procError("no-samples", f"none of {len(pages)} npz files is a sample")
            _write_texts(new, entries)
            write_index(new, entries, failed=len(failures))
    except BaseException:
        _let_go(root)
        raise
    return Gallery(root / _INDEX, len(entries), failures)


def _pages(sources: Sequence[Source]) -> Iterator[Page]:
    ids = ["", *(_digest(source.name) for source in sources), ""]
    for at, source in enumerate(sources, 1):
        yield Page(source, ids[at], ids[at - 1], ids[at + 1])


def _digest(*parts: str | bytes) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


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


def _furnish(root: Path) -> None:
    """What is the same in all galleries."""
    for name in _FOLDERS:
        (root / name).mkdir()
    for resource in files("exp2proc.gallery").joinpath("static").iterdir():
        (root / "static" / resource.name).write_bytes(resource.read_bytes())
    _write(root / "static/heat.css", "heat.css")


def _let_go(root: Path) -> None:
    """Where no gallery stands, leave no sign of one, nor the folder unless there is more in it."""
    with suppress(OSError):
        if not any((root / name).exists() for name in (*_FOLDERS, _INDEX)):
            (root / MARKER).unlink()
            root.rmdir()


def _write(path: Path, template: str, **values: Any) -> None:
    path.write_text(render(template, root="../", **values), encoding="utf-8")


def _write_page(root: Path, page: Page) -> Entry:
    source = page.source
    sample = load_sample(source.path)
    hops = 0 if sample.hop is None else len(sample.hop)
    all_shares = [sample.shares(hop) for hop in (None, *range(hops))]
    text_id = _text_id(source, sample)
    drawn = sections(sample)
    _write(
        root / f"pages/{page.id}.html",
        "sample.html",
        page=page,
        source=source,
        sample=sample,
        text_id=text_id,
        sections=drawn,
        parts={section.part for section in drawn},
        both=both(sample.spans),
        all_shares=all_shares,
        shares_list=[[_plain(shares[part]) for part in PARTS] for shares in all_shares],
    )
    (root / f"data/{page.id}.js").write_text(_vectors(page.id, sample), encoding="ascii")
    return Entry(
        source=source,
        id=page.id,
        text_id=text_id,
        snippet=_snippet(sample),
        tokens=len(sample.attr),
        shares=[all_shares[0][part] for part in PARTS],
        scores=sample.scores,
    )


def _plain(value: float) -> float | None:
    return None if value != value else round(value, 5)


def _vectors(page_id: str, sample: Sample) -> str:
    rows = [sample.attr[np.newaxis], *([] if sample.hop is None else [sample.hop])]
    data = np.concatenate(rows).astype("<f4").tobytes()
    encoded = base64.b64encode(data).decode("ascii")
    return f'exp2proc.data("{page_id}", {len(sample.attr)}, "{encoded}");\n'


def _text_id(source: Source, sample: Sample) -> str:
    if sample.tok is not None:
        text = (sample.tok.dtype.str, sample.tok.tobytes())
    else:
        text = (source.path.name, f"{len(sample.attr)} {sample.spans}".encode())
    return _digest(source.dataset, source.model, *text)


def _snippet(sample: Sample) -> str:
    if sample.tok is None:
        return ""
    cells = sample_cells(sample)[:_SNIPPET_CELLS]
    return " ".join(visible("".join(cell.text for cell in cells)).split())[:_SNIPPET]


def _write_texts(root: Path, entries: Sequence[Entry]) -> None:
    """For each text the samples of it, so that a page can show them side by side."""
    texts: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        texts[entry.text_id].append(entry)
    for text_id, group in texts.items():
        methods = [entry.source.method for entry in group]
        members = [
            {
                "id": entry.id,
                "label": (
                    entry.source.method
                    if methods.count(entry.source.method) == 1
                    else entry.source.run_tag
                )
                or UNKNOWN,
                "scores": " · ".join(
                    f"{label} {number(entry.scores[key])}"
                    for key, label in (("rise", "RISE"), ("mas", "MAS"), ("recovery", "Rec."))
                ),
            }
            for entry in group
        ]
        script = f"exp2proc.text({json.dumps(members)});\n"
        (root / f"data/text-{text_id}.js").write_text(script, encoding="ascii")
