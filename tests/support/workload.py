"""A demo tree large enough to be interrupted, and its undisturbed export."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from exp2proc.demo.traces import Method, write_jsonl, write_run
from exp2proc.demo.tree import EOS, DemoTree, measure, write_tree
from exp2proc.formats.sample import load_sample
from exp2proc.tokens.pieces import OffsetTokenizer
from exp2proc.tokens.tokenizer import BackendTokenizer
from exp2proc.traces.datasets import Text

from .arrays import assert_same_npz, files_below, records_of
from .cli import run_json
from .processes import fingerprint

Words = tuple[str | Path, ...]


@dataclass
class Workload:
    """A tree, the words that convert it, and what they give when nothing disturbs them."""

    tree: DemoTree
    words: Words
    expected: Path
    inputs: dict[str, tuple[int, str]] = field(default_factory=dict)
    rows: int = 0

    def __post_init__(self) -> None:
        report = run_json(*self.words, "--out_root", self.expected)
        self.rows = report["counts"]["converted"]
        self.inputs = fingerprint(self.tree.root)

    def into(self, out: Path, *more: str | Path) -> Words:
        """The command with its output folder."""
        return (*self.words, "--out_root", out, *more)

    def assert_whole_files(self, out: Path) -> int:
        """Every file at a final path is a complete sample; returns how many there are."""
        files = list(out.rglob("ex_*.npz"))
        for path in files:
            load_sample(path)
        return len(files)

    def assert_export(
        self, out: Path, *, without: frozenset[str] = frozenset(), records: bool = True
    ) -> None:
        """`out` is the undisturbed export and nothing else; the inputs are what they were.

        So are its records, unless they cannot be.
        """
        have, want = files_below(out), files_below(self.expected)
        assert have == {path for path in want if path.name not in without}
        for name in have:
            if (out / name).read_bytes() != (self.expected / name).read_bytes():
                assert_same_npz(out / name, self.expected / name)
        if records and not without:
            assert records_of(out) == records_of(self.expected)
        assert fingerprint(self.tree.root) == self.inputs


def many_rows(folder: Path, samples: int = 80) -> Workload:
    """3 datasets x 4 methods x `samples` short rows."""
    tree = write_tree(folder / "tree", samples)
    words = (
        *("convert", "--traces_root", tree.traces, "--data_root", tree.data),
        *("--tokenizer_model", tree.tokenizer),
    )
    return Workload(tree, words, folder / "expected")


def load(folder: Path) -> OffsetTokenizer:
    """The tokenizer of a demo tree."""
    import tokenizers

    return BackendTokenizer(tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json")), EOS)


SLOW_ROW = 7


def one_slow_row(folder: Path) -> Workload:
    """One run of 24 short rows, but row `SLOW_ROW` takes its worker long: seconds under load."""
    tree = write_tree(folder / "tree")
    lines = (tree.data / "arithmetic.jsonl").read_text(encoding="utf-8").splitlines()
    short = [Text(**json.loads(line)) for line in lines]
    texts = [Text(f"{n}. {text.prompt}", text.target) for n in range(3) for text in short]
    texts[SLOW_ROW] = Text(texts[SLOW_ROW].prompt * 20_000, texts[SLOW_ROW].target)
    tokenizer = load(tree.tokenizer)
    write_jsonl(tree.data / "one.jsonl", [text._asdict() for text in texts])
    run = tree.traces / "one" / "demo-1B" / "attnlrp_24ex"
    write_run(run, [measure(tokenizer, text) for text in texts], Method("attnlrp", run.name))
    words = (
        *("convert", "--trace_dir", run, "--data_root", tree.data, "--no_cache"),
        *("--tokenizer_model", tree.tokenizer, "--jobs", "2"),
    )
    return Workload(tree, words, folder / "expected")
