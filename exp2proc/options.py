"""What a caller may ask of `convert`, checked for what does not go together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .engines.choice import Backend, EngineChoice
from .errors import Exp2procError
from .formats.layouts import LAYOUTS
from .traces.runs import DEFAULT_DATA_ROOT, Run

PathLike = str | Path


@dataclass(frozen=True, slots=True)
class Rules:
    """What decides how a row becomes a sample, wherever the row is worked on.

    Attributes:
        layout: of the samples.
        existing: what to do with an output that is there.
        allow_missing_ft_hops: write FT-IFR traces without `vh` as samples without `hop`.
    """

    layout: str
    existing: Literal["refuse", "keep", "replace"]
    allow_missing_ft_hops: bool


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one conversion; see `exp2proc.convert` for their meaning."""

    trace_dir: tuple[Path, ...] = ()
    traces_root: Path | None = None
    dataset_jsonl: tuple[Path, ...] = ()
    data_root: Path = Path(DEFAULT_DATA_ROOT)
    tokenizer_model: tuple[str, ...] = ()
    layout: str = "proc"
    out_root: Path | None = None
    out_dir: Path | None = None
    limit: int | None = None
    overwrite: bool = False
    resume: bool = False
    allow_missing_ft_hops: bool = False
    jobs: int | Literal["auto"] = "auto"
    backend: Backend | None = None
    scheduler: str | None = None
    address: str | None = None
    fail_fast: bool = False
    cache: bool = True

    def __post_init__(self) -> None:
        # One value stands for a tuple of it, as in `convert`; the fields are what they say.
        for name in ("trace_dir", "dataset_jsonl"):
            object.__setattr__(self, name, paths(getattr(self, name)))
        object.__setattr__(self, "tokenizer_model", names(self.tokenizer_model))
        for name in ("traces_root", "data_root", "out_root", "out_dir"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else Path(value))

    @property
    def output_root(self) -> Path:
        """`out_root`, or the layout's default."""
        return Path(LAYOUTS[self.layout].default_root) if self.out_root is None else self.out_root

    @property
    def engine(self) -> EngineChoice:
        """What concerns the engine alone."""
        return EngineChoice(self.backend, self.scheduler, self.address, self.jobs)

    @property
    def rules(self) -> Rules:
        """What concerns rows alone: all that workers know of the options."""
        existing: Literal["refuse", "keep", "replace"] = (
            "keep" if self.resume else "replace" if self.overwrite else "refuse"
        )
        return Rules(self.layout, existing, self.allow_missing_ft_hops)

    def problems(self) -> list[Exp2procError]:
        """What does not go together."""
        found: list[str] = []
        if bool(self.trace_dir) == (self.traces_root is not None):
            found.append("give either --trace_dir (once or more) or --traces_root")
        if self.overwrite and self.resume:
            found.append("--overwrite and --resume exclude each other")
        if self.layout not in LAYOUTS:
            found.append(f"layout is {self.layout!r}: it may be {' or '.join(LAYOUTS)}")
        if self.limit is not None and self.limit < 0:
            found.append(f"limit is {self.limit}: it counts rows")
        return [Exp2procError("usage", message) for message in found] + self.engine.problems()


def paths(value: PathLike | Sequence[PathLike] | None) -> tuple[Path, ...]:
    """One path, several or none, as a tuple."""
    if value is None:
        return ()
    return (Path(value),) if isinstance(value, (str, Path)) else tuple(map(Path, value))


def names(value: PathLike | Sequence[PathLike]) -> tuple[str, ...]:
    """One tokenizer name or several, as a tuple."""
    return (str(value),) if isinstance(value, (str, Path)) else tuple(map(str, value))


@dataclass(frozen=True, slots=True)
class TokenizerChoice:
    """Which tokenizer serves which runs.

    Attributes:
        by_tag: model_tag -> folder or hub name.
        plain: serves the rest, or None.
    """

    by_tag: dict[str, str]
    plain: str | None

    def of(self, run: Run) -> str | None:
        """The tokenizer of a run, or None when none was given for it."""
        return self.by_tag.get(run.model_tag, self.plain)


def parse_tokenizers(values: Sequence[str]) -> TokenizerChoice:
    """Read `--tokenizer_model` values: `NAME_OR_DIR`, or `TAG=NAME_OR_DIR`.

    A value is a tagged one when what stands before its first "=" is a folder name and the whole is
    not an existing path.

    Raises:
        Exp2procError: `usage`, when two plain ones or two of one tag are given.
    """
    by_tag: dict[str, str] = {}
    plain: str | None = None
    for value in values:
        tag, equals, name = value.partition("=")
        if not value:
            raise Exp2procError("usage", "--tokenizer_model is empty")
        if equals and "/" not in tag and not os.path.exists(os.path.expanduser(value)):
            if by_tag.setdefault(tag, name) != name:
                raise Exp2procError("usage", f"--tokenizer_model gives {tag} two tokenizers")
        elif plain not in (None, value):
            raise Exp2procError("usage", "--tokenizer_model is given twice without a TAG")
        else:
            plain = value
    return TokenizerChoice(by_tag, plain)
