"""Rows against the plain implementation: every method, layout and odd trace, and each row code."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import plain
from support.arrays import assert_same_npz, assert_same_tree

import exp2proc
from exp2proc.demo.traces import Method, example_of, trace_arrays, write_run
from exp2proc.demo.tree import DemoTree, measure
from exp2proc.tokens.tokenizer import load_tokenizer
from exp2proc.traces.datasets import Text

_METHODS = (
    Method("ifr_in_all_gen", "a", hops=3),
    Method("ifr_multi_hop_stop_words", "b", hops=1),
    Method("ifr_multi_hop_both", "c", hops=2, faithfulness=False, recovery=True),
    Method("ifr_multi_hop_split_hop", "d", hops=2, faithfulness=False),
    Method("ifr_multi_hop", "e", hops=2),
    Method("ft_attnlrp", "f", hops=2, recovery=True),
    Method("attnlrp", "g"),
)


def test_the_demo_tree_as_the_plain_implementation_has_it(demo: DemoTree, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(demo.tokenizer, local_files_only=True)
    for layout in ("proc", "proc_1"):
        report = exp2proc.convert(
            traces_root=demo.traces,
            tokenizer_model=demo.tokenizer,
            out_root=tmp_path / layout,
            layout=layout,
        )
        assert (report.exit_code, report.counts.converted) == (0, 96)
        for run in report.runs:
            trace_dir = Path(run.trace_dir)
            name = run.dataset.rpartition("/")[2].removesuffix(".jsonl")
            dataset = demo.data / f"{name}.jsonl" if layout == "proc" else None
            out = tmp_path / f"plain-{layout}" / trace_dir.relative_to(demo.traces)
            plain.convert_run(trace_dir, out, dataset, tokenizer)
        assert assert_same_tree(tmp_path / layout, tmp_path / f"plain-{layout}") == 96


def _spans() -> st.SearchStrategy[Any]:
    number = st.integers(-5, 40)
    return st.none() | st.tuples(number, number)


@given(
    p=st.integers(0, 20),
    g=st.integers(0, 20),
    method=st.sampled_from(_METHODS),
    sink=_spans(),
    legacy=st.sampled_from([0, 1, 2]),
    thinking=_spans(),
    dtype=st.sampled_from(["<f4", ">f4", "<f8", "<f2", "<i4"]),
    odd=st.sampled_from([0.0, np.nan, np.inf, 1e300]),
    seed=st.integers(0, 5),
)
@settings(max_examples=200, deadline=None)
def test_any_trace_without_text(
    tmp_path_factory: pytest.TempPathFactory,
    p: int,
    g: int,
    method: Method,
    sink: tuple[int, int] | None,
    legacy: int,
    thinking: tuple[int, int] | None,
    dtype: str,
    odd: float,
    seed: int,
) -> None:
    """Layout proc_1, any lengths, spans and number types: as the plain one has it, or refused."""
    run = tmp_path_factory.mktemp("run")
    example = example_of(Text("x", "y"), p, g)
    arrays = trace_arrays(np.random.default_rng(seed), example, method)
    for key in ("sink_span_gen", "thinking_span_gen"):
        del arrays[key]
    arrays["indices_to_explain_gen"] = np.arange(legacy, dtype=np.int64)
    if sink is not None:
        arrays["sink_span_gen"] = np.array(sink)
    if thinking is not None:
        arrays["thinking_span_gen"] = np.array(thinking)
    with np.errstate(all="ignore"):
        for key in ("v_row_all", "vh"):
            if key in arrays:
                vector = arrays[key].astype(np.float64)
                vector.ravel()[::7] = odd
                arrays[key] = vector.astype(dtype)
        np.savez_compressed(run / "ex.npz", **arrays)  # type: ignore[arg-type]
        row = {
            "example_idx": 0,
            "attr_func": method.attr_func,
            "file": "ex.npz",
            "prompt_sha1": "0" * 40,
            "target_sha1": None,
            "prompt_len": p,
            "gen_len": g,
        }
        (run / "manifest.jsonl").write_text(json.dumps(row) + "\n")
        report = exp2proc.convert(trace_dir=run, out_dir=run / "out", layout="proc_1")
        if sink is None and legacy != 2:
            assert [error.code for error in report.errors] == ["trace-missing-field"]
            return
        assert report.errors == []
        plain.convert_row(row, run / "ex.npz", run / "plain.npz", None)
    assert_same_npz(run / "out" / "ex.npz", run / "plain.npz")


Edit = Callable[[dict[str, Any]], object]


def _drop(key: str) -> Edit:
    return lambda arrays: arrays.pop(key)


def _set(key: str, value: Any) -> Edit:
    return lambda arrays: arrays.update({key: value})


def _cut(key: str) -> Edit:
    return lambda arrays: arrays.update({key: arrays[key][..., :-1]})


@pytest.mark.parametrize(
    ("edit", "code", "says"),
    [
        (_drop("v_row_all"), "trace-missing-field", "v_row_all is not in the npz"),
        (_drop("prompt_len"), "trace-missing-field", "prompt_len is not in the npz"),
        (_drop("vh"), "missing-hops", "ifr_in_all_gen needs hops, but the trace has no vh"),
        (_cut("v_row_all"), "trace-shape-mismatch", "v_row_all has shape [{T-1}], expected [{T}]"),
        (_cut("vh"), "trace-shape-mismatch", "vh has shape [3, {T-1}], expected [H, {T}]"),
        (_set("vh", np.zeros(5)), "trace-shape-mismatch", "vh has shape [5], expected [H, {T}]"),
        (_set("v_row_all", np.zeros(())), "trace-shape-mismatch", "v_row_all has shape []"),
        (_set("v_row_all", np.array(["x"])), "trace-shape-mismatch", "has dtype str"),
        (_set("v_row_all", np.zeros(9, bool)), "trace-shape-mismatch", "has dtype bool"),
        (_set("v_row_all", np.zeros(9, complex)), "trace-shape-mismatch", "has dtype complex128"),
        (_set("v_row_all", np.array([{}, 1])), "trace-corrupt", "pickled"),
        (_set("gen_len", np.array(3)), "manifest-trace-disagree", "gen_len is {G} in the manifest"),
        (_set("prompt_len", np.array([1, 2])), "trace-shape-mismatch", "prompt_len has 2 entries"),
        (_set("prompt_len", np.array(1.5)), "trace-shape-mismatch", "expected integers"),
        (
            _set("sink_span_gen", np.array([1, 2, 3])),
            "trace-shape-mismatch",
            "expected a closed span",
        ),
        (_set("sink_span_gen", np.array([np.nan, 2])), "trace-shape-mismatch", "integers"),
        (
            _set("thinking_span_gen", np.array([1])),
            "trace-shape-mismatch",
            "expected a closed span",
        ),
        (_set("faithfulness_scores", np.zeros(3)), "trace-shape-mismatch", "faithfulness_scores"),
        (_set("recovery_scores", np.zeros((3, 3))), "trace-shape-mismatch", "recovery_scores"),
    ],
)
def test_each_trace_code_costs_its_row_only(
    demo: DemoTree, tmp_path: Path, edit: Edit, code: str, says: str
) -> None:
    run = next(demo.traces.rglob("ifr_in_all_gen*"))
    bad = run / "ex_000002.npz"
    with np.load(bad) as npz:
        arrays = {key: npz[key] for key in npz.files}
    sizes = {"{T}": len(arrays["v_row_all"]), "{G}": int(arrays["gen_len"])}
    sizes["{T-1}"] = sizes["{T}"] - 1
    edit(arrays)
    np.savez_compressed(bad, **arrays)
    for jobs in (1, 2):
        report = exp2proc.convert(
            trace_dir=run,
            tokenizer_model=demo.tokenizer,
            out_dir=tmp_path / str(jobs),
            jobs=jobs,
        )
        (error,) = report.errors
        assert (error.code, error.file, error.example_idx) == (code, "ex_000002.npz", 2)
        for size, number in sizes.items():
            says = says.replace(size, str(number))
        assert says in error.message
        assert error.hint
        assert report.counts.converted == 7
        assert sorted(os.listdir(tmp_path / str(jobs))) == [
            f"ex_{number:06d}.npz" for number in range(8) if number != 2
        ]


def test_missing_hops_may_be_allowed(demo: DemoTree, tmp_path: Path) -> None:
    run = next(demo.traces.rglob("ifr_in_all_gen*"))
    with np.load(run / "ex_000000.npz") as npz:
        arrays = {key: npz[key] for key in npz.files if key != "vh"}
    np.savez_compressed(run / "ex_000000.npz", **arrays)
    report = exp2proc.convert(
        trace_dir=run,
        tokenizer_model=demo.tokenizer,
        out_dir=tmp_path,
        allow_missing_ft_hops=True,
    )
    assert (report.counts.converted, report.runs[0].with_hop) == (8, 7)
    assert exp2proc.load_sample(tmp_path / "ex_000000.npz").hop is None


def test_lengths_that_do_not_match(demo: DemoTree, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(str(demo.tokenizer)).tokenizer
    lines = (demo.data / "needles.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [Text(row["prompt"], row["target"]) for row in map(json.loads, lines)]
    right = [measure(tokenizer, text) for text in texts]
    wrong = [
        right[0],
        example_of(texts[1], right[1].prompt_len - 2, right[1].gen_len),
        example_of(texts[2], right[2].prompt_len, right[2].gen_len + 1),
    ]
    run = demo.traces / "needles" / "m" / "r"
    write_run(run, wrong, _METHODS[-1])
    report = exp2proc.convert(
        trace_dir=run, tokenizer_model=demo.tokenizer, out_dir=tmp_path / "out"
    )
    assert [(error.code, error.message) for error in report.errors] == [
        (
            "prompt-length-mismatch",
            (
                f"Prompt token length mismatch: expected {right[1].prompt_len - 2},"
                f" got {right[1].prompt_len}"
            ),
        ),
        (
            "generation-length-mismatch",
            (
                f"Generation token length mismatch: expected {right[2].gen_len + 1},"
                f" got {right[2].gen_len}"
            ),
        ),
    ]
    assert os.listdir(tmp_path / "out") == ["ex_000000.npz"]


def test_resume_keeps_what_would_be_written_and_replaces_the_rest(
    demo: DemoTree, tmp_path: Path
) -> None:
    run = next((demo.traces / "needles").rglob("ifr_in_all_gen*"))

    def convert(**more: Any) -> exp2proc.Report:
        return exp2proc.convert(
            trace_dir=run, tokenizer_model=demo.tokenizer, out_dir=tmp_path / "out", **more
        )

    other = tmp_path / "other"
    arithmetic = next((demo.traces / "exp").rglob("ifr_in_all_gen*"))
    exp2proc.convert(
        trace_dir=arithmetic, tokenizer_model=demo.tokenizer, out_dir=other / "out", limit=1
    )
    convert()
    undisturbed = {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}
    outs = [tmp_path / "out" / f"ex_{number:06d}.npz" for number in range(8)]
    outs[0].unlink()
    outs[1].write_bytes(outs[1].read_bytes()[:-30])
    shutil.copy(other / "out" / "ex_000000.npz", outs[2])  # whole, but another sample's
    outs[4].write_bytes(b"")
    os.utime(run / "ex_000005.npz")  # newer, and as it was
    report = convert(resume=True)
    counts = report.counts
    assert (counts.converted, counts.replaced, counts.kept, report.runs[0].with_hop) == (1, 3, 4, 8)
    assert [(one.file, one.reason) for one in report.replaced] == [
        (outs[1].name, "damaged"),
        (
            outs[2].name,
            "attr, tok, span_in, span_cot, span_out, rise, mas, recovery and hop differ",
        ),
        (outs[4].name, "damaged"),
    ]
    assert {p.name: p.read_bytes() for p in outs} == undisturbed
    report = convert(resume=True, layout="proc_1")
    assert (report.counts.replaced, report.counts.kept) == (8, 0)
    assert {one.reason for one in report.replaced} == {"of layout proc"}
    report = convert(overwrite=True)
    assert (report.counts.converted, report.counts.kept) == (8, 0)
    assert {p.name: p.read_bytes() for p in outs} == undisturbed


def test_an_output_that_cannot_be_written_says_why(demo: DemoTree, tmp_path: Path) -> None:
    """In the system's words, without its number and its way of naming files."""
    run = demo.traces / "needles/demo-1B/ifr_in_all_gen_n2_mfaithfulness_gen+recovery_8ex"
    blocked = tmp_path / "out/ex_000003.npz"
    blocked.mkdir(parents=True)
    report = exp2proc.convert(
        trace_dir=run, layout="proc_1", out_dir=tmp_path / "out", overwrite=True, jobs=1
    )
    assert report.counts.converted == 7
    (error,) = report.errors
    assert (error.file, error.code) == (blocked.name, "output-unwritable")
    assert error.message == f"{blocked}: {os.strerror(errno.EISDIR)}"
