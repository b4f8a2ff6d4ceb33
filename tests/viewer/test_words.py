"""The page's words: all there in both languages, none that nobody says."""

from __future__ import annotations

import re
from importlib.resources import files

_WEB = files("exp2proc.viewer").joinpath("web")
_SOURCES = {
    entry.name: entry.read_text(encoding="utf-8")
    for entry in _WEB.iterdir()
    if entry.name.endswith((".js", ".html"))
}
_WORD = r'"((?:[^"\\]|\\.)*)"'
# Where words stand that reach t() by a variable.
_TABLES = {
    "measure.js": ("TITLES", "SCALES"),
    "units.js": ("UNITS",),
    "sample.js": ("SCALE_NOTES", "NORM_NOTES", "MODE_NOTES"),
    "take.js": ("TAKES",),
    "main.js": ("KEYS",),
}
_BY_VARIABLE = {"together", "apart", "beside", "difference", "sum", "mean", "max"}
_NO_WORDS = {"in", "cot", "out", "rest", "svg", "png", "csv", "json", "markdown", "link", "print"}


def _chinese() -> dict[str, str]:
    table = re.search(r"const ZH = \{(.*?)\n\};", _SOURCES["words.js"], re.DOTALL)
    assert table is not None
    pairs = re.findall(rf"{_WORD}: {_WORD},", table[1])
    assert len(pairs) == len(dict(pairs)), "a word is there twice"
    return dict(pairs)


def _said() -> set[str]:
    found = set(_BY_VARIABLE)
    for name, text in _SOURCES.items():
        if name == "words.js":
            continue
        found |= set(re.findall(rf"\bt\({_WORD}", text))
        for one, many in re.findall(rf"\bplural\(.*?, {_WORD}, {_WORD}", text):
            found |= {one, many}
        # t(a ? "this" : "that")
        for chosen in re.findall(rf"\bt\([^,;\n]*? \? {_WORD} : {_WORD}", text):
            found |= set(chosen)
        for name_ in ("data-t", "data-label"):
            found |= set(re.findall(rf"{name_}={_WORD}", text))
    for name, tables in _TABLES.items():
        for table in tables:
            body = re.search(rf"const {table} = (.*?);\n", _SOURCES[name], re.DOTALL)
            assert body is not None, table
            found |= _words_of(table, body[1])
    return found


def _words_of(table: str, body: str) -> set[str]:
    if table == "KEYS":
        return {what for _, what in re.findall(rf"\[{_WORD}, {_WORD}\]", body)}
    if table == "TAKES":
        return {what for what, _ in re.findall(rf"\[{_WORD}, {_WORD}\]", body)}
    words = set(re.findall(_WORD, body))
    if table.endswith("NOTES"):  # keys are no words, or are those of buttons
        return words - set(re.findall(rf"{_WORD}:", body))
    return words - _NO_WORDS


def test_every_word_has_a_chinese_one_and_none_is_left_over() -> None:
    said, chinese = _said(), _chinese()
    assert sorted(said - chinese.keys()) == []
    assert sorted(chinese.keys() - said) == []


def test_both_languages_fill_in_the_same_values() -> None:
    for english, chinese in _chinese().items():
        gaps = [sorted(set(re.findall(r"\{\d\}", text))) for text in (english, chinese)]
        assert gaps[0] == gaps[1], english
