"""A diagnosis on screen: each finding has its line, and long lists are cut with their number."""

from __future__ import annotations

import pytest

from exp2proc.doctor.findings import (
    Command,
    DatasetMatch,
    Diagnosis,
    RunFindings,
    TokenizerTrial,
    UnmatchedRows,
)
from exp2proc.doctor.wholeness import Wholeness
from exp2proc.errors import Exp2procError
from exp2proc.terminal.diagnosis import print_diagnosis


def _run(rows: int = 8, **findings: object) -> RunFindings:
    run = RunFindings("/t/math/m/run", "math", "m", "run", rows)
    for name, value in findings.items():
        setattr(run, name, value)
    return run


def _said(
    capsys: pytest.CaptureFixture[str], diagnosis: Diagnosis | RunFindings
) -> tuple[list[str], list[str]]:
    """Findings with what stands before them, and all lines."""
    if isinstance(diagnosis, RunFindings):
        diagnosis = Diagnosis([diagnosis], [], [], [])
    print_diagnosis(diagnosis)
    lines = capsys.readouterr().out.splitlines()
    return [
        line[14:] for line in lines if line.startswith((" " * 14, "  1 ", "  2 ", "  3 "))
    ], lines


def test_a_run_about_which_nothing_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    findings, lines = _said(capsys, _run(unmatched=8))
    assert lines[0] == "math/m/run (8 rows)"
    assert findings == [
        "no  8 of 8 rows match nothing (no cache was found)",
        "no  without texts no tokenizer can be tried",
        "ok  every row has its file, every file its row, and they agree",
    ]
    assert lines[-1] == "  there is no command that works yet"


def test_datasets_that_match_in_part_or_not(capsys: pytest.CaptureFixture[str]) -> None:
    paths = [DatasetMatch(f"/d/{at}.jsonl", 100, 0) for at in range(5)]
    findings, _ = _said(capsys, _run(unmatched=8, datasets=paths, texts={("a", "b")}))
    assert findings[:3] == [
        "no  8 of 8 rows match nothing (/d/0.jsonl, /d/1.jsonl, /d/2.jsonl and 2 more)",
        "no  none of the usual changes of a text gives these digests: another dataset",
        "no  no candidate was given: --tokenizer_model DIR, once or more",
    ]
    cause = UnmatchedRows("target-missing", "no target", "it is null", "/d/0.jsonl", 2)
    paths[:2] = [DatasetMatch("/d/0.jsonl", 100, 6), DatasetMatch("/d/1.jsonl", 9, 8)]
    findings, _ = _said(capsys, _run(unmatched=2, datasets=paths[:2], causes=[cause]))
    assert findings[:4] == [
        "no  /d/0.jsonl: 6 of 8 rows match (100 texts in it)",
        "ok  /d/1.jsonl: 8 of 8 rows match (9 texts in it)",
        "no  2 of 8 rows match nothing (/d/0.jsonl, /d/1.jsonl)",
        "no  2 of them: no target (it is null; in /d/0.jsonl)",
    ]


def test_tokenizers_that_were_tried(capsys: pytest.CaptureFixture[str]) -> None:
    files = {f"ex_{number}.npz" for number in range(8)}
    trials = [
        TokenizerTrial("a", error="tokenizer a: there is no such folder"),
        TokenizerTrial("b", 8, 8, 8, files=files),
        TokenizerTrial("c", 8, 3, 5, sentence="P is one more", files=set(sorted(files)[:2])),
        TokenizerTrial("d", 8, 8, 8, sentence="the same", error="most pieces are empty"),
    ]
    findings, _ = _said(capsys, _run(texts={("a", "b")}, trials=trials))
    assert findings[:-1] == [
        "no  tokenizer a: there is no such folder",
        "ok  b: 8 of 8 rows fit",
        "no  c: 2 of 8 rows fit (prompts 3, generations 5): P is one more",
        "no  d: 0 of 8 rows fit (prompts 8, generations 8): most pieces are empty",
    ]


@pytest.mark.parametrize("count", [3, 4])
def test_traces_that_are_not_whole(capsys: pytest.CaptureFixture[str], count: int) -> None:
    names = tuple(f"ex_{number}.npz" for number in range(count))
    some = ", ".join(names[:3]) + (" and 1 more" if count > 3 else "")
    whole = Wholeness(
        8,
        broken=dict.fromkeys(names, Exp2procError("trace-missing", "it does not exist")),
        without_hops=names,
        copies_differ=dict.fromkeys(names, "sink_span_gen"),
        strays=names,
        duplicates=tuple(range(count)),
        promised=9,
    )
    findings, _ = _said(capsys, _run(wholeness=whole))
    assert findings[-1:] == ["no  8 rows where the run's name promises 9"]
    assert findings[1:-1] == [
        *(f"no  {name}: trace-missing: it does not exist" for name in names[:3]),
        *["no  and 1 more row that cannot be read"] * (count - 3),
        f"no  {some}: no vh, which this FT-IFR method should have",
        *(
            f"no  {name}: sink_span_gen of the manifest row and the npz disagree"
            for name in names[:3]
        ),
        *["no  and 1 more that disagree"] * (count - 3),
        f"no  {some}: no row names it",
        f"no  several rows have example_idx 0, 1, 2{' and 1 more' if count > 3 else ''}",
    ]


def test_of_many_runs_those_that_are_complete_have_a_line_each(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Control characters of names are spelled out; the commands come last."""
    good = [_run(ready=8, wholeness=Wholeness(8)) for _ in range(3)]
    bad = _run(unmatched=8)
    bad.run_tag = "\x1b[31m"
    command = Command(("exp2proc", "convert", "a b"), 24)
    _, lines = _said(capsys, Diagnosis([*good, bad], [command], ["a dataset"], ["old\n"]))
    assert lines[:4] == ["ok  math/m/run (8 rows)"] * 3 + [r"math/m/\x1b[31m (8 rows)"]
    assert lines[-5:] == [
        "4 what to run",
        "  needed first: a dataset",
        r"  note: old\n",
        "  meanwhile, this converts 24 of 32 rows:",
        "  exp2proc convert 'a b'",
    ]
    _, lines = _said(capsys, Diagnosis(good, [command], [], []))
    assert lines[0] == "math/m/run (8 rows)"  # of three each has all its lines
    assert lines[-2] == "  this converts 24 of 24 rows:"
