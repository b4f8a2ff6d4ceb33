"""Texts on which the library fails, and tokenizers without an end: said with a code."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from exp2proc.demo.tree import DemoTree
from exp2proc.errors import Exp2procError
from exp2proc.tokens.tokenizer import BackendTokenizer, PretrainedTokenizer, load_tokenizer


class PanicException(BaseException):
    """What the library raises where its Rust code panics: not even an `Exception`."""


class Failing:
    """A tokenizer of the library that fails on every text."""

    eos_token = "</s>"

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def no_truncation(self) -> None: ...

    def no_padding(self) -> None: ...

    def encode(self, *args: Any, **kwargs: Any) -> Any:
        raise self._error

    __call__ = decode = encode


CALLS: dict[str, Callable[[Any], object]] = {
    "backend encodes": lambda failing: BackendTokenizer(failing, "</s>").encode("x"),
    "backend decodes": lambda failing: BackendTokenizer(failing, "</s>").decode([1]),
    "authority encodes": lambda failing: PretrainedTokenizer(failing).encode("x"),
    "authority decodes": lambda failing: PretrainedTokenizer(failing).decode([1]),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "error",
    [PanicException("no entry found"), Exception("no entry found"), KeyError("no entry found")],
    ids=lambda error: type(error).__name__,
)
def test_whatever_the_library_raises_is_a_code(call: str, error: BaseException) -> None:
    with pytest.raises(Exp2procError) as caught:
        CALLS[call](Failing(error))
    assert caught.value.code == "tokenizer-invalid"
    assert "it cannot tokenize a text" in caught.value.message
    assert "no entry found" in caught.value.message


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, SystemExit, GeneratorExit])
def test_what_is_not_about_the_text_goes_through(call: str, error: type[BaseException]) -> None:
    with pytest.raises(error):
        CALLS[call](Failing(error()))


@pytest.mark.parametrize("eos", [None, "absent"])
def test_a_tokenizer_without_an_end(demo: DemoTree, eos: str | None) -> None:
    path = demo.tokenizer / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    del config["eos_token"]
    path.write_text(json.dumps(config if eos else {**config, "eos_token": eos}), encoding="utf-8")
    with pytest.raises(Exp2procError, match="it has no eos_token") as caught:
        load_tokenizer(str(demo.tokenizer))
    assert caught.value.code == "tokenizer-invalid"
