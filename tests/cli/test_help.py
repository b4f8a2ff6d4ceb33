"""Help, and errors that lead to it: on any terminal, for every command."""

from __future__ import annotations

import re

import pytest
from support.cli import run_cli

from exp2proc.cli import COMMANDS
from exp2proc.cli.parser import _command_lines, _paragraphs


def _lines_that_stick_out(text: str, width: int) -> list[str]:
    """Lines that are too long, other than by one word, an option and its value, or a [choice]."""
    whole = re.compile(r" *(\[[^]]*\]|\S+( \S+)?)( [\\|])?")
    return [line for line in text.splitlines() if len(line) > width and not whole.fullmatch(line)]


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits(command: str, columns: int) -> None:
    done = run_cli(*filter(None, [command]), "--help", env={"COLUMNS": str(columns)})
    assert (done.returncode, done.stderr) == (0, "")
    assert not _lines_that_stick_out(done.stdout, columns)
    assert not re.findall(r"[ \t]+$", done.stdout, re.MULTILINE)
    if columns == 80:
        assert max(map(len, done.stdout.splitlines())) <= 80


def test_prose_uses_the_whole_width() -> None:
    wide, narrow = (
        run_cli("summary", "--help", env={"COLUMNS": columns}).stdout for columns in ("120", "50")
    )
    assert max(map(len, wide.splitlines())) > 100
    assert wide.split() != narrow.split()  # commands go on behind a backslash
    words = [word for word in narrow.split() if word != "\\"]
    assert sorted(words) == sorted(word for word in wide.split() if word != "\\")


def test_a_command_that_is_too_long_can_be_copied() -> None:
    command = "exp2proc convert --traces_root traces --tokenizer_model models/Qwen3-8B --resume"
    lines = _command_lines(command, 40, "  ")
    assert max(map(len, lines)) <= 40
    assert "".join(line.strip().removesuffix("\\") for line in lines) == command
    assert list(_paragraphs("  exp2proc a \\\n      --b\nmore of\nit\nexit codes: 0\n\nend")) == [
        *("  exp2proc a --b", "more of it", "exit codes: 0", "", "end")
    ]


def test_no_command_shows_help_and_is_no_success() -> None:
    done = run_cli()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == run_cli("help").stdout
    assert "no command" in " ".join(done.stderr.split())


def test_help_of_a_command() -> None:
    for command in COMMANDS:
        done = run_cli("help", command)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == run_cli(command, "--help").stdout
    assert run_cli("help").stdout == run_cli("--help").stdout


@pytest.mark.parametrize(
    ("words", "said", "leads"),
    [
        (["convrt"], "there is no command 'convrt' (did you mean convert?)", "exp2proc --help"),
        (["zzz"], "there is no command 'zzz'\n", "exp2proc --help"),
        (["help", "sumary"], "(did you mean summary?)", "exp2proc --help"),
        (["convert", "--trace_rot", "x"], "(did you mean --traces_root?)", "convert --help"),
        (["convert", "--tokenizer-modle=x"], "(did you mean --tokenizer_model?)", "convert --help"),
        (
            ["view", "x", "--aganist", "z"],
            "(did you mean --against?)",
            "exp2proc view --help",
        ),
        (["convert", "--zzz"], "unrecognized arguments: --zzz\n", "exp2proc convert --help"),
        (["convert"], "give either --trace_dir", "Try: exp2proc convert --help"),
        (["plan"], "give either --trace_dir", "Try: exp2proc plan --help"),
        (["show", "x.npz", "--top", "-1"], "--top: it may be a number from 0", "show --help"),
        (["gallery", "-o", "x"], "no OUT was named", "exp2proc gallery --help"),
        (["gallery", "--single", "-o", "x", "--against", "y"], "--against", "gallery --help"),
        (["--quiett"], "(did you mean --quiet?)", "exp2proc convert --help"),
        (["-q", "convert"], "unrecognized arguments: -q", "exp2proc --help"),
        (["convert", "--tokeniser_model", "x"], "(did you mean --tokenizer_model?)", "--help"),
        (["convert", "--jbos", "2"], "(did you mean --jobs?)", "exp2proc convert --help"),
        (["show", "x.npz", "--ouput", "y.svg"], "(did you mean --output?)", "show --help"),
        (["pack", "x", "--ouput", "y"], "--ouput (did you mean --output?)\n", "pack --help"),
        (["bundle", "x", "--out_dir=y"], "--out_dir=y (convert, plan have it)\n", "--help"),
        (["bundle", "x", "--title", "-- a"], "are required: -o/--output\n", "bundle --help"),
        (["bundle", "x", "--", "--ouput"], "are required: -o/--output\n", "bundle --help"),
        (["summary", "x", "--ordre", "y"], "(did you mean --order?)", "summary --help"),
        (["summary", "x", "--dataset", "y"], "--dataset y (show has it)\n", "summary --help"),
        (["summary", "x", "--score=y"], "--score=y (compare, figure have it)\n", "--help"),
        (["compare", "x", "--ours", "y", "--width", "1"], "(figure, show have it)\n", "--help"),
        (["figure", "lenght", "x", "-o", "y.pdf"], "(did you mean length?)\n", "figure --help"),
        (["convert", "--layout", "proc1"], "(did you mean proc_1?)\n", "convert --help"),
        (["convert", "--layout", "xyz"], "invalid choice: 'xyz' (choose from", "convert --help"),
        (["figure", "pie", "x", "-o", "y.pdf"], "invalid choice: 'pie'", "figure --help"),
    ],
    ids=" ".join,
)
def test_usage_errors_lead_on(words: list[str], said: str, leads: str) -> None:
    done = run_cli(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert leads in done.stderr.splitlines()[-1]


_RUNS = "hint: Runs are named with --traces_root FOLDER (all below it) or --trace_dir RUN."


def _again(option: str, one: str, two: str) -> str:
    how = f"{option} {one} {option} {two}"
    return f"hint: {option} takes one value: repeat it for each, as in {how}"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["convert", "traces"], _RUNS),
        (["doctor", "traces", "--tokenizer_model", "x"], _RUNS),
        (["plan", "--layout", "proc_1", "traces"], _RUNS),
        (
            ["convert", "--traces_root", "x", "--dataset_jsonl", "a.jsonl", "b c.jsonl", "d.jsonl"],
            _again("--dataset_jsonl", "a.jsonl", "'b c.jsonl'"),
        ),
        (["doctor", "--trace-dir=ifr_1", "ifr_2"], _again("--trace_dir", "ifr_1", "ifr_2")),
        (["summary", "out", "--label", "a=b", "c=d"], _again("--label", "a=b", "c=d")),
        (["summary", "out", "--label", "a=b", "more"], None),
        (["summary", "out", "--format", "csv", "more"], None),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_words_that_no_option_takes(words: list[str], hint: str | None) -> None:
    done = run_cli(*words)
    assert (done.returncode, done.stdout) == (2, "")
    said, *hints, leads = done.stderr.splitlines()
    assert "unrecognized arguments: " in said
    assert hints == ([] if hint is None else [hint])
    assert leads == f"Try: exp2proc {words[0]} --help"
