"""Rows -> texts and tokenizers: which dataset line, which tokenizer each row needs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..causes.texts import GENERATED_TARGET, WITHOUT_TARGET
from ..errors import Exp2procError
from ..formats.names import counted
from ..options import Options, TokenizerChoice
from ..system.files import absolute, open_regular
from ..tokens.tokenizer import fingerprint
from ..traces.datasets import DatasetIndex, TextKey, TextPlace, index_dataset
from ..traces.manifest import Row
from ..traces.runs import Candidate, Run, dataset_candidates, found_datasets, readings
from .plan import Plan, PlannedRun, PlannedTokenizer
from .shards import TextWork

Places = dict[TextKey, TextPlace]


def match_texts(plan: Plan, problems: list[Exp2procError]) -> Places:
    """Find each run's dataset caches, and where in them the texts stand.

    Texts are looked up in the first candidate, those that are not there in the next: a file of
    the right name with other texts in it costs nothing. The file that has them also says which
    names the run's path means. Rows whose text stands nowhere become failures of the plan; a run
    that has texts to look up and no file is one that cannot start.
    """
    given = [absolute(path) for path in plan.options.dataset_jsonl]
    for path in given:
        try:
            open_regular(path).close()
        except OSError as err:
            problems.append(Exp2procError("no-dataset", f"dataset {path}: {err.strerror or err}"))
    places: Places = {}
    searches = [_Search(plan, planned, given) for planned in plan.runs]
    active = searches
    while active := [search for search in active if search.advance()]:
        by_path: dict[Path, list[_Search]] = defaultdict(list)
        for search in active:
            by_path[search.tried[-1].path].append(search)
        for path, some in by_path.items():
            try:
                index = index_dataset(path, set().union(*(search.lost for search in some)))
            except OSError as err:
                for search in some:
                    search.unreadable.append(f"{path}: {err.strerror or err}")
            else:
                plan.datasets[index.path] = index.sha256
                for search in some:
                    for key, place in search.look_into(index).items():
                        places.setdefault(key, place)
    for search in searches:
        search.conclude(plan)
    return places


class _Search:
    """A run's search for its texts.

    Attributes:
        lost: digests that are still looked for.
        useful: the files in which the others stand.
        tried: the files that were tried, each with the run as it is named by it.
        unreadable: those of them that could not be read, and why.
    """

    def __init__(self, plan: Plan, planned: PlannedRun, given: list[Path]) -> None:
        self._planned = planned
        self._given = tuple(map(str, given))
        usual = found_datasets(planned.run, plan.options.data_root)
        self._more = _named(planned.run, given, usual) if given else usual
        self._indexes: list[DatasetIndex] = []
        self.lost = {key for row in plan.usable(planned) if (key := row.text_key) is not None}
        self.useful: set[str] = set()
        self.tried: list[Candidate] = []
        self.unreadable: list[str] = []

    def advance(self) -> bool:
        """Go on to the next file; False where there is none or nothing is left to find."""
        if self.tried and not self.lost:
            return False
        another = next(self._more, None)
        if another is not None:
            self.tried.append(another)
        return another is not None

    def look_into(self, index: DatasetIndex) -> Places:
        """Where the texts stand that are in a file; they are looked for no more."""
        self._indexes.append(index)
        found = {key: index.places[key] for key in self.lost & index.places.keys()}
        self.useful.update(place.path for place in found.values())
        self.lost -= found.keys()
        return found

    def conclude(self, plan: Plan) -> None:
        """Note which files and names are the run's, and which of its rows have no text."""
        planned = self._planned
        used = [one for one in self.tried if str(one.path) in self.useful] or self.tried[:1]
        planned.run = used[0].run if used else next(readings(planned.run), planned.run)
        planned.datasets = self._given or tuple(str(one.path) for one in used)
        error: Exp2procError | None = None
        if not self._indexes and self.lost:
            error = _no_dataset(planned.run, plan.options, self.unreadable)
            if not self._given:  # files that were given and cannot be read concern every run
                planned.problems.append(error)
        for row in plan.usable(planned):
            if row.text_key is None or row.text_key in self.lost:
                plan.failures[row.number] = _no_match(row, self._indexes, error)


def _named(run: Run, given: list[Path], usual: Iterator[Candidate]) -> Iterator[Candidate]:
    """Files that were given, with the run as it is named by one of the same name."""
    likely = next((one.run for one in usual), None) or next(readings(run), run)
    for path in given:
        name = path.name.removesuffix(".jsonl")
        same = (r for r in readings(run) if Path(r.dataset).name.removesuffix(".jsonl") == name)
        yield Candidate(path, next(same, likely))


def name_runs(plan: Plan) -> None:
    """Name the runs where no text is looked up: by the first candidate that is there."""
    known: dict[tuple[Path, str, str], Run] = {}
    for planned in plan.runs:
        run = planned.run
        place = run.trace_dir.parent, run.dataset, run.model_tag
        if place not in known:
            there = (one.run for one in found_datasets(run, plan.options.data_root))
            several = len(list(readings(run))) > 1
            known[place] = (next(there, None) if several else None) or next(readings(run), run)
        names = known[place]
        planned.run = replace(run, dataset=names.dataset, model_tag=names.model_tag)


def _no_dataset(run: Run, options: Options, unreadable: list[str]) -> Exp2procError:
    if unreadable:
        why = f"it cannot be read: {'; '.join(unreadable)}"
    elif not run.dataset:
        why = "its path names none (it is not below a folder named traces)"
    else:
        tried = [one.path for one in dataset_candidates(run, options.data_root)]
        why = (
            f"{run.dataset} is at none of the {len(tried)} places that were tried, first {tried[0]}"
        )
    return Exp2procError("no-dataset", f"no dataset for {run.trace_dir}: {why}")


def _no_match(
    row: Row, indexes: list[DatasetIndex], no_dataset: Exp2procError | None
) -> Exp2procError:
    targetless = [index.path for index in indexes if row.prompt_sha1 in index.targetless]
    if row.target_sha1 is None or targetless:
        return _generated_target(row, targetless)
    if no_dataset is not None:
        return no_dataset
    where = ", ".join(f"{index.path} ({counted(index.rows, 'text')})" for index in indexes)
    return Exp2procError(
        "dataset-no-match",
        f"Failed to match manifest sha1 to dataset_jsonl: prompt_sha1 {row.prompt_sha1},"
        f" target_sha1 {row.target_sha1} is not in {where}",
    )


def _generated_target(row: Row, targetless: list[str]) -> Exp2procError:
    if row.target_sha1 is None:
        said = "target_sha1 is null"
    else:
        said = f"{targetless[0]} has prompt_sha1 {row.prompt_sha1} with target null"
    return Exp2procError(
        "dataset-no-match",
        f"Failed to match manifest sha1 to dataset_jsonl: {said}: {GENERATED_TARGET}",
        WITHOUT_TARGET,
    )


def choose_tokenizers(plan: Plan, choice: TokenizerChoice) -> None:
    """Give each run the number of its tokenizer; a run that has none cannot start."""
    numbers: dict[str, int] = {}
    missing: dict[str, list[PlannedRun]] = defaultdict(list)
    for planned in plan.runs:
        name = choice.of(planned.run)
        if name is None:
            missing[planned.run.model_tag].append(planned)
            continue
        if name not in numbers:
            numbers[name] = len(numbers)
            plan.tokenizers.append(PlannedTokenizer(name, fingerprint(name)))
        planned.tokenizer = numbers[name]
    given = f" (given are those of {', '.join(choice.by_tag)})" if choice.by_tag else ""
    for tag, runs in missing.items():
        error = Exp2procError(
            "no-tokenizer",
            f"no tokenizer for {len(runs)} {'run' if len(runs) == 1 else 'runs'} of model {tag!r}",
            f"Pass --tokenizer_model DIR, or --tokenizer_model {tag}=DIR for this model{given}.",
        )
        for planned in runs:
            planned.problems.append(error)


def group_by_text(plan: Plan, places: Places | None) -> None:
    """Gather the usable rows of all runs by the text they need; without places each by itself."""
    groups: dict[tuple[TextKey, int], list[Row]] = defaultdict(list)
    for planned in plan.runs:
        for row in plan.usable(planned):
            if row.open_ended and not planned.young:
                row = row.left_open(False)
            if places is None or (key := row.text_key) is None:
                plan.texts.append(TextWork(None, -1, None, False, (row,)))
            else:
                groups[key, planned.tokenizer].append(row)
    if places is not None:
        plan.texts += (
            TextWork(key, tokenizer, places[key], False, tuple(rows))
            for (key, tokenizer), rows in groups.items()
        )
