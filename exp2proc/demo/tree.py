"""The demo's exp2 tree, laid out like the real repository, with a tokenizer trained on the spot."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..tokens.pieces import OffsetTokenizer, generation_pieces, prompt_pieces
from ..tokens.tokenizer import BackendTokenizer
from ..traces.datasets import Text
from . import texts
from .traces import Example, Method, example_of, write_jsonl, write_run

if TYPE_CHECKING:
    import tokenizers

SAMPLES: Final = 8
EOS: Final = "<|im_end|>"
MODEL_TAG: Final = "demo-1B"

# Two ways of naming a dataset in a run's path: by the path of its cache, and bare.
_DATASETS: Final = {
    "exp/exp2/data/arithmetic.jsonl": texts.arithmetic,
    "multihop_zh": texts.multi_hop,
    "needles": texts.needles,
}


def _methods(dataset: str) -> tuple[Method, ...]:
    recovery = dataset == "needles"
    mode = "gen+recovery" if recovery else "gen"
    tail = f"mfaithfulness_{mode}_{SAMPLES}ex"
    return tuple(
        Method(name, f"{name}_{middle}{tail}", hops, recovery=recovery, skill=skill)
        for name, middle, hops, skill in (
            ("ifr_multi_hop_both", "n1_", 2, 0.7),
            ("ifr_in_all_gen", "n2_", 3, 0.4),
            ("ifr_multi_hop", "n1_", 2, 0.25),
            ("attnlrp", "negdrop_normnorm_", None, 0.12),
        )
    )


@dataclass(frozen=True, slots=True)
class DemoTree:
    """Where the parts of a demo tree are."""

    root: Path

    @property
    def traces(self) -> Path:
        """The traces_root."""
        return self.root / "exp/exp2/output/traces"

    @property
    def data(self) -> Path:
        """The data_root."""
        return self.root / "exp/exp2/data"

    @property
    def out(self) -> Path:
        """The out_root."""
        return self.root / "exp/proc/output"

    @property
    def tokenizer(self) -> Path:
        """The tokenizer folder."""
        return self.root / "tokenizer"


def train_tokenizer(corpus: Iterable[str], folder: Path) -> BackendTokenizer:
    """Train a byte-level BPE tokenizer and save it as a folder that AutoTokenizer loads."""
    import tokenizers
    from tokenizers import decoders, models, pre_tokenizers, trainers

    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1200,
        special_tokens=["<|endoftext|>", "<|im_start|>", EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(corpus, trainer)
    save_tokenizer(backend, folder)
    return BackendTokenizer(backend, EOS)


def save_tokenizer(
    backend: tokenizers.Tokenizer, folder: Path, eos_token: str | None = EOS
) -> None:
    """Write a tokenizer folder: tokenizer.json and tokenizer_config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    backend.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
    if eos_token is not None:
        config["eos_token"] = eos_token
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")


def measure(tokenizer: OffsetTokenizer, text: Text) -> Example:
    """An example with the lengths that a text has under a tokenizer."""
    prompt_len = len(prompt_pieces(tokenizer, text.prompt))
    return example_of(text, prompt_len, len(generation_pieces(tokenizer, text.target)))


def _with_evidence(tokenizer: OffsetTokenizer, text: Text) -> Example:
    """As `measure`; it is known what the answer rests on."""
    example = measure(tokenizer, text)
    prompt, reasoning = texts.evidence(text)
    gold = _tokens_in(prompt_pieces(tokenizer, text.prompt), prompt, before=1)
    thoughts = _tokens_in(generation_pieces(tokenizer, text.target), reasoning)
    return replace(
        example, gold=gold, thoughts=tuple(at for at in thoughts if at < example.sink[0])
    )


def _tokens_in(pieces: list[str], spans: texts.Spans, before: int = 0) -> tuple[int, ...]:
    """The tokens that have a character of one of the spans, which `before` characters precede."""
    found, at = [], -before
    for number, piece in enumerate(pieces):
        if any(at < end and start < at + len(piece) for start, end in spans):
            found.append(number)
        at += len(piece)
    return tuple(found)


def write_tree(root: Path, samples: int = SAMPLES) -> DemoTree:
    """Write datasets, tokenizer and traces below `root`: 3 datasets x 4 methods x `samples`."""
    tree = DemoTree(root)
    data = {dataset: make(samples) for dataset, make in _DATASETS.items()}
    corpus = [part for rows in data.values() for text in rows for part in text]
    tokenizer = train_tokenizer(corpus, tree.tokenizer)
    for number, (dataset, rows) in enumerate(data.items()):
        name = dataset.rpartition("/")[2].removesuffix(".jsonl")
        write_jsonl(tree.data / f"{name}.jsonl", [text._asdict() for text in rows])
        examples = [_with_evidence(tokenizer, text) for text in rows]
        for at, method in enumerate(_methods(dataset)):
            folder = tree.traces / dataset / MODEL_TAG / method.run_tag
            write_run(folder, examples, method, seed=10 * number + at)
    return tree


def write_broken(tree: DemoTree) -> None:
    """Plant what goes wrong in practice: a wrong tokenizer, a cut file, a row without its text."""
    runs = sorted(path.parent for path in tree.traces.rglob("manifest.jsonl"))
    _pretend_other_tokenizer(runs[0])
    cut = runs[-1] / "ex_000003.npz"
    cut.write_bytes(cut.read_bytes()[:1000])
    manifest = runs[-1] / "manifest.jsonl"
    rows = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    rows[5]["prompt_sha1"] = "0" * 40
    write_jsonl(manifest, rows)


def _pretend_other_tokenizer(run: Path) -> None:
    """Rewrite a run as if its model's tokenizer made a token of every byte."""
    manifest = run / "manifest.jsonl"
    rows = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    method = Method(rows[0]["attr_func"], run.name, 2 if "hop" in run.name else None)
    data = {text: None for make in _DATASETS.values() for text in make(SAMPLES)}
    by_sha1 = {manifest_key(text): text for text in data}
    found = [by_sha1[row["prompt_sha1"], row["target_sha1"]] for row in rows]
    examples = [
        example_of(text, 1 + len(text.prompt.encode()), len(text.target.encode()) + 1)
        for text in found
    ]
    write_run(run, examples, method)


def manifest_key(text: Text) -> tuple[str, str]:
    """The digests that a manifest row names a text by."""
    from ..traces.datasets import text_sha1

    return text_sha1(text.prompt), text_sha1(text.target)
