"""What a process keeps for a run, and lets go of."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path

import pytest
from attrs import evolve

import exp2proc
from exp2proc.conversion import worker
from exp2proc.conversion.worker import Settings, convert_shard, enter, leave, stop_threads
from exp2proc.demo.tree import DemoTree
from exp2proc.options import Options
from exp2proc.planning.planner import make_plan
from exp2proc.planning.shards import Shard, make_shards
from exp2proc.tokens.aligner import Tokenizers, TokenizerSource
from exp2proc.tokens.tokenizer import BackendTokenizer


def _alive() -> int:
    gc.collect()
    return sum(isinstance(it, BackendTokenizer) for it in gc.get_objects())


@pytest.mark.thorough
@pytest.mark.parametrize("cache", [True, False])
def test_a_process_that_converts_again_and_again_keeps_no_tokenizer(
    demo: DemoTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: bool
) -> None:
    monkeypatch.setenv("EXP2PROC_CACHE_DIR", str(tmp_path / "cache"))
    before = _alive()
    for number in range(4):
        report = exp2proc.convert(
            traces_root=demo.traces,
            tokenizer_model=demo.tokenizer,
            out_root=tmp_path / f"out{number}",
            jobs=1,
            cache=cache,
        )
        assert report.counts.converted == 96
    assert _alive() == before
    assert not worker._workplaces


def _work(demo: DemoTree, out: Path) -> tuple[Shard, Settings, Tokenizers]:
    plan = make_plan(
        Options(traces_root=demo.traces, tokenizer_model=demo.tokenizer, out_root=out, cache=False)
    )
    for planned in plan.runs:
        planned.run.out_dir.mkdir(parents=True)
    (tokenizer,) = plan.tokenizers
    source = TokenizerSource(tokenizer.name, tokenizer.fingerprint, tokenizer.portable)
    settings = Settings(out.name, plan.options.rules, (source,))
    return make_shards(plan.texts, plan.folders(), 1)[0], settings, plan.open_tokenizers()


def test_a_worker_keeps_the_last_two_runs_and_hands_tokenizers_on(
    demo: DemoTree, tmp_path: Path
) -> None:
    try:
        for number in range(5):
            shard, settings, _ = _work(demo, tmp_path / f"run{number}")
            result = convert_shard(shard, settings)
            assert {outcome.status for outcome in result.outcomes} == {"converted"}
        assert list(worker._workplaces) == ["run3", "run4"]
        one, other = (place.tokenizers[0] for place in worker._workplaces.values())
        assert one is other  # the very same tokenizer is not made again
    finally:
        worker._workplaces.clear()


def test_the_process_that_leads_a_run_keeps_it_until_it_leaves(
    demo: DemoTree, tmp_path: Path
) -> None:
    shard, settings, tokenizers = _work(demo, tmp_path / "led")
    enter("led", tokenizers)
    try:
        for number in range(3):
            others, of_others, _ = _work(demo, tmp_path / f"run{number}")
            convert_shard(others, of_others)
        assert worker._workplaces["led"].tokenizers is tokenizers
        stop_threads("led")
        assert convert_shard(shard, settings).outcomes == []
        leave("led")
        assert "led" not in worker._workplaces
        assert {o.status for o in convert_shard(shard, settings).outcomes} == {"converted"}
    finally:
        worker._workplaces.clear()


def test_a_shard_ends_after_as_many_unwritable_outputs_as_a_run(
    demo: DemoTree, tmp_path: Path
) -> None:
    """They are counted in a row: one that can be written between them begins the count anew."""
    shard, settings, _ = _work(demo, tmp_path / "out")
    rows = list(shard.rows())
    limit = worker.UNWRITABLE_LIMIT
    assert len(rows) > limit + 2
    try:
        for writable in (None, 1):
            for at, row in enumerate(rows):
                out = Path(shard.folders[row.run][1], row.file)
                if at == writable:
                    out.rmdir()
                else:
                    out.mkdir(exist_ok=True)
            replacing = evolve(settings.rules, existing="replace")
            result = convert_shard(shard, replace(settings, rules=replacing))
            failed = [worker.is_unwritable(outcome) for outcome in result.outcomes]
            assert failed.count(False) == (writable is not None)
            assert len(failed) == limit + (0 if writable is None else writable + 1)
    finally:
        worker._workplaces.clear()


def test_without_a_fingerprint_nothing_is_handed_on(demo: DemoTree, tmp_path: Path) -> None:
    _, settings, _ = _work(demo, tmp_path / "x")
    (source,) = settings.tokenizers
    nameless = TokenizerSource(source.name, None, source.portable)
    first, second = Tokenizers([nameless]), Tokenizers([nameless])
    loaded = first[0]
    second.take_over([first])
    assert second[0] is not loaded
