"""The catalogue: no code twice, every code documented, a new code needs its table entry only."""

from __future__ import annotations

import io
import os
import pickle
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from support.cli import COMMAND, run_cli, run_json

import exp2proc
from exp2proc import errors
from exp2proc.demo.tree import DemoTree
from exp2proc.errors import CATALOGUE, TABLES, ErrorKind, Exp2procError, PlanError
from exp2proc.terminal.errors import print_errors

_ROOT = Path(__file__).resolve().parents[1]


def test_no_code_stands_twice() -> None:
    codes = [code for table in TABLES for code in table]
    assert len(codes) == len(set(codes)) == len(CATALOGUE)
    kind = ErrorKind("twice", "it is there", "Remove one.")
    with pytest.raises(ValueError, match="twice"):
        errors._catalogue(kind, kind)


def test_every_code_is_documented_once() -> None:
    text = (_ROOT / "docs/reference/errors.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z]+(?:-[a-z]+)*)` \|", text, re.MULTILINE)
    for code in CATALOGUE:
        assert rows.count(code) == 1, code


def test_the_tree_is_the_one_that_is_drawn() -> None:
    assert errors.__doc__
    for kind in (Exp2procError, PlanError):
        assert f" {kind.__name__}\n" in errors.__doc__


def test_errors_survive_pickling() -> None:
    one = Exp2procError("usage", "what", "how")
    back = pickle.loads(pickle.dumps(PlanError([one, Exp2procError("internal", "bug")])))
    assert [(e.code, e.message) for e in back.problems] == [("usage", "what"), ("internal", "bug")]
    assert back.hint == "how"


def test_a_new_code_works_end_to_end(
    demo: DemoTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry of the table is all: raised for a row, it is in the report and on screen."""
    kind = ErrorKind("made-up", "a test wants it", "Stop testing.")
    monkeypatch.setitem(errors.ROW_ERRORS, kind.code, kind)
    replace = os.replace

    def refuse(source: str, target: str) -> None:
        if str(target).endswith("ex_000003.npz"):
            raise Exp2procError("made-up", "number three is not liked")
        replace(source, target)

    monkeypatch.setattr("os.replace", refuse)
    run = next(path.parent for path in sorted(demo.traces.rglob("manifest.jsonl")))
    report = exp2proc.convert(trace_dir=run, layout="proc_1", out_dir=tmp_path / "out", jobs=1)
    (error,) = report.errors
    assert (error.code, error.hint) == ("made-up", "Stop testing.")
    assert report.to_dict()["errors"][0]["code"] == "made-up"
    assert (report.exit_code, report.counts.converted) == (1, 7)
    stream = io.StringIO()
    print_errors(Console(file=stream, width=140), report.errors)
    lines = [line.strip() for line in stream.getvalue().splitlines()]
    assert lines == [
        "made-up (1)",
        f"{run.name}/ex_000003.npz: number three is not liked",
        "hint: Stop testing.",
    ]


@pytest.mark.parametrize(
    "words",
    [
        ("convert", "--traces_root", "{traces}", "--layout", "proc_1"),
        ("plan", "--traces_root", "{traces}"),
        ("doctor", "--traces_root", "{traces}"),
        ("check", "{traces}"),
        ("summary", "{traces}"),
        ("show", "{traces}/x.npz"),
        ("figure", "length", "{traces}", "-o", "{traces}/f.pdf"),
        ("gallery", "{traces}", "-o", "{traces}/site"),
        ("pack", "{traces}", "-o", "{traces}/p.parquet"),
        ("unpack", "{traces}/p.parquet", "-o", "{traces}"),
        ("demo", "--dir", "{traces}/demo"),
    ],
    ids=lambda words: words[0],
)
def test_a_codec_that_is_none(demo: DemoTree, words: tuple[str, ...]) -> None:
    words = tuple(word.format(traces=demo.traces) for word in words)
    done = run_cli(*words, env={"EXP2PROC_DEFLATE": "foo\x1b"})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "exp2proc: EXP2PROC_DEFLATE is 'foo\\x1b': it may be zlib, libdeflate, isal",
        "hint: Set it to one that is there, or unset EXP2PROC_DEFLATE.",
    ]


def test_a_codec_that_is_none_from_python(demo: DemoTree, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on the command line, not passed over: in a script's own process, too."""
    code = (
        "import sys, exp2proc\n"
        "try:\n"
        "    exp2proc.convert(traces_root=sys.argv[1], layout='proc_1', out_root=sys.argv[2])\n"
        "except exp2proc.PlanError as err:\n"
        "    print(*[f'{one.code}: {one.message}' for one in err.problems], sep='\\n')\n"
    )
    done = subprocess.run(
        [COMMAND[0], "-c", code, str(demo.traces), str(demo.out)],
        env={**os.environ, "EXP2PROC_DEFLATE": "bogus"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = "EXP2PROC_DEFLATE is 'bogus': it may be zlib, libdeflate, isal"
    assert (done.stdout, done.stderr) == (f"usage: {said}\n", "")
    assert not demo.out.exists()
    monkeypatch.setenv("EXP2PROC_DEFLATE", "bogus")
    for refused in (
        lambda: exp2proc.diagnose(traces_root=demo.traces),
        lambda: exp2proc.check(demo.traces),
    ):
        with pytest.raises(PlanError, match=said):
            refused()


_NUMBERS = {
    "LOKY_MAX_CPU_COUNT": (["x", "", "1.5"], "a whole number"),
    "EXP2PROC_CACHE_MB": (["-5", "x", "nan", "inf"], "a number from 0"),
}
_WRONG = [(name, value, said) for name, (some, said) in _NUMBERS.items() for value in some]


@pytest.mark.parametrize(("name", "value", "said"), _WRONG)
def test_a_variable_that_is_no_number(
    demo: DemoTree, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    """One line from a command; from Python an error that carries the same."""
    what: dict[str, Any] = {
        "traces_root": demo.traces,
        "layout": "proc_1",
        "out_root": demo.out,
        "jobs": 2,
    }
    words = [str(word) for key, value in what.items() for word in (f"--{key}", value)]
    told = f"{name} is {value!r}: it may be {said}"
    for command in (("convert", *words), ("cache",)):
        done = run_cli(*command, env={name: value})
        assert (done.returncode, done.stdout) == (2, "")
        line, hint = done.stderr.splitlines()
        assert line == f"exp2proc: {told}"
        assert hint.endswith(f"unset {name}.")
    monkeypatch.setenv(name, value)
    options = exp2proc.Options(**what)
    problems = exp2proc.plan(options).problems
    for refused in (lambda: exp2proc.convert(**what), lambda: exp2proc.make_plan(options)):
        with pytest.raises(PlanError) as caught:
            refused()
        problems += caught.value.problems
    assert {(problem.code, problem.message) for problem in problems} == {("usage", told)}
    assert all(f"unset {name}" in problem.hint for problem in problems)
    assert not demo.out.exists()


@pytest.mark.thorough
def test_numbers_that_are_taken_as_they_were(demo: DemoTree) -> None:
    run = next(path.parent for path in demo.traces.rglob("manifest.jsonl"))
    words = ("--trace_dir", run, "--layout", "proc_1", "--jobs", "2")
    for at, value in enumerate(("0", "-1", " 2 ")):
        env = {"LOKY_MAX_CPU_COUNT": value, "EXP2PROC_CACHE_MB": ("0", "", "0.5")[at]}
        run_json("convert", *words, "--out_dir", demo.out / str(at), env=env)


def test_samples_are_read_by_workers_only_under_a_sound_variable(
    demo: DemoTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = next(path.parent for path in demo.traces.rglob("manifest.jsonl"))
    exp2proc.convert(traces_root=run, layout="proc_1", out_root=demo.out)
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "x")
    assert len(list(exp2proc.iter_samples(demo.out))) == 8
    with pytest.raises(PlanError, match="LOKY_MAX_CPU_COUNT is 'x'"):
        list(exp2proc.iter_samples(demo.out, jobs=2))


def test_workers_do_not_die_of_a_codec_that_is_none() -> None:
    code = "import exp2proc.formats.deflate as d; print(d.decompress(d.compress_text(b'a' * 9), 9))"
    done = subprocess.run(
        [COMMAND[0], "-c", code],
        env={**os.environ, "EXP2PROC_DEFLATE": "foo"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "b'aaaaaaaaa'\n"), done.stderr
