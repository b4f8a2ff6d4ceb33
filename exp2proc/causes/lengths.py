"""Why token lengths differ: the pattern of the differences, named in one sentence. Pure.

A trace says how many tokens each prompt and each generation had. When a tokenizer makes other
numbers, the way they differ tells the cause: one more everywhere is a BOS, more the longer the text
is another vocabulary, only where there are digits another pre-tokenizer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import correlation
from typing import Final, Literal, NamedTuple

from ..formats.names import counted
from ..tokens.prefixes import DEFAULT_PREFIX, MEANING, other_prefix

Kind = Literal[
    "match",
    "prefix",
    "bos",
    "eos",
    "constant",
    "vocabulary",
    "pre-tokenizer",
    "another-eos",
    "cut",
    "unclear",
]


class LengthCase(NamedTuple):
    """One row's lengths, as its trace has them and as a tokenizer makes them.

    Attributes:
        prompt, target: the texts.
        prompt_len, gen_len: P and G of the trace.
        prompt_made, gen_made: P and G under the tokenizer.
        prompt_other: P with the other prefix before the prompt; None where it was not tried.
    """

    prompt: str
    target: str
    prompt_len: int
    gen_len: int
    prompt_made: int
    gen_made: int
    prompt_other: int | None = None


@dataclass(frozen=True, slots=True)
class Pattern:
    """What the differences have in common.

    Attributes:
        kind: the cause, or "match", or "unclear".
        sentence: the cause with its numbers.
    """

    kind: Kind
    sentence: str


class _Part(NamedTuple):
    """A prompt or a generation. `more` is how many tokens more than made the trace has."""

    text: str
    made: int
    more: int


_CLASSES: Final = {
    "digits": r"[0-9]{2,}",
    "Chinese, Japanese or Korean characters": (
        r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uff00-\uffef]"
    ),
    "emoji": r"[\u2600-\u27bf\U0001f000-\U0001faff]",
    "combining marks": r"[\u0300-\u036f\u0591-\u05c7\u064b-\u0652\u0900-\u0903\u093a-\u094f]",
    "line breaks": r"[\r\n]+",
    "runs of spaces or tabs": r"[ \t\u3000\u00a0]{2,}|\t",
    "accented letters": r"[\u00c0-\u024f\u1e00-\u1eff]",
    "apostrophes": r"['\u2019]",
    "backslashes": r"\\",
    "letters outside ASCII": r"[^\W\d_a-zA-Z]",
}
"""Where pre-tokenizers are known to differ, the most telling first."""

_BY_CHANCE: Final = 3
"""Fewer prompts than this may fit with another prefix by chance, where generations differ too."""
_OFTEN: Final = 0.6
"""Share of the texts with certain characters that must differ for these to be the cause."""
_WITHOUT: Final = 0.1
"""Share of the texts that must be without them, and not differ, for that to mean anything."""
_TRACKS: Final = 0.9
_MARGIN: Final = 0.05
"""Differences track certain characters when they correlate this well, this much better than with
the length."""
_GROWS: Final = 0.6
"""Correlation with the length from which differences count as growing with it."""
_PROPORTION: Final = 0.25
_EVERYWHERE: Final = 0.8


def length_pattern(cases: Sequence[LengthCase], prefix: str = DEFAULT_PREFIX) -> Pattern:
    """The pattern of the differences over the rows of a run, of which there is at least one.

    Args:
        cases: the rows.
        prefix: with which `prompt_made` came about, a key of `PREFIXES`.
    """
    prompts = [_Part(c.prompt, c.prompt_made, c.prompt_len - c.prompt_made) for c in cases]
    targets = [_Part(c.target, c.gen_made, c.gen_len - c.gen_made) for c in cases]
    off_p, off_g = _off(prompts), _off(targets)
    if not off_p and not off_g:
        return Pattern("match", f"all {counted(len(cases), 'row')} have the trace's lengths")
    return (
        _other_prefix(cases, len(off_p), len(off_g), prefix)
        or _constant(prompts, targets)
        or (None if off_p else _cut(targets, off_g))
        or _characters([*prompts, *targets], off_p + off_g)
        or (None if off_p else _varied_cut(targets, off_g))
        or _vocabulary(prompts, targets, off_p + off_g)
        or Pattern("unclear", _unclear(cases, off_p, off_g))
    )


def _other_prefix(
    cases: Sequence[LengthCase], off_p: int, off_g: int, prefix: str
) -> Pattern | None:
    """Prompts that all fit with the other prefix, and not all with this one."""
    if not off_p or any(case.prompt_other != case.prompt_len for case in cases):
        return None
    if off_g and off_p < _BY_CHANCE:
        return None
    return Pattern(
        "prefix",
        f"{off_p} of {len(cases)} prompts differ, and all {len(cases)} have the trace's length"
        f" when they are tokenized {MEANING[other_prefix(prefix)]}",
    )


def _off(parts: Iterable[_Part]) -> list[_Part]:
    return [part for part in parts if part.more]


def _constant(prompts: Sequence[_Part], targets: Sequence[_Part]) -> Pattern | None:
    """The same difference in every row."""
    by_prompt, by_target = ({part.more for part in parts} for parts in (prompts, targets))
    if len(by_prompt) > 1 or len(by_target) > 1:
        return None
    (p,), (g,) = by_prompt, by_target
    rows = len(prompts)
    if rows == 1 and max(abs(p), abs(g)) > 1:
        return None  # one row alone always differs "constantly"
    said = " and ".join(
        f"every {name} has {_more(more)} in the trace"
        for name, more in (("prompt", p), ("generation", g))
        if more
    )
    said = f"{said} than this tokenizer makes ({rows} of {counted(rows, 'row')})"
    if not p:
        if abs(g) == 1:
            return Pattern("eos", f"{said}: one EOS token {_word(g)}")
        why = "another eos token, or a fixed ending of the generation"
        return Pattern("another-eos", f"{said}: {why}")
    if abs(p) == 1 and not g:
        return Pattern("bos", f"{said}: one BOS token {_word(p)}")
    if abs(p) == 1 and abs(g) == 1:
        return Pattern("constant", f"{said}: one BOS token {_word(p)}, one EOS token {_word(g)}")
    return Pattern("constant", f"{said}: fixed text around each prompt, such as a chat template")


def _word(more: int) -> str:
    return "more" if more > 0 else "less"


def _more(more: int) -> str:
    count = abs(more)
    return f"{count} token{'' if count == 1 else 's'} {'more' if more > 0 else 'fewer'}"


def _cut(targets: Sequence[_Part], off: Sequence[_Part]) -> Pattern | None:
    """Generations that all end at the same limit, in the trace or in the dataset."""
    if len(off) < 2 or len({part.more > 0 for part in off}) > 1:
        return None
    if off[0].more < 0:
        limits = {part.made + part.more for part in off}
        longest = max(part.made + part.more for part in targets)
        if limits == {longest}:
            return Pattern(
                "cut",
                f"only generations differ, and {len(off)} of {len(targets)} rows have exactly"
                f" {longest} tokens in the trace, its maximum, where the dataset's target makes"
                f" {_range(part.made for part in off)}: the trace's text was cut at that limit",
            )
        return None
    for unit, size in (("characters", lambda part: len(part.text)), ("tokens", lambda p: p.made)):
        limits = {size(part) for part in off}
        if limits == {max(map(size, targets))}:
            return Pattern(
                "cut",
                f"only generations differ, and {len(off)} of {len(targets)} targets of the dataset"
                f" end at exactly {limits.pop()} {unit}, its maximum, while the trace has"
                f" {_range(part.more for part in off)} tokens more: the dataset's text was cut",
            )
    return None


def _varied_cut(targets: Sequence[_Part], off: Sequence[_Part]) -> Pattern | None:
    """Generations that are all shorter, or all longer, by many tokens."""
    if len({part.more > 0 for part in off}) > 1:
        return None
    most = max(abs(part.more) for part in off)
    if most < 2:
        return None
    longer, cut = ("fewer", "trace") if off[0].more < 0 else ("more", "dataset")
    return Pattern(
        "cut",
        f"only generations differ ({len(off)} of {counted(len(targets), 'row')}), all of them with"
        f" {_range(abs(part.more) for part in off)} tokens {longer} in the trace:"
        f" the text was cut in the {cut}",
    )


def _characters(parts: Sequence[_Part], off: Sequence[_Part]) -> Pattern | None:
    """Differences only where certain characters are."""
    best: tuple[float, str, int] | None = None
    lengths = [float(part.made) for part in parts]
    sizes = [float(abs(part.more)) for part in parts]
    by_length = _correlation(sizes, lengths)
    for name, regex in _CLASSES.items():
        find = re.compile(regex)
        counts = [float(sum(map(len, find.findall(part.text)))) for part in parts]
        if any(part.more and not count for part, count in zip(parts, counts, strict=True)):
            continue
        # A pre-tokenizer cannot differ by more tokens than there are bytes to divide.
        if any(size > 4 * count for size, count in zip(sizes, counts, strict=True)):
            continue
        having = sum(count > 0 for count in counts)
        share = len(off) / having
        separates = len(parts) - having >= max(2, _WITHOUT * len(parts)) and share >= _OFTEN
        tracks = _correlation(sizes, counts)
        if not separates and not (tracks >= _TRACKS and tracks >= by_length + _MARGIN):
            continue
        score = max(share if separates else 0.0, tracks)
        if best is None or score > best[0] + 1e-9:
            best = score, name, having
    if best is None:
        return None
    _, name, having = best
    return Pattern(
        "pre-tokenizer",
        f"only texts with {name} differ ({len(off)} of the {having} that have them,"
        f" {_signed(off)} tokens, and none of the {len(parts) - having} others):"
        " another pre-tokenizer or normaliser",
    )


def _correlation(one: Sequence[float], other: Sequence[float]) -> float:
    if len(one) < 3 or len(set(one)) == 1 or len(set(other)) == 1:
        return 0.0
    return correlation(one, other)


def _vocabulary(
    prompts: Sequence[_Part], targets: Sequence[_Part], off: Sequence[_Part]
) -> Pattern | None:
    """Differences that grow with the length, or that are everywhere and of all sizes."""
    sides = [side for side in (prompts, targets) if _off(side)]
    parts = [part for side in sides for part in side]
    if len(prompts) < 2 or len(off) <= len(parts) // 2:
        return None
    sizes = [float(abs(part.more)) for part in parts]
    grows = _correlation(sizes, [float(part.made) for part in parts])
    made = sum(part.made for part in parts)
    ratio = (made + sum(part.more for part in parts)) / max(1, made)
    if grows >= _GROWS:
        how, extent = "grow with the length", f"correlation {grows:.2f}, "
    elif all(map(_in_proportion, sides)):
        how, extent = "grow with the length", "in proportion, "
    elif len(off) >= _EVERYWHERE * len(parts) and len({part.more for part in off}) > 2:
        how, extent = "are almost everywhere and of all sizes", ""
    else:
        return None
    rows = sum(bool(p.more or t.more) for p, t in zip(prompts, targets, strict=True))
    return Pattern(
        "vocabulary",
        f"the differences {how} ({_signed(off)} tokens in {rows} of {counted(len(prompts), 'row')},"
        f" {extent}{ratio:.2f} tokens in the trace for each of this tokenizer's):"
        " another vocabulary",
    )


def _in_proportion(parts: Sequence[_Part]) -> bool:
    """Whether each difference is the same share of its length, to a quarter or a token."""
    share = sum(abs(part.more) for part in parts) / max(1, sum(part.made for part in parts))
    expected = [share * part.made for part in parts]
    return all(
        abs(abs(part.more) - size) <= max(1.0, _PROPORTION * size)
        for part, size in zip(parts, expected, strict=True)
    )


def _unclear(cases: Sequence[LengthCase], off_p: Sequence[_Part], off_g: Sequence[_Part]) -> str:
    said = " and ".join(
        f"{len(off)} of {len(cases)} {name} by {_signed(off)} tokens"
        for name, off in (("prompts", off_p), ("generations", off_g))
        if off
    )
    few = ": too few rows to tell why" if len(cases) < 3 else ", in no pattern that is known"
    return f"the trace differs in {said}{few}"


def _range(numbers: Iterable[int]) -> str:
    found = sorted(numbers)
    return str(found[0]) if found[0] == found[-1] else f"{found[0]} to {found[-1]}"


def _signed(off: Sequence[_Part]) -> str:
    least, most = min(part.more for part in off), max(part.more for part in off)
    return f"{least:+d}" if least == most else f"{least:+d} to {most:+d}"
