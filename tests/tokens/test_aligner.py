"""Alignments: taken from the cache where it has them, made once where it has not."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from exp2proc.demo.tree import DemoTree
from exp2proc.errors import Exp2procError
from exp2proc.planning.shards import TextWork
from exp2proc.tokens.aligner import Aligner, Tokenizers, TokenizerSource
from exp2proc.tokens.cache import Cache
from exp2proc.tokens.pieces import align
from exp2proc.tokens.tokenizer import BackendTokenizer, load_tokenizer, restore_tokenizer
from exp2proc.traces.datasets import TextPlace, read_rows, read_text, text_sha1


@pytest.fixture
def texts(demo: DemoTree) -> list[TextWork]:
    path = demo.data / "needles.jsonl"
    works, offset = [], 0
    for line, (prompt, target) in zip(path.open("rb"), read_rows(path), strict=True):
        assert target is not None
        place = TextPlace(str(path), offset, len(line))
        works.append(TextWork((text_sha1(prompt), text_sha1(target)), 0, place, False, ()))
        offset += len(line)
    return works


def _sources(demo: DemoTree, fingerprint: str | None = "of a test") -> list[TokenizerSource]:
    return [TokenizerSource(str(demo.tokenizer), fingerprint)]


def _align(texts: Sequence[TextWork], tokenizers: Tokenizers, cache: Path | None) -> list[bytes]:
    aligner = Aligner(texts, tokenizers, None if cache is None else str(cache))
    made = [aligner.of(text).to_bytes() for text in texts]
    aligner.remember()
    return made


def test_what_was_remembered_needs_no_tokenizer(
    demo: DemoTree, tmp_path: Path, texts: list[TextWork]
) -> None:
    cache = tmp_path / "cache"
    tokenizer = load_tokenizer(str(demo.tokenizer)).tokenizer
    right = []
    for text in texts:
        assert text.place is not None
        assert text.key is not None
        right.append(align(tokenizer, read_text(text.place, text.key)).to_bytes())
    assert _align(texts[1:], Tokenizers(_sources(demo)), cache) == right[1:]
    assert Cache(cache).size().entries == len(texts) - 1
    # one more, and what is there is read, not made
    assert _align(texts, Tokenizers(_sources(demo)), cache) == right
    shutil.rmtree(demo.tokenizer)
    assert _align(texts, Tokenizers(_sources(demo)), cache) == right
    for sources, folder in ((_sources(demo), None), (_sources(demo, None), cache)):
        with pytest.raises(Exp2procError, match="there is no such folder"):
            _align(texts, Tokenizers(sources), folder)


@pytest.mark.parametrize("cached", [False, True])
def test_the_rows_of_a_text_share_its_alignment(
    demo: DemoTree, tmp_path: Path, texts: list[TextWork], cached: bool
) -> None:
    """It is asked for by each row, and made, or read, for the first."""
    if cached:
        _align(texts, Tokenizers(_sources(demo)), tmp_path)
    aligner = Aligner(texts, Tokenizers(_sources(demo)), str(tmp_path) if cached else None)
    for text in texts:
        assert aligner.of(text) is aligner.of(text)


def test_without_a_fingerprint_nothing_is_remembered(
    demo: DemoTree, tmp_path: Path, texts: list[TextWork]
) -> None:
    _align(texts, Tokenizers(_sources(demo, None)), tmp_path / "cache")
    assert Cache(tmp_path / "cache").size().entries == 0


def test_a_portable_form_is_used_where_it_can_be_read(demo: DemoTree, tmp_path: Path) -> None:
    """As bytes or in a file; without it, or damaged, the tokenizer is loaded by its name."""
    portable = load_tokenizer(str(demo.tokenizer)).portable
    assert portable is not None
    there, damaged = tmp_path / "portable", tmp_path / "damaged"
    there.write_bytes(portable)
    damaged.write_bytes(portable[:-9])
    nowhere = str(tmp_path / "nowhere")
    for form in (portable, str(there)):
        assert isinstance(Tokenizers([TokenizerSource(nowhere, None, form)])[0], BackendTokenizer)
    assert restore_tokenizer(damaged.read_bytes()) is None
    useless: tuple[str | None, ...] = (str(damaged), str(tmp_path / "gone"), None)
    for none in useless:
        with pytest.raises(Exp2procError, match="there is no such folder"):
            Tokenizers([TokenizerSource(nowhere, None, none)])[0]
        source = TokenizerSource(str(demo.tokenizer), None, none)
        assert isinstance(Tokenizers([source])[0], BackendTokenizer)


def test_a_tokenizer_is_tried_once_and_not_where_it_must_not_be(demo: DemoTree) -> None:
    asked: list[str] = []

    def check(source: TokenizerSource) -> None:
        asked.append(source.name)
        if source.fingerprint is None:
            raise Exp2procError("worker-environment", "another machine")

    tokenizers = Tokenizers([*_sources(demo), *_sources(demo, None)], check=check)
    assert tokenizers[0] is tokenizers[0]
    raised = []
    for _ in range(2):
        with pytest.raises(Exp2procError, match="another machine") as caught:
            tokenizers[1]
        raised.append(caught.value)
    assert asked == [str(demo.tokenizer)] * 2
    assert raised[0] is not raised[1]  # each row may add to its own
