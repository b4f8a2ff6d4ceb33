"""Options: what goes together, how several values are given, which tokenizer a run gets."""

from __future__ import annotations

from pathlib import Path

import pytest

import exp2proc
from exp2proc.demo.tree import DemoTree
from exp2proc.errors import Exp2procError, PlanError
from exp2proc.options import parse_tokenizers
from exp2proc.traces.runs import describe_run


def test_one_value_stands_for_several(demo: DemoTree, tmp_path: Path) -> None:
    plain = exp2proc.Options(
        traces_root=str(demo.traces),  # type: ignore[arg-type]
        tokenizer_model=str(demo.tokenizer),  # type: ignore[arg-type]
        out_root=str(tmp_path / "out"),  # type: ignore[arg-type]
    )
    assert plain == exp2proc.Options(
        traces_root=demo.traces,
        tokenizer_model=(str(demo.tokenizer),),
        out_root=tmp_path / "out",
    )


def test_usage() -> None:
    with pytest.raises(PlanError) as caught:
        exp2proc.make_plan(
            exp2proc.Options(overwrite=True, resume=True, jobs=0, limit=-1, layout="x", backend="y")  # type: ignore[arg-type]
        )
    problems = [problem for problem in caught.value.problems if problem.code == "usage"]
    assert len(problems) == 6
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
