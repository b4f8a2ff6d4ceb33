"""What a caller may ask for. Every option is declared once, as a field of `Options`.

A declaration gives the option of the command line, the keyword argument of `convert`, the words of
the commands that are printed (`to_argv`) and a row of docs/reference/options.md. A new option is a
field here and the code that heeds it; one that concerns single rows is also a field of `Rules`.
"""

from __future__ import annotations

import functools
import inspect
import os
import re
import reprlib
import textwrap
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from numbers import Integral, Real
from pathlib import Path
from types import NoneType
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    Literal,
    NamedTuple,
    ParamSpec,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

from attrs import evolve, field, fields, frozen

from .engines.choice import BACKENDS, Backend, EngineChoice
from .errors import Exp2procError
from .formats.layouts import LAYOUTS
from .results import OnProgress
from .tokens.prefixes import DEFAULT_PREFIX, PREFIXES

if TYPE_CHECKING:
    from .traces.runs import Run

P = ParamSpec("P")
R = TypeVar("R")
O = TypeVar("O")  # noqa: E741

PathLike = str | Path
Jobs = int | Literal["auto"]


# How a value is given, and what it then is. What may be none is left as it is: `problems` says so.


def optional_path(value: PathLike | None) -> Path | None:
    """A path, or none."""
    return Path(value) if isinstance(value, (str, os.PathLike)) else value


def paths(value: PathLike | Sequence[PathLike] | None) -> tuple[Path, ...]:
    """One path, several or none, as a tuple."""
    found: Any = () if value is None else _several(value)
    if isinstance(found, tuple):
        found = tuple(map(optional_path, found))
    return found  # type: ignore[no-any-return]


def names(value: PathLike | Sequence[PathLike]) -> tuple[str, ...]:
    """One tokenizer name or several, as a tuple."""
    found: Any = _several(value)
    if isinstance(found, tuple):
        found = tuple(str(one) if isinstance(one, os.PathLike) else one for one in found)
    return found  # type: ignore[no-any-return]


def _several(value: Any) -> Any:
    """One value or several as a tuple; what is neither as it is."""
    if isinstance(value, (str, os.PathLike)):
        return (value,)
    return tuple(value) if isinstance(value, Iterable) and not isinstance(value, bytes) else value


# One option.


@frozen(kw_only=True)
class Option:
    """A declared option, as the command line, `convert` and the documentation need it.

    Attributes:
        help: of the command line; "" when the command line does not have it.
        group: heading that it stands under there.
        metavar: what its value is called; None for flags and choices.
        choices: the only values, as the table that holds them, or ().
        rule: what is wrong with a value, or ""; None when every value of the type is right.
        excludes: another option that it does not go with, or "".
        python: of `convert`'s documentation, where `help` is no good for it.
        name: of the field.
        kind: the type of one value.
        default: its value when it is not given.
        repeatable: whether the field is a tuple, an element each time that the option is given.
    """

    help: str = ""
    group: str = ""
    metavar: str | None = None
    choices: Collection[str] = ()
    rule: Callable[[Any], str] | None = None
    excludes: str = ""
    python: str = ""
    name: str = ""
    kind: Any = None
    default: Any = None
    repeatable: bool = False

    @property
    def spelled(self) -> str:
        """Its name on the command line: `--no_cache` for a flag that is on unless it is given."""
        return f"--no_{self.name}" if self.default is True else f"--{self.name}"

    @property
    def is_flag(self) -> bool:
        """Whether it takes no value on the command line."""
        return self.kind is bool


def option(told: str = "", **more: Any) -> dict[str, Option]:
    """The metadata of a field that is an option: its `help`, and other attributes of `Option`."""
    return {"option": Option(help=told, **more)}


_runs = functools.partial(option, group="runs")
_texts = functools.partial(option, group="texts and tokenizers (layout proc)")
_outputs = functools.partial(option, group="where to and how")
_workers = functools.partial(option, group="workers")
_following = functools.partial(option, group="runs that are still being written")


# The options.


@frozen
class Rules:
    """What decides how a row becomes a sample, wherever the row is worked on.

    Attributes:
        layout: of the samples.
        existing: what to do with an output that is there.
        allow_missing_ft_hops: write FT-IFR traces without `vh` as samples without `hop`.
        prompt_prefix: what stands before a prompt when it is tokenized.
        write: False to find out only what would be written.
    """

    layout: str
    existing: Literal["refuse", "keep", "replace"]
    allow_missing_ft_hops: bool
    prompt_prefix: str = DEFAULT_PREFIX
    write: bool = True


def _layout_rule(layout: str) -> str:
    return "" if layout in LAYOUTS else f"layout is {layout!r}: it may be {' or '.join(LAYOUTS)}"


def _prefix_rule(prefix: str) -> str:
    said = f"prompt_prefix is {prefix!r}: it may be {' or '.join(PREFIXES)}"
    return "" if prefix in PREFIXES else said


def _limit_rule(limit: int | None) -> str:
    return f"limit is {limit}: it counts rows" if limit is not None and limit < 0 else ""


_MONTH: Final = 31 * 86400


def _seconds_rule(seconds: float) -> str:
    said = f"{seconds} seconds: it may be a number above 0, and a month at most"
    return "" if 0 < seconds <= _MONTH else said


class _Kind(NamedTuple):
    """What values of a type are: its instances, but for some, and what they are called."""

    types: tuple[type, ...]
    but: tuple[type, ...]
    told: str


_KINDS: Final[dict[Any, _Kind]] = {
    Path: _Kind((Path,), (), "a path"),
    str: _Kind((str,), (), "text"),
    bool: _Kind((bool,), (), "True or False"),
    int: _Kind((Integral,), (bool,), "a whole number"),
    float: _Kind((Real,), (bool,), "a number"),
    OnProgress: _Kind((Callable,), (), "a function"),  # type: ignore[arg-type]
}
"""By the type that is declared. What the engine is asked with, `EngineChoice` looks at itself."""


def _values_amiss(options: object) -> Iterator[str]:
    """What is wrong with single values, by their declared types and rules."""
    for one in declared(type(options)):
        value = getattr(options, one.name)
        if (kind := _KINDS.get(one.kind)) is not None and not _fits(value, one, kind):
            told = " or ".join(one.choices) or kind.told + " or several" * one.repeatable
            yield f"{one.name} is {reprlib.repr(value)}: it may be {told}"
        elif one.rule is not None and (told := one.rule(value)):
            yield told


def _fits(value: Any, one: Option, kind: _Kind) -> bool:
    if value is None and one.default is None:
        return True
    if one.repeatable != isinstance(value, tuple):
        return False
    several = value if one.repeatable else (value,)
    return all(isinstance(v, kind.types) and not isinstance(v, kind.but) for v in several)


@frozen(kw_only=True)
class Options:
    """The options of one conversion; see `exp2proc.convert` for their meaning.

    A path may be given as text, and one value where several may stand. What does not go together
    is told by `problems`; nothing is refused here.

    >>> options = Options(traces_root="traces", tokenizer_model="models/Qwen3-8B", resume=True)
    >>> options.tokenizer_model, options.rules.existing
    (('models/Qwen3-8B',), 'keep')
    >>> to_argv(options)
    ['--traces_root', 'traces', '--tokenizer_model', 'models/Qwen3-8B', '--resume']
    """

    trace_dir: tuple[Path, ...] = field(
        default=(),
        converter=paths,
        metadata=_runs(
            "a trace run (a folder with manifest.jsonl); may be repeated",
            metavar="DIR",
            python="one run folder or several; or",
        ),
    )
    traces_root: Path | None = field(
        default=None,
        converter=optional_path,
        metadata=_runs("every run below this folder", metavar="DIR"),
    )
    dataset_jsonl: tuple[Path, ...] = field(
        default=(),
        converter=paths,
        metadata=_texts(
            "a dataset cache; may be repeated. Default: the file that the run's path names",
            metavar="FILE",
            python="dataset caches; by default the one each run's path names.",
        ),
    )
    data_root: Path | None = field(
        default=None,
        converter=optional_path,
        metadata=_texts(
            "where dataset caches are looked for first (default: exp/exp2/data, for bare names)",
            metavar="DIR",
        ),
    )
    tokenizer_model: tuple[str, ...] = field(
        default=(),
        converter=names,
        metadata=_texts(
            "tokenizer of all runs, or with TAG= of the runs of that model; may be repeated",
            metavar="[TAG=]NAME_OR_DIR",
            python='folders or hub names; "TAG=NAME" serves the runs of one model_tag.',
        ),
    )
    prompt_prefix: str = field(
        default=DEFAULT_PREFIX,
        metadata=_texts(
            "what stands before a prompt when it is tokenized; none: traces that the public package"
            " has written since May 2026 (default: %(default)s)",
            choices=PREFIXES,
            rule=_prefix_rule,
        ),
    )
    layout: str = field(
        default="proc",
        metadata=_outputs(
            "proc: with token pieces; proc_1: without text (default: %(default)s)",
            choices=LAYOUTS,
            rule=_layout_rule,
        ),
    )
    out_root: Path | None = field(
        default=None,
        converter=optional_path,
        metadata=_outputs(
            "root of the output folders (default: exp/<layout>/output)", metavar="DIR"
        ),
    )
    out_dir: Path | None = field(
        default=None,
        converter=optional_path,
        metadata=_outputs("output folder of the only run", metavar="DIR"),
    )
    limit: int | None = field(
        default=None,
        metadata=_runs("the first N manifest rows of each run", metavar="N", rule=_limit_rule),
    )
    overwrite: bool = field(default=False, metadata=_outputs("make existing outputs again"))
    resume: bool = field(
        default=False,
        metadata=_outputs(
            "keep outputs that are what would be written, make the rest (again)",
            excludes="overwrite",
        ),
    )
    allow_missing_ft_hops: bool = field(
        default=False, metadata=_outputs("write FT-IFR traces without vh as samples without hop")
    )
    provenance: bool = field(
        default=True,
        metadata=_outputs(
            "leave no record of what samples were made from in <out_root>/.exp2proc",
            python="leave a record of what samples were made from in `<out_root>/.exp2proc`.",
        ),
    )
    jobs: Jobs = field(
        default="auto",
        metadata=_workers(
            "worker processes (default: auto, by estimated work and available cores)",
            metavar="N|auto",
            python='workers, or "auto": by estimated work and the cores this process may use.',
        ),
    )
    backend: Backend | None = field(
        default=None,
        metadata=_workers(
            "engine (default: loky, worker processes of this machine); dask and ray are extras",
            choices=BACKENDS,
            python='"loky" (processes), "threading", "sequential", "dask" or "ray"; by default what'
            ' an active `joblib.parallel_config` says, else "loky".',
        ),
    )
    scheduler: str | None = field(
        default=None,
        metadata=_workers(
            "with --backend dask: the scheduler, such as tcp://head:8786 (default: a cluster"
            " started on this machine)",
            metavar="ADDRESS",
        ),
    )
    address: str | None = field(
        default=None,
        metadata=_workers(
            "with --backend ray: the cluster, such as head:6379 (default: $RAY_ADDRESS, else a"
            " Ray started on this machine)",
            metavar="ADDRESS",
        ),
    )
    fail_fast: bool = field(default=False, metadata=_workers("stop at the first row that fails"))
    fail_on_empty_manifest: bool = field(
        default=False,
        metadata=_runs("a manifest without rows is an error: exit code 2, nothing is started"),
    )
    strict: bool = field(
        default=False,
        metadata=_runs(
            "start nothing when a run has no dataset or no tokenizer (default: only its rows fail)"
        ),
    )
    cache: bool = field(
        default=True,
        metadata=_workers(
            "neither use nor fill the alignment cache",
            python="remember what texts became between runs.",
        ),
    )

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
        return Rules(self.layout, existing, self.allow_missing_ft_hops, self.prompt_prefix)

    def problems(self) -> list[Exp2procError]:
        """What does not go together, and values that may not be."""
        found: list[str] = []
        if bool(self.trace_dir) == (self.traces_root is not None):
            found.append("give either --trace_dir (once or more) or --traces_root")
        given = [(one, getattr(self, one.name)) for one in declared(type(self))]
        found += [
            f"--{one.excludes} and {one.spelled} exclude each other"
            for one, value in given
            if one.excludes and value and getattr(self, one.excludes)
        ]
        return [Exp2procError("usage", message) for message in found] + self.value_problems()

    def value_problems(self) -> list[Exp2procError]:
        """Values that may not be, whatever the others are."""
        from .formats.deflate import check_choice  # takes the codecs' time

        found = [Exp2procError("usage", message) for message in _values_amiss(self)]
        found += self.engine.problems()
        try:
            check_choice()
        except Exp2procError as err:
            found.append(err)
        return found


@frozen(kw_only=True)
class ConvertOptions(Options):
    """What `convert` takes: the options, and whom to tell."""

    on_progress: OnProgress | None = field(
        default=None,
        metadata=option(python="called in this process whenever rows have ended."),
    )


@frozen(kw_only=True)
class Following:
    """How `exp2proc.follow` goes on in rounds while exp2 still writes.

    >>> to_argv(Following(follow=True, every=5))
    ['--follow', '--every', '5']
    """

    follow: bool = field(
        default=False,
        metadata=_following(
            "go on in rounds while exp2 still writes: until every run has the rows that its name"
            " promises, or nothing has changed for --patience"
        ),
    )
    every: float = field(
        default=30.0,
        metadata=_following(
            "between two rounds (default: 30)", metavar="SECONDS", rule=_seconds_rule
        ),
    )
    patience: float = field(
        default=1800.0,
        metadata=_following(
            "without any change, after which it ends (default: 1800)",
            metavar="SECONDS",
            rule=_seconds_rule,
        ),
    )

    def problems(self) -> list[Exp2procError]:
        """Values that may not be."""
        return [Exp2procError("usage", told) for told in _values_amiss(self)]


# What the declarations give.


def declared(kind: type) -> tuple[Option, ...]:
    """The options that are the fields of a class, in their order."""
    hints = get_type_hints(kind)
    found: list[Option] = []
    for attribute in fields(kind):
        one, repeatable = _value_type(hints[attribute.name])
        found.append(
            evolve(
                attribute.metadata["option"],
                name=attribute.name,
                default=attribute.default,
                kind=one,
                repeatable=repeatable,
            )
        )
    return tuple(found)


def _value_type(hint: Any) -> tuple[Any, bool]:
    """The type of one value, and whether the field holds several: `tuple[T, ...]`, `T | None`."""
    if get_origin(hint) is tuple:
        return get_args(hint)[0], True
    parts = get_args(hint)
    if NoneType in parts:
        (one,) = (part for part in parts if part is not NoneType)
        return one, False
    return hint, False


def to_argv(options: object) -> list[str]:
    """The words of a command line that give these options: those that are not the default's.

    >>> to_argv(Options(traces_root="traces", tokenizer_model=["a", "-b"], cache=False))
    ['--traces_root', 'traces', '--tokenizer_model', 'a', '--tokenizer_model=-b', '--no_cache']
    """
    words: list[str] = []
    for one in declared(type(options)):
        value = getattr(options, one.name)
        if not one.help or value == one.default:
            continue
        if one.is_flag:
            words.append(one.spelled)
            continue
        for word in map(str, value if one.repeatable else (value,)):
            # A value that begins with a dash would be taken for an option.
            dashed = word.startswith("-")
            words += [f"{one.spelled}={word}"] if dashed else [one.spelled, word]
    return words


def grouped(kind: type) -> dict[str, list[Option]]:
    """The options of a class that the command line has, by heading."""
    groups: dict[str, list[Option]] = {}
    for one in declared(kind):
        if one.help:
            groups.setdefault(one.group, []).append(one)
    return groups


def table(kind: type) -> dict[str, list[tuple[str, str]]]:
    """The documentation's tables, by heading: how an option is spelled, and what it does.

    >>> table(Options)["runs"][1]
    ('--traces_root DIR', 'every run below this folder')
    """
    return {
        heading: [
            (
                f"{one.spelled} {one.metavar or '|'.join(one.choices)}".strip(),
                one.help % {"default": one.default},
            )
            for one in options
        ]
        for heading, options in grouped(kind).items()
    }


def keywords_of(kind: Callable[P, O]) -> Callable[[Callable[[O], R]], Callable[P, R]]:
    """Let a function of options take the fields of `kind` as keyword arguments instead.

    Its signature is that of `kind`; the line of its documentation that begins with "options:"
    becomes a line for each of them.
    """

    def decorate(function: Callable[[O], R]) -> Callable[P, R]:
        @functools.wraps(function)
        def called(*args: P.args, **kwargs: P.kwargs) -> R:
            _refuse_other_arguments(function.__name__, signature.parameters, args, kwargs)
            return function(kind(*args, **kwargs))

        signature, own = inspect.signature(kind), inspect.signature(function)
        shown: Any = called
        fields_of: Any = kind
        shown.__signature__ = signature.replace(return_annotation=own.return_annotation)
        shown.__annotations__ = {
            **{name: p.annotation for name, p in signature.parameters.items()},
            "return": own.return_annotation,
        }
        if called.__doc__:
            called.__doc__ = re.sub(
                "^( *)options: .*\n",
                lambda line: _arguments(declared(fields_of), line[1]),
                called.__doc__,
                flags=re.MULTILINE,
            )
        return called

    return decorate


def _refuse_other_arguments(
    name: str, known: Collection[str], args: Collection[object], kwargs: Iterable[str]
) -> None:
    """Raise what a function of these keywords would, not its class: that is nobody's business."""
    if args:
        raise TypeError(f"{name}() takes keyword arguments only")
    for word in kwargs:
        if word not in known:
            from .formats.names import did_you_mean

            meant = did_you_mean(word, known)
            raise TypeError(f"{name}() got an unexpected keyword argument {word!r}{meant}")


def _arguments(options: Sequence[Option], indent: str) -> str:
    """The options as arguments in a docstring."""
    lines = ""
    for one in options:
        text = one.python or re.sub(r" \(default: %\(default\)s\)$", "", one.help) + "."
        wrapped = textwrap.wrap(f"{one.name}: {text}", 96 - len(indent), subsequent_indent="    ")
        lines += textwrap.indent("\n".join(wrapped) + "\n", indent)
    return lines


# Tokenizers, an option with a spelling of its own.


@frozen
class TokenizerChoice:
    """Which tokenizer serves which runs.

    Attributes:
        by_tag: model_tag -> folder or hub name.
        plain: serves the rest, or None.
    """

    by_tag: dict[str, str]
    plain: str | None

    def of(self, run: Run) -> str | None:
        """The tokenizer of a run, or None when none was given for it.

        A tag is what the run's path has just above the run; of two that fit, the longer.
        """
        above = f"{run.dataset}/{run.model_tag}".split("/")
        tags = ("/".join(above[-parts:]) for parts in (2, 1))
        return next((self.by_tag[tag] for tag in tags if tag in self.by_tag), self.plain)


_TAG: Final = re.compile(r"[^/]*|(?!\.{1,2}/|~)[^/]+/[^/]+")


def parse_tokenizers(values: Sequence[str]) -> TokenizerChoice:
    """Read `--tokenizer_model` values: `NAME_OR_DIR`, or `TAG=NAME_OR_DIR`.

    A value is a tagged one when what stands before its first "=" is a folder name or a hub name
    (`Qwen/Qwen3-8B`) and the whole is not an existing path.

    Raises:
        Exp2procError: `usage`, when two plain ones or two of one tag are given.

    >>> parse_tokenizers(["models/other", "qwen-8B=models/Qwen3-8B"])
    TokenizerChoice(by_tag={'qwen-8B': 'models/Qwen3-8B'}, plain='models/other')
    """
    by_tag: dict[str, str] = {}
    plain: str | None = None
    for value in values:
        tag, equals, name = value.partition("=")
        if not value:
            raise Exp2procError("usage", "--tokenizer_model is empty")
        if equals and _TAG.fullmatch(tag) and not os.path.exists(os.path.expanduser(value)):
            if by_tag.setdefault(tag, name) != name:
                raise Exp2procError("usage", f"--tokenizer_model gives {tag} two tokenizers")
        elif plain not in (None, value):
            raise Exp2procError("usage", "--tokenizer_model is given twice without a TAG")
        else:
            plain = value
    return TokenizerChoice(by_tag, plain)
