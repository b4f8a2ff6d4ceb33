"""What the viewer's list knows of samples: the messages that `catalog.js` takes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ..exports.pair import SampleWork, pair_with_rows
from ..exports.scores import short_datasets
from ..formats.cells import cells
from ..formats.layouts import SCORES
from ..formats.names import Source, promised_by
from ..formats.sample import Sample, load_sample
from ..formats.shares import PARTS
from ..results import RowError
from ..traces.trace import Gold, read_gold
from .heatmap import visible

_SNIPPET: Final = 120
_SNIPPET_TOKENS: Final = 200


class Work(NamedTuple):
    """A sample that the viewer is to show.

    Attributes:
        source: of the sample.
        trace: its trace, where there are any to look at; else "".
    """

    source: Source
    trace: str


def find_work(sources: Sequence[Source], against: Path | None) -> list[Work]:
    """The samples, each with its trace below `against`.

    Raises:
        Exp2procError: there is no trace run below `against`.
    """
    if against is None:
        return [Work(source, "") for source in sources]
    folders: dict[str, list[SampleWork]] = {}
    for source in sources:
        found = SampleWork(str(source.path), held=source.held)
        folders.setdefault(str(source.path.parent), []).append(found)
    errors: list[RowError] = []
    paired = pair_with_rows([], folders, against, errors)
    traces = {
        work.path: str(Path(work.trace_dir, work.row.file))
        for work in paired
        if work.row is not None
    }
    return [Work(source, traces.get(str(source.path), "")) for source in sources]


def names(sources: Sequence[Source], ids: Sequence[str] = ()) -> dict[str, Any]:
    """The first message: scores, runs, and which samples there are.

    Args:
        sources: in the order of the list.
        ids: of each sample, where its source has any.
    """
    shorts = short_datasets(source.dataset for source in sources)
    numbers: dict[tuple[str, str, str], int] = {}
    runs: list[dict[str, Any]] = []
    samples: list[list[Any]] = []
    for at, source in enumerate(sources):
        key = (source.dataset, source.model, source.run_tag)
        if key not in numbers:
            numbers[key] = len(runs)
            runs.append(
                {
                    "dataset": shorts[source.dataset] if source.dataset else "",
                    "path": source.dataset,
                    "model": source.model,
                    "tag": source.run_tag,
                    "method": source.method,
                    "promised": promised_by(source.run_tag),
                }
            )
        file = source.name.rpartition("/")[2]
        samples.append([numbers[key], file, ids[at] if ids else ""])
    scores = [
        {"key": score.key, "label": score.label, "higher": score.higher_is_better}
        for score in SCORES.values()
    ]
    return {"scores": scores, "runs": runs, "samples": samples}


class Facts(NamedTuple):
    """What the list shows of a sample.

    Attributes:
        text: the same for all samples of one text; begins with "-" where there is no text.
        tokens: how many.
        hops: how many.
        shares: of attr, by `PARTS`; None when there is no mass.
        scores: in the order of `SCORES`; None when absent.
        snippet: how the text begins.
        gold: the tokens that hold the answer, where a trace says so: ranges.
    """

    text: str
    tokens: int
    hops: int
    shares: list[float | None]
    scores: list[float | None]
    snippet: str
    gold: dict[str, list[list[int]]] | None


def facts_of(work: Work, sample: Sample) -> Facts:
    """What the list shows of a sample."""
    shares = sample.shares()
    return Facts(
        text_id(work.source, sample),
        len(sample.attr),
        0 if sample.hop is None else len(sample.hop),
        [_plain(shares[part]) for part in PARTS],
        [_plain(sample.scores[key]) for key in SCORES],
        "" if sample.tok is None else _snippet(tuple(sample.tok[:_SNIPPET_TOKENS].tolist())),
        _gold(work.trace, sample),
    )


def load_facts(work: Work) -> Facts:
    """The same, of the file.

    Raises:
        Exp2procError: `sample-invalid`.
    """
    return facts_of(work, load_sample(work.source.place))


def message(rows: Iterable[tuple[int, Facts]], seen: set[str]) -> dict[str, Any]:
    """A message with facts of samples, each by its place in the list.

    Args:
        rows: places and facts.
        seen: texts whose beginning was told already; added to.
    """
    facts: list[list[Any]] = []
    for at, row in rows:
        *numbers, snippet, gold = row
        told = "" if row.text in seen else snippet
        seen.add(row.text)
        facts.append([at, *numbers, told, *([] if gold is None else [gold])])
    return {"facts": facts}


def digest(*parts: str | memoryview) -> str:
    """A name for content, in hex."""
    found = hashlib.blake2b(digest_size=8)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        found.update(len(data).to_bytes(8, "little"))
        found.update(data)
    return found.hexdigest()


def text_id(source: Source, sample: Sample) -> str:
    """Names the text of a sample: by its pieces; where it has none by all that is known."""
    if sample.tok is not None:
        content = np.ascontiguousarray(sample.tok).view(np.uint8).data
        return f"t{digest(sample.tok.dtype.str, content)}"
    spans = f"{len(sample.attr)} {sample.spans}"
    return f"-{digest(source.dataset, source.model, source.path.name, spans)}"


def _plain(value: float) -> float | None:
    return round(value, 5) if np.isfinite(value) else None


@lru_cache(maxsize=16)  # the samples of a text often follow each other
def _snippet(pieces: tuple[str, ...]) -> str:
    text = "".join(cell.text for cell in cells(pieces))
    return " ".join(visible(text).split())[:_SNIPPET]


def _gold(trace: str, sample: Sample) -> dict[str, list[list[int]]] | None:
    prompt_len = sample.span_in[1] + 1
    found: Gold | None = read_gold(trace, prompt_len) if trace else None
    return None if found is None else {name: _ranges(one) for name, one in found._asdict().items()}


def _ranges(indices: npt.NDArray[np.int64]) -> list[list[int]]:
    """Closed ranges that hold just these indices."""
    whole = np.unique(indices)
    if not len(whole):
        return []
    breaks = np.flatnonzero(np.diff(whole) != 1)
    firsts, lasts = np.r_[0, breaks + 1], np.r_[breaks, len(whole) - 1]
    return np.stack([whole[firsts], whole[lasts]], axis=1).tolist()  # type: ignore[no-any-return]
