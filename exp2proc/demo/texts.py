"""Texts of three small datasets: English arithmetic, Chinese multi-hop questions, needles."""

from __future__ import annotations

import random
import re
from typing import Final

from ..traces.datasets import Text

_NAMES: Final = ("Ada", "Bruno", "Chiara", "Dmitri", "Eun-ji", "Fatima", "José", "Zoë")
_THINGS: Final = ("apples 🍎", "stickers ⭐", "marbles", "cups of tea ☕", "postcards", "seeds 🌱")
_中文人名: Final = ("小明", "李华", "王芳", "张伟", "陈静", "刘洋")
_CITIES: Final = (
    ("杭州", "浙江", "西湖"),
    ("成都", "四川", "武侯祠"),
    ("西安", "陕西", "大雁塔"),
    ("苏州", "江苏", "拙政园"),
)
_KEYS: Final = ("amber", "basalt", "cobalt", "dune", "ember", "fjord")
_FILLER: Final = (
    "The harbour was quiet and the ferries ran on time.",
    "Nobody in the archive could say who had moved the ledgers.",
    "A thin rain fell on the greenhouse roofs all afternoon.",
    "The committee met twice and decided nothing either time.",
)


def arithmetic(count: int, seed: int = 1) -> list[Text]:
    """Word problems with a worked solution and a boxed answer."""
    rng = random.Random(seed)
    return [_word_problem(rng) for _ in range(count)]


def _word_problem(rng: random.Random) -> Text:
    name, thing = rng.choice(_NAMES), rng.choice(_THINGS)
    have, packs, each, given = rng.randint(3, 40), rng.randint(2, 9), rng.randint(2, 12), 3
    total = have + packs * each - given
    return Text(
        f"{name} has {have} {thing}, buys {packs} packs of {each} and gives {given} away."
        " How many are left?",
        f"Let's think step by step.\n\n{packs} packs × {each} each = {packs * each}.\n"
        f"{have} + {packs * each} = {have + packs * each}.\n"
        f"{have + packs * each} - {given} = {total}.\n\nThe answer is \\boxed{{{total}}}.",
    )


def multi_hop(count: int, seed: int = 2) -> list[Text]:
    """Chinese questions that need two facts, with the reasoning spelled out."""
    rng = random.Random(seed)
    return [_two_facts(rng) for _ in range(count)]


def _two_facts(rng: random.Random) -> Text:
    name, (city, province, sight) = rng.choice(_中文人名), rng.choice(_CITIES)
    year = rng.randint(1950, 2020)
    return Text(
        f"资料：{name}于{year}年出生在{city}。{city}是{province}的一座城市，那里有著名的{sight}。\n"
        f"问题：{name}出生的城市属于哪个省？🤔",
        f"先看第一条：{name}出生在{city}。\n再看第二条：{city}位于{province}。\n"
        f"所以{name}出生的城市属于{province}。\n\n答案：{province} ✅",
    )


def needles(count: int, seed: int = 3) -> list[Text]:
    """Retrieval tasks: a number hidden in filler, with the place it was found."""
    rng = random.Random(seed)
    return [_needle(rng) for _ in range(count)]


def _needle(rng: random.Random) -> Text:
    key, number = rng.choice(_KEYS), rng.randint(100000, 999999)
    filler = [rng.choice(_FILLER) for _ in range(rng.randint(6, 14))]
    filler.insert(rng.randrange(len(filler)), f"The special number for {key} is {number}.")
    return Text(
        " ".join(filler) + f"\nWhat is the special number for {key} mentioned in the text?",
        f"The text says that the special number for {key} is {number}.\n\nAnswer: {number}",
    )


_EVIDENCE: Final = re.compile(
    r"The special number for \w+ is \d+\."  # a needle
    r"|\d+(?= (?:packs|away|[a-z]))|(?<=packs of )\d+"  # the numbers of a word problem
    r"|于\d+年出生在\w\w|\w\w是\w\w的一座城市"  # two facts
)
_CONCLUSION: Final = re.compile(r"\n\n(?:The answer|Answer|答案)")
_REPEATED: Final = re.compile(r"\d+|出生在\w\w|位于\w\w")

Spans = list[tuple[int, int]]


def evidence(text: Text) -> tuple[Spans, Spans]:
    """What the answer rests on, as half-open character spans: in the prompt, and in the reasoning.

    >>> text = needles(1)[0]
    >>> [text.prompt[start:end] for start, end in evidence(text)[0]]
    ['The special number for basalt is 721429.']
    """
    ends = _CONCLUSION.search(text.target)
    reasoning = text.target[: ends.start()] if ends else ""
    return (
        [found.span() for found in _EVIDENCE.finditer(text.prompt)],
        [found.span() for found in _REPEATED.finditer(reasoning)],
    )
