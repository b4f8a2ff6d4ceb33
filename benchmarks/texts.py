"""Texts of any length that read like what models are asked and answer: English, Chinese, math.

Sentences are put together from word lists by a seeded generator, with numbers and formulas in
them, so that two texts share words but no paragraph.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from exp2proc.traces.datasets import Text


def _words(joined: str, separator: str | None = None) -> tuple[str, ...]:
    return tuple(joined.split(separator))


Sentence = Callable[[random.Random], str]

_NOUNS: Final = _words(
    "harbour ledger archive committee greenhouse telescope estuary violin orchard signal furnace"
    " manuscript turbine glacier merchant district experiment treaty reservoir locomotive gallery"
    " molecule parliament canal expedition workshop satellite vineyard cathedral algorithm"
    " journal bridge census lighthouse settlement engine laboratory festival frontier curriculum"
    " sediment monastery railway painter election survey aquifer compiler novel quarry"
)
_ADJECTIVES: Final = _words(
    "quiet narrow provisional northern brittle abandoned reliable crowded seasonal copper"
    " unfinished ambitious remote hollow prosperous temporary luminous disputed coastal faint"
    " elaborate rural mechanical forgotten adjacent volcanic independent slender"
)
_VERBS: Final = _words(
    "described rebuilt measured abandoned inherited financed surveyed translated dismantled"
    " photographed questioned restored outlived supplied predicted replaced catalogued visited"
    " reorganised neglected purchased illuminated contradicted preceded"
)
_PLACES: Final = _words(
    "Lisbon Trondheim Kraków Nagasaki Valparaíso Tbilisi Oaxaca Zürich Aberdeen Da Nang"
    " Mombasa Québec Ljubljana Patagonia Samarkand Galway"
)
_PEOPLE: Final = _words(
    "Ada Lindqvist,Bruno Ferreira,Chiara Moretti,Dmitri Volkov,Eun-ji Park,Fatima Al-Sayed"
    ",José Álvarez,Zoë Brontëson,Ravi Subramanian,Ngozi Okafor,Thomas Müller,Hélène Caron",
    ",",
)
_LINKS: Final = _words(
    "Because of this, |However, |In the following year, |According to a later account, "
    "|Still, |By contrast, |As the minutes show, |For that reason, |Nobody disputes that "
    "|It is known that ",
    "|",
)
_中文人: Final = _words("王芳 李华 张伟 陈静 刘洋 赵敏 黄磊 周婷 吴昊 郑爽 孙丽 马超")
_中文城: Final = _words("杭州 成都 西安 苏州 青岛 昆明 哈尔滨 厦门 兰州 长沙 桂林 洛阳")
_中文物: Final = _words(
    "图书馆 博物馆 火车站 植物园 天文台 研究所 出版社 造船厂 音乐厅 水电站 茶叶市场 古城墙"
    " 中学 报社"
)
_中文事: Final = _words(
    "主持了修复工程 发表了第一篇论文 举办过三次展览 收藏了大量手稿 培养了许多学生 绘制了地图"
    " 修建了新的道路 整理了地方档案 拍摄了一部纪录片 记录了当年的降水量"
)
_SYLLABLES: Final = _words(
    "ba ver lin tho mar quee dri zan pel os ka sti nor wyn gar ell fu ish tam bro cel ran du mi"
    " ghe ux ter vol ani sch per lo kri em jat hes pou"
)
_UNITS: Final = _words("km kg apples marbles litres hours pages tickets °C dollars")


def _coined(rng: random.Random) -> str:
    """A name nobody has seen before: real texts are full of them."""
    return "".join(rng.choice(_SYLLABLES) for _ in range(rng.randint(2, 4))).capitalize()


def _place(rng: random.Random) -> str:
    return _coined(rng) if rng.random() < 0.3 else rng.choice(_PLACES)


def _person(rng: random.Random) -> str:
    return f"{_coined(rng)} {_coined(rng)}" if rng.random() < 0.3 else rng.choice(_PEOPLE)


def english(rng: random.Random) -> str:
    """A sentence of encyclopedic prose."""
    one, two, three = rng.sample(_NOUNS, 3)
    link = rng.choice(_LINKS) if rng.random() < 0.4 else ""
    body = rng.choice(
        (
            (
                f"the {rng.choice(_ADJECTIVES)} {one} near {_place(rng)}"
                f" {rng.choice(_VERBS)} the {two} in {rng.randint(1640, 2023)}"
            ),
            (
                f"{_person(rng)} {rng.choice(_VERBS)} a {rng.choice(_ADJECTIVES)} {one},"
                f" and the {two} was never {rng.choice(_VERBS)} again"
            ),
            (
                f"about {rng.randint(12, 98)}% of the {one}s had a {rng.choice(_ADJECTIVES)} {two}"
                f" \u2014 more than the {three} of {_place(rng)}"
            ),
            (
                f"{_person(rng)}'s {one} (no. {rng.randint(100, 9999)}) isn't the"
                f" {rng.choice(_ADJECTIVES)} {two} that {_person(rng)} {rng.choice(_VERBS)}"
            ),
        )
    )
    text = link + (body if link else body[0].upper() + body[1:])
    return text + rng.choice((". ", ". ", ". ", "; ", "?\n", ".\n\n"))


def chinese(rng: random.Random) -> str:
    """A sentence of a Chinese reference work."""
    person, city, thing = rng.choice(_中文人), rng.choice(_中文城), rng.choice(_中文物)
    year = rng.randint(1890, 2023)
    return rng.choice(
        (
            f"{year}年，{person}在{city}{thing}{rng.choice(_中文事)}。",
            (
                f"{city}的{thing}距离市中心约{rng.randint(2, 60)}公里，{person}曾在那里工作"
                f"{rng.randint(2, 30)}年；"
            ),
            (
                f"据记载，{person}与{rng.choice(_中文人)}于{year}年{rng.choice(_中文事)}，"
                f"后来两人都离开了{city}。\n"
            ),
            f"问：{person}出生的城市有几座{thing}？答：{rng.randint(1, 20)}座。",
        )
    )


def math(rng: random.Random) -> str:
    """A step of a worked solution."""
    a, b, c = (rng.randint(2, 10 ** rng.randint(1, 4)) for _ in range(3))
    x, y = rng.sample("abcknmpqrstxyz", 2)
    one, two = rng.sample(_NOUNS, 2)
    return rng.choice(
        (
            f"We have ${a} \\times {b} = {a * b}$, and therefore ${a * b} - {c} = {a * b - c}$.\n",
            (
                f"Okay, so {_person(rng)} counts the {one}s first: there are {a} of them, and"
                f" every {two} that was {rng.choice(_VERBS)} takes away {b % 9 + 1}. "
            ),
            (
                f"Let ${x}$ denote the number of {rng.choice(_ADJECTIVES)} {one}s per {two};"
                f" substituting ${x} = {a}$ into the equation for $\\angle {y.upper()}$ shows that"
                f" the remaining {rng.choice(_UNITS)} must be divisible by {b % 90 + 2}.\n\n"
            ),
            (
                f"Hmm, that doesn't look right, because the {one} isn't"
                f" {rng.choice(_ADJECTIVES)} when ${y} > {c}$. Alternatively, we could use the"
                f" {_coined(rng)} inequality. "
            ),
            (
                f"So \\[{x}^2 - {a}{x} + {b} = 0 \\implies"
                f" {x} = \\frac{{{a} \\pm \\sqrt{{{a * a - 4 * b}}}}}{{2}}\\]\n"
            ),
            f"Wait, let me check: {a} + {b} = {a + b}, not {a + b + 10}. So {x} = {a % 97}.\n",
            (
                f"Step {a % 20}: divide {b} {rng.choice(_UNITS)} by {1 + c % 12},"
                f" which gives {b / (1 + c % 12):.2f} {rng.choice(_UNITS)} each.\n\n"
            ),
            (
                f"If ${x} \\equiv {a % 17} \\pmod{{17}}$ then $f({x}) = {x}^{b % 7} + {c}{y}$,"
                f" hence $\\boxed{{{a % 17 + c}}}$ 🤔. "
            ),
        )
    )


def accents(rng: random.Random) -> str:
    """A name spelled with combining marks: tokenizers that normalise change such a text."""
    return (
        f"{_person(rng)} signed as Jose\u0301 A\u030angstro\u0308m on page {rng.randint(1, 900)}. "
    )


def mixture(rng: random.Random, kinds: dict[Sentence, float], characters: int) -> str:
    """Sentences of these kinds by weight, until there are about so many characters."""
    parts: list[str] = []
    left = characters
    sentences, weights = list(kinds), list(kinds.values())
    while left > 0:
        part = rng.choices(sentences, weights)[0](rng)
        parts.append(part)
        left -= len(part)
    text = "".join(parts)
    return text[: max(1, characters)].rstrip() or text.strip()


def text(rng: random.Random, kinds: dict[Sentence, float], prompt: int, target: int) -> Text:
    """A prompt and a target of about so many characters; one target in fifty gets normalised."""
    answer = f"\n\nThe answer is \\boxed{{{rng.randint(0, 10**6)}}}."
    if rng.random() < 0.02:
        answer = " " + accents(rng) + answer
    return Text(
        mixture(rng, kinds, prompt),
        mixture(rng, kinds, max(1, target - len(answer))) + answer,
    )
