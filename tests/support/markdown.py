"""What a Markdown page says apart from its language: sections, code, tables, numbers, links."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest

from markdown_it import MarkdownIt
from markdown_it.token import Token

# Not the digits of names (exp2, sha1): they stay with their words.
_NUMBER = re.compile(r"(?<![A-Za-z0-9_.])\d+(?:[.,]\d+)*")


@dataclass
class Words:
    """The parts of a piece of text that do not change with its language.

    They are counted: equal in any order, since languages differ in theirs.
    """

    code: Counter[str] = field(default_factory=Counter)
    numbers: Counter[str] = field(default_factory=Counter)

    def read(self, inline: Token) -> None:
        for part in inline.children or ():
            if part.type == "code_inline":
                self.code[part.content] += 1
            elif part.type == "text":
                self.numbers.update(_NUMBER.findall(part.content))


@dataclass
class Section:
    """A heading and what stands below it, up to the next heading of any level."""

    level: int
    title: str
    words: Words = field(default_factory=Words)  # all but the fences' and tables'
    fences: list[tuple[str, str]] = field(default_factory=list)  # (language, content)
    tables: list[list[list[Words]]] = field(default_factory=list)  # rows of cells
    targets: list[str] = field(default_factory=list)  # of links and images


def read_sections(page: str) -> list[Section]:
    """The sections of a page in their order; the first is what precedes all headings."""
    found = [Section(0, "(before the first heading)")]
    heading = in_table = False
    for token in MarkdownIt("commonmark").enable("table").parse(page):
        now = found[-1]
        if token.type == "heading_open":
            found.append(Section(int(token.tag[1:]), ""))
            heading = True
        elif token.type == "heading_close":
            heading = False
        elif token.type == "fence":
            now.fences.append((token.info, token.content))
        elif token.type == "table_open":
            now.tables.append([])
            in_table = True
        elif token.type == "table_close":
            in_table = False
        elif token.type == "tr_open":
            now.tables[-1].append([])
        elif token.type == "inline":
            if heading:
                now.title = token.content
            words = now.words
            if in_table:
                words = Words()
                now.tables[-1][-1].append(words)
            words.read(token)
            now.targets += _targets(token)
    return found


def _targets(inline: Token) -> Iterator[str]:
    for part in inline.children or ():
        target = part.attrs.get("href", part.attrs.get("src"))
        if target is not None:
            yield str(target)


def differences(one: str, other: str, *, own: Iterable[str] = ()) -> list[str]:
    """Where two pages that should say the same in two languages do not.

    Compared are the levels of the headings; and of each section its fences (verbatim), its tables
    (rows, and in each cell the code and numbers), the code and numbers of its text, its links and
    images. `own` are the links that only one page may have.
    """
    pairs = list(zip_longest(read_sections(one), read_sections(other)))
    levels = [[side and side.level for side in pair] for pair in pairs]
    if any(left != right for left, right in levels):
        at = next(n for n, (left, right) in enumerate(levels) if left != right)
        return [f"the sections part at {_titles(*pairs[at])}"]
    kept = frozenset(own)
    found = []
    for left, right in pairs:
        where = _titles(left, right)
        for what in ("fences", "tables", "words"):
            mine, yours = getattr(left, what), getattr(right, what)
            if mine != yours:
                found.append(f"{where}: {what} differ:\n  {mine}\n  {yours}")
        links = [sorted(set(side.targets) - kept) for side in (left, right)]
        if links[0] != links[1]:
            found.append(f"{where}: links differ: {links}")
    return found


def _titles(*pair: Section | None) -> str:
    return " / ".join(repr(side.title) if side else "nothing" for side in pair)
