"""What keeps trace runs from being converted: four questions, answered with evidence.

1. Which dataset cache belongs to each run? 2. Which tokenizer? 3. Is the trace whole? 4. What to
run? Nothing is assumed: texts are looked up by digest, candidates are tried on every row, every
trace is read, and the command that comes out has been planned.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path

from attrs import evolve

from ..causes.lengths import length_pattern
from ..causes.texts import MEANING, Cause, WantedKey, find_causes
from ..conversion.explain_lengths import Measured, cases_by_run, measure
from ..errors import Exp2procError, PlanError
from ..formats.names import counted
from ..options import Options, PathLike
from ..planning.plan import Plan
from ..planning.planner import draft_plan
from ..planning.shards import TextWork
from ..system.files import absolute
from ..tokens.cache import cache_folder
from ..tokens.pieces import check_lengths
from ..tokens.prefixes import DEFAULT_PREFIX, other_prefix
from ..traces.datasets import index_dataset, read_rows
from ..traces.manifest import Row
from ..traces.runs import DEFAULT_DATA_ROOT, Run, found_datasets
from .advice import prescribe
from .findings import DatasetMatch, Diagnosis, RunFindings, TokenizerTrial, UnmatchedRows
from .wholeness import inspect_run

OnStep = Callable[[str], None]


def diagnose(
    *,
    trace_dir: PathLike | Sequence[PathLike] | None = None,
    traces_root: PathLike | None = None,
    dataset_jsonl: PathLike | Sequence[PathLike] | None = None,
    data_root: PathLike | None = None,
    tokenizer_model: PathLike | Sequence[PathLike] = (),
    prompt_prefix: str = DEFAULT_PREFIX,
    out_root: PathLike | None = None,
    on_step: OnStep | None = None,
) -> Diagnosis:
    """Find out what trace runs need to be converted. Writes nothing but the alignment cache.

    >>> found = diagnose(
    ...     traces_root=demo.traces, data_root=demo.data, tokenizer_model=demo.tokenizer
    ... )
    >>> found.exit_code, found.commands[0].rows
    (0, 96)

    Args:
        trace_dir: one run folder or several; or
        traces_root: a folder below which every folder with a manifest.jsonl is a run.
        dataset_jsonl: dataset caches to search; by default those below `data_root` and the one
            each run's path names.
        data_root: where dataset caches are looked for first; by default exp/exp2/data, for bare
            names.
        tokenizer_model: candidates, folders or hub names; "TAG=NAME" is tried on the runs of one
            model_tag only.
        prompt_prefix: what stands before a prompt, as of `convert`; where it is the other one that
            a run was traced with, that is found.
        out_root: where the suggested command shall write.
        on_step: called with a line of text before each step that may take a while.

    Returns:
        What was found, and the commands that convert the runs or what is needed first.

    Raises:
        PlanError: there is no run, or options do not go together.
    """
    options = Options(
        trace_dir=trace_dir,
        traces_root=traces_root,
        dataset_jsonl=dataset_jsonl,
        data_root=data_root,
        prompt_prefix=prompt_prefix,
        out_root=out_root,
    )
    asked = evolve(options, tokenizer_model=tokenizer_model)
    if problems := asked.problems():
        raise PlanError(problems)
    return _Doctor(options, asked.tokenizer_model, on_step or _silent).diagnosis()


def _silent(step: str) -> None:
    """Say nothing."""


class _Doctor:
    """One examination: the evidence is gathered once and shared by all runs."""

    def __init__(self, options: Options, candidates: Sequence[str], on_step: OnStep) -> None:
        self._options = options
        self._candidates = list(dict.fromkeys(candidates))
        self._say = on_step
        # Runs, rows and the datasets that convert would take; what stops it is not asked here.
        self._plan, problems = draft_plan(evolve(options, overwrite=True))
        fatal = [p for p in problems if p.code in ("usage", "no-runs", "manifest-unreadable")]
        if fatal:
            raise PlanError(fatal)
        self._findings = [_blank(planned.run, len(planned.rows)) for planned in self._plan.runs]
        self._problems: list[str] = []

    def diagnosis(self) -> Diagnosis:
        """Answer the four questions."""
        files = list(self._dataset_files())
        self._search(files)
        for candidate in self._candidates:
            self._try(candidate)
        self._say(f"reading {counted(self._plan.row_count, 'trace')}")
        for planned, found in zip(self._plan.runs, self._findings, strict=True):
            found.wholeness = inspect_run(planned.run.trace_dir, planned.rows)
            self._settle(planned.rows, found)
        commands, needs, notes = prescribe(self._options, self._plan, self._findings)
        return Diagnosis(self._findings, commands, needs, [*self._problems, *notes])

    # 1. Which dataset cache?

    def _dataset_files(self) -> Iterator[Path]:
        """The caches to search, each once."""
        seen: set[str] = set()
        for path in self._options.dataset_jsonl or self._found_files():
            path = absolute(path)
            if (real := os.path.realpath(path)) not in seen:
                seen.add(real)
                yield path

    def _found_files(self) -> Iterator[Path]:
        given = self._options.data_root
        root = Path(DEFAULT_DATA_ROOT if given is None else os.path.expanduser(given))
        for planned in self._plan.runs:
            yield from (candidate.path for candidate in found_datasets(planned.run, given))
        bases = dict.fromkeys(
            base for p in self._plan.runs for base in (Path.cwd(), *p.run.trace_dir.parents)
        )
        for folder in dict.fromkeys(base / root for base in bases):
            # Below `traces` the same path leads to runs, not to caches.
            if folder.is_dir() and folder not in bases:
                yield from sorted(path for path in folder.rglob("*.jsonl") if path.is_file())

    def _search(self, files: Iterable[Path]) -> None:
        wanted = {key for rows in self._rows() for row in rows if (key := row.text_key)}
        readable: list[Path] = []
        for path in files:
            self._say(f"searching {path}")
            try:
                index = index_dataset(path, wanted)
            except OSError as err:
                self._problems.append(f"dataset {path}: {err.strerror or err}")
                continue
            readable.append(path)
            for rows, found in zip(self._rows(), self._findings, strict=True):
                keys = [key for row in rows if (key := row.text_key) in index.places]
                found.texts.update(key for key in keys if key is not None)
                found.datasets.append(DatasetMatch(str(path), index.rows, len(keys)))
        self._choose_datasets()
        self._explain_unmatched(readable)

    def _rows(self) -> list[list[Row]]:
        return [[r for r in p.rows if isinstance(r, Row)] for p in self._plan.runs]

    def _choose_datasets(self) -> None:
        for planned, rows, found in zip(self._plan.runs, self._rows(), self._findings, strict=True):
            usual = planned.datasets
            found.datasets.sort(key=lambda d: (-d.matched, d.path not in usual))
            most = sum(row.text_key in found.texts for row in rows)
            useful = [match for match in found.datasets if match.matched]
            whole = [match for match in useful if match.matched == most]
            found.chosen_datasets = [match.path for match in whole[:1] or useful]
            found_by_plan = sum(row.number not in self._plan.failures for row in rows)
            if most and found_by_plan == most and not self._options.dataset_jsonl:
                found.chosen_datasets = [d.path for d in useful if d.path in usual]

    def _explain_unmatched(self, files: Sequence[Path]) -> None:
        lost: set[WantedKey] = set()
        for rows, found in zip(self._rows(), self._findings, strict=True):
            lost |= {key for row in rows if (key := _wanted_key(row)) not in found.texts}
        causes: dict[WantedKey, tuple[Cause, Path]] = {}
        for path in files if lost else ():
            self._say(f"looking for {counted(len(lost), 'text')}, changed, in {path}")
            for key, cause in find_causes(lost, read_rows(path)).items():
                if key not in causes or cause.stronger_than(causes[key][0]):
                    causes[key] = cause, path
        for rows, found in zip(self._rows(), self._findings, strict=True):
            keys = [key for row in rows if (key := _wanted_key(row)) not in found.texts]
            found.unmatched = len(keys)
            counts = Counter(causes[key] for key in keys if key in causes)
            found.causes = [
                UnmatchedRows(cause.kind, MEANING[cause.kind], cause.detail, str(path), count)
                for (cause, path), count in counts.most_common()
            ]

    # 2. Which tokenizer?

    def _try(self, candidate: str) -> None:
        files = dict.fromkeys(path for found in self._findings for path in found.chosen_datasets)
        if not files:
            return
        plan, problems = draft_plan(
            evolve(
                self._options,
                trace_dir=tuple(p.run.trace_dir for p in self._plan.runs),
                traces_root=None,
                dataset_jsonl=tuple(map(Path, files)),
                tokenizer_model=(candidate,),
                overwrite=True,
                strict=True,
            )
        )
        name = plan.tokenizers[0].name if plan.tokenizers else candidate
        broken = next((p for p in problems if p.code in ("tokenizer-invalid", "usage")), None)
        if broken is not None:
            self._problems += [broken.message] if broken.code == "usage" else []
            for planned, found in zip(plan.runs, self._findings, strict=False):
                if planned.tokenizer >= 0:
                    found.trials.append(TokenizerTrial(name, error=broken.message))
            return
        works = [text for text in plan.texts if text.tokenizer >= 0]
        if not works:
            return
        self._say(f"trying {name} on {counted(len(works), 'text')}")
        folder = str(cache_folder()) if self._options.cache else None
        tokenizers, prefix = plan.open_tokenizers(), self._options.prompt_prefix
        measured = list(measure(works, tokenizers, folder, prefix))
        misfits = {
            run
            for run, cases in cases_by_run(measured).items()
            if any(case.prompt_len != case.prompt_made for case in cases)
        }
        other = other_prefix(prefix)
        first: list[TextWork] = []
        rest: list[TextWork] = []
        for work in works:
            (rest if misfits.isdisjoint(row.run for row in work.rows) else first).append(work)
        otherwise = list(measure(first, tokenizers, folder, other))
        trials = self._judge(plan, TokenizerTrial(name, prompt_prefix=prefix), measured, otherwise)
        runs = {run for run, trial in trials.items() if trial.kind == "prefix"}
        if runs:
            self._judge(plan, TokenizerTrial(name, prompt_prefix=other), otherwise, runs=runs)
            otherwise += measure(rest, tokenizers, folder, other)
            for run, cases in cases_by_run(measured, otherwise).items():
                lengths = ({c.prompt_len, c.prompt_made, c.prompt_other} for c in cases)
                trials[run].either_prefix = all(len(three) == 1 for three in lengths)

    def _judge(
        self,
        plan: Plan,
        tried: TokenizerTrial,
        measured: list[Measured],
        otherwise: Sequence[Measured] = (),
        runs: Collection[int] | None = None,
    ) -> dict[int, TokenizerTrial]:
        """Enter how a candidate did on the rows of runs, or of all; by run."""
        by_dir = {found.trace_dir: found for found in self._findings}
        trials: dict[int, TokenizerTrial] = {}
        for run, cases in cases_by_run(measured, otherwise).items():
            if runs is not None and run not in runs:
                continue
            pattern = length_pattern(cases, tried.prompt_prefix)
            trials[run] = TokenizerTrial(
                tried.name,
                prompt_prefix=tried.prompt_prefix,
                compared=len(cases),
                prompt_matches=sum(c.prompt_len == c.prompt_made for c in cases),
                gen_matches=sum(c.gen_len == c.gen_made for c in cases),
                kind=pattern.kind,
                sentence=pattern.sentence,
            )
            by_dir[str(plan.runs[run].run.trace_dir)].trials.append(trials[run])
        for work, _, alignment in measured:
            for row in work.rows:
                if row.run not in trials:
                    continue
                try:
                    check_lengths(alignment, row.prompt_len, row.gen_len)
                except Exp2procError as err:
                    if err.code == "degenerate-offsets":
                        trials[row.run].error = err.message
                else:
                    trials[row.run].files.add(row.file)
        return trials

    def _settle(self, rows: Sequence[object], found: RunFindings) -> None:
        """Count the rows that the best candidate, the datasets and the trace allow to convert."""
        best = max(found.trials, key=lambda trial: trial.matches, default=None)
        assert found.wholeness is not None
        if best is None or not best.matches:
            return
        found.chosen_tokenizer, found.chosen_prefix = best.name, best.prompt_prefix
        found.undecided_prefix = best.either_prefix
        for trial in found.trials:
            if trial.name == best.name and trial.prompt_prefix != best.prompt_prefix:
                found.doubtful = tuple(sorted(trial.files))
        found.ready = sum(
            isinstance(row, Row)
            and row.file in best.files
            and row.file not in found.wholeness.broken
            and f"line {row.line}" not in found.wholeness.broken
            for row in rows
        )


def _blank(run: Run, rows: int) -> RunFindings:
    return RunFindings(str(run.trace_dir), run.dataset, run.model_tag, run.run_tag, rows)


def _wanted_key(row: Row) -> WantedKey:
    return row.prompt_sha1, row.target_sha1
