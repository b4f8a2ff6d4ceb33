"""A writer of exp2 trace runs: the input format, written. Shared by demo, tests and benchmarks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..traces.datasets import Text, text_sha1
from .attribution import attribution, faithfulness, recovery

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Example:
    """One sample to trace.

    Attributes:
        text: prompt and target.
        prompt_len, gen_len: P and G under the run's tokenizer.
        sink: closed span in generation tokens that is explained.
        gold: tokens of the prompt that the answer rests on; () where nobody knows.
        thoughts: tokens of the generation, before the sink, that repeat it.
    """

    text: Text
    prompt_len: int
    gen_len: int
    sink: tuple[int, int]
    gold: tuple[int, ...] = ()
    thoughts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Method:
    """An attribution method, and what its traces carry.

    Attributes:
        attr_func: its name in the manifest.
        run_tag: name of its run folder.
        hops: H of `vh`, or None.
        faithfulness, recovery: which scores were measured.
        skill: share of its mass that it puts on what the answer rests on, where that is known.
    """

    attr_func: str
    run_tag: str
    hops: int | None = None
    faithfulness: bool = True
    recovery: bool = False
    skill: float = 0.0


def example_of(text: Text, prompt_len: int, gen_len: int) -> Example:
    """An example whose sink is the last eighth of the generation, the EOS excluded."""
    last = max(0, gen_len - 2)
    return Example(text, prompt_len, gen_len, (max(0, last - gen_len // 8), last))


def trace_arrays(rng: np.random.Generator, example: Example, method: Method) -> Arrays:
    """The arrays of one trace, as exp2 stores them: float32 vectors that look like attributions.

    Where it is known what the answer rests on, they find it and the scores are measured; else both
    are noise.
    """
    prompt, gen = example.prompt_len, example.gen_len
    total = prompt + gen

    def vector(*shape: int) -> npt.NDArray[np.float32]:
        mass = rng.gamma(0.4, 1.0, shape) * (rng.random(shape) < 0.8)
        return (mass / max(float(mass.sum()), 1e-9)).astype(np.float32)

    arrays: Arrays = {f"v_{kind}_all": vector(total) for kind in ("seq", "row", "rec")}
    arrays |= {
        f"v_{kind}_prompt": arrays[f"v_{kind}_all"][:prompt] for kind in ("seq", "row", "rec")
    }
    arrays["prompt_len"] = np.array(prompt, np.int64)
    arrays["gen_len"] = np.array(gen, np.int64)
    arrays["indices_to_explain_gen"] = np.array(example.sink, np.int64)
    arrays["sink_span_gen"] = np.array(example.sink, np.int64)
    arrays["thinking_span_gen"] = np.array([0, example.sink[0] - 1], np.int64)
    arrays["user_prompt_indices"] = np.arange(prompt, dtype=np.int64)
    if method.faithfulness:
        arrays["faithfulness_scores"] = rng.uniform(0.05, 0.6, (3, 3))
    if method.recovery:
        arrays["recovery_scores"] = rng.uniform(0.0, 1.0, 3)
    arrays["time_attr_s"] = np.array(rng.uniform(0.5, 3.0))
    if method.hops is not None:
        arrays["vh"] = vector(method.hops, total)
        arrays["attnlrp_neg_handling"] = np.array("drop", "U16")
        arrays["attnlrp_norm_mode"] = np.array("norm", "U16")
        arrays["attnlrp_ratio_enabled"] = np.array(0, np.int64)
    if example.gold:
        _find(rng, arrays, example, method)
    return arrays


_KINDS: Final = {"seq": 0.6, "row": 1.0, "rec": 0.8}
"""The three attributions of a trace, and how much of its skill a method has in each."""


def _find(rng: np.random.Generator, arrays: Arrays, example: Example, method: Method) -> None:
    """Let the vectors of a trace find the evidence, and measure their scores."""
    prompt, total = example.prompt_len, example.prompt_len + example.gen_len
    gold, thoughts = example.gold, tuple(prompt + at for at in example.thoughts)
    if method.hops is not None:  # from one hop to the next the mass goes back to the prompt
        hops = [
            attribution(rng, total, gold, thoughts, method.skill, thinking=0.5 / (1 + hop))
            for hop in range(method.hops)
        ]
        arrays["vh"] = (np.stack(hops) / method.hops).astype(np.float32)
    faithful, recovered = [], []
    for kind, share in _KINDS.items():
        found = attribution(rng, total, gold, thoughts, share * method.skill)
        if kind == "row" and method.hops is not None:
            found = np.sum(arrays["vh"], axis=0)
        arrays[f"v_{kind}_all"] = found.astype(np.float32)
        arrays[f"v_{kind}_prompt"] = scores = arrays[f"v_{kind}_all"][:prompt]
        faithful.append(faithfulness(scores, gold))
        recovered.append(recovery(scores, gold))
    if method.faithfulness:
        arrays["faithfulness_scores"] = np.array(faithful)
    if method.recovery:
        arrays["recovery_scores"] = np.array(recovered)
        arrays["gold_prompt_token_indices"] = np.array(gold, np.int64)


def manifest_row(number: int, example: Example, method: Method, arrays: Arrays) -> dict[str, Any]:
    """The manifest row of one trace."""
    row: dict[str, Any] = {
        "example_idx": number,
        "attr_func": method.attr_func,
        "file": f"ex_{number:06d}.npz",
        "prompt_sha1": text_sha1(example.text.prompt),
        "target_sha1": text_sha1(example.text.target),
        "prompt_len": example.prompt_len,
        "gen_len": example.gen_len,
    }
    for key in ("indices_to_explain_gen", "sink_span_gen", "thinking_span_gen"):
        row[key] = arrays[key].tolist()
    for key in ("faithfulness_scores", "recovery_scores"):
        row[key] = arrays[key].tolist() if key in arrays else None
    return row


def write_run(
    folder: Path, examples: list[Example], method: Method, *, seed: int = 0
) -> list[dict[str, Any]]:
    """Write a trace run: one npz an example and the manifest; returns the manifest rows."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, example in enumerate(examples):
        arrays = trace_arrays(rng, example, method)
        row = manifest_row(number, example, method, arrays)
        np.savez_compressed(folder / row["file"], **arrays)  # type: ignore[arg-type]
        rows.append(row)
    write_jsonl(folder / "manifest.jsonl", rows)
    return rows


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write one JSON object a line, as exp2 does (UTF-8, not escaped)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text("".join(lines), encoding="utf-8")
