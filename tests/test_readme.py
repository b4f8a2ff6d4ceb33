"""README.md and README.zh-CN.md say the same, and only what is so."""

from __future__ import annotations

import functools
import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from support.cli import run_cli
from support.markdown import Section, differences, read_sections

from exp2proc.cli import COMMANDS

_HERE = Path(__file__).resolve().parent
_ROOT = _HERE.parent
_PAGES = ("README.md", "README.zh-CN.md")

_SAMPLE = """\
# Name

## One

Has `code` and 1,234 rows, [there](a.md).

```sh
exp2proc demo --break
```

| option | when |
| --- | --- |
| `--a` | after 2 s |
| `--b` | never |

### Two
"""


def _read(page: str) -> str:
    return (_ROOT / page).read_text(encoding="utf-8")


def test_both_languages_say_the_same() -> None:
    found = differences(*map(_read, _PAGES), own=_PAGES)
    assert not found, "\n".join(found)


def test_each_page_leads_to_the_other() -> None:
    for page, other in (_PAGES, _PAGES[::-1]):
        title = read_sections(_read(page))[1]
        assert (title.level, title.targets[0]) == (1, other)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("demo --break", "demo --breaks"),
        ("```sh", "```text"),
        ("### Two", "## Two"),
        ("### Two", ""),
        ("`code`", "`kode`"),
        ("`code`", "code"),
        ("1,234", "1,235"),
        ("a.md", "b.md"),
        ("| `--b` | never |\n", ""),
        ("`--b`", "`--c`"),
        ("2 s", "3 s"),
        ("`--a` | after 2 s", "after 2 s | `--a`"),
        ("| `--a` | after 2 s |\n| `--b` | never |", "| `--b` | never |\n| `--a` | after 2 s |"),
    ],
)
def test_differences_are_seen(old: str, new: str) -> None:
    assert _SAMPLE.count(old) == 1
    assert differences(_SAMPLE, _SAMPLE.replace(old, new))


def test_another_language_is_no_difference() -> None:
    other = _SAMPLE.replace("Has `code` and 1,234 rows", "1,234 行，含 `code`")
    assert not differences(_SAMPLE, other.replace("never", "从不").replace("Two", "二"))


@functools.cache
def _help(*command: str) -> str:
    done = run_cli(*command, "--help")
    assert done.returncode == 0, done.stderr
    return done.stdout


@functools.cache
def _options(command: str) -> dict[str, str]:
    """The options that a command's help lists, each with what it says of it."""
    entries = re.findall(r"^  (-.*(?:\n   .*)*)", _help(command), re.MULTILINE)
    return {
        name: entry
        for entry in entries
        for name in re.findall(r"(?:^|, )(--?[\w-]+)", re.split(r"\n|  ", entry)[0])
    }


def _help_has(command: str, words: list[str]) -> bool:
    """Whether a command's help lists the options among `words`, and the values of `--x a|b`."""
    known = _options(command)
    for at, word in enumerate(words):
        name, _, value = word.partition("=")
        if not re.match(r"--?[a-z]", name):
            continue
        choices = (value or "".join(words[at + 1 : at + 2])).split("|")
        if name not in known or (len(choices) > 1 and not all(c in known[name] for c in choices)):
            return False
    return True


def _code(section: Section) -> list[str]:
    """The code in a section's text and tables."""
    cells = [words for table in section.tables for row in table for words in row]
    return [code for words in (section.words, *cells) for code in words.code]


def _commands(texts: Iterable[str]) -> Iterator[list[str]]:
    """The words after `exp2proc` of each command in some code."""
    for text in texts:
        joined = text.replace("\\\n", " ")
        for words in re.findall(r"(?:^|[$&|;]) *exp2proc (.+)$", joined, re.MULTILINE):
            yield shlex.split(re.split(r"&&|[|;>]", words)[0])


def _shown(section: Section) -> list[list[str]]:
    """The commands in a section's fences."""
    return list(_commands(text for language, text in section.fences if language != "python"))


def test_commands_are_in_the_help() -> None:
    sections = read_sections(_read("README.md"))
    shown = [words for section in sections for words in _shown(section)]
    code = [code for section in sections for code in _code(section)]
    shown += _commands(code)
    shown += [shlex.split(text) for text in code if text.split(" ")[0] in COMMANDS]
    shown = [words for words in shown if words[0] not in ("--help", "--version")]
    assert {words[0] for words in shown} == set(COMMANDS)
    assert all(re.search(rf"^    {name}\b", _help(), re.MULTILINE) for name in COMMANDS)
    for command, *words in shown:
        assert _help_has(command, words), (command, words)


def test_lone_options_are_in_the_help() -> None:
    """`--resume` in a text is an option of a command that its section shows, if it shows any."""
    seen = 0
    for section in read_sections(_read("README.md")):
        commands = {words[0] for words in (*_shown(section), *_commands(_code(section)))}
        if not _shown(section):
            commands = set(COMMANDS)
        for words in (shlex.split(text) for text in _code(section) if text.startswith("-")):
            assert any(_help_has(command, words) for command in commands), (section.title, words)
            seen += 1
    assert seen


def test_an_unknown_option_is_seen() -> None:
    assert _help_has("convert", ["--backend", "loky|threading", "--jobs=2"])
    assert not _help_has("convert", ["--backend", "loky|nonsense"])
    assert not _help_has("convert", ["--against", "DIR"])
    assert list(_commands(["a && exp2proc demo --dir x | cat", "import exp2proc; exp2proc.plan"]))


@pytest.mark.parametrize("page", _PAGES)
def test_links_lead_to_files(page: str) -> None:
    targets = [target for section in read_sections(_read(page)) for target in section.targets]
    assert targets
    for target in targets:
        address = urlsplit(target)
        if not address.scheme:
            assert (_ROOT / unquote(address.path)).is_file(), target


def test_tests_that_are_named_exist() -> None:
    seen = 0
    for section in read_sections(_read("README.md")):
        for table in section.tables:
            for row in table[1:]:
                file = ""
                for code in row[-1].code:
                    named = re.fullmatch(r"((?:\w+/)*test_\w+\.py)?(?:::(test_\w+))?", code)
                    if named is None:
                        continue
                    file = named[1] or file
                    source = (_HERE / file).read_text(encoding="utf-8")
                    assert not named[2] or f"def {named[2]}(" in source, code
                    seen += 1
    assert seen
