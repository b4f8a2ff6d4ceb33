"""A diagnosis on screen: the evidence for each run, then what to run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.text import Text

from ..doctor.findings import Diagnosis, RunFindings, TokenizerTrial
from ..doctor.wholeness import Wholeness
from ..formats.names import counted, printable
from ..tokens.prefixes import DEFAULT_PREFIX, MEANING, other_prefix
from .console import console, tell

_FIRST: Final = 3
"""Examples that are named before "and more"."""


def print_diagnosis(diagnosis: Diagnosis) -> None:
    """Print it on stdout. The commands come last, each on a line of its own.

    Of many runs, those with nothing to say against have one line each.
    """
    out = console()
    brief = len(diagnosis.runs) > _FIRST
    for found in diagnosis.runs:
        title = Text(printable(f"{found.name} ({counted(found.rows, 'row')})"), style="bold")
        if brief and found.complete:
            tell(out, Text.assemble(("ok  ", "green"), title))
            continue
        tell(out, title)
        for number, question, lines in (
            (1, "dataset", _dataset(found)),
            (2, "tokenizer", _tokenizers(found)),
            (3, "trace", _trace(found.wholeness)),
        ):
            for at, (good, finding) in enumerate(lines):
                head = f"  {number} {question:<9} " if at == 0 else " " * 14
                mark = ("ok", "green") if good else ("no", "red")
                line = Text.assemble(head, mark, f"  {printable(finding)}")
                tell(out, line)
    out.print(Text("4 what to run", style="bold"))
    for need in diagnosis.needs:
        tell(out, Text(f"  needed first: {printable(need)}", style="yellow"))
    for note in diagnosis.notes:
        tell(out, Text(f"  note: {printable(note)}"))
    if not diagnosis.commands:
        out.print(Text("  there is no command that works yet", style="red"))
        return
    rows = sum(command.rows for command in diagnosis.commands)
    planned = sum(found.rows for found in diagnosis.runs)
    until = "meanwhile, " if diagnosis.needs else ""
    out.print(Text(f"  {until}this converts {rows} of {counted(planned, 'row')}:"))
    for command in diagnosis.commands:
        # there to be copied
        out.print(Text(f"  {printable(str(command))}", style="cyan"), soft_wrap=True)


Line = tuple[bool, str]


def _dataset(found: RunFindings) -> Iterator[Line]:
    shown = [match for match in found.datasets if match.matched][:_FIRST]
    for match in shown:
        said = f"{match.path}: {_of(match.matched, found.rows, 'match', 'matches')}"
        yield match.matched == found.rows, f"{said} ({counted(match.rows, 'text')} in it)"
    if found.unmatched:
        where = _some(tuple(match.path for match in found.datasets)) or "no cache was found"
        yield False, f"{_of(found.unmatched, found.rows, 'match', 'matches')} nothing ({where})"
    for cause in found.causes[:_FIRST]:
        yield (
            False,
            f"{cause.rows} of them: {cause.meaning} ({cause.detail}; in {cause.path})",
        )
    if found.unmatched and not found.causes and found.datasets:
        yield False, "none of the usual changes of a text gives these digests: another dataset"


def _tokenizers(found: RunFindings) -> Iterator[Line]:
    if not found.texts:
        yield False, "without texts no tokenizer can be tried"
    elif not found.trials:
        yield False, "no candidate was given: --tokenizer_model DIR, once or more"
    for trial in found.trials:
        yield _trial(trial)
    if found.undecided_prefix:
        yield False, "with the other prefix all rows fit too, and another run needs it"
    if found.doubtful:
        count = len(found.doubtful)
        said = f"{counted(count, 'row')} {'fits' if count == 1 else 'fit'} by accident"
        yield False, f"{said} {MEANING[other_prefix(found.chosen_prefix)]}: {_some(found.doubtful)}"


def _trial(trial: TokenizerTrial) -> Line:
    if not trial.compared:
        return False, trial.error
    fits = trial.matches == trial.compared
    how = f" {MEANING[trial.prompt_prefix]}" if trial.prompt_prefix != DEFAULT_PREFIX else ""
    said = f"{trial.name}{how}: {_of(trial.matches, trial.compared, 'fit', 'fits')}"
    if fits:
        return True, said
    detail = f"prompts {trial.prompt_matches}, generations {trial.gen_matches}"
    return False, f"{said} ({detail}): {trial.error or trial.sentence}"


def _trace(whole: Wholeness | None) -> Iterator[Line]:
    if whole is None or whole.whole:
        yield True, "every row has its file, every file its row, and they agree"
        return
    for where, error in list(whole.broken.items())[:_FIRST]:
        yield False, f"{where}: {error.code}: {error.message}"
    if len(whole.broken) > _FIRST:
        yield False, f"and {counted(len(whole.broken) - _FIRST, 'more row')} that cannot be read"
    if whole.without_hops:
        yield False, f"{_some(whole.without_hops)}: no vh, which this FT-IFR method should have"
    for file, what in list(whole.copies_differ.items())[:_FIRST]:
        yield False, f"{file}: {what} of the manifest row and the npz disagree"
    if len(whole.copies_differ) > _FIRST:
        yield False, f"and {len(whole.copies_differ) - _FIRST} more that disagree"
    if whole.strays:
        yield False, f"{_some(whole.strays)}: no row names it"
    if whole.duplicates:
        yield False, f"several rows have example_idx {_some(tuple(map(str, whole.duplicates)))}"
    if whole.too_few:
        yield False, f"{counted(whole.rows, 'row')} where the run's name promises {whole.promised}"


def _of(some: int, rows: int, do: str, does: str) -> str:
    return f"{some} of {counted(rows, 'row')} {does if rows == 1 else do}"


def _some(names: tuple[str, ...]) -> str:
    more = len(names) - _FIRST
    return ", ".join(names[:_FIRST]) + (f" and {more} more" if more > 0 else "")
