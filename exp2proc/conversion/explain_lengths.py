"""Why rows failed by their lengths: what their texts measure, and the pattern in it, as a hint."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from ..causes.lengths import LengthCase, Pattern, length_pattern
from ..errors import Exp2procError
from ..planning.plan import Plan
from ..planning.shards import TextWork
from ..tokens.aligner import Aligner, Tokenizers
from ..tokens.pieces import Alignment
from ..traces.datasets import Text, read_text
from .tally import Tally

LENGTH_CODES: Final = frozenset({"prompt-length-mismatch", "generation-length-mismatch"})
"""The failures that a tokenizer's token lengths decide."""

_CHUNK: Final = 128
"""Texts whose cached alignments are held at once."""
_SAMPLE: Final = 60
"""Rows of a run from which a pattern shows well enough for a hint."""


class Measured(NamedTuple):
    """A text of a plan, what it says and what its tokenizer makes of it."""

    work: TextWork
    text: Text
    alignment: Alignment


def measure(
    works: Sequence[TextWork], tokenizers: Tokenizers, cache_folder: str | None
) -> Iterator[Measured]:
    """Align texts, by the cache where it can. Those that cannot be read any more are left out.

    Args:
        works: texts of a plan, with a place and a tokenizer.
        tokenizers: of the plan.
        cache_folder: of the alignment cache, or None.

    Raises:
        Exp2procError: `tokenizer-invalid`.
    """
    for at in range(0, len(works), _CHUNK):
        some = works[at : at + _CHUNK]
        aligner = Aligner(some, tokenizers, cache_folder)
        try:
            yield from filter(None, (_measured(work, aligner) for work in some))
        finally:
            aligner.remember()


def _measured(work: TextWork, aligner: Aligner) -> Measured | None:
    assert work.place is not None and work.key is not None
    try:
        return Measured(work, read_text(work.place, work.key), aligner.of(work))
    except Exp2procError as err:
        if err.code != "dataset-no-match":
            raise
        return None


def cases_by_run(measured: Iterable[Measured]) -> dict[int, list[LengthCase]]:
    """A case for every row of these texts, by its run's number in the plan."""
    cases: dict[int, list[LengthCase]] = defaultdict(list)
    for work, text, alignment in measured:
        for row in work.rows:
            lengths = row.prompt_len, row.gen_len, alignment.prompt_len, alignment.gen_len
            cases[row.run].append(LengthCase(*text, *lengths))
    return cases


def explain_lengths(
    plan: Plan, tally: Tally, tokenizers: Tokenizers, cache_folder: str | None
) -> None:
    """Where rows failed by their lengths, give them the pattern of their run as a hint."""
    runs = tally.failed_by(LENGTH_CODES)
    if not runs:
        return
    try:
        cases = cases_by_run(measure(_sample(plan.texts, runs), tokenizers, cache_folder))
        for run in runs & cases.keys():
            tokenizer = plan.tokenizers[plan.runs[run].tokenizer]
            tally.rehint(run, LENGTH_CODES, _hint(length_pattern(cases[run]), tokenizer.name))
    except Exception:
        return  # no hint is worth a report: those of the catalogue stay


def _sample(texts: Iterable[TextWork], runs: set[int]) -> list[TextWork]:
    """Texts that between them have a sample of the rows of each run."""
    wanted = dict.fromkeys(runs, _SAMPLE)
    chosen: list[TextWork] = []
    for text in texts:
        touched = {row.run for row in text.rows if wanted.get(row.run, 0) > 0}
        if touched:
            chosen.append(text)
            for run in touched:
                wanted[run] -= 1
    return chosen


_ADVICE: Final = {
    "bos": "Pass the tokenizer of the very model the trace was made with.",
    "eos": "Pass the tokenizer of the very model the trace was made with.",
    "constant": "Pass the dataset cache and tokenizer that the trace was made with.",
    "vocabulary": "Pass the model's own tokenizer with --tokenizer_model TAG=DIR.",
    "pre-tokenizer": "Pass the model's own tokenizer, of the same release, with"
    " --tokenizer_model TAG=DIR.",
    "another-eos": "Check eos_token in the tokenizer_config.json of the model.",
    "cut": "Pass the dataset cache that the trace was made from with --dataset_jsonl, or trace"
    " these examples again.",
}


def _hint(pattern: Pattern, tokenizer: str) -> str:
    sentence = pattern.sentence[0].upper() + pattern.sentence[1:]
    advice = _ADVICE.get(pattern.kind, "exp2proc doctor compares several tokenizers.")
    return f"{sentence} (tokenizer {tokenizer}). {advice}"
