"""Closed ranges, against sets of token indices: the definition that cannot be got wrong."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from exp2proc.formats import spans

_ends = st.integers(-20, 40) | st.integers(-(10**20), 10**20)
_span = st.tuples(_ends, _ends)
_lengths = st.integers(0, 30)


def _tokens(span: spans.Span) -> set[int]:
    """The tokens of a span, as far as any test looks."""
    return set(range(max(span[0], -50), min(span[1], 100) + 1))


@given(_span, st.integers(-1, 30))
def test_clamp_keeps_exactly_the_tokens_inside(span: spans.Span, last: int) -> None:
    kept = spans.clamp(span, last)
    wanted = _tokens(span) & set(range(last + 1))
    assert (set() if kept is None else _tokens(kept)) == wanted


@given(_lengths, _lengths, _span, st.none() | _span)
def test_sample_spans_follow_the_definition(
    p: int, g: int, sink: spans.Span, thinking: spans.Span | None
) -> None:
    made = spans.sample_spans(p, g, sink, thinking)
    generation = set(range(max(0, g - 1)))
    cot = _tokens(thinking) if thinking is not None else set(range(max(0, min(sink[0], 100))))

    def tokens(span: spans.Span) -> set[int]:
        return set() if span == spans.NONE else _tokens(span)

    assert tokens(made.span_in) == set(range(p))
    assert tokens(made.span_cot) == {p + i for i in cot & generation}
    assert tokens(made.span_out) == {p + i for i in _tokens(sink) & generation}
    for span in made:
        assert spans.size(span) == len(tokens(span))
        assert span == spans.NONE or 0 <= span[0] <= span[1] < spans.sample_length(p, g)


def test_default_thinking_ends_before_the_sink_as_stored() -> None:
    assert spans.sample_spans(5, 10, (3, 8)).span_cot == (5, 7)
    assert spans.sample_spans(5, 10, (0, 8)).span_cot == spans.NONE
    # The sink's start is taken as stored, and only then clamped.
    assert spans.sample_spans(5, 10, (50, 60)).span_cot == (5, 13)
    assert spans.sample_spans(5, 10, (-4, 2)).span_cot == spans.NONE


def test_the_eos_is_no_token_of_a_sample() -> None:
    lengths = {(3, 4): 6, (3, 2): 4, (3, 1): 3, (3, 0): 3, (0, 1): 0, (0, 3): 2}
    for (prompt, generation), length in lengths.items():
        assert spans.sample_length(prompt, generation) == length
