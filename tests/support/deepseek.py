"""A real tokenizer with one thing about it changed, as wrong tokenizers are in practice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Change = Callable[[dict[str, Any], dict[str, Any]], None]


def altered(original: Path, folder: Path, change: Change) -> Path:
    """Copy a tokenizer folder; `change` gets tokenizer.json and tokenizer_config.json to edit."""
    folder.mkdir(parents=True)
    parts = [
        json.loads((original / name).read_text(encoding="utf-8"))
        for name in ("tokenizer.json", "tokenizer_config.json")
    ]
    change(parts[0], parts[1])
    for name, part in zip(("tokenizer.json", "tokenizer_config.json"), parts, strict=True):
        (folder / name).write_text(json.dumps(part), encoding="utf-8")
    return folder


def single_digits(tokenizer: dict[str, Any], config: dict[str, Any]) -> None:
    """Cut numbers into digits, as other releases of the same family do."""
    digits = {"type": "Digits", "individual_digits": True}
    tokenizer["pre_tokenizer"]["pretokenizers"].insert(0, digits)


def decomposed(tokenizer: dict[str, Any], config: dict[str, Any]) -> None:
    """Take accented letters apart first, as a normaliser may."""
    tokenizer["normalizer"] = {"type": "NFD"}
