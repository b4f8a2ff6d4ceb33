"""Token pieces equal those of a plain implementation, under real tokenizers and hard texts."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import plain
from support.texts import HARD

import exp2proc
from exp2proc.demo import texts as demo_texts
from exp2proc.demo.traces import Method, write_jsonl, write_run
from exp2proc.demo.tree import measure, save_tokenizer, train_tokenizer
from exp2proc.errors import Exp2procError
from exp2proc.formats import deflate, npz
from exp2proc.formats.npz import Member
from exp2proc.tokens.pieces import Alignment, OffsetTokenizer, align, check_lengths
from exp2proc.tokens.tokenizer import (
    BackendTokenizer,
    LoadedTokenizer,
    load_tokenizer,
    restore_tokenizer,
)
from exp2proc.traces.datasets import Text


class Both:
    """One tokenizer as the plain implementation and as this program use it."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoTokenizer

        self.folder = folder
        self.plain: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self.loaded: LoadedTokenizer = load_tokenizer(str(folder))
        assert self.loaded.portable is not None
        restored = restore_tokenizer(self.loaded.portable)
        assert restored is not None
        self.restored: BackendTokenizer = restored


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer([part for text in demo_texts.multi_hop(20) for part in text], folder)
    return folder


@pytest.fixture(scope="module", params=["qwen3", "deepseek", "trained"])
def both(request: pytest.FixtureRequest) -> Both:
    return Both(request.getfixturevalue(request.param))


def unpacked(member: Member) -> np.ndarray[Any, Any]:
    data = io.BytesIO(deflate.decompress(member.data, member.size))
    array: np.ndarray[Any, Any] = np.load(data, allow_pickle=False)
    return array


def assert_aligned_as_plain(both: Both, prompt: str, target: str, prefix: str = "space") -> None:
    before = {"space": " ", "none": ""}[prefix]
    expected_prompt, expected_gen = plain.token_pieces(both.plain, prompt, target, before)
    expected = expected_prompt + expected_gen[:-1]
    width = max([1, *map(len, expected)])
    for tokenizer in (both.loaded.tokenizer, both.restored):
        made = align(tokenizer, Text(prompt, target), prefix)
        assert (made.prompt_len, made.gen_len) == (len(expected_prompt), len(expected_gen))
        tok = unpacked(made.tok)
        assert tok.dtype == np.dtype(f"<U{width}")
        assert np.array_equal(tok, np.array(expected, dtype=f"U{width}"))


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.thorough] * (name == "long")) for name in HARD],
)
def test_hard_text_as_prompt_and_as_target(both: Both, name: str) -> None:
    assert_aligned_as_plain(both, HARD[name], "The answer is 42.")
    assert_aligned_as_plain(both, HARD[name], "The answer is 42.", "none")
    assert_aligned_as_plain(both, "How many?", HARD[name])


@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
)
@settings(max_examples=60, deadline=None)
def test_any_text(both: Both, prompt: str, target: str) -> None:
    assert_aligned_as_plain(both, prompt, target)


def test_normalised_text_is_cut_from_what_the_ids_decode_to(qwen3: Path) -> None:
    """Qwen3 composes combining marks; only the generation's pieces show it."""
    tokenizer = load_tokenizer(str(qwen3)).tokenizer
    alignment = align(tokenizer, Text("e\u0301", "e\u0301"))
    pieces = unpacked(alignment.tok).tolist()
    assert "".join(pieces[alignment.prompt_len :]) == "\u00e9"
    assert "\u00e9" not in "".join(pieces[: alignment.prompt_len])


def _alignment(prompt: int, gen: int, prompt_empty: int = 0, gen_empty: int = 0) -> Alignment:
    tok = npz.pack(np.array(["x"]), deflate.compress_text)
    return Alignment(prompt, gen, prompt_empty, gen_empty, tok)


@pytest.mark.parametrize(
    ("alignment", "code", "start"),
    [
        (
            _alignment(335, 10),
            "prompt-length-mismatch",
            "Prompt token length mismatch: expected 333, got 335",
        ),
        (
            _alignment(333, 9),
            "generation-length-mismatch",
            "Generation token length mismatch: expected 10, got 9",
        ),
        (_alignment(333, 10, prompt_empty=167), "degenerate-offsets", "167 of 333 prompt"),
        (_alignment(333, 10, gen_empty=6), "degenerate-offsets", "6 of 10 generation"),
    ],
)
def test_mismatch_codes(alignment: Alignment, code: str, start: str) -> None:
    with pytest.raises(Exp2procError) as caught:
        check_lengths(alignment, 333, 10)
    assert caught.value.code == code
    assert caught.value.message.startswith(start)


def test_half_empty_pieces_are_let_through() -> None:
    check_lengths(_alignment(4, 10, prompt_empty=2, gen_empty=5), 4, 10)


@pytest.fixture(scope="module")
def trimming(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer that leaves white space out of its offsets, as GPT-2's does."""
    from tokenizers import processors

    folder = tmp_path_factory.mktemp("trimming")
    corpus = [part for text in demo_texts.multi_hop(20) for part in text]
    backend = train_tokenizer(corpus, folder).backend
    backend.post_processor = processors.ByteLevel(trim_offsets=True)
    save_tokenizer(backend, folder)
    return folder


class Old:
    """A tokenizer as old `tokenizers` releases have it for some models: every offset is empty."""

    def __init__(self, tokenizer: OffsetTokenizer) -> None:
        self._tokenizer = tokenizer
        self.eos_token = tokenizer.eos_token
        self.decode = tokenizer.decode

    def encode(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        ids, offsets = self._tokenizer.encode(text)
        return ids, [(end, end) for _, end in offsets]


_TINY = ["", " ", "\n", "\n\n\t", "a", "Hi", "\n\na\n\n \n\t \n", "🍎", "-" * 40]


@pytest.mark.parametrize("prompt", _TINY)
@pytest.mark.parametrize("target", _TINY)
def test_blank_text_may_be_trimmed_and_no_other_may(
    trimming: Path, prompt: str, target: str
) -> None:
    good = load_tokenizer(str(trimming)).tokenizer
    made = align(good, Text(prompt, target))
    check_lengths(made, made.prompt_len, made.gen_len)
    bad = align(Old(good), Text(prompt, target))
    assert (bad.prompt_len, bad.gen_len) == (made.prompt_len, made.gen_len)
    with pytest.raises(Exp2procError, match="pieces are empty") as caught:
        check_lengths(bad, made.prompt_len, made.gen_len)
    assert caught.value.code == "degenerate-offsets"
    part, count = ("prompt", made.prompt_len) if prompt.strip() else ("generation", made.gen_len)
    assert caught.value.message == f"{count} of {count} {part} pieces are empty"


@pytest.mark.parametrize(("prompt", "target"), [("", "Hi there"), (" ", ""), ("", ""), ("Hi", "")])
def test_an_empty_prompt_is_exported_and_its_sample_is_sound(
    trimming: Path, tmp_path: Path, prompt: str, target: str
) -> None:
    text = Text(prompt, target)
    method = Method("ifr_in_all_gen", "n1_1ex", hops=1)
    example = measure(load_tokenizer(str(trimming)).tokenizer, text)
    write_run(tmp_path / "run", [example], method, seed=1)
    write_jsonl(tmp_path / "data.jsonl", [text._asdict()])
    report = exp2proc.convert(
        trace_dir=[tmp_path / "run"],
        dataset_jsonl=tmp_path / "data.jsonl",
        tokenizer_model=trimming,
        out_dir=tmp_path / "out",
    )
    assert report.errors == []
    assert exp2proc.check(tmp_path / "out").errors == []
