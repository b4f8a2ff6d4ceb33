"""The alignments of some texts: taken from the cache, else made here and remembered."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Protocol

from ..errors import Exp2procError
from ..traces.datasets import TextKey, TextPlace, read_text
from .cache import Cache, alignment_key
from .pieces import Alignment, OffsetTokenizer, align
from .prefixes import DEFAULT_PREFIX
from .tokenizer import load_tokenizer, restore_tokenizer


@dataclass(frozen=True, slots=True)
class TokenizerSource:
    """How a process comes by a tokenizer.

    Attributes:
        name: folder or hub name.
        fingerprint: of its files and libraries; None when its alignments cannot be cached.
        portable: its portable form, or the path of a file with it; None: load it by name.
        planned: the fingerprint that a process which loads it by name must find; None when its
            files cannot be told.
    """

    name: str
    fingerprint: str | None
    portable: bytes | str | None = None
    planned: str | None = None


class Tokenizers:
    """The tokenizers of a run in this process, each made ready when it is first asked for.

    Args:
        sources: by number.
        ready: those that are loaded already, by number.
        check: called before one is loaded; raises when this machine must not use it.
    """

    def __init__(
        self,
        sources: Sequence[TokenizerSource],
        ready: Mapping[int, OffsetTokenizer] | None = None,
        check: Callable[[TokenizerSource], None] | None = None,
    ) -> None:
        self.sources = sources
        self._ready: dict[int, OffsetTokenizer | Exp2procError] = dict(ready or {})
        self._check = check
        self._lock = threading.Lock()

    def take_over(self, others: Iterable[Tokenizers]) -> None:
        """Use what other runs of this process have loaded, where it is the very same tokenizer."""
        loaded = {
            (other.sources[number].name, other.sources[number].fingerprint): tokenizer
            for other in others
            for number, tokenizer in other._ready.items()
        }
        for number, source in enumerate(self.sources):
            # Without a fingerprint the folder may have changed since.
            if source.fingerprint and (source.name, source.fingerprint) in loaded:
                self._ready[number] = loaded[source.name, source.fingerprint]

    def __getitem__(self, number: int) -> OffsetTokenizer:
        """One tokenizer.

        Raises:
            Exp2procError: `tokenizer-invalid`, `worker-environment`.
        """
        with self._lock:
            if number not in self._ready:
                try:
                    self._ready[number] = self._load(self.sources[number])
                except Exp2procError as err:
                    self._ready[number] = err
            found = self._ready[number]
        if isinstance(found, Exp2procError):
            raise copy(found)
        return found

    def _load(self, source: TokenizerSource) -> OffsetTokenizer:
        if self._check is not None:
            self._check(source)
        portable = source.portable
        if isinstance(portable, str):
            try:
                with open(portable, "rb") as stream:
                    portable = stream.read()
            except OSError:
                portable = None
        restored = None if portable is None else restore_tokenizer(portable)
        if restored is not None:
            return restored
        loaded = load_tokenizer(source.name)
        if source.planned is not None and loaded.fingerprint != source.planned:
            changed = f"tokenizer {source.name}: its files changed since the run was planned"
            raise Exp2procError("tokenizer-invalid", changed, "Run again once they are at rest.")
        return loaded.tokenizer


class TextToAlign(Protocol):
    """A text, as a plan names it."""

    @property
    def key(self) -> TextKey | None:
        """Its digests; None where no text is needed."""

    @property
    def tokenizer(self) -> int:
        """The number of its tokenizer."""

    @property
    def place(self) -> TextPlace | None:
        """Where it stands."""


class Aligner:
    """The alignments of some texts.

    Args:
        texts: those that will be asked for; the cache is read once for all of them.
        tokenizers: that they need.
        cache_folder: of the alignment cache; None: no cache.
        prefix: what stands before the prompts, a key of `PREFIXES`.
    """

    def __init__(
        self,
        texts: Sequence[TextToAlign],
        tokenizers: Tokenizers,
        cache_folder: str | None,
        prefix: str = DEFAULT_PREFIX,
    ) -> None:
        self._prefix = prefix
        self._texts = texts
        self._tokenizers = tokenizers
        self._cache = None if cache_folder is None else Cache(cache_folder)
        self._found: dict[bytes, bytes] | None = None
        self._made: dict[bytes, bytes] = {}
        self._last: tuple[TextToAlign, Alignment] | None = None

    def of(self, text: TextToAlign) -> Alignment:
        """The alignment of one of the texts.

        Raises:
            Exp2procError: its dataset changed, or its tokenizer does not load.
        """
        if self._last is None or self._last[0] is not text:
            self._last = (text, self._known(text) or self._make(text))
        return self._last[1]

    def remember(self) -> None:
        """Hand what was made to the cache."""
        if self._cache is not None and self._made:
            self._cache.put(self._made)

    def _known(self, text: TextToAlign) -> Alignment | None:
        key = self._key(text)
        if key is None or self._cache is None:
            return None
        if self._found is None:
            keys = [key for key in map(self._key, self._texts) if key is not None]
            self._found = self._cache.get(keys)
        value = self._found.get(key)
        return None if value is None else Alignment.from_bytes(value)

    def _make(self, text: TextToAlign) -> Alignment:
        assert text.key is not None and text.place is not None
        tokenizer = self._tokenizers[text.tokenizer]
        alignment = align(tokenizer, read_text(text.place, text.key), self._prefix)
        if (key := self._key(text)) is not None and self._cache is not None:
            self._made[key] = alignment.to_bytes()
        return alignment

    def _key(self, text: TextToAlign) -> bytes | None:
        if text.key is None:
            return None
        fingerprint = self._tokenizers.sources[text.tokenizer].fingerprint
        if fingerprint is None:
            return None
        return alignment_key(fingerprint, *text.key, self._prefix)
