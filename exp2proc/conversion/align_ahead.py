"""Aligning ahead of the workers, in the process that planned.

With few workers and many methods a text, starting a tokenizer in each worker costs more than one
process needs for all the texts. Then the planning process, which has the tokenizer at hand, aligns
each shard's texts just before it is handed out, and the workers find them in the cache. What is
left out here, for whatever reason, a worker does as always.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final

from ..planning.shards import Shard, TextWork, alignment_seconds, text_seconds
from ..tokens.aligner import Aligner, Tokenizers
from ..tokens.prefixes import DEFAULT_PREFIX

_START: Final = 0.4
"""Seconds a worker needs to rebuild a tokenizer (measured: 0.3 with Qwen3 to 1.9 with Gemma-3)."""

_LARGEST: Final = 1 << 20
"""Bytes of a dataset line above which a text is left to a worker, whose death costs less."""


def pays(texts: Iterable[TextWork], workers: int) -> bool:
    """Whether one process aligns all texts no later than the workers would be done themselves."""
    align = total = 0.0
    for text in texts:
        align += alignment_seconds(text)
        total += text_seconds(text)
    alone = max(align, (total - align) / workers)
    return align > 0.0 and workers > 1 and alone <= _START + total / workers


def aligned_ahead(
    shards: Iterable[Shard],
    tokenizers: Tokenizers,
    cache_folder: str,
    prefix: str = DEFAULT_PREFIX,
) -> Iterator[Shard]:
    """The same shards, the alignments of each one's texts in the cache when it is asked for."""
    for shard in shards:
        texts = [text for text in shard.texts if not text.known and _is_small(text)]
        aligner = Aligner(texts, tokenizers, cache_folder, prefix)
        for text in texts:
            with suppress(Exception):  # the worker meets it again, and says so at its rows
                aligner.of(text)
        aligner.remember()
        yield shard


def _is_small(text: TextWork) -> bool:
    return text.place is not None and text.place.length <= _LARGEST
