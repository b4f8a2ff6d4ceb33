"""Tokenizers. `make(folder)` breaks a folder that holds a good one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .kind import CONVERTS, Kind, table

Make = Callable[[Path], None]
_INVALID = "tokenizer-invalid"


def _write(name: str, data: bytes) -> Make:
    def make(folder: Path) -> None:
        (folder / name).write_bytes(data)

    return make


def _config(**fields: Any) -> Make:
    """Other fields in tokenizer_config.json; None takes one out."""

    def make(folder: Path) -> None:
        path = folder / "tokenizer_config.json"
        config = {**json.loads(path.read_text(encoding="utf-8")), **fields}
        path.write_text(json.dumps({k: v for k, v in config.items() if v is not None}))

    return make


def _tokenizer(change: Callable[[dict[str, Any]], object]) -> Make:
    """tokenizer.json changed."""

    def make(folder: Path) -> None:
        path = folder / "tokenizer.json"
        tokenizer = json.loads(path.read_text(encoding="utf-8"))
        change(tokenizer)
        path.write_text(json.dumps(tokenizer), encoding="utf-8")

    return make


def _without(*names: str) -> Make:
    def make(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return make


def _slow(folder: Path) -> None:
    """A tokenizer of Python only: it needs no files, and has no offsets."""
    _without("tokenizer.json")(folder)
    _write("tokenizer_config.json", b'{"tokenizer_class": "ByT5Tokenizer"}')(folder)


def _own_code(folder: Path) -> None:
    """A folder that asks for its own Python code to be run."""
    (folder / "evil.py").write_text("raise SystemExit('ran')\nclass Evil: pass\n")
    _config(auto_map={"AutoTokenizer": ["evil.Evil", "evil.Evil"]}, tokenizer_class="Evil")(folder)
    _without("tokenizer.json")(folder)


def _small_vocabulary(tokenizer: dict[str, Any]) -> None:
    """Without its last merges a tokenizer makes more tokens of the same text."""
    tokenizer["model"]["merges"] = tokenizer["model"]["merges"][:10]


def _replacing_nothing(tokenizer: dict[str, Any]) -> None:
    """The library's Rust code panics on this."""
    nothing = {"type": "Replace", "pattern": {"String": ""}, "content": "x"}
    tokenizer["normalizer"] = nothing


KINDS = table(
    Kind("a missing folder", _INVALID, shutil.rmtree),
    Kind("an empty folder", _INVALID, _without("tokenizer.json", "tokenizer_config.json")),
    Kind("no tokenizer.json", _INVALID, _without("tokenizer.json")),
    Kind("an empty tokenizer.json", _INVALID, _write("tokenizer.json", b"")),
    Kind("broken JSON", _INVALID, _write("tokenizer.json", b'{"version": "1.0", ')),
    Kind("JSON of something else", _INVALID, _write("tokenizer.json", b"[1, 2]")),
    Kind("binary garbage", _INVALID, _write("tokenizer.json", bytes(range(256)))),
    Kind("a broken config", _INVALID, _write("tokenizer_config.json", b"{")),
    Kind("a config of a list", _INVALID, _write("tokenizer_config.json", b"[]")),
    Kind("escapes in it", _INVALID, _write("tokenizer.json", b"\x1b[2J\x1b]0;title\x07")),
    Kind(
        "a model of no known type",
        _INVALID,
        _tokenizer(lambda t: t["model"].update(type="\x1b[31mX")),
    ),
    Kind("no model", _INVALID, _tokenizer(lambda t: t.pop("model"))),
    Kind("one that panics", _INVALID, _tokenizer(_replacing_nothing)),
    Kind("no eos", _INVALID, _config(eos_token=None)),
    Kind("an empty eos", _INVALID, _config(eos_token="")),
    Kind("an eos of a number", _INVALID, _config(eos_token=7)),
    Kind("a slow tokenizer", _INVALID, _slow),
    Kind("code of its own", _INVALID, _own_code),
    Kind("a wrong vocabulary", "prompt-length-mismatch", _tokenizer(_small_vocabulary)),
    Kind("another eos of one token", CONVERTS, _config(eos_token="the end of this text")),
    Kind("nothing wrong with it", CONVERTS, lambda folder: None),
)
