"""The token pieces that samples should have: their texts, found and aligned again as convert does.

Samples are gathered by their text, as in a conversion, so that a text is aligned once, whatever the
number of methods it was traced with; after an export its alignment comes from the cache.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from attrs import evolve

from ..conversion.run import settings_of
from ..conversion.worker import Settings, aligner_of, enter, leave
from ..engines import Engine
from ..errors import Exp2procError, PlanError
from ..options import Options
from ..planning.plan import Plan
from ..planning.planner import draft_plan
from ..planning.shards import TextWork
from ..system.scratch import scratch_folder
from ..tokens.pieces import Alignment
from .pair import SampleWork

Align = Callable[[], Alignment]

_BATCH: Final = 16
"""Samples that are checked together where no text brings them together."""


class TextSamples(NamedTuple):
    """Samples of one text.

    Attributes:
        text: the text; why there is none; or None where nobody asks for it.
        works: the samples.
    """

    text: TextWork | Exp2procError | None
    works: tuple[SampleWork, ...]


@contextmanager
def aligning(
    works: Sequence[SampleWork], options: Options, engine: Engine, seconds: float
) -> Iterator[tuple[list[TextSamples], Settings | None]]:
    """The samples by their texts, and what workers need to align these, while the block lasts.

    Args:
        works: the samples, with their rows where these are known.
        options: where texts are, and with which tokenizers; without these nothing is aligned.
        engine: of the workers.
        seconds: estimated work.

    Raises:
        PlanError: a tokenizer does not load.
    """
    if not options.tokenizer_model or not any(work.row for work in works):
        yield _plain(works), None
        return
    runs = dict.fromkeys(Path(work.trace_dir) for work in works if work.row)
    asked = evolve(options, traces_root=None, trace_dir=tuple(runs))
    plan, problems = draft_plan(asked, outputs=False)
    # Samples without text need no dataset: whether one that is missing matters shows at each.
    if fatal := [problem for problem in problems if problem.code not in _COSTS_A_RUN]:
        raise PlanError(fatal)
    with scratch_folder() as scratch:
        workers = engine.workers(seconds)
        settings = settings_of(plan, engine, scratch, workers, asked.rules)
        enter(settings.run_id, plan.open_tokenizers())
        try:
            yield _by_text(works, plan), settings
        finally:
            leave(settings.run_id)


_COSTS_A_RUN: Final = ("no-dataset", "no-tokenizer")


def _plain(works: Sequence[SampleWork]) -> list[TextSamples]:
    starts = range(0, len(works), _BATCH)
    return [TextSamples(None, tuple(works[at : at + _BATCH])) for at in starts]


def _by_text(works: Sequence[SampleWork], plan: Plan) -> list[TextSamples]:
    found: dict[tuple[str, str], int] = {}
    folders = [str(planned.run.trace_dir) for planned in plan.runs]
    for number, text in enumerate(plan.texts):
        for row in text.rows:
            found[folders[row.run], row.file] = number
    failed = {
        (folders[row.run], row.file): plan.failures[row.number]
        for planned in plan.runs
        for row in planned.rows
        if row.file is not None and row.number in plan.failures
    }
    by_text: dict[int, list[SampleWork]] = defaultdict(list)
    rest: list[SampleWork] = []
    made: list[TextSamples] = []
    for work in works:
        key = (work.trace_dir, work.row.file) if work.row else ("", "")
        if key in found:
            by_text[found[key]].append(work)
        elif key in failed:
            made.append(TextSamples(failed[key], (work,)))
        else:
            rest.append(work)
    made += (TextSamples(plan.texts[number], tuple(some)) for number, some in by_text.items())
    return made + _plain(rest)


def aligned(text: TextWork | Exp2procError, settings: Settings) -> Alignment:
    """The alignment of a text, in whatever process.

    Raises:
        Exp2procError: why there is none.
    """
    if isinstance(text, Exp2procError):
        raise text
    if text.tokenizer < 0:
        raise Exp2procError("no-tokenizer", "no tokenizer was given for its model")
    aligner = aligner_of([text], settings)
    try:
        return aligner.of(text)
    finally:
        aligner.remember()
