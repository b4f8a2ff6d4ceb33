"""Why rows failed by their lengths: what their texts measure, and the pattern in it, as a hint."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal, NamedTuple

from ..causes.lengths import LengthCase, Pattern, length_pattern
from ..errors import Exp2procError
from ..planning.plan import Plan
from ..planning.shards import TextWork
from ..results import RunWarning
from ..tokens.aligner import Aligner, Tokenizers
from ..tokens.pieces import Alignment
from ..tokens.prefixes import MEANING, other_prefix
from ..traces.datasets import Text, read_text
from .tally import Tally

LENGTH_CODES: Final = frozenset({"prompt-length-mismatch", "generation-length-mismatch"})
"""The failures that a tokenizer's token lengths decide."""

_NAMED: Final = 3
"""Files that a message names."""
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
    works: Sequence[TextWork], tokenizers: Tokenizers, cache_folder: str | None, prefix: str
) -> Iterator[Measured]:
    """Align texts, by the cache where it can. Those that cannot be read any more are left out.

    Args:
        works: texts of a plan, with a place and a tokenizer.
        tokenizers: of the plan.
        cache_folder: of the alignment cache, or None.
        prefix: what stands before the prompts.

    Raises:
        Exp2procError: `tokenizer-invalid`.
    """
    for at in range(0, len(works), _CHUNK):
        some = works[at : at + _CHUNK]
        aligner = Aligner(some, tokenizers, cache_folder, prefix)
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


def cases_by_run(
    measured: Iterable[Measured], otherwise: Iterable[Measured] = ()
) -> dict[int, list[LengthCase]]:
    """A case for every row of these texts, by its run's number in the plan.

    Args:
        measured: texts.
        otherwise: the same, or some of them, measured with the other prefix.
    """
    others = {(work.key, work.tokenizer): made.prompt_len for work, _, made in otherwise}
    cases: dict[int, list[LengthCase]] = defaultdict(list)
    for work, text, made in measured:
        other = others.get((work.key, work.tokenizer))
        for row in work.rows:
            lengths = row.prompt_len, row.gen_len, made.prompt_len, made.gen_len
            cases[row.run].append(LengthCase(*text, *lengths, other))
    return cases


def explain_lengths(
    plan: Plan, tally: Tally, tokenizers: Tokenizers, cache_folder: str | None
) -> None:
    """Where rows failed by their lengths, give them the pattern of their run as a hint.

    Where a run was traced with the other prefix, its rows that fit all the same are named too, and
    so are the runs of the same tokenizer whose lengths do not tell.
    """
    prefix = plan.options.prompt_prefix
    runs = tally.failed_by(LENGTH_CODES)
    if not runs:
        return

    def cases(of: set[int], both: set[int]) -> dict[int, list[LengthCase]]:
        return cases_by_run(
            measure(_sample(plan.texts, of), tokenizers, cache_folder, prefix),
            measure(_sample(plan.texts, both), tokenizers, cache_folder, other_prefix(prefix)),
        )

    try:
        suspects: set[int] = set()
        failed = cases(runs, tally.failed_by({"prompt-length-mismatch"}))
        for run in sorted(runs & failed.keys()):
            number = plan.runs[run].tokenizer
            pattern = length_pattern(failed[run], prefix)
            tally.rehint(run, LENGTH_CODES, _hint(pattern, plan.tokenizers[number].name, prefix))
            if pattern.kind == "prefix":
                suspects |= {n for n, other in enumerate(plan.runs) if other.tokenizer == number}
                _warn(tally, run, "doubtful-rows", _DOUBTFUL, prefix)
        suspects -= runs
        for run, all_of in sorted(cases(suspects, suspects).items()):
            lengths = ({c.prompt_len, c.prompt_made, c.prompt_other} for c in all_of)
            if run in suspects and all(len(three) == 1 for three in lengths):
                _warn(tally, run, "undecided-prefix", _UNDECIDED, prefix)
    except Exception:
        return  # no hint is worth a report: those of the catalogue stay


_DOUBTFUL: Final = (
    "{rows} fit by accident {so}, which the run was not traced with: their token pieces are"
    " doubtful ({files}); make them again with --prompt_prefix {other} --overwrite"
)
_UNDECIDED: Final = (
    "{rows} fit {so} and {not_so}: their lengths do not tell, and another run was traced"
    " {not_so}. If this one was too, make it again with --prompt_prefix {other} --overwrite"
)


def _warn(
    tally: Tally,
    run: int,
    code: Literal["doubtful-rows", "undecided-prefix"],
    text: str,
    prefix: str,
) -> None:
    """Warn of the samples of a run, if there are any."""
    files = tally.written(run)
    if not files:
        return
    other, more = other_prefix(prefix), len(files) - _NAMED
    said = text.format(
        rows="1 row" if len(files) == 1 else f"{len(files)} rows",
        files=", ".join(files[:_NAMED]) + (f" and {more} more" if more > 0 else ""),
        so=MEANING[prefix],
        not_so=MEANING[other],
        other=other,
    )
    tally.warn(run, RunWarning(code, said, files))


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


def _hint(pattern: Pattern, tokenizer: str, prefix: str) -> str:
    sentence = pattern.sentence[0].upper() + pattern.sentence[1:]
    advice = _ADVICE.get(pattern.kind, "exp2proc doctor compares several tokenizers.")
    if pattern.kind == "prefix":
        advice = f"Convert this run with --prompt_prefix {other_prefix(prefix)}."
    return f"{sentence} (tokenizer {tokenizer}). {advice}"
