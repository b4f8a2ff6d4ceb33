"""A run whose prompts were tokenized without the leading space."""

from __future__ import annotations

import json
from pathlib import Path

from exp2proc.demo.traces import Method, example_of, write_jsonl, write_run
from exp2proc.demo.tree import DemoTree
from exp2proc.tokens.pieces import generation_pieces, prompt_pieces
from exp2proc.traces.datasets import Text

from .workload import load


def retrace_bare(demo: DemoTree, dataset: str) -> Path:
    """Write a run of a dataset again, its 16 prompts tokenized as they are; returns its folder.

    Half of the prompts begin with a newline: a space before it is a token of its own, which it is
    not before a word, so only some lengths tell.
    """
    tokenizer = load(demo.tokenizer)
    cache = demo.data / f"{dataset}.jsonl"
    lines = cache.read_text(encoding="utf-8").splitlines()
    texts = [Text(**json.loads(line)) for line in lines]
    texts += [text._replace(prompt=f"\n{text.prompt}") for text in texts]
    write_jsonl(cache, [text._asdict() for text in texts])
    run = demo.traces / dataset / "bare" / "attnlrp_16ex"
    examples = [
        example_of(
            text,
            len(prompt_pieces(tokenizer, text.prompt, "none")),
            len(generation_pieces(tokenizer, text.target)),
        )
        for text in texts
    ]
    write_run(run, examples, Method("attnlrp", run.name))
    return run
