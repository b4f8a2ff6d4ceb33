"""README.md and README.zh-CN.md say the same; what they say, tests/test_docs.py looks at."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

import pytest
from support.markdown import differences, read_sections

_ROOT = Path(__file__).resolve().parents[1]
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


_TWINS = {
    "README.md": "README.zh-CN.md",
    "docs/tutorial.md": "docs/zh/tutorial.md",
    "docs/reference/sample.md": "docs/zh/sample.md",
    "docs/reference/glossary.md": "docs/zh/terms.md",
}
"""Pages in English and in Chinese; of the glossary the Chinese one has another form."""


def _with_links_to_english(page: str) -> str:
    """A page whose links are those that its English twin has, from the root and to whole pages."""
    english = {chinese: page for page, chinese in _TWINS.items()}

    def canonical(found: re.Match[str]) -> str:
        if "://" in found[1]:
            return found[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(page), found[1].split("#")[0]))
        return f"]({english.get(path, path)})"

    return re.sub(r"\]\(([^)\s]+)\)", canonical, _read(page))


@pytest.mark.parametrize("page", [page for page in _TWINS if "glossary" not in page])
def test_both_languages_say_the_same(page: str) -> None:
    found = differences(*map(_with_links_to_english, (page, _TWINS[page])))
    assert not found, "\n".join(found)


def test_terms_are_those_of_the_glossary() -> None:
    """What the English page explains, the Chinese one has in its table."""
    titles = [section.title for section in read_sections(_read("docs/reference/glossary.md"))]
    terms = _read("docs/zh/terms.md")
    for title in titles[1:]:
        if title not in ("Glossary", "The experiment", "Attribution", "Scores", "The program"):
            for term in title.split(", "):
                assert term in terms, term


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


def test_it_is_read_to_its_end() -> None:
    for page in _PAGES:
        assert len(_read(page).splitlines()) <= 140, page
