"""Why a text is not in a dataset: each text gets at most one cause."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from exp2proc.causes.texts import find_causes


@given(st.lists(st.tuples(st.text(max_size=9), st.none() | st.text(max_size=9)), max_size=6))
def test_causes_of_any_texts(rows: list[tuple[str, str | None]]) -> None:
    wanted = {("0" * 40, "1" * 40), ("2" * 40, None)}
    causes = find_causes(wanted, [*rows, ("lone \ud800", "surrogate \udfff"), ("\ud800", None)])
    assert {key[0][0]: cause.kind for key, cause in causes.items()} == {"2": "target-missing"}
