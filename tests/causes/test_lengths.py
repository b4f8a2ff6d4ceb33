"""Patterns of length differences: each cause is named, and not another."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exp2proc.causes.lengths import LengthCase, length_pattern
from exp2proc.demo import texts
from exp2proc.traces.datasets import Text

Count = Callable[[str], int]

TEXTS = [*texts.arithmetic(12), *texts.multi_hop(12), *texts.needles(12)]
PLAIN = [
    Text("Say " + "so " * (n % 7), f"Well, {'and ' * n}done" + (f" in {n} {n**3}" if n % 3 else ""))
    for n in range(11, 29)
]


def words(text: str) -> int:
    """Tokens as a small tokenizer would cut them: words, numbers whole, single other characters."""
    return len(re.findall(r"[^\W\d_]+|[0-9]+|\s|[^\w\s]", text))


def single_digits(text: str) -> int:
    return len(re.findall(r"[^\W\d_]+|[0-9]|\s|[^\w\s]", text))


def single_marks(text: str) -> int:
    """As `words`, but runs of blanks are one token."""
    return len(re.findall(r"[^\W\d_]+|[0-9]+|\s+|[^\w\s]", text))


def syllables(text: str) -> int:
    return len(re.findall(r"[^\W\d_]{1,3}|[0-9]+|\s|[^\w\s]", text))


def cases(
    rows: list[Text],
    traced: Count,
    made: Count = words,
    *,
    prompt: int = 0,
    generation: int = 0,
) -> list[LengthCase]:
    """Rows traced with one tokenizer (and so many tokens more), made with another."""
    return [
        LengthCase(
            *row,
            traced(row.prompt) + prompt,
            traced(row.target) + 1 + generation,
            made(row.prompt),
            made(row.target) + 1,
        )
        for row in rows
    ]


def test_equal_lengths_match() -> None:
    assert length_pattern(cases(TEXTS, words)).kind == "match"


def other_prefix(rows: list[Text], off: int, *, odd: int = 0, eos: int = 0) -> list[LengthCase]:
    """Rows whose prompts fit with the other prefix only, `off` of them not with this one."""
    return [
        LengthCase(*row, 9, 5 + eos, 9 + (n < off) * (-1) ** n, 5, 9 + (n < odd))
        for n, row in enumerate(rows)
    ]


@pytest.mark.parametrize(("prefix", "said"), [("space", "without the"), ("none", "with a")])
def test_another_prefix(prefix: str, said: str) -> None:
    pattern = length_pattern(other_prefix(TEXTS, 12), prefix)
    assert pattern.kind == "prefix"
    assert pattern.sentence == (
        "12 of 36 prompts differ, and all 36 have the trace's length when they are tokenized"
        f" {said} leading space"
    )
    assert length_pattern(other_prefix(TEXTS[:1], 1)).kind == "prefix"
    # also where the generations have a fault of their own, unless few prompts speak for it
    assert length_pattern(other_prefix(TEXTS, 3, eos=1)).kind == "prefix"
    assert length_pattern(other_prefix(TEXTS, 2, eos=1)).kind != "prefix"


def test_a_prefix_that_does_not_explain_every_row_is_no_cause() -> None:
    assert length_pattern(other_prefix(TEXTS, 12, odd=1)).kind != "prefix"
    assert length_pattern(other_prefix(TEXTS, 0)).kind == "match"
    untried = [case._replace(prompt_other=None) for case in other_prefix(TEXTS, 12)]
    assert length_pattern(untried).kind != "prefix"


@pytest.mark.parametrize(
    ("prompt", "generation", "kind", "said"),
    [
        (1, 0, "bos", "every prompt has 1 token more"),
        (-1, 0, "bos", "one BOS token less"),
        (0, 1, "eos", "one EOS token more"),
        (0, -1, "eos", "every generation has 1 token fewer"),
        (1, 1, "constant", "one BOS token more, one EOS token more"),
        (17, 0, "constant", "chat template"),
        (0, 4, "another-eos", "every generation has 4 tokens more"),
    ],
)
def test_constant_differences(prompt: int, generation: int, kind: str, said: str) -> None:
    pattern = length_pattern(cases(TEXTS, words, prompt=prompt, generation=generation))
    assert pattern.kind == kind
    assert said in pattern.sentence
    assert "36 of 36 rows" in pattern.sentence


def test_another_vocabulary_grows_with_the_length() -> None:
    for traced, made in ((syllables, words), (words, syllables)):
        pattern = length_pattern(cases(TEXTS, traced, made))
        assert pattern.kind == "vocabulary"
        assert "grow with the length" in pattern.sentence


def test_another_vocabulary_where_all_texts_are_of_a_length() -> None:
    rows = [Text(f"{'word ' * 20}{'x' * (1 + n % 5)}", "a b") for n in range(10)]
    pattern = length_pattern(cases(rows, lambda text: len(text)))
    assert pattern.kind == "vocabulary"
    assert "in proportion" in pattern.sentence


def test_only_digits_differ() -> None:
    mixed = [*PLAIN, *TEXTS]
    for rows in (PLAIN, mixed, TEXTS):
        for traced, made in ((single_digits, words), (words, single_digits)):
            pattern = length_pattern(cases(rows, traced, made))
            assert (pattern.kind, "digits" in pattern.sentence) == ("pre-tokenizer", True), pattern


def test_only_runs_of_blanks_differ() -> None:
    rows = [Text(f"{n} to go", "a  b" * (n % 3) + f"word {'x y ' * n}") for n in range(15)]
    pattern = length_pattern(cases(rows, single_marks))
    assert pattern.kind == "pre-tokenizer"
    assert "runs of spaces" in pattern.sentence


@pytest.mark.parametrize("limit", [25, 40])
def test_the_trace_was_cut_at_its_limit(limit: int) -> None:
    rows = [case._replace(gen_len=min(case.gen_len, limit)) for case in cases(TEXTS + PLAIN, words)]
    assert 2 <= sum(case.gen_len < case.gen_made for case in rows) < len(rows)
    pattern = length_pattern(rows)
    assert pattern.kind == "cut"
    assert f"exactly {limit} tokens" in pattern.sentence
    assert "the trace's text was cut" in pattern.sentence


def test_the_dataset_was_cut() -> None:
    rows = []
    for text in TEXTS + PLAIN:
        short = text.target[:80]
        made = words(short) + 1
        p = words(text.prompt)
        rows.append(LengthCase(text.prompt, short, p, words(text.target) + 1, p, made))
    pattern = length_pattern(rows)
    assert pattern.kind == "cut"
    assert "80 characters" in pattern.sentence
    assert "the dataset's text was cut" in pattern.sentence


def test_one_row_alone_proves_little() -> None:
    (one,) = cases(TEXTS[:1], words, prompt=5)
    assert length_pattern([one]).kind == "unclear"
    assert "too few rows" in length_pattern([one]).sentence


def test_differences_without_a_pattern() -> None:
    rows = cases(TEXTS, words)
    rows[3] = rows[3]._replace(prompt_len=rows[3].prompt_len + 7)
    rows[20] = rows[20]._replace(prompt_len=rows[20].prompt_len - 9)
    pattern = length_pattern(rows)
    assert pattern.kind == "unclear"
    assert "2 of 36 prompts by -9 to +7 tokens" in pattern.sentence


TEXT = st.text(alphabet="ab 0123\n\u00e9\u4e2d🙂", max_size=30)
CASE = st.builds(LengthCase, TEXT, TEXT, *[st.integers(0, 60)] * 4)


@given(st.lists(CASE, min_size=1, max_size=12))
def test_every_set_of_lengths_gets_a_sentence(rows: list[LengthCase]) -> None:
    pattern = length_pattern(rows)
    equal = all((c.prompt_len, c.gen_len) == (c.prompt_made, c.gen_made) for c in rows)
    assert (pattern.kind == "match") == equal
    assert pattern.sentence.count("\n") == 0
    assert len(pattern.sentence) > 20
