"""One declaration an option: the command line, `convert`, printed commands and the page agree."""

from __future__ import annotations

import argparse
import inspect
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, field, frozen
from hypothesis import given
from hypothesis import strategies as st
from support.cli import run_cli

import exp2proc
from exp2proc.cli import _underscored
from exp2proc.cli.convert import _go_on, add_arguments
from exp2proc.cli.reports import Telling
from exp2proc.cli.selection import add_groups, add_options, options_of
from exp2proc.demo.tree import DemoTree
from exp2proc.engines.choice import BACKENDS
from exp2proc.errors import Exp2procError, PlanError
from exp2proc.formats.layouts import LAYOUTS
from exp2proc.options import (
    ConvertOptions,
    Following,
    Options,
    Rules,
    declared,
    keywords_of,
    option,
    parse_tokenizers,
    table,
    to_argv,
)
from exp2proc.tokens.prefixes import PREFIXES
from exp2proc.traces.runs import describe_run


def _parsed(words: list[str]) -> argparse.Namespace:
    """What `exp2proc convert` makes of words."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_arguments(parser)
    return parser.parse_args(_underscored(words))


_odd = ["-", "-x", "--resume", "--out_root=x", "TAG=a b", "=", "-1", "~/x", "a/../b/"]
_words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(
    lambda word: word != "--"
) | st.sampled_from(_odd)
_paths = st.just(Path("--")) | _words.map(Path)
_ways: list[dict[str, Any]] = [{}, {"resume": True}, {"overwrite": True}]
_options = st.builds(
    Options,
    trace_dir=st.lists(_paths, max_size=2),
    traces_root=st.none() | _paths,
    dataset_jsonl=st.lists(_paths, max_size=2),
    data_root=st.none() | _paths,
    tokenizer_model=st.lists(st.just("") | _words, max_size=2),
    prompt_prefix=st.sampled_from([*PREFIXES]),
    layout=st.sampled_from([*LAYOUTS]),
    out_root=st.none() | _paths,
    out_dir=st.none() | _paths,
    limit=st.none() | st.integers(-3, 3),
    allow_missing_ft_hops=st.booleans(),
    jobs=st.just("auto") | st.integers(1, 99),
    backend=st.none() | st.sampled_from([*BACKENDS]),
    scheduler=st.none() | st.just("") | _words,
    address=st.none() | st.just("") | _words,
    fail_fast=st.booleans(),
    strict=st.booleans(),
    fail_on_empty_manifest=st.booleans(),
    cache=st.booleans(),
)


@given(_options, st.sampled_from(_ways))
def test_the_words_of_options_give_these_options(options: Options, how: dict[str, Any]) -> None:
    options = evolve(options, **how)
    assert options_of(_parsed(to_argv(options)), Options) == options


@given(_options, st.booleans(), st.none() | _paths)
def test_to_go_on_is_the_same_command_with_resume(
    options: Options, flag: bool, report: Path | None
) -> None:
    telling = Telling(report=report, quiet=flag, verbose=not flag)
    for how in _ways:
        program, command, *words = _go_on(evolve(options, **how), telling)
        assert (program, command, words.count("--resume")) == ("exp2proc", "convert", 1)
        args = _parsed(words)
        assert options_of(args, Options) == evolve(options, resume=True)
        assert options_of(args, Telling) == telling


def test_the_default_needs_no_words() -> None:
    assert to_argv(Options()) == to_argv(ConvertOptions(on_progress=print)) == []


@pytest.mark.parametrize("kind", [Options, Following, Telling])
def test_every_option_is_explained(kind: type) -> None:
    for one in declared(kind):
        assert one.help and one.group, one.name
        assert one.is_flag or one.choices or one.metavar, one.name
        if one.excludes:
            assert one.excludes in {other.name for other in declared(kind)}


def test_one_value_or_several_text_or_path() -> None:
    for several in ("a", Path("a"), ["a"], (Path("a"),)):
        options = Options(trace_dir=several, dataset_jsonl=several, tokenizer_model=several)
        assert options.trace_dir == options.dataset_jsonl == (Path("a"),)
        assert options.tokenizer_model == ("a",)
    assert Options(trace_dir=None, dataset_jsonl=None) == Options()
    options = Options(traces_root="a", data_root="b", out_root="c", out_dir="d")
    assert (options.traces_root, options.data_root) == (Path("a"), Path("b"))
    assert (options.out_root, options.out_dir) == (Path("c"), Path("d"))


def test_one_value_stands_for_several(demo: DemoTree, tmp_path: Path) -> None:
    plain = exp2proc.Options(
        traces_root=str(demo.traces),
        tokenizer_model=str(demo.tokenizer),
        out_root=str(tmp_path / "out"),
    )
    assert plain == exp2proc.Options(
        traces_root=demo.traces,
        tokenizer_model=(str(demo.tokenizer),),
        out_root=tmp_path / "out",
    )


def test_usage() -> None:
    wrong: dict[str, Any] = {"jobs": 0, "limit": -1, "layout": "x", "backend": "y"}
    with pytest.raises(PlanError) as caught:
        exp2proc.make_plan(
            exp2proc.Options(overwrite=True, resume=True, prompt_prefix="z", **wrong)
        )
    problems = [problem for problem in caught.value.problems if problem.code == "usage"]
    assert len(problems) == 7
    assert all(problem.hint for problem in caught.value.problems)


def test_tagged_and_plain_tokenizers(tmp_path: Path) -> None:
    run = describe_run(tmp_path / "traces" / "math" / "qwen-8B" / "run", tmp_path, None)
    other = describe_run(tmp_path / "traces" / "math" / "llama" / "run", tmp_path, None)
    choice = parse_tokenizers(["models/x", "qwen-8B=models/qwen=8"])
    assert (choice.of(run), choice.of(other)) == ("models/qwen=8", "models/x")
    assert parse_tokenizers(["qwen-8B=y"]).of(other) is None
    folder = tmp_path / "a=b"
    folder.mkdir()
    assert parse_tokenizers([str(folder)]).plain == str(folder)
    for values in (["a", "b"], ["t=a", "t=b"], [""]):
        with pytest.raises(Exp2procError, match="usage"):
            parse_tokenizers(values)


def test_rules_are_what_workers_know() -> None:
    rules = Options(
        layout="proc_1", overwrite=True, allow_missing_ft_hops=True, prompt_prefix="none"
    ).rules
    assert rules == Rules("proc_1", "replace", True, "none")
    assert pickle.loads(pickle.dumps(rules)) == rules
    assert Options(resume=True).rules.existing == "keep"
    assert Options().rules == Rules("proc", "refuse", False, "space")


def test_convert_takes_the_options_as_keywords() -> None:
    parameters = inspect.signature(exp2proc.convert).parameters
    assert list(parameters) == [*inspect.signature(Options).parameters, "on_progress"]
    for name, parameter in parameters.items():
        assert parameter.kind is parameter.KEYWORD_ONLY
        assert parameter.annotation is not parameter.empty
        assert f"\n{name}: " in inspect.cleandoc(exp2proc.convert.__doc__ or "").replace("    ", "")
    assert inspect.signature(exp2proc.convert).return_annotation == "Report"
    assert "options: " not in (exp2proc.convert.__doc__ or "")


@pytest.mark.parametrize(
    ("args", "words", "said"),
    [
        ((), {"nonsense": 1}, "got an unexpected keyword argument 'nonsense'"),
        (
            (),
            {"traces_root": "x", "tokenizer": "y"},
            "got an unexpected keyword argument 'tokenizer' (did you mean tokenizer_model?)",
        ),
        (("traces",), {}, "takes keyword arguments only"),
    ],
    ids=["unknown", "mistyped", "positional"],
)
def test_a_call_that_may_not_be_names_convert(
    args: tuple[str, ...], words: dict[str, Any], said: str
) -> None:
    with pytest.raises(TypeError) as caught:
        exp2proc.convert(*args, **words)
    assert str(caught.value) == f"convert() {said}"


def test_a_folder_named_by_two_dashes(tmp_path: Path) -> None:
    done = run_cli("convert", "--traces_root=--", "--layout", "proc_1", cwd=tmp_path)
    assert done.returncode == 2
    assert f"traces_root {tmp_path / '--'} is not a folder" in done.stderr


def test_an_empty_path_is_refused_by_doctor_too(tmp_path: Path) -> None:
    done = run_cli("doctor", "--traces_root", tmp_path, "--out_root", "")
    assert done.returncode == 2
    assert "--out_root: it is empty" in done.stderr


# An option from outside, through its declaration alone.


def _tuple(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


@frozen(kw_only=True)
class _More(Options):
    colours: tuple[str, ...] = field(
        default=(),
        converter=_tuple,
        metadata=option("a colour; may be repeated", group="looks", metavar="NAME"),
    )
    shadow: bool = field(
        default=True,
        metadata=option("flat", group="looks", excludes="resume", python="throw one."),
    )
    depth: int = field(
        default=3,
        metadata=option(
            "how deep (default: %(default)s)",
            group="looks",
            metavar="N",
            rule=lambda depth: f"depth is {depth}: it is deep" if depth > 9 else "",
        ),
    )


@keywords_of(_More)
def _draw(options: _More) -> _More:
    """Draw.

    Args:
        options: as keyword arguments.
    """
    return options


def test_a_new_option_is_one_declaration() -> None:
    parser = argparse.ArgumentParser(prog="draw")
    add_groups(parser, _More)
    words = ["--limit", "2", "--colours", "red", "--colours=-x", "--no_shadow", "--depth", "4"]
    made = options_of(parser.parse_args(words), _More)
    assert made == _draw(limit=2, colours=["red", "-x"], shadow=False, depth=4)
    assert to_argv(made) == words
    assert options_of(parser.parse_args([]), _More) == _draw() == _More()
    shown = parser.format_help()
    assert "\nlooks:\n  --colours NAME" in shown
    assert "how deep (default: 3)" in shown
    assert table(_More) == {
        **table(Options),
        "looks": [
            ("--colours NAME", "a colour; may be repeated"),
            ("--no_shadow", "flat"),
            ("--depth N", "how deep (default: 3)"),
        ],
    }
    assert "    shadow: throw one.\n    depth: how deep." in (inspect.getdoc(_draw) or "")
    wrong = [
        problem.message for problem in _draw(traces_root="x", resume=True, depth=10).problems()
    ]
    assert wrong == ["--resume and --no_shadow exclude each other", "depth is 10: it is deep"]


def test_a_command_may_take_some_options_and_say_them_otherwise() -> None:
    parser = argparse.ArgumentParser(prog="some")
    add_options(parser, "overwrite", "resume", "jobs", jobs="hands")
    assert parser.format_usage() == "usage: some [-h] [--overwrite | --resume] [--jobs N|auto]\n"
    assert "hands" in parser.format_help()
    with pytest.raises(SystemExit):
        parser.parse_args(["--overwrite", "--resume"])


_WRONG: list[tuple[str, Any, str]] = [
    ("traces_root", 5, "traces_root is 5: it may be a path"),
    ("out_root", b"x", "out_root is b'x': it may be a path"),
    ("trace_dir", 5, "trace_dir is 5: it may be a path or several"),
    ("trace_dir", ["a", None], "trace_dir is (PosixPath('a'), None): it may be a path or several"),
    ("dataset_jsonl", {"a": 1}.items, "it may be a path or several"),
    ("tokenizer_model", 5, "tokenizer_model is 5: it may be text or several"),
    ("tokenizer_model", [5], "tokenizer_model is (5,): it may be text or several"),
    ("layout", None, "layout is None: it may be proc or proc_1"),
    ("layout", ["proc"], "layout is ['proc']: it may be proc or proc_1"),
    ("prompt_prefix", {}, "prompt_prefix is {}: it may be space or none"),
    ("limit", "3", "limit is '3': it may be a whole number"),
    ("limit", 2.5, "limit is 2.5: it may be a whole number"),
    ("limit", True, "limit is True: it may be a whole number"),
    ("overwrite", "no", "overwrite is 'no': it may be True or False"),
    ("cache", None, "cache is None: it may be True or False"),
    ("jobs", "x", "jobs is 'x': it may be auto or a number from 1"),
    ("jobs", [], "jobs is []: it may be auto or a number from 1"),
    ("backend", [], "backend is []: it may be loky, threading, sequential, dask, ray"),
    ("scheduler", 5, "scheduler is 5: it may be text"),
    ("on_progress", 5, "on_progress is 5: it may be a function"),
    ("limit", "x" * 10**6, "xxx...xxx"),
]


@pytest.mark.parametrize(("name", "value", "told"), _WRONG, ids=lambda value: str(value)[:30])
def test_values_of_another_type_are_refused_by_name(
    demo: DemoTree, name: str, value: Any, told: str
) -> None:
    """By everything that takes it, each in its own kind of error, before anything is written."""
    words: dict[str, Any] = {"traces_root": demo.traces, "layout": "proc_1"}
    words |= {"out_root": demo.root / "out", name: value}
    if name == "trace_dir":
        del words["traces_root"]
    takers: list[tuple[Any, dict[str, Any]]] = [(exp2proc.convert, words)]
    if name != "on_progress":
        takers += [(_of_options(one), words) for one in (exp2proc.make_plan, exp2proc.follow)]
        assert exp2proc.forecast(Options(**words)).problems
    others = ((exp2proc.diagnose, {"traces_root": demo.traces}), (exp2proc.check, {"out": "."}))
    for taker, more in others:
        if name in inspect.signature(taker).parameters:
            takers.append((taker, {**more, name: value}))
    for taker, given_words in takers:
        with pytest.raises(PlanError) as caught:
            taker(**given_words)
        assert told in " ".join(problem.message for problem in caught.value.problems)
        assert {problem.code for problem in caught.value.problems} == {"usage"}
    assert not (demo.root / "out").exists()


@pytest.mark.parametrize("every", ["x", None, -1, float("nan")])
def test_following_looks_at_its_values(demo: DemoTree, every: Any) -> None:
    options = Options(traces_root=demo.traces, layout="proc_1", out_root=demo.root / "out")
    with pytest.raises(PlanError, match="usage"):
        exp2proc.follow(options, Following(every=every))


@pytest.mark.parametrize("path", [5, 0, None, b"x", "a\0b", [5], object])
def test_what_is_no_path_is_refused_by_every_reader(demo: DemoTree, path: Any) -> None:
    """A number least of all: it would be taken for an open file, and closed."""
    takers: list[Any] = [
        *(exp2proc.load_sample, exp2proc.SampleDataset, exp2proc.check, _first_sample),
        *(lambda outs: exp2proc.build_gallery(outs, demo.root / "site"),),
        *(lambda outs: exp2proc.figure("length", outs),),
    ]
    if not isinstance(path, list):
        takers += (lambda target: exp2proc.build_gallery(demo.root, target),)
    for taker in takers:
        with pytest.raises(Exp2procError, match="it may be a path") as caught:
            taker(path)
        assert caught.value.code == "usage"
    assert not (demo.root / "site").exists()
    with pytest.raises(PlanError, match="jobs is 'x'"):
        _first_sample(demo.root, jobs="x")


def _first_sample(outs: Any, **more: Any) -> object:
    return next(exp2proc.iter_samples(outs, **more))


def _of_options(function: Any) -> Any:
    return lambda **words: function(Options(**words))
