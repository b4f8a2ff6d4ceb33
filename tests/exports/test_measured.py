"""Scores and sizes of samples: what numpy reads of each file, and no vector of it."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.exported import NAN, write_export

import exp2proc
from exp2proc.exports.measured import measured_fields

RUN = "qwen-8B/ifr_n1_3ex"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    root = tmp_path / "out"
    run = root / "exp/exp2/data/math.jsonl" / RUN
    spans = ((0, 1), (2, 4), (4, 5))
    write_export(run / "ex_000000.npz", list("abcdef"), spans=spans, scores=(0.25, 0.5, NAN))
    write_export(run / "ex_000001.npz", list("ab"), scores=(0.75, NAN, 1.0))
    write_export(run / "other.npz", None, length=3, scores=(0.1, 0.2, 0.3))
    write_export(root / "niah" / RUN / "ex_000000.npz", list("abc"), scores=(0.0, 1.0, 0.5))
    return root


def by_numpy(path: Path) -> dict[str, Any]:
    with np.load(path) as npz:
        sizes = {}
        for key in ("in", "cot", "out"):
            start, end = npz[f"span_{key}"].tolist()
            sizes[f"tokens_{key}"] = 0 if start < 0 else end - start + 1
        scores = {key: float(npz[key]) for key in ("rise", "mas", "recovery")}
        return {**scores, "tokens": len(npz["attr"]), **sizes}


def same(one: Any, other: Any) -> bool:
    return bool(one == other or (one != one and other != other))


def test_records_are_what_the_files_hold(out: Path) -> None:
    found = exp2proc.scores(out)
    paths = sorted(out.rglob("*.npz"))
    assert len(found) == len(paths) == 4
    for record, path in zip(found.records, paths, strict=True):
        assert tuple(record) == measured_fields()
        wanted = by_numpy(path)
        assert all(same(record[key], value) for key, value in wanted.items())
        assert record["file"] == path.name
        assert record["run_tag"] == "ifr_n1_3ex"
        assert (record["model"], record["method"]) == ("qwen-8B", "ifr")
    first = found.records[0]
    assert (first["dataset"], first["dataset_path"]) == ("math", "exp/exp2/data/math.jsonl")
    assert [record["example"] for record in found.records] == [0, 1, None, 0]


def test_genuine_samples(reference: Path) -> None:
    found = exp2proc.scores(reference / "genuine/expected/proc_1")
    paths = sorted((reference / "genuine/expected/proc_1").rglob("*.npz"))
    assert len(found) == len(paths) > 50
    for record in found.records:
        (path,) = (
            p
            for p in paths
            if str(p).endswith(f"{record['run_tag']}/{record['file']}")
            and f"/{record['dataset_path']}/{record['model']}/" in str(p)
        )
        assert all(same(record[key], value) for key, value in by_numpy(path).items())


def test_vectors_are_not_read(out: Path) -> None:
    """Damage in the middle of a vector is found by who reads it, and by nobody else."""
    path = out / "niah" / RUN / "ex_000000.npz"
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("tok.npy")
        at = info.header_offset + 30 + len("tok.npy") + info.compress_size // 2
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(exp2proc.Exp2procError, match="tok"):
        exp2proc.load_sample(path)
    assert exp2proc.scores(path).records[0]["rise"] == 0.0


def test_spans_are_checked(out: Path) -> None:
    path = out / "niah" / RUN / "ex_000000.npz"
    with np.load(path) as npz:
        arrays = {key: npz[key] for key in npz.files}
    np.savez_compressed(path, **{**arrays, "span_cot": np.array([1, 7])})
    with pytest.raises(exp2proc.Exp2procError, match=r"span_cot is \[1, 7\]") as caught:
        exp2proc.scores(out)
    assert caught.value.code == "sample-invalid"
    told: list[str] = []
    rest = exp2proc.scores(out, on_error=lambda source, err: told.append(source.path.name))
    assert (len(rest), told) == (3, ["ex_000000.npz"])


def test_where_chooses_by_source(out: Path) -> None:
    some = exp2proc.scores(out, where=lambda source: source.short_dataset == "niah")
    assert [record["dataset_path"] for record in some.records] == ["niah"]
    with pytest.raises(exp2proc.Exp2procError, match="none of 4 npz files") as caught:
        exp2proc.scores(out, where=lambda source: False)
    assert caught.value.code == "no-samples"


def test_workers_read_the_same(out: Path) -> None:
    assert repr(exp2proc.scores(out, jobs=2).records) == repr(exp2proc.scores(out).records)


def test_json_has_no_nan(out: Path) -> None:
    text = json.dumps(exp2proc.scores(out).to_dict(), allow_nan=False)
    records = json.loads(text)["records"]
    assert [record["mas"] for record in records] == [0.5, None, 0.2, 1.0]


def test_pandas_and_polars(out: Path) -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    found = exp2proc.scores(out)
    frame, other = found.to_pandas(), found.to_polars()
    assert isinstance(frame, pandas.DataFrame)
    assert tuple(frame.columns) == tuple(other.columns) == measured_fields()
    assert str(frame.dtypes["example"]) == "Int64"
    assert frame["mas"].mean() == pytest.approx((0.5 + 0.2 + 1.0) / 3)
    assert frame["recovery"].isna().sum() == 1
    assert frame["example"].isna().sum() == other["example"].null_count() == 1
    assert math.isnan(other["recovery"][0])
    assert other.schema["tokens_cot"] == polars.Int64
    assert frame["tokens_cot"].tolist() == other["tokens_cot"].to_list() == [3, 0, 0, 0]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_missing_library_is_named_with_its_extra(out: Path, library: str) -> None:
    code = f"""
import sys
sys.modules[{library!r}] = None
import exp2proc
try:
    exp2proc.scores({str(out)!r}).to_{library}()
except exp2proc.Exp2procError as err:
    print(err.code, err.hint)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "missing-extra Install it with: pip install 'exp2proc[frames]'\n"
