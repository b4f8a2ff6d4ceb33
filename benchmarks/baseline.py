"""The plain way, as a process: one row at a time, numpy's own reading and writing.

    python -m benchmarks.baseline --traces_root R --data_root D --tokenizer_model T --out_root O

The tokenizer is loaded once and each dataset cache read once; every row is tokenized in three
passes, read with `np.load` and written with `np.savez_compressed`. The steps themselves are those
that the tests compare with.
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import cache
from pathlib import Path

from .support import plain


def main() -> int:
    """Convert every run below a folder."""
    parser = argparse.ArgumentParser()
    for option in ("--traces_root", "--data_root", "--tokenizer_model", "--out_root"):
        parser.add_argument(option, type=Path, required=True)
    args = parser.parse_args()
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(args.tokenizer_model, local_files_only=True)
    load_texts = cache(plain.load_texts)
    for manifest in sorted(args.traces_root.resolve().rglob("manifest.jsonl")):
        run = manifest.parent
        texts = load_texts(args.data_root / f"{run.parts[-3]}.jsonl")
        out = args.out_root.joinpath(*run.parts[-3:])
        for line in manifest.read_text(encoding="utf-8").split("\n")[:-1]:
            row = json.loads(line)
            text = texts[row["prompt_sha1"], row["target_sha1"]]
            pieces = plain.token_pieces(tokenizer, *text)
            plain.convert_row(row, run / row["file"], out / row["file"], pieces)
    return 0


if __name__ == "__main__":
    sys.exit(main())
