"""What `exp2proc doctor` found, as data. `Diagnosis.to_dict` is its JSON."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import Any

from ..causes.lengths import Kind
from ..causes.texts import CauseKind, WantedKey
from ..tokens.prefixes import DEFAULT_PREFIX
from .wholeness import Wholeness


@dataclass(frozen=True, slots=True)
class DatasetMatch:
    """A dataset cache and a run: `matched` of the run's rows have their text among its `rows`."""

    path: str
    rows: int
    matched: int


@dataclass(frozen=True, slots=True)
class UnmatchedRows:
    """Rows without a text, and the cause that fits them.

    Attributes:
        kind, meaning: the cause, as a name and in words.
        detail: how it shows.
        path: the dataset cache in which it shows.
        rows: how many rows of the run.
    """

    kind: CauseKind
    meaning: str
    detail: str
    path: str
    rows: int


@dataclass(slots=True)
class TokenizerTrial:
    """A candidate tokenizer, tried on the rows of a run whose text is known.

    Attributes:
        name: folder or hub name.
        compared: rows.
        prompt_matches, gen_matches: rows whose P, whose G it makes.
        kind, sentence: the pattern of the differences.
        error: why it cannot be used at all, or "".
        files: traces of the rows that it serves.
        prompt_prefix: what stood before the prompts.
        either_prefix: whether all prompts have the trace's length with the other prefix too (tried
            where another run needs that one).
    """

    name: str
    compared: int = 0
    prompt_matches: int = 0
    gen_matches: int = 0
    kind: Kind = "unclear"
    sentence: str = ""
    error: str = ""
    files: set[str] = field(default_factory=set)
    prompt_prefix: str = DEFAULT_PREFIX
    either_prefix: bool = False

    @property
    def matches(self) -> int:
        """Rows that it serves: both lengths are the trace's."""
        return len(self.files)


@dataclass(slots=True)
class RunFindings:
    """What was found about one run.

    Attributes:
        trace_dir, dataset, model_tag, run_tag: the run.
        rows: manifest rows.
        texts: digests of its rows that are in some dataset.
        datasets: every cache that was searched, the best first.
        chosen_datasets: the caches to use.
        unmatched: rows without a text.
        causes: why, the most frequent first.
        trials: of each candidate tokenizer.
        chosen_tokenizer: the candidate to use, or None.
        chosen_prefix: the `--prompt_prefix` to use.
        doubtful: traces of rows that fit by accident with the other prefix, which the run was not
            traced with; sorted.
        undecided_prefix: whether its rows fit with either prefix, while another run needs the one
            that was not asked for.
        wholeness: of manifest and traces.
        ready: rows that would be converted.
    """

    trace_dir: str
    dataset: str
    model_tag: str
    run_tag: str
    rows: int
    texts: set[WantedKey] = field(default_factory=set)
    datasets: list[DatasetMatch] = field(default_factory=list)
    chosen_datasets: list[str] = field(default_factory=list)
    unmatched: int = 0
    causes: list[UnmatchedRows] = field(default_factory=list)
    trials: list[TokenizerTrial] = field(default_factory=list)
    chosen_tokenizer: str | None = None
    chosen_prefix: str = DEFAULT_PREFIX
    doubtful: tuple[str, ...] = ()
    undecided_prefix: bool = False
    wholeness: Wholeness | None = None
    ready: int = 0

    @property
    def name(self) -> str:
        """The run as its path below `traces` spells it."""
        return "/".join(part for part in (self.dataset, self.model_tag, self.run_tag) if part)

    @property
    def complete(self) -> bool:
        """Whether every row would be converted and nothing else was found."""
        whole = self.wholeness is not None and self.wholeness.whole
        return self.ready == self.rows and whole and not (self.doubtful or self.undecided_prefix)

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "trace_dir": self.trace_dir,
            "dataset": self.dataset,
            "model_tag": self.model_tag,
            "run_tag": self.run_tag,
            "rows": self.rows,
            "ready": self.ready,
            "datasets": [_plain(match) for match in self.datasets],
            "chosen_datasets": self.chosen_datasets,
            "unmatched": self.unmatched,
            "causes": [_plain(cause) for cause in self.causes],
            "tokenizers": [_trial(trial) for trial in self.trials],
            "chosen_tokenizer": self.chosen_tokenizer,
            "chosen_prefix": self.chosen_prefix,
            "doubtful": list(self.doubtful),
            "undecided_prefix": self.undecided_prefix,
            "trace": None if self.wholeness is None else _trace(self.wholeness),
        }


def _plain(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__slots__}


def _trial(trial: TokenizerTrial) -> dict[str, Any]:
    fields = {**_plain(trial), "matches": trial.matches}
    del fields["files"]
    return fields


def _trace(whole: Wholeness) -> dict[str, Any]:
    broken = {
        where: {"code": error.code, "message": error.message}
        for where, error in whole.broken.items()
    }
    return {**_plain(whole), "broken": broken, "too_few": whole.too_few, "whole": whole.whole}


@dataclass(frozen=True, slots=True)
class Command:
    """A `convert` command that was planned and has nothing in its way.

    Attributes:
        words: of the command line.
        rows: how many it will convert.
    """

    words: tuple[str, ...]
    rows: int

    def __str__(self) -> str:
        return shlex.join(self.words)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The answers.

    Attributes:
        runs: what was found about each.
        commands: what to run; several when runs of one model need different tokenizers.
        needs: what is needed before all rows can be converted; empty when nothing is.
        notes: what else should be known.
    """

    runs: list[RunFindings]
    commands: list[Command]
    needs: list[str]
    notes: list[str]

    @property
    def exit_code(self) -> int:
        """0 when the commands convert every row, else 1."""
        return 0 if self.commands and not self.needs else 1

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "exit_code": self.exit_code,
            "runs": [run.to_dict() for run in self.runs],
            "commands": [list(command.words) for command in self.commands],
            "needs": self.needs,
            "notes": self.notes,
        }
