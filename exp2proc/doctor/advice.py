"""From what was found to what to run: commands that have been planned, or what is needed first."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from attrs import evolve

from ..causes.texts import GENERATED_TARGET, WITHOUT_TARGET
from ..formats.names import counted
from ..options import Options, to_argv
from ..planning.plan import Plan, PlannedRun
from ..planning.planner import draft_plan
from ..tokens.prefixes import MEANING, other_prefix
from .findings import Command, RunFindings

_FIRST: Final = 3
"""Examples of broken rows that are named."""


def prescribe(
    options: Options, plan: Plan, findings: Sequence[RunFindings]
) -> tuple[list[Command], list[str], list[str]]:
    """Commands that work, what is needed before they convert everything, and what to know.

    Args:
        options: which runs, and where datasets and outputs are.
        plan: with the runs.
        findings: one for each run.
    """
    needs = [need for found in findings for need in _needs(found)]
    notes = [note for found in findings for note in _notes(found)]
    pairs = [(p, f) for p, f in zip(plan.runs, findings, strict=True) if f.ready]
    groups: dict[tuple[str, str], list[tuple[PlannedRun, RunFindings]]] = defaultdict(list)
    together = _one_command_serves(pairs)
    for planned, found in pairs:
        tokenizer = "" if together else found.chosen_tokenizer or ""
        groups[found.chosen_prefix, tokenizer].append((planned, found))
    commands: list[Command] = []
    for group in groups.values():
        everything = len(group) == sum(found.rows > 0 for found in findings)
        chosen = _options(options, group, everything=everything)
        chosen, problems = _without_obstacles(chosen)
        needs += problems
        if not problems:
            commands.append(Command(_command(chosen), sum(found.ready for _, found in group)))
    if not commands and (note := _without_text(options)):
        notes.append(note)
    return commands, list(dict.fromkeys(needs)), list(dict.fromkeys(notes))


def _one_command_serves(pairs: Sequence[tuple[PlannedRun, RunFindings]]) -> bool:
    """Whether no model_tag needs two tokenizers (those of another prefix have their own)."""
    by_tag: dict[str, set[str | None]] = defaultdict(set)
    for _, found in pairs:
        by_tag[found.model_tag].add(found.chosen_tokenizer)
    return all(len(names) == 1 for names in by_tag.values())


def _options(
    options: Options, group: Sequence[tuple[PlannedRun, RunFindings]], *, everything: bool
) -> Options:
    """The options that convert these runs."""
    usual = not options.dataset_jsonl and all(
        found.chosen_datasets == list(planned.datasets) for planned, found in group
    )
    datasets = dict.fromkeys(path for _, found in group for path in found.chosen_datasets)
    by_tag = {found.model_tag: found.chosen_tokenizer or "" for _, found in group}
    names = sorted(set(by_tag.values()))
    root = options.traces_root if everything else None
    return evolve(
        options,
        trace_dir=() if root is not None else tuple(planned.run.trace_dir for planned, _ in group),
        traces_root=root,
        dataset_jsonl=() if usual else tuple(map(Path, datasets)),
        tokenizer_model=(
            tuple(names)
            if len(names) == 1
            else tuple(f"{tag}={name}" for tag, name in by_tag.items())
        ),
        prompt_prefix=group[0][1].chosen_prefix,
        allow_missing_ft_hops=any(
            found.wholeness is not None and found.wholeness.without_hops for _, found in group
        ),
    )


def _without_text(options: Options) -> str:
    """A way that needs neither dataset nor tokenizer, or ""."""
    chosen, problems = _without_obstacles(evolve(options, dataset_jsonl=(), layout="proc_1"))
    if problems:
        return ""
    return f"without token pieces, neither is needed: {shlex.join(_command(chosen))}"


def _without_obstacles(options: Options) -> tuple[Options, list[str]]:
    """Plan; returns options that can start, or what keeps them from it."""
    problems = draft_plan(evolve(options, strict=True))[1]
    if any(problem.code == "outputs-exist" for problem in problems):
        options = evolve(options, resume=True)
        problems = [problem for problem in problems if problem.code != "outputs-exist"]
    return options, [f"{problem.message}. {problem.hint}" for problem in problems]


def _command(options: Options) -> tuple[str, ...]:
    """The command line of these options."""
    if options.layout == "proc_1" or options.dataset_jsonl:  # then nothing is looked for there
        options = evolve(options, data_root=None)
    return ("exp2proc", "convert", *to_argv(options))


def _needs(found: RunFindings) -> list[str]:
    """What is needed before every row of a run can be converted."""
    needs: list[str] = []
    if found.unmatched:
        needs.append(f"{found.name}: {_dataset_need(found)}")
    if found.texts and (need := _tokenizer_need(found)):
        needs.append(f"{found.name}: {need}")
    broken = found.wholeness.broken if found.wholeness is not None else {}
    if broken:
        some = "; ".join(f"{at}: {error.message}" for at, error in [*broken.items()][:_FIRST])
        more = f"; and {len(broken) - _FIRST} more" if len(broken) > _FIRST else ""
        rows = counted(found.rows, "row")
        needs.append(
            f"{found.name}: {len(broken)} of {rows} cannot be read ({some}{more});"
            f" {next(iter(broken.values())).hint}"
        )
    return needs


def _dataset_need(found: RunFindings) -> str:
    have = "has" if found.unmatched == 1 else "have"
    lost = f"{found.unmatched} of {counted(found.rows, 'row')} {have} no text"
    if not found.datasets:
        return f"{lost}: no dataset cache was found; pass it with --dataset_jsonl"
    asked = "pass the cache that the run was traced from with --dataset_jsonl"
    if not found.causes:
        return f"{lost} in any of {counted(len(found.datasets), 'cache')}; {asked}"
    cause = found.causes[0]
    if cause.kind == "target-missing":
        asked = f"{GENERATED_TARGET}. {WITHOUT_TARGET}"
    return f"{lost}, {cause.rows} of them because of {cause.meaning} ({cause.path}); {asked}"


def _tokenizer_need(found: RunFindings) -> str:
    if not found.trials:
        return "pass a candidate with --tokenizer_model"
    best = max(found.trials, key=lambda trial: (trial.matches, trial.prompt_matches))
    if best.compared and best.matches == best.compared:
        return ""
    why = best.error or best.sentence
    return (
        f"no candidate tokenizer fits all rows; the best, {best.name}, fits {best.matches} of"
        f" {best.compared}: {why}. Pass the model's own with --tokenizer_model"
    )


def _notes(found: RunFindings) -> list[str]:
    """What does not stand in the way and should be known."""
    whole, notes = found.wholeness, []
    if whole is None:
        return []
    fitting = [t.name for t in found.trials if t.compared and t.matches == t.compared]
    if len(fitting) > 1:
        notes.append(
            f"{' and '.join(fitting)} fit equally: they make the same lengths of these texts,"
            " perhaps not the same pieces"
        )
    if found.doubtful:
        some = ", ".join(found.doubtful[:_FIRST])
        more = f" and {len(found.doubtful) - _FIRST} more" if len(found.doubtful) > _FIRST else ""
        notes.append(
            f"{found.name}: it was traced with prompts tokenized {MEANING[found.chosen_prefix]};"
            f" {len(found.doubtful)} of its rows fit by accident"
            f" {MEANING[other_prefix(found.chosen_prefix)]} too, and samples that were made so are"
            f" doubtful ({some}{more}): make them again"
        )
    if found.undecided_prefix:
        this, other = found.chosen_prefix, other_prefix(found.chosen_prefix)
        notes.append(
            f"{found.name}: its prompts have the trace's lengths {MEANING[this]} and"
            f" {MEANING[other]}, and another run was traced {MEANING[other]}. If this one was too,"
            f" add --prompt_prefix {other}: the lengths do not tell"
        )
    if whole.without_hops:
        notes.append(
            f"{found.name}: {len(whole.without_hops)} of {found.rows} FT-IFR traces have no vh:"
            " --allow_missing_ft_hops writes them without hop; trace them again to have it"
        )
    if whole.copies_differ:
        have = "has" if len(whole.copies_differ) == 1 else "have"
        notes.append(
            f"{found.name}: {counted(len(whole.copies_differ), 'trace')} {have} other spans or"
            " scores than their manifest rows; samples get those of the npz"
        )
    if whole.too_few:
        rows = counted(found.rows, "row")
        notes.append(f"{found.name}: {rows} where the run's name promises {whole.promised}")
    return notes
