"""Aligning ahead of the workers: when it pays, what it leaves behind, what it leaves alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from support.arrays import assert_same_tree
from support.cli import run_json
from support.rows import row

from exp2proc.conversion import align_ahead as ahead
from exp2proc.conversion.run import run_plan
from exp2proc.demo.tree import DemoTree
from exp2proc.options import Options
from exp2proc.planning.plan import Plan
from exp2proc.planning.planner import make_plan
from exp2proc.planning.shards import (
    Shard,
    TextWork,
    alignment_seconds,
    make_shards,
    text_seconds,
)
from exp2proc.tokens.cache import Cache, alignment_key
from exp2proc.traces.datasets import TextPlace


def _text(length: int, rows: int, *, known: bool = False) -> TextWork:
    return TextWork(("a", "b"), 0, TextPlace("x", 0, 10), known, (row(length=length),) * rows)


_texts = st.lists(st.builds(_text, st.integers(1, 9000), st.integers(1, 20)), max_size=30)


@given(_texts, st.integers(1, 64))
def test_it_pays_only_where_the_planner_keeps_up(texts: list[TextWork], workers: int) -> None:
    if ahead.pays(texts, workers):
        total = sum(map(text_seconds, texts))
        assert workers > 1
        assert 0 < sum(map(alignment_seconds, texts)) <= ahead._START + total / workers


def test_not_with_one_worker_nor_without_new_texts() -> None:
    assert ahead.pays([_text(4000, 9)] * 400, 2)
    assert ahead.pays([_text(4000, 9)] * 20, 2)
    assert not ahead.pays([_text(4000, 9)] * 400, 1)
    assert not ahead.pays([_text(4000, 9, known=True)] * 400, 2)
    assert not ahead.pays([_text(4000, 1)] * 4000, 16)
    assert not ahead.pays([], 2)


@pytest.fixture
def plan(demo: DemoTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.setenv("EXP2PROC_CACHE_DIR", str(tmp_path / "cache"))
    return make_plan(
        Options(
            traces_root=demo.traces,
            tokenizer_model=(str(demo.tokenizer),),
            out_root=tmp_path / "out",
        )
    )


def _ahead(plan: Plan, tmp_path: Path, shards: list[Shard]) -> set[bytes]:
    """Run the shards through; returns the keys of their texts that the cache has then."""
    cache = str(tmp_path / "cache")
    assert list(ahead.aligned_ahead(shards, plan.open_tokenizers(), cache)) == shards
    return Cache(tmp_path / "cache").known([_key(plan, text) for s in shards for text in s.texts])


def _key(plan: Plan, text: TextWork) -> bytes:
    fingerprint = plan.tokenizers[text.tokenizer].fingerprint
    assert fingerprint is not None
    assert text.key is not None
    return alignment_key(fingerprint, *text.key)


def test_workers_find_every_text_in_the_cache(plan: Plan, tmp_path: Path) -> None:
    shards = make_shards(plan.texts, plan.folders(), 2)
    assert _ahead(plan, tmp_path, shards) == {_key(plan, text) for text in plan.texts}


def _padded(place: TextPlace, path: Path) -> TextPlace:
    """The same text on a line of more than a MiB, most of it a field that nobody needs."""
    whole = Path(place.path).read_bytes()[place.offset : place.offset + place.length]
    line = json.dumps({**json.loads(whole), "more": "x" * (1 << 20)}).encode()
    path.write_bytes(line)
    return TextPlace(str(path), 0, len(line))


def test_what_fails_or_is_large_is_left_to_the_workers(plan: Plan, tmp_path: Path) -> None:
    gone, large, *rest = plan.texts
    assert gone.place is not None
    assert large.place is not None
    gone = gone._replace(place=gone.place._replace(path=str(tmp_path / "gone")))
    large = large._replace(place=_padded(large.place, tmp_path / "large.jsonl"))
    shards = make_shards([gone, large, *rest], plan.folders(), 2)
    assert _ahead(plan, tmp_path, shards) == {_key(plan, text) for text in rest}


@pytest.mark.thorough
def test_workers_do_without_it(demo: DemoTree, tmp_path: Path) -> None:
    """Aligned by the planner, or (as --resume has it) by the workers: the same samples."""
    for name, more in (("ahead", ()), ("workers", ("--resume",)), ("one", ("--jobs", "1"))):
        report = run_json(
            *("convert", "--traces_root", demo.traces, "--tokenizer_model", demo.tokenizer),
            *("--out_root", tmp_path / name, "--jobs", "2", "--no_cache", *more),
        )
        assert report["counts"]["converted"] == 96
        assert assert_same_tree(tmp_path / name, tmp_path / "ahead") == 96


@pytest.mark.parametrize("cache", [True, False])
def test_what_was_aligned_is_remembered_where_there_is_a_cache(
    demo: DemoTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: bool
) -> None:
    monkeypatch.setenv("EXP2PROC_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr("exp2proc.conversion.run.pays", lambda texts, workers: True)
    options = Options(
        traces_root=demo.traces,
        tokenizer_model=(str(demo.tokenizer),),
        out_root=tmp_path / "out",
        backend="threading",
        jobs=2,
        cache=cache,
    )
    assert run_plan(make_plan(options)).counts.converted == 96
    again = make_plan(evolve(options, resume=True, cache=True))
    assert {text.known for text in again.texts} == {cache}
