"""The contract, followed one row at a time with np.load and np.savez_compressed: obviously right.

Nothing of exp2proc is used here, so that a mistake in it cannot hide.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

FT_IFR = {
    "ifr_in_all_gen",
    "ifr_multi_hop_stop_words",
    "ifr_multi_hop_both",
    "ifr_multi_hop_split_hop",
}

NEEDED = {
    *("v_row_all", "prompt_len", "gen_len", "indices_to_explain_gen", "sink_span_gen"),
    *("thinking_span_gen", "faithfulness_scores", "recovery_scores"),
}


def sha1(text: str) -> str:
    return hashlib.sha1(text.encode("utf-8")).hexdigest()


def load_texts(path: Path) -> dict[tuple[str, str], tuple[str, str]]:
    """(prompt_sha1, target_sha1) -> (prompt, target)."""
    texts = {}
    for line in path.read_text(encoding="utf-8").split("\n"):
        if line.strip():
            row = json.loads(line)
            if row["target"] is not None:
                key = (sha1(row["prompt"]), sha1(row["target"]))
                texts[key] = (row["prompt"], row["target"])
    return texts


def token_pieces(
    tokenizer: Any, prompt: str, target: str, prefix: str = " "
) -> tuple[list[str], list[str]]:
    """Prompt and generation pieces by a transformers tokenizer; three passes, as exp2 did it."""

    def cut(text: str) -> list[str]:
        made = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        return [text[start:end] for start, end in made["offset_mapping"]]

    ids = tokenizer(target + tokenizer.eos_token, add_special_tokens=False)["input_ids"]
    decoded = tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return cut(prefix + prompt), cut(decoded)


def clamped(span: Any, gen_len: int, shift: int) -> np.ndarray:
    """A generation span as a sample span, [-1, -1] when nothing is left."""
    if span is None:
        return np.array([-1, -1], dtype=np.int64)
    start, end = max(int(span[0]), 0), min(int(span[1]), max(0, gen_len - 1) - 1)
    if end < start:
        return np.array([-1, -1], dtype=np.int64)
    return np.array([start + shift, end + shift], dtype=np.int64)


def convert_row(
    row: dict[str, Any], trace: Path, out: Path, pieces: tuple[list[str], list[str]] | None
) -> None:
    """One trace to one sample; layout proc with `pieces`, proc_1 without."""
    wanted = NEEDED | {"vh"} if pieces is None or row["attr_func"] in FT_IFR else NEEDED
    with np.load(trace, allow_pickle=False) as npz:
        data = {key: npz[key] for key in npz.files if key in wanted}
    p, g = row["prompt_len"], row["gen_len"]
    assert (int(data["prompt_len"]), int(data["gen_len"])) == (p, g)
    assert data["v_row_all"].shape == (p + g,)
    length = p + max(0, g - 1)
    sink = data.get("sink_span_gen", data["indices_to_explain_gen"])
    thinking = data.get("thinking_span_gen")
    if thinking is None and sink[0] > 0:
        thinking = [0, int(sink[0]) - 1]
    span_in = np.array([0, p - 1] if p else [-1, -1], dtype=np.int64)
    span_cot, span_out = clamped(thinking, g, p), clamped(sink, g, p)
    sample: dict[str, Any] = {"attr": data["v_row_all"][:length].astype(np.float32)}
    if pieces is not None:
        assert (len(pieces[0]), len(pieces[1])) == (p, g)
        tok = pieces[0] + pieces[1][:-1]
        sample["tok"] = np.array(tok, dtype=f"U{max([1, *map(len, tok)])}")
    sample |= {"span_in": span_in, "span_cot": span_cot, "span_out": span_out}
    if pieces is None:
        sizes = [0 if s[0] == -1 else s[1] - s[0] + 1 for s in (span_in, span_cot, span_out)]
        sample["length"] = np.array(sizes, dtype=np.int64)
    scores, recovery = data.get("faithfulness_scores"), data.get("recovery_scores")
    sample["rise"] = np.float64(np.nan if scores is None else scores[1, 0])
    sample["mas"] = np.float64(np.nan if scores is None else scores[1, 1])
    sample["recovery"] = np.float64(np.nan if recovery is None else recovery[1])
    if "vh" in data:
        sample["hop"] = data["vh"][:, :length].astype(np.float32)
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(out, **sample)


def convert_run(
    trace_dir: Path,
    out_dir: Path,
    dataset: Path | None = None,
    tokenizer: Any = None,
    prefix: str = " ",
) -> int:
    """All rows of a run; layout proc with a dataset and a tokenizer, proc_1 without."""
    texts = {} if dataset is None else load_texts(dataset)
    count = 0
    for line in (trace_dir / "manifest.jsonl").read_text(encoding="utf-8").split("\n"):
        if line.strip():
            row = json.loads(line)
            pieces = None
            if dataset is not None:
                prompt, target = texts[row["prompt_sha1"], row["target_sha1"]]
                pieces = token_pieces(tokenizer, prompt, target, prefix)
            convert_row(row, trace_dir / row["file"], out_dir / row["file"], pieces)
            count += 1
    return count
