"""Rows -> texts and tokenizers: which dataset line, which tokenizer each row needs."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from ..errors import Exp2procError
from ..options import Options, TokenizerChoice
from ..system.files import absolute
from ..tokens.tokenizer import fingerprint
from ..traces.datasets import DatasetIndex, TextKey, TextPlace, index_dataset
from ..traces.manifest import Row
from ..traces.runs import Run, dataset_candidates, find_dataset
from .plan import Plan, PlannedTokenizer
from .shards import TextWork

Places = dict[TextKey, TextPlace]


def match_texts(plan: Plan, problems: list[Exp2procError]) -> list[Places]:
    """Find each run's dataset caches, and where in them its texts stand; by run.

    Rows whose text stands nowhere become failures of the plan.
    """
    options = plan.options
    given = tuple(str(absolute(path)) for path in options.dataset_jsonl)
    wanted: dict[str, set[TextKey]] = defaultdict(set)
    for planned in plan.runs:
        if given:
            planned.datasets = given
        elif (found := find_dataset(planned.run, options.data_root)) is not None:
            planned.datasets = (str(found),)
        else:
            problems.append(_no_dataset(planned.run, options))
        keys = {key for row in plan.usable(planned) if (key := row.text_key) is not None}
        for path in planned.datasets:
            wanted[path] |= keys
    indexes: dict[str, DatasetIndex] = {}
    for path in dict.fromkeys((*given, *wanted)):
        try:
            indexes[path] = index_dataset(Path(path), wanted[path])
        except OSError as err:
            problems.append(Exp2procError("no-dataset", f"dataset {path}: {err.strerror or err}"))
    return [
        _places(plan, number, [indexes[path] for path in planned.datasets if path in indexes])
        for number, planned in enumerate(plan.runs)
    ]


def _no_dataset(run: Run, options: Options) -> Exp2procError:
    if not run.dataset:
        why = "its path names none (it is not below a folder named traces)"
    else:
        tried = len(set(dataset_candidates(run, options.data_root)))
        why = f"{run.dataset} is at none of the {tried} places that were tried"
    return Exp2procError("no-dataset", f"no dataset for {run.trace_dir}: {why}")


def _places(plan: Plan, run: int, indexes: list[DatasetIndex]) -> Places:
    places: Places = {}
    for row in plan.usable(plan.runs[run]):
        key = row.text_key
        if key is not None and (place := _place(key, indexes)) is not None:
            places[key] = place
        else:
            plan.failures[row.number] = _no_match(row, indexes)
    return places


def _place(key: TextKey, indexes: list[DatasetIndex]) -> TextPlace | None:
    return next((index.places[key] for index in indexes if key in index.places), None)


def _no_match(row: Row, indexes: list[DatasetIndex]) -> Exp2procError:
    if not indexes:
        return Exp2procError("no-dataset", "there is no dataset to look its text up in")
    where = ", ".join(f"{index.path} ({index.rows} texts)" for index in indexes)
    return Exp2procError(
        "dataset-no-match",
        f"Failed to match manifest sha1 to dataset_jsonl: prompt_sha1 {row.prompt_sha1},"
        f" target_sha1 {row.target_sha1} is not in {where}",
    )


def choose_tokenizers(plan: Plan, choice: TokenizerChoice, problems: list[Exp2procError]) -> None:
    """Give each run the number of its tokenizer."""
    numbers: dict[str, int] = {}
    missing: dict[str, int] = defaultdict(int)
    for planned in plan.runs:
        name = choice.of(planned.run)
        if name is None:
            missing[planned.run.model_tag] += 1
            continue
        if name not in numbers:
            numbers[name] = len(numbers)
            plan.tokenizers.append(PlannedTokenizer(name, fingerprint(name)))
        planned.tokenizer = numbers[name]
    for tag, count in missing.items():
        problems.append(
            Exp2procError(
                "no-tokenizer",
                f"no tokenizer for {count} {'run' if count == 1 else 'runs'} of model {tag!r}",
                f"Pass --tokenizer_model DIR, or --tokenizer_model {tag}=DIR for this model.",
            )
        )


def group_by_text(plan: Plan, places: list[Places]) -> None:
    """Gather the usable rows of all runs by the text they need; without places each by itself."""
    groups: dict[tuple[TextKey, int], list[Row]] = defaultdict(list)
    found: Places = {}
    for number, planned in enumerate(plan.runs):
        if places:
            found.update(places[number])
        for row in plan.usable(planned):
            if row.open_ended and not planned.young:
                row = row._replace(open_ended=False)
            if places and (key := row.text_key) is not None:
                groups[key, planned.tokenizer].append(row)
            else:
                plan.texts.append(TextWork(None, -1, None, False, (row,)))
    plan.texts += (
        TextWork(key, tokenizer, found[key], False, tuple(rows))
        for (key, tokenizer), rows in groups.items()
    )
