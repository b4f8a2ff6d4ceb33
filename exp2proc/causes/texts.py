"""Why a manifest's digests match no dataset row: the usual changes of a text, tried out. Pure.

A digest says nothing about the text behind it. But texts go astray in few ways, so each row of a
dataset is changed in these ways until its digests are the ones that are looked for.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final, Literal, NamedTuple

from ..traces.datasets import text_sha1

CauseKind = Literal[
    "target-missing",
    "leading-space",
    "line-endings",
    "trimmed",
    "unicode",
    "older-cache",
    "other-prompt",
]

GENERATED_TARGET: Final = (
    "the experiment generated the target itself and did not save it, so no cache can have it"
)
"""What happened where the row or the dataset row of its prompt has no target."""
WITHOUT_TARGET: Final = (
    "Convert the run with --layout proc_1, which needs no text, or trace it again from a cache that"
    " has the targets."
)
"""What can be done about it."""

WantedKey = tuple[str, str | None]
"""(prompt_sha1, target_sha1) of a manifest row; the target's may be None."""


class Cause(NamedTuple):
    """Why a manifest row's text is not found.

    Attributes:
        kind: the cause.
        detail: what was done to the dataset's text to get the digests, or what is known.
    """

    kind: CauseKind
    detail: str

    def stronger_than(self, other: Cause | None) -> bool:
        """Whether the evidence for this cause outweighs that for another."""
        return other is None or _STRENGTH[self.kind] > _STRENGTH[other.kind]


MEANING: Final[dict[CauseKind, str]] = {
    "target-missing": "target missing (null)",
    "leading-space": "a leading space already added",
    "line-endings": "a changed line ending",
    "trimmed": "text trimmed",
    "unicode": "another Unicode normalisation",
    "older-cache": "an older cache of the same prompts",
    "other-prompt": "another wording of the prompts around the same targets",
}

_STRENGTH: Final[dict[CauseKind, int]] = {
    "leading-space": 3,
    "line-endings": 3,
    "trimmed": 3,
    "unicode": 3,
    "target-missing": 2,
    "older-cache": 1,
    "other-prompt": 1,
}
"""A change that gives both digests proves itself; a digest alone is only evidence."""

_ENDINGS: Final = ("\n", " ", "\n\n", "\r\n", "  ", "\t")


def _changes(text: str) -> Iterator[tuple[CauseKind, str, str]]:
    """(cause, what was done, the text it gives) for every usual change of a text."""
    yield "leading-space", "with a space in front", f" {text}"
    if text.startswith(" "):
        yield "leading-space", "without its leading space", text[1:]
    unix = text.replace("\r\n", "\n").replace("\r", "\n")
    yield "line-endings", "with LF line endings", unix
    yield "line-endings", "with CRLF line endings", unix.replace("\n", "\r\n")
    yield "trimmed", "without blanks at either end", text.strip()
    yield "trimmed", "without blanks at its end", text.rstrip()
    yield "trimmed", "without blanks at its start", text.lstrip()
    yield "trimmed", "without newlines at its end", text.rstrip("\r\n")
    for blank in _ENDINGS:
        yield "trimmed", f"with {blank!r} at its end", text + blank
    for blank in _ENDINGS[:2]:
        yield "trimmed", f"with {blank!r} at its start", blank + text
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        changed = unicodedata.normalize(form, text)
        yield "unicode", f"normalised to {form}", changed


def _digests(text: str) -> dict[str, tuple[CauseKind, str]]:
    """Digest -> the first change that gives it; the text as it is is not among them."""
    found: dict[str, tuple[CauseKind, str]] = {}
    for kind, how, changed in _changes(text):
        if changed != text:
            with suppress(UnicodeEncodeError):
                found.setdefault(text_sha1(changed), (kind, how))
    return found


def find_causes(
    wanted: Iterable[WantedKey], rows: Iterable[tuple[str, str | None]]
) -> dict[WantedKey, Cause]:
    """The likeliest cause for each of the digests that match no row; keys without one are left out.

    Args:
        wanted: digests of manifest rows, in none of `rows`.
        rows: prompt and target of dataset rows.
    """
    by_prompt: dict[str, list[WantedKey]] = defaultdict(list)
    by_target: dict[str, list[WantedKey]] = defaultdict(list)
    causes: dict[WantedKey, Cause] = {}
    for key in wanted:
        by_prompt[key[0]].append(key)
        if key[1] is None:
            causes[key] = Cause("target-missing", "the manifest row has no target_sha1")
        else:
            by_target[key[1]].append(key)

    def propose(key: WantedKey, kind: CauseKind, detail: str) -> None:
        cause = Cause(kind, detail)
        if cause.stronger_than(causes.get(key)):
            causes[key] = cause

    for prompt, target in rows:
        for key, prompt_change in _having(prompt, by_prompt):
            if target is None:
                propose(key, "target-missing", "the dataset has the prompt, its target is null")
                continue
            digest = _sha1(target)
            target_change = None if digest == key[1] else _digests(target).get(key[1] or "")
            if digest != key[1] and target_change is None:
                detail = "prompt_sha1 matches a dataset row, target_sha1 does not"
                propose(key, "older-cache", detail)
            elif prompt_change is not None or target_change is not None:
                propose(key, *_joined(prompt_change, target_change))
        if target is not None:
            for key in by_target.get(_sha1(target), ()):
                detail = "target_sha1 matches a dataset row, prompt_sha1 does not"
                propose(key, "other-prompt", detail)
    return causes


Change = tuple[CauseKind, str]


def _having(
    prompt: str, by_prompt: dict[str, list[WantedKey]]
) -> Iterator[tuple[WantedKey, Change | None]]:
    """The keys whose prompt this is, as it is or changed, with the change."""
    for key in by_prompt.get(_sha1(prompt), ()):
        yield key, None
    for digest, change in _digests(prompt).items():
        for key in by_prompt.get(digest, ()):
            yield key, change


def _sha1(text: str) -> str:
    try:
        return text_sha1(text)
    except UnicodeEncodeError:
        return ""


def _joined(prompt: Change | None, target: Change | None) -> Change:
    named = (("prompt", prompt), ("target", target))
    said = " and ".join(f"the dataset's {name} {c[1]}" for name, c in named if c is not None)
    first = prompt or target
    assert first is not None
    return first[0], f"{said} is the traced one"
