"""Mutated input: it ends in a code of the catalogue or in a right export; never in `internal`."""

from __future__ import annotations

import json
import os
import random
import tempfile
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import plain
from support.arrays import assert_same_npz
from support.cli import run_cli, run_json
from support.mutations import mutate_bytes, mutate_npz, mutate_row
from support.workload import load

from exp2proc.demo.texts import multi_hop
from exp2proc.demo.traces import Example, Method, manifest_row, trace_arrays, write_jsonl, write_run
from exp2proc.demo.tree import measure, write_tree
from exp2proc.errors import ROW_ERRORS, Exp2procError
from exp2proc.formats.names import is_plain_name
from exp2proc.traces.datasets import index_dataset, read_rows
from exp2proc.traces.manifest import Row, read_manifest
from exp2proc.traces.trace import read_trace

ALLOWED = ROW_ERRORS.keys() - {"internal"}

_METHODS = (
    Method("ifr_multi_hop_both", "a", hops=2, recovery=True),
    Method("attnlrp", "b", hops=None),
    Method("ft_attnlrp", "c", hops=3, faithfulness=False, recovery=True),
)


def _examples() -> list[Example]:
    text = multi_hop(1)[0]
    return [
        Example(text, 9, 12, (5, 8)),
        Example(text, 300, 200, (100, 150)),
        Example(text, 0, 1, (0, 0)),
    ]


class Originals:
    """Good rows with the bytes of their traces and what the plain way makes of them."""

    def __init__(self, folder: Path) -> None:
        rng = np.random.default_rng(11)
        self.rows: list[dict[str, Any]] = []
        self.traces: list[bytes] = []
        self.samples: list[Path] = []
        for number, (example, method) in enumerate(
            (example, method) for example in _examples() for method in _METHODS
        ):
            arrays = trace_arrays(rng, example, method)
            row = manifest_row(number, example, method, arrays)
            path = folder / row["file"]
            np.savez_compressed(path, **dict[str, Any](arrays))
            sample = folder / f"sample-{number}.npz"
            plain.convert_row(row, path, sample, None)
            self.rows.append(row)
            self.traces.append(path.read_bytes())
            self.samples.append(sample)


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Originals:
    return Originals(tmp_path_factory.mktemp("originals"))


def _assert_codes(report: dict[str, Any]) -> Counter[str]:
    found = Counter(error["code"] for error in report["errors"])
    messages = [error["message"] for error in report["errors"] if error["code"] not in ALLOWED]
    assert not messages, messages[:5]
    assert all(len(error["message"]) < 1000 for error in report["errors"])
    return found


def _convert(run: Path, out: Path, *more: str) -> dict[str, Any]:
    """Any exit code that a run with rows can have, as long as nothing crashes."""
    words = ("convert", "--trace_dir", run, "--layout", "proc_1", "--out_dir", out)
    done = run_cli(*words, "--json", "--jobs", "1", *more, timeout=300)
    assert done.returncode in (0, 1), (done.stdout[-2000:], done.stderr[-2000:])
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_mutated_traces(originals: Originals, tmp_path: Path, slow: bool) -> None:
    rng = random.Random(20261123)
    total, converted, found = 0, 0, Counter[str]()
    for batch in range(10 if slow else 1):
        run, out = tmp_path / f"run{batch}", tmp_path / f"out{batch}"
        run.mkdir()
        rows = []
        for number in range(1000 if slow else 300):
            at = rng.randrange(len(originals.rows))
            file = f"ex_{number:06d}.npz"
            (run / file).write_bytes(mutate_npz(rng, originals.traces[at]))
            rows.append({**originals.rows[at], "example_idx": at, "file": file})
        write_jsonl(run / "manifest.jsonl", rows)
        report = _convert(run, out)
        found += _assert_codes(report)
        total += len(rows)
        failed = {error["file"] for error in report["errors"]}
        for row in rows:
            assert (out / row["file"]).exists() == (row["file"] not in failed)
            if row["file"] not in failed:
                converted += 1
                _assert_right(row, run, out, originals.samples[row["example_idx"]])
    assert converted
    assert len(found) >= 4
    print(f"{total} mutated traces: {converted} right exports, {dict(found.most_common())}")


_NEEDED = (
    *("prompt_len", "gen_len", "v_row_all", "vh", "sink_span_gen", "thinking_span_gen"),
    *("indices_to_explain_gen", "faithfulness_scores", "recovery_scores"),
)


def _assert_right(row: dict[str, Any], run: Path, out: Path, original: Path) -> None:
    """What the plain way makes of the mutated file; of the original where it cannot read it."""
    expected = run / "expected.npz"
    try:
        with np.load(run / row["file"]) as npz:
            needed = {key: npz[key] for key in _NEEDED if key in npz.files}
        needed.setdefault("indices_to_explain_gen", np.zeros(0, "i8"))
        np.savez(run / "needed.npz", **needed)
        with np.errstate(all="ignore"):
            plain.convert_row(row, run / "needed.npz", expected, None)
    except Exception:
        # The mutation hit what no export needs, and np.load reads all the same.
        expected = original
    assert_same_npz(out / row["file"], expected)


def test_cut_at_every_byte(originals: Originals, tmp_path: Path, slow: bool) -> None:
    """A copy that was interrupted anywhere is corrupt; by default at every fourth byte."""
    data = originals.traces[0]
    run = tmp_path / "run"
    run.mkdir()
    rows = [{**originals.rows[0], "file": f"ex_{n:06d}.npz"} for n in range(len(data))]
    rows = rows if slow else [*rows[::4], rows[-1]]
    for row in rows:
        length = int(row["file"][3:-4])
        (run / row["file"]).write_bytes(data[:length])
    write_jsonl(run / "manifest.jsonl", rows)
    report = _convert(run, tmp_path / "out")
    assert _assert_codes(report) == {"trace-corrupt": len(rows)}


def test_mutated_samples_are_made_again(originals: Originals, tmp_path: Path, slow: bool) -> None:
    """`--resume` keeps only what is whole."""
    rng = random.Random(3)
    run, out = tmp_path / "run", tmp_path / "out"
    run.mkdir()
    rows = []
    for number in range(2000 if slow else 200):
        at = rng.randrange(len(originals.rows))
        rows.append({**originals.rows[at], "example_idx": at, "file": f"ex_{number:06d}.npz"})
        (run / rows[-1]["file"]).write_bytes(originals.traces[at])
    write_jsonl(run / "manifest.jsonl", rows)
    assert _convert(run, out)["counts"]["converted"] == len(rows)
    for row in rows:
        sample = out / row["file"]
        sample.write_bytes(mutate_bytes(rng, sample.read_bytes()))
    report = _convert(run, out, "--resume")
    assert not report["errors"]
    assert report["counts"]["replaced"] > len(rows) // 2
    for row in rows:
        assert_same_npz(out / row["file"], originals.samples[row["example_idx"]])


def test_mutated_manifests(originals: Originals, tmp_path: Path, slow: bool) -> None:
    rng = random.Random(5)
    found = Counter[str]()
    for batch in range(10 if slow else 1):
        run, out = tmp_path / f"run{batch}", tmp_path / f"out{batch}"
        run.mkdir()
        lines = []
        for number in range(200):
            file = f"ex_{number:06d}.npz"
            (run / file).write_bytes(originals.traces[0])
            row = {**originals.rows[0], "file": file}
            if number % 3 == 0:
                row = mutate_row(rng, row)
            line = json.dumps(row).encode()
            lines.append(mutate_bytes(rng, line, 2) if number % 3 == 1 else line)
        (run / "manifest.jsonl").write_bytes(b"\n".join(lines) + b"\n")
        report = _convert(run, out)
        found += _assert_codes(report)
        assert report["counts"]["converted"] == len(list(out.iterdir())) > 10
        for sample in out.iterdir():
            assert_same_npz(sample, originals.samples[0])
    assert {"manifest-invalid", "unsafe-path"} <= set(found)


def test_mutated_datasets(tmp_path: Path, slow: bool) -> None:
    """A text is found as it was, or not at all."""
    rng = random.Random(6)
    tree = write_tree(tmp_path / "tree", 2)
    texts = multi_hop(400 if slow else 100, seed=9)
    tokenizer = load(tree.tokenizer)
    run, good, bad = tmp_path / "run", tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    write_run(run, [measure(tokenizer, text) for text in texts], _METHODS[0])
    write_jsonl(good, [text._asdict() for text in texts])
    lines = [mutate_bytes(rng, line, 2) for line in good.read_bytes().splitlines()]
    bad.write_bytes(b"\n".join(lines) + b"\n")
    words = ("convert", "--trace_dir", run, "--tokenizer_model", tree.tokenizer, "--jobs", "1")
    run_json(*words, "--dataset_jsonl", good, "--out_dir", tmp_path / "expected")
    report = run_json(
        *words, "--dataset_jsonl", bad, "--out_dir", tmp_path / "out", "--no_cache", code=1
    )
    assert set(_assert_codes(report)) == {"dataset-no-match"}
    for sample in (tmp_path / "out").iterdir():
        assert_same_npz(sample, tmp_path / "expected" / sample.name)


_fuzz = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=60),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)
_GOOD_ROW = {
    "example_idx": 0,
    "attr_func": "ifr",
    "file": "ex_000000.npz",
    "prompt_sha1": "a" * 40,
    "target_sha1": None,
    "prompt_len": 3,
    "gen_len": 4,
}


@_fuzz
@given(
    st.lists(
        st.binary(max_size=80)
        | _json.map(json.dumps).map(str.encode)
        | st.dictionaries(st.sampled_from(sorted(_GOOD_ROW)), _json, max_size=2).map(
            lambda changes: json.dumps({**_GOOD_ROW, **changes}).encode()
        ),
        max_size=6,
    ),
    st.sampled_from([b"\n", b"\r\n", b"\n\n"]),
)
def test_any_manifest(lines: list[bytes], newline: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "manifest.jsonl"
        path.write_bytes(newline.join(lines))
        for row in read_manifest(path):
            if isinstance(row, Row):
                assert is_plain_name(row.file)
                assert os.path.basename(row.file) == row.file
                assert min(row.prompt_len, row.gen_len) >= 0
            else:
                assert row.error.code in {"manifest-invalid", "unsafe-path"}
                assert row.error.message.isprintable()


@_fuzz
@given(st.binary(max_size=200) | _json.map(json.dumps).map(str.encode))
def test_any_dataset_line(line: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "any.jsonl"
        path.write_bytes(line)
        rows = list(read_rows(path))
        for prompt, target in rows:
            assert isinstance(prompt, str)
            assert target is None or isinstance(target, str)
        assert index_dataset(path, set()).rows <= len(rows)


@_fuzz
@given(
    st.text(max_size=60)
    | st.tuples(st.text(max_size=9), _json, _json).map(
        lambda t: str({"descr": t[0] or "<f4", "fortran_order": t[1], "shape": t[2]})
    )
    | st.tuples(
        st.sampled_from(["<f4", "<f8", ">i2", "|u1", "|b1", "|O", "<U2", "|V4", "<M8[s]"]),
        st.booleans(),
        st.lists(st.integers(-2, 2**70), max_size=40).map(tuple),
    ).map(lambda t: str({"descr": t[0], "fortran_order": t[1], "shape": t[2]})),
    st.binary(max_size=64),
    st.sampled_from([1, 2, 3]),
)
def test_any_array_header(header: str, data: bytes, version: int) -> None:
    raw = header.encode("utf-8", "surrogatepass")
    size = len(raw).to_bytes(2 if version == 1 else 4, "little")
    npy = b"\x93NUMPY" + bytes([version, 0]) + size + raw + data
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.npz"
        with zipfile.ZipFile(path, "w") as archive:
            for key in ("prompt_len", "gen_len", "v_row_all", "sink_span_gen"):
                archive.writestr(f"{key}.npy", npy)
        with pytest.raises(Exp2procError) as caught:
            read_trace(path, 3, 4, hops=True)
        assert caught.value.code in ALLOWED


@_fuzz
@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.npz"
        path.write_bytes(data)
        with pytest.raises(Exp2procError) as caught:
            read_trace(path, 3, 4, hops=True)
        assert caught.value.code == "trace-corrupt"
