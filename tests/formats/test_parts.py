"""Parts of a sample: words, slices, frames, plain data; and batches of several."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.exported import NAN, write_export

import exp2proc
from exp2proc.formats.sample import Sample
from exp2proc.formats.shares import PARTS
from exp2proc.formats.spans import NONE, SampleSpans, Span
from exp2proc.formats.words import words

PIECES = [" The", " ans", "wer", ",", " is", "你", "好", "。", "\n", "\n", "ok", " ", "don", "'t"]


def made(length: int, spans: SampleSpans, hops: int = 0) -> Sample:
    rng = np.random.default_rng(length)
    return Sample(
        "proc",
        rng.normal(size=length).astype(np.float32),
        spans,
        {"rise": 0.25, "mas": NAN, "recovery": 1.0},
        rng.normal(size=(hops, length)).astype(np.float32) if hops else None,
        np.array([f"t{at}" for at in range(length)]),
    )


def everything(length: int) -> SampleSpans:
    return SampleSpans((0, length - 1), NONE, NONE)


def test_words_by_the_rule() -> None:
    scores = np.arange(1, len(PIECES) + 1, dtype=np.float32)
    found = words(PIECES, everything(len(PIECES)), scores)
    assert [word.text for word in found] == [
        *(" The", " answer,", " is", "你", "好", "。", "\n", "\n", "ok", " don't")
    ]
    assert found[1] == (1, 4, " answer,", "in", 9.0)
    assert found[-1].score == 12 + 13 + 14


def test_a_word_is_of_one_part_and_a_cut_character_is_shown_once() -> None:
    pieces = ["un", "do", "👩", "👩", "👩", "ing"]
    spans = SampleSpans((0, 0), (1, 5), NONE)
    found = words(pieces, spans, np.ones(6, np.float32))
    assert [(word.text, word.part, word.score) for word in found] == [
        ("un", "in", 1.0),
        ("do👩ing", "cot", 5.0),
    ]


_PIECE = st.sampled_from(
    ["a", " a", " ", "\n", "你", "你好", "。", "", "か", "\u00a0x", "!", " 你"]
)


@given(st.lists(_PIECE, max_size=30), st.integers(0, 30))
def test_words_are_whole_tokens_in_order_and_none_is_lost(pieces: list[str], cut: int) -> None:
    length = len(pieces)
    cut = min(cut, length)
    spans = SampleSpans(
        (0, cut - 1) if cut else NONE, (cut, length - 1) if cut < length else NONE, NONE
    )
    scores = np.arange(length, dtype=np.float32)
    found = words(pieces, spans, scores)
    ends = [0, *(word.stop for word in found)]
    assert [word.start for word in found] == ends[:-1]
    assert ends[-1] == length
    for word in found:
        inside = range(word.start, word.stop)
        assert word.score == sum(inside)
        assert word.part == ("in" if word.start < cut else "cot")
        assert "\n" not in word.text.rstrip("\n")


def test_words_of_a_hop_and_without_pieces(tmp_path: Path) -> None:
    path = write_export(tmp_path / "a.npz", [" a", "b"], hop=[[1, 2], [3, 4]])
    sample = exp2proc.load_sample(path)
    assert [word.score for word in sample.words(hop=1)] == [7.0]
    with pytest.raises(IndexError):
        sample.words(hop=2)
    bare = exp2proc.load_sample(write_export(tmp_path / "b.npz", None, length=3))
    with pytest.raises(exp2proc.Exp2procError) as caught:
        bare.words()
    assert caught.value.code == "no-tokens"


_SPAN = st.tuples(st.integers(-1, 11), st.integers(0, 11))


def _span(one: tuple[int, int]) -> Span:
    return NONE if one[0] < 0 else (min(one), max(one))


@given(
    st.tuples(_SPAN, _SPAN, _SPAN),
    st.one_of(st.none(), st.integers(-15, 15)),
    st.one_of(st.none(), st.integers(-15, 15)),
)
def test_a_slice_is_those_tokens(
    ends: tuple[tuple[int, int], ...], start: int | None, stop: int | None
) -> None:
    sample = made(12, SampleSpans(*map(_span, ends)), hops=2)
    some = sample[start:stop]
    kept = list(range(12))[start:stop]
    assert sample.hop is not None
    assert some.hop is not None
    assert some.tok is not None
    assert some.attr.tolist() == sample.attr[kept].tolist()
    assert some.tok.tolist() == [f"t{at}" for at in kept]
    assert some.hop.tolist() == sample.hop[:, kept].tolist()
    for whole, cut in zip(sample.spans, some.spans, strict=True):
        wanted = [
            at for at, old in enumerate(kept) if whole[0] <= old <= whole[1] and whole != NONE
        ]
        assert cut == ((wanted[0], wanted[-1]) if wanted else NONE)
    assert all(math.isnan(score) for score in some.scores.values())
    assert not some.attr.flags.writeable


def test_only_plain_slices_cut_a_sample() -> None:
    sample = made(5, everything(5))
    with pytest.raises(TypeError, match="not by 3"):
        _ = sample[3]  # type: ignore[index]
    with pytest.raises(ValueError, match="no step"):
        _ = sample[::2]
    with pytest.raises(TypeError):
        list(sample)  # type: ignore[call-overload]


def test_plain_data_is_what_the_file_holds(tmp_path: Path) -> None:
    path = tmp_path / "data/math.jsonl/q/ifr_n1_1ex/ex_000004.npz"
    write_export(path, ["a", "b"], attr=[NAN, 2], hop=[[1, math.inf]], scores=(0.5, NAN, 0.25))
    (sample,) = exp2proc.iter_samples(tmp_path)
    data = json.loads(json.dumps(sample.to_dict(), allow_nan=False))
    with np.load(path) as npz:
        for name in npz.files:
            there = np.array(data[name], dtype=npz[name].dtype)
            plain = npz[name]
            if plain.dtype.kind == "f":
                plain = np.where(np.isfinite(plain), plain, np.nan)
            assert np.array_equal(there, plain, equal_nan=plain.dtype.kind == "f")
    assert data["source"] == {
        "dataset": "math",
        "dataset_path": "data/math.jsonl",
        "model": "q",
        "method": "ifr",
        "run_tag": "ifr_n1_1ex",
        "file": "ex_000004.npz",
        "example": 4,
    }
    assert exp2proc.load_sample(path).to_dict()["source"] is None


def test_a_frame_has_a_row_a_token(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    spans = ((0, 1), (2, 3), (3, 4))
    path = write_export(tmp_path / "a.npz", list("abcdef"), spans=spans, hop=[[0] * 6, [1] * 6])
    frame = exp2proc.load_sample(path).to_frame()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == ["token", "part", "attr", "hop_0", "hop_1"]
    assert frame["token"].tolist() == list("abcdef")
    assert frame["part"].tolist() == ["in", "in", "cot", "out", "out", "rest"]
    assert frame["attr"].dtype == np.float32
    assert frame.groupby("part")["hop_1"].sum().to_dict() == dict(
        zip(PARTS, (2, 1, 2, 1), strict=True)
    )
    bare = exp2proc.load_sample(write_export(tmp_path / "b.npz", None, length=3)).to_frame()
    assert bare["token"].isna().all()


def test_a_batch_is_padded_at_the_end(tmp_path: Path) -> None:
    for number, length in enumerate((3, 5, 0)):
        path = tmp_path / f"ex_{number:06d}.npz"
        write_export(path, None, length=length, scores=(number, NAN, 1))
    samples = list(exp2proc.iter_samples(tmp_path))
    batch = exp2proc.collate(samples)
    assert {key: (array.dtype.name, array.shape) for key, array in batch.items()} == {
        "attr": ("float32", (3, 5)),
        "mask": ("bool", (3, 5)),
        "lengths": ("int64", (3,)),
        "spans": ("int64", (3, 3, 2)),
        "scores": ("float64", (3, 3)),
    }
    assert batch["attr"].tolist() == [[1, 2, 3, 0, 0], [1, 2, 3, 4, 5], [0] * 5]
    assert batch["mask"].sum(1).tolist() == batch["lengths"].tolist() == [3, 5, 0]
    assert batch["spans"][:2, 0].tolist() == [[0, 2], [0, 4]]
    assert (batch["spans"][:, 1:] == -1).all()
    assert batch["scores"][:, 0].tolist() == [0, 1, 2]
    empty = exp2proc.collate([])
    assert (empty["attr"].shape, empty["spans"].shape) == ((0, 0), (0, 3, 2))


def test_a_batch_of_tensors_needs_torch() -> None:
    samples = [made(4, everything(4)), made(2, everything(2))]
    try:
        import torch
    except ImportError:
        with pytest.raises(exp2proc.Exp2procError, match="needs torch") as caught:
            exp2proc.collate(samples, torch=True)
        assert "exp2proc[torch]" in caught.value.hint
    else:
        batch = exp2proc.collate(samples, torch=True)
        assert batch["attr"].dtype == torch.float32
        assert batch["mask"].sum().item() == 6


def test_pandas_is_missed_with_its_extra(tmp_path: Path) -> None:
    path = write_export(tmp_path / "a.npz", ["a"])
    code = f"""
import sys
sys.modules["pandas"] = None
import exp2proc
try:
    exp2proc.load_sample({str(path)!r}).to_frame()
except exp2proc.Exp2procError as err:
    print(err.code, err.hint)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "missing-extra Install it with: pip install 'exp2proc[frames]'\n"


def test_samples_are_chosen_by_names(tmp_path: Path) -> None:
    for dataset in ("data/math.jsonl", "niah"):
        for run in ("ifr_n1_mfaithfulness_gen_1ex", "ifr_n2_1ex", "IG_1ex"):
            for model in ("q-8B", "l-8B"):
                write_export(tmp_path / dataset / model / run / "ex_000000.npz", ["a"])

    def found(**names: object) -> set[tuple[str, str, str]]:
        some = exp2proc.iter_samples(tmp_path, **names)  # type: ignore[arg-type]
        sources = [sample.source for sample in some]
        return {(s.short_dataset, s.model, s.setting) for s in sources if s is not None}

    assert found(dataset="math") == found(dataset="data/math.jsonl")
    assert len(found(dataset="math")) == 6
    assert found(method="ifr_n1", model="q-8B") == {
        ("math", "q-8B", "ifr_n1"),
        ("niah", "q-8B", "ifr_n1"),
    }
    assert len(found(method="ifr")) == 8
    assert len(found(method=["ifr_n1", "IG_1ex"], dataset=["math", "niah"])) == 8
    assert found(where=lambda s: s.run_tag == "IG_1ex", dataset="niah", model=["l-8B"]) == {
        ("niah", "l-8B", "IG")
    }
    with pytest.raises(exp2proc.Exp2procError, match="none of 12 npz files"):
        found(dataset="nonsense")
