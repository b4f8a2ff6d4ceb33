"""Overlapping pieces are shown once; what is repeated in the text stays repeated."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exp2proc.formats.cells import cells
from exp2proc.tokens.pieces import OffsetTokenizer, pieces
from exp2proc.tokens.tokenizer import load_tokenizer


def shown(tokens: list[str]) -> list[str]:
    found = cells(tokens)
    assert [cell.start for cell in found[1:]] == [cell.stop for cell in found[:-1]]
    if tokens:
        assert (found[0].start, found[-1].stop) == (0, len(tokens))
    return [cell.text for cell in found]


@pytest.mark.parametrize(
    ("tokens", "texts"),
    [
        ([], []),
        ([""], [""]),
        (["a", "a", "1", "1"], ["a", "a", "1", "1"]),
        ([" 🍎", "🍎", "🍎", " x"], [" 🍎", " x"]),
        (["x🍎", "🍎", "🍎y"], ["x🍎y"]),
        (["🍎"] * 6, ["🍎"] * 2),
        (["🍎"] * 4, ["🍎"]),
        (["🍎"] * 4 + ["x祠", "祠"], ["🍎", "🍎", "x祠"]),
        (["🙂", "🙂", "a", "🙂", "🙂", "🙂", "🙂"], ["🙂", "a", "🙂", "🙂"]),
        (["哈", "哈", "，", "哈"], ["哈", "哈", "，", "哈"]),
        (["哈", "哈", "，", "好哈"], ["哈", "哈", "，", "好哈"]),
        (["祠", "祠", "祠"], ["祠"]),
        ([" 游", "游", "戏", "，", "游戏"], [" 游", "戏", "，", "游戏"]),
        ([" 游", "游", "游", " 游戏"], [" 游", "游", "游", " 游戏"]),
        ([" 变", "变", "，", " 变", "变", "变", "，变"], [" 变", "，", " 变", "变", "，变"]),
        (["💡", "💡", "a", "💡", "💡", "💡"], ["💡", "💡", "a", "💡", "💡", "💡"]),
        ([" 😀", "😀", "😀", "😀"], [" 😀", "😀"]),
        (["─", "────", "──", "─"], ["─", "────", "──", "─"]),
        (["", "é", "", "é"], ["", "é", "", "é"]),
    ],
)
def test_examples(tokens: list[str], texts: list[str]) -> None:
    assert shown(tokens) == texts


@given(st.lists(st.text("a1é哈🙂 \n", max_size=3), max_size=30))
def test_no_token_is_lost_and_ascii_never_hidden(tokens: list[str]) -> None:
    def ascii_of(texts: list[str]) -> str:
        return "".join(c for text in texts for c in text if c < "\x80")

    assert ascii_of(shown(tokens)) == ascii_of(tokens)


@pytest.fixture(scope="module")
def tokenizers(deepseek: Path, qwen3: Path) -> list[OffsetTokenizer]:
    return [load_tokenizer(str(folder)).tokenizer for folder in (deepseek, qwen3)]


@pytest.mark.parametrize(
    "text",
    [
        "Ada has 11 apples and 🦩 one more 🦩🦩.",
        "武侯祠、拙政园；䶮，䶮䶮哈哈，哈。",
        "مرحبا بالعالم שלום שלום",
        "👩\u200d🚀 é ﷽ 𝔘𝔫𝔦",
        " 游戏副本需要五个人，游戏副本掉落装备。被切成 被切成三个",
        "退出码 0 变成 1，变成 变成；每个 每个样本 | 长度不一致时，长度",
        " ──────\n │   └── exp2\n ────────────",
        " 💡提示：💡，💡💡 😀，😀，😀😀",
        " 哈哈哈哈，哈哈。他 哈哈",
    ],
)
def test_a_real_tokenizer_gives_its_text_back(tokenizers: list[OffsetTokenizer], text: str) -> None:
    for tokenizer in tokenizers:
        tokens = pieces(text, tokenizer.encode(text)[1])
        assert "".join(shown(tokens)) == text
