"""The catalogue of everything that can go wrong: code, when it happens, what to do.

Every failure of the program is one of these, with a code of the catalogue:

    Exception
    └── Exp2procError
        │   code of ROW_ERRORS: costs one row; all others are written
        │   code of PLAN_ERRORS: nothing starts, nothing is written
        │   code of SAMPLE_ERRORS: said by what reads exports
        │   code of ENDINGS: what else ends a command
        └── PlanError
                carries every problem that planning found

A new code is an entry of one of the four tables; `python docs/generate.py` puts it on its page.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class ErrorKind:
    """One entry of the catalogue.

    Attributes:
        code: the stable, lower-case name used in reports, logs and tests.
        when: the condition, in one clause.
        hint: what the user can do about it.
        stays: whether going on with the same options meets it again, whatever is mended meanwhile.
    """

    code: str
    when: str
    hint: str
    stays: bool = False


def _catalogue(*kinds: ErrorKind) -> dict[str, ErrorKind]:
    _refuse_twice([kind.code for kind in kinds])
    return {kind.code: kind for kind in kinds}


def _refuse_twice(codes: list[str]) -> None:
    if twice := {code for code in codes if codes.count(code) > 1}:
        raise ValueError(f"more than once in the catalogue: {', '.join(sorted(twice))}")


ROW_ERRORS: Final = _catalogue(
    ErrorKind(
        "prompt-length-mismatch",
        'the tokenizer cuts " " + prompt into another number of tokens than the trace has',
        "The tokenizer is probably not the one the trace was made with: pass the model's own with"
        " --tokenizer_model TAG=DIR. Traces without the leading space need --prompt_prefix none.",
        stays=True,
    ),
    ErrorKind(
        "generation-length-mismatch",
        "the tokenizer cuts target + eos into another number of tokens than the trace has",
        "Check that the tokenizer (and its eos token) is the one the trace was made with, and that"
        " the dataset's targets were not cut.",
        stays=True,
    ),
    ErrorKind(
        "dataset-no-match",
        "no dataset row has this (prompt_sha1, target_sha1)",
        "Pass the dataset cache that the trace run was made from with --dataset_jsonl.",
        stays=True,
    ),
    ErrorKind(
        "missing-hops",
        "an FT-IFR method's trace has no vh",
        "Trace the run again with hops, or pass --allow_missing_ft_hops to write it without hop.",
        stays=True,
    ),
    ErrorKind(
        "manifest-invalid",
        "a manifest line is not a JSON object with the fields of a row",
        "Repair or remove that line of manifest.jsonl.",
    ),
    ErrorKind(
        "unsafe-path",
        "the row's `file` is not a plain *.npz name inside the run folder",
        "A row may only name a file in its own run folder, such as ex_000000.npz.",
    ),
    ErrorKind(
        "trace-missing",
        "the row's npz does not exist or cannot be opened",
        "Copy the missing file into the run folder, or trace that example again.",
    ),
    ErrorKind(
        "trace-corrupt",
        "the npz is not a readable zip of plain arrays (truncated, bad CRC, pickled, encrypted)",
        "Copy the file again from where it was made, or trace that example again.",
    ),
    ErrorKind(
        "trace-missing-field",
        "the npz lacks an array that is needed",
        "The trace was written by another or an interrupted program: trace that example again.",
    ),
    ErrorKind(
        "trace-shape-mismatch",
        "an array of the npz has another shape or dtype than the row's lengths demand",
        "The npz does not belong to this manifest row: trace that example again.",
    ),
    ErrorKind(
        "manifest-trace-disagree",
        "prompt_len or gen_len differ between the manifest row and its npz",
        "The manifest and the npz come from different runs: restore the pair, or trace it again.",
    ),
    ErrorKind(
        "degenerate-offsets",
        "the tokenizer gives most tokens of a text an empty piece, not only white space",
        "This tokenizers release gives wrong offsets for this model: upgrade the tokenizers"
        " package.",
        stays=True,
    ),
    ErrorKind(
        "output-exists",
        "the output file is already there",
        "Pass --resume to keep outputs that are complete, or --overwrite to make them again.",
    ),
    ErrorKind(
        "output-unwritable",
        "the operating system refuses to write the output",
        "Free space or fix the permissions of the output folder, then run again with --resume.",
    ),
    ErrorKind(
        "worker-lost",
        "the worker process died on this row, twice",
        "Usually out of memory: run again with --resume and fewer --jobs.",
    ),
    ErrorKind(
        "worker-environment",
        "a machine of the cluster has another tokenizer, other libraries or other paths than the"
        " one that planned",
        "Give all machines the same environment and the same shared folders, then run again with"
        " --resume.",
    ),
    ErrorKind(
        "internal",
        "a bug of exp2proc",
        "Please report it with the output of --verbose.",
        stays=True,
    ),
)

PLAN_ERRORS: Final = _catalogue(
    ErrorKind("usage", "the options do not go together", "Change what the message names."),
    ErrorKind(
        "no-runs",
        "there is no trace run where one was named",
        "A trace run is a folder with a manifest.jsonl.",
    ),
    ErrorKind(
        "manifest-unreadable",
        "a run's manifest.jsonl cannot be opened",
        "Check the file's permissions.",
    ),
    ErrorKind(
        "empty-manifest",
        "a run's manifest.jsonl has no rows, and --fail_on_empty_manifest was given",
        "Trace the run again, or leave the option out: the run is then named and left out.",
    ),
    ErrorKind(
        "no-dataset",
        "no dataset cache was found for a run",
        "Pass it with --dataset_jsonl FILE, or its folder with --data_root DIR.",
        stays=True,
    ),
    ErrorKind(
        "no-tokenizer",
        "no tokenizer was given for a run",
        "Pass --tokenizer_model DIR for all runs, or TAG=DIR for the runs of one model_tag.",
        stays=True,
    ),
    ErrorKind(
        "tokenizer-invalid",
        "a tokenizer does not load, has no eos_token or gives no offsets",
        "Pass a folder with the model's tokenizer.json and tokenizer_config.json.",
        stays=True,
    ),
    ErrorKind(
        "output-is-trace",
        "an output folder is a trace run",
        "Choose another folder (--out_dir, --out_root, -o): traces are never written to.",
    ),
    ErrorKind(
        "output-hidden",
        "an output folder would begin with a dot, which readers of samples pass by",
        "Rename the folder of the traces, or name the place with --out_dir.",
    ),
    ErrorKind(
        "output-collision",
        "two runs would write the same file",
        "Convert them one at a time with their own --out_dir, or put the runs below a folder named"
        " traces.",
    ),
    ErrorKind(
        "outputs-exist",
        "outputs are already there",
        "Pass --resume to keep outputs that are complete, or --overwrite to make all again.",
    ),
    ErrorKind(
        "missing-extra",
        "an optional library that this needs, such as a backend's, is not installed",
        "Install it with the extra that the message names.",
    ),
    ErrorKind(
        "no-cluster",
        "the scheduler cannot be reached, or has no workers",
        "Check the address, and that the scheduler and its workers are running.",
    ),
    ErrorKind(
        "path-not-visible",
        "a worker does not see a path of the plan, or may not write to it",
        "Put traces, datasets, tokenizers and outputs on a file system that every worker mounts at"
        " the same place.",
    ),
)

SAMPLE_ERRORS: Final = _catalogue(
    ErrorKind(
        "sample-invalid",
        "an exported npz cannot be read or is not a sample",
        "Make it again: exp2proc convert --resume replaces outputs that are not complete.",
    ),
    ErrorKind(
        "sample-inconsistent",
        "an exported sample contradicts itself: spans or tok amiss, infinite scores",
        "Make it again with exp2proc convert --overwrite; when it stays so, its trace is damaged.",
    ),
    ErrorKind(
        "sample-differs",
        "an exported sample is not what its trace gives",
        "Make it again with exp2proc convert --resume.",
    ),
    ErrorKind(
        "bundle-damaged",
        "a file of a bundle is not the one whose SHA-256 was written, is missing or was added",
        "Get the bundle again from whoever made it, or make it anew with exp2proc bundle.",
    ),
    ErrorKind(
        "sample-missing",
        "a row, or a folder that was to be checked, has no sample",
        "exp2proc convert --resume makes the samples that are missing.",
    ),
    ErrorKind(
        "sample-unexpected",
        "something in an output folder is no sample of its run",
        "An output folder holds samples and nothing else: move it away, or name the folder that has"
        " them.",
    ),
    ErrorKind(
        "record-mismatch",
        "the samples of a run are no longer those that their record describes",
        "Convert the run again with --resume: what is stale is made again, and the record with it.",
    ),
    ErrorKind(
        "no-tokens",
        "a sample of layout proc_1 was asked for its token pieces",
        "Convert the run with --layout proc to have them.",
    ),
    ErrorKind(
        "no-samples",
        "there is no exported npz where one was named, or a folder cannot be listed",
        "Name an output folder of exp2proc convert (its --out_root or --out_dir).",
    ),
    ErrorKind(
        "nothing-to-draw",
        "the samples lack what a figure shows: the score, hops, CoT lengths",
        "Name other samples, or another --score.",
    ),
    ErrorKind(
        "samples-collide",
        "two files are the same sample by dataset, model, run_tag and file name",
        "Name the folder that holds both output folders: they then count as different datasets.",
    ),
    ErrorKind(
        "parquet-invalid",
        "a Parquet file cannot be read or was not written by exp2proc pack",
        "Make it again with exp2proc pack.",
    ),
    ErrorKind(
        "target-exists",
        "a file or folder to be written is already there, and is not this command's own",
        "Name another with -o, or pass --overwrite.",
    ),
)

ENDINGS: Final = _catalogue(
    ErrorKind(
        "system-refuses",
        "the operating system refuses something that a command needs",
        "Free space, mend permissions or name another place, then run it again.",
    ),
    ErrorKind("interrupted", "Ctrl-C ended a command", "Run it again."),
    ErrorKind("terminated", "SIGTERM, or a lost terminal, ended a command", "Run it again."),
)

TABLES: Final = (ROW_ERRORS, PLAN_ERRORS, SAMPLE_ERRORS, ENDINGS)
_refuse_twice([code for table in TABLES for code in table])

CATALOGUE: Final[Mapping[str, ErrorKind]] = ChainMap(*TABLES)
"""All of them by code; what is added to a table is in it."""


class Exp2procError(Exception):
    """Anything that goes wrong, with a code of the catalogue.

    Attributes:
        code: a key of `CATALOGUE`.
        message: what happened, with the numbers.
        hint: what to do; the catalogue's unless a better one is known.

    >>> err = Exp2procError("trace-missing", "ex_000007.npz is not there")
    >>> err.code, err.hint
    ('trace-missing', 'Copy the missing file into the run folder, or trace that example again.')
    >>> print(err)
    trace-missing: ex_000007.npz is not there
    """

    def __init__(self, code: str, message: str, hint: str | None = None) -> None:
        kind = CATALOGUE[code]
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = kind.hint if hint is None else hint

    def __reduce__(self) -> tuple[type[Exp2procError], tuple[str, str, str]]:
        # Exceptions pickle as cls(*args); this one takes more than its args.
        return (type(self), (self.code, self.message, self.hint))

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    def to_dict(self) -> dict[str, str]:
        """As plain data."""
        return {"code": self.code, "message": self.message, "hint": self.hint}


class PlanError(Exp2procError):
    """Nothing could start. Carries every problem that planning found, not only the first.

    Attributes:
        problems: the `Exp2procError`s, at least one.

    >>> problems = [Exp2procError("no-runs", "none in traces"), Exp2procError("usage", "no DIR")]
    >>> print(PlanError(problems))
    no-runs: none in traces (and 1 more)
    """

    def __init__(self, problems: list[Exp2procError]) -> None:
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(first.code, first.message + more, first.hint)
        self.problems = tuple(problems)

    def __reduce__(self) -> tuple[type[PlanError], tuple[list[Exp2procError]]]:  # type: ignore[override]
        return (type(self), (list(self.problems),))


def first_line(err: BaseException) -> str:
    r"""An exception of somebody else's library, short: its type and its first line.

    >>> first_line(ValueError("bad token at 3\nand much more"))
    'ValueError: bad token at 3'
    """
    lines = str(err).strip().splitlines() or [""]
    text = lines[0] if len(lines[0]) <= 200 else lines[0][:197] + "..."
    return f"{type(err).__name__}: {text}" if text else type(err).__name__
