"""Checked by mypy --strict, never run: the public interface as a caller uses it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

import exp2proc


def show(progress: exp2proc.Progress) -> None:
    done: int = progress.done
    planned: int = progress.planned
    print(done, planned, progress.failed)


report: exp2proc.Report = exp2proc.convert(
    traces_root="traces",
    dataset_jsonl=["a.jsonl", Path("b.jsonl")],
    tokenizer_model=["qwen-8B=models/qwen", Path("models/llama")],
    out_root=Path("out"),
    layout="proc",
    jobs="auto",
    backend="loky",
    on_progress=show,
)
code: int = report.exit_code
for error in report.errors:
    where: str = error.trace_dir
    file: str | None = error.file
    print(where, file, error.code, error.message, error.hint)
for run in report.runs:
    converted: int = run.counts.converted

try:
    exp2proc.convert(trace_dir="run", tokenizer_model="models/qwen", jobs=2, limit=10)
except exp2proc.PlanError as refusal:
    for problem in refusal.problems:
        message: str = problem.message
except exp2proc.Interrupted as interrupted:
    partial: exp2proc.Report = interrupted.report

sample: exp2proc.Sample = exp2proc.load_sample(Path("ex_000000.npz"))
attr: npt.NDArray[np.float32] = sample.attr
hop: npt.NDArray[np.float32] | None = sample.hop
tok: npt.NDArray[np.str_] | None = sample.tok
span: tuple[int, int] = sample.span_in
score: float = sample.rise
pieces: list[str] = sample.tokens_out

dataset: exp2proc.SampleDataset[exp2proc.Sample] = exp2proc.SampleDataset("out")
first: exp2proc.Sample = dataset[0]
head: exp2proc.SampleDataset[exp2proc.Sample] = dataset[:10]
some: exp2proc.Sample = first[10:20]
for word in some.words():
    shown: str = word.text
    mass: float = word.score

records: list[dict[str, object]] = exp2proc.scores(
    "out", where=lambda source: source.method == "ifr", jobs=2
).records
rows: list[exp2proc.ScoreRow] = exp2proc.summary(["a", Path("b")], labels={"ifr": "IFR"})
mean: float | None = rows[0].estimates["mas"].mean
difference: float | None = exp2proc.compare("out", ours="ifr").rows[0].difference
packed: int = exp2proc.pack("out", Path("samples.parquet"), overwrite=True)
written: int = exp2proc.unpack("samples.parquet", "back")
for one in exp2proc.iter_samples("out", dataset="math", method=["ifr", "IG"]):
    batch: dict[str, object] = exp2proc.collate([one])

width, height = exp2proc.figure(
    "length",
    ["out", Path("other")],
    methods={"FT-IFR": ["ifr_multi_hop_both"]},
    panels={"RULER": ("niah", "vt")},
    order=["FT-IFR"],
    width="82mm",
).get_size_inches()
