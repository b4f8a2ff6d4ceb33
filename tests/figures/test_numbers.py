"""Every number of a figure, against a computation by plain numpy on the files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.archive import DATASETS, METHODS, load, read_csv, write_archive
from support.cli import preload, run_cli
from support.exported import NAN, write_export

pytest.importorskip("matplotlib", reason="the extra figures is not installed")
t = pytest.importorskip("scipy.stats", reason="the extra figures is not installed").t

PARTS = ("in", "cot", "out", "rest")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    preload("matplotlib.figure")
    return write_archive(tmp_path_factory.mktemp("archive"))


def _table(kind: str, *words: str | Path, out: Path) -> list[dict[str, str]]:
    done = run_cli("figure", kind, *words, "-o", out / "f.svg")
    assert (done.returncode, done.stderr) == (0, ""), done
    return read_csv((out / "f.csv").read_text(encoding="utf-8"))


def _length(sample: dict[str, Any]) -> int:
    start, end = sample["span_cot"].tolist()
    return 0 if start < 0 else end - start + 1


def published(
    by_method: Mapping[str, tuple[Sequence[int], Sequence[float]]], score: str = "mas"
) -> dict[tuple[str, int], tuple[int, int, int, float, float]]:
    """The published figure's computation: (method, bin) -> low, high, n, y, err."""
    edges = np.percentile(next(iter(by_method.values()))[0], [0, 20, 40, 60, 80, 100])
    found = {}
    for name, (lengths, scores) in by_method.items():
        binned: list[list[float]] = [[] for _ in range(5)]
        for length, value in zip(lengths, scores, strict=True):
            for i in range(5):
                if int(edges[i]) <= length < int(edges[i + 1]) + 1:
                    binned[i].append(value)
                    break
        for i, values in enumerate(binned):
            if len(values) < 2:
                continue
            mean, sem = np.mean(values), np.std(values, ddof=0) / np.sqrt(len(values))
            y, err = (1 / mean, sem / mean**2) if score == "mas" else (mean, sem)
            bounds = int(edges[i]), int(edges[i + 1]) + 1
            found[name, i] = (*bounds, len(values), float(y), float(err))
    return found


def _points(rows: list[dict[str, str]], panel: str) -> dict[tuple[str, int], Any]:
    return {
        (row["method"], int(row["bin"])): (
            *(int(row[key]) for key in ("low", "high", "n")),
            *(float(row[key]) for key in ("y", "err")),
        )
        for row in rows
        if row["panel"] == panel
    }


@pytest.mark.parametrize("score", ["mas", "rise", "recovery"])
def test_length_is_the_published_computation(data: Path, tmp_path: Path, score: str) -> None:
    rows = _table("length", data, "--score", score, out=tmp_path)
    assert list(rows[0]) == ["panel", "method", "bin", "low", "high", "n", "y", "err"]
    for dataset, count in DATASETS.items():
        by_method = {}
        for method in METHODS:
            samples = load(data, dataset, method)
            if not math.isnan(samples[0][score]):
                values = [float(one[score]) for one in samples]
                by_method[method.removesuffix("_n1")] = list(map(_length, samples)), values
        assert len(by_method) == (1 if score == "recovery" else 3)
        expected = published(by_method, score)
        assert _points(rows, dataset) == expected  # to the last bit
        of_first = [one[2] for (name, _), one in expected.items() if name == next(iter(by_method))]
        assert (len(of_first), sum(of_first)) == (5, count)


def test_length_of_named_methods_and_panels(data: Path, tmp_path: Path) -> None:
    """Runs of one name are averaged by example, datasets of one name concatenated."""
    words = ("--method", "FT=ifr_multi_hop_both_n1", "--method", "Both=attnlrp,ifr_all_positions")
    rows = _table("length", data, *words, "--panel", "All=vt_h2_c3,math", out=tmp_path)
    by_method: dict[str, tuple[list[int], list[float]]] = {"FT": ([], []), "Both": ([], [])}
    for dataset in ("vt_h2_c3", "math"):
        for one in load(data, dataset, "ifr_multi_hop_both_n1"):
            by_method["FT"][0].append(_length(one))
            by_method["FT"][1].append(float(one["mas"]))
        two = [load(data, dataset, method) for method in ("attnlrp", "ifr_all_positions")]
        for a, b in zip(*two, strict=True):
            by_method["Both"][0].append(_length(a))
            by_method["Both"][1].append(float(np.mean([a["mas"], b["mas"]])))
    assert {row["panel"] for row in rows} == {"All"}
    assert list(dict.fromkeys(row["method"] for row in rows)) == ["FT", "Both"]
    assert _points(rows, "All") == published(by_method)


def test_length_of_what_the_experiment_wrote(reference: Path, tmp_path: Path) -> None:
    out = reference / "genuine/expected/proc_1/exp/exp2/data/morehopqa.jsonl"
    if not out.is_dir():
        pytest.skip("the genuine exports are not among the reference samples")
    rows = _table("length", out, "--score", "rise", out=tmp_path)
    by_method = {}
    for run in sorted((out / "qwen-8B").iterdir()):
        samples = [dict(np.load(path)) for path in sorted(run.glob("*.npz"))]
        name = run.name.split("_n2")[0].split("_mfaith")[0]
        by_method[name] = list(map(_length, samples)), [float(one["rise"]) for one in samples]
    (panel,) = {row["panel"] for row in rows}
    assert (panel, len(by_method)) == ("morehopqa", 6)
    assert _points(rows, panel) == published(by_method, "rise")


def test_length_of_the_published_samples(reference: Path, tmp_path: Path) -> None:
    """Their path says no dataset and no model; 60 samples are in the five bins."""
    samples = [dict(np.load(path)) for path in sorted((reference / "expected").glob("*.npz"))]
    rows = _table("length", reference / "expected", out=tmp_path)
    (name,) = {row["method"] for row in rows}
    values = [float(one["mas"]) for one in samples]
    expected = published({name: (list(map(_length, samples)), values)})
    assert _points(rows, "?") == expected
    assert sum(one[2] for one in expected.values()) == 60


def test_samples_without_the_score_and_small_bins_are_left_out(tmp_path: Path) -> None:
    run = tmp_path / "out/math/m/ifr_n1_9ex"
    scores = [(0, 0.5), (0, 0.25), (2, NAN), (3, 0.75), (3, 0.5), (3, 0.3), (10, 0.5)]
    for example, (length, mas) in enumerate(scores):
        spans = (0, 1), (2, 1 + length) if length else (-1, -1), (44, 44)
        path = run / f"ex_{example:06d}.npz"
        write_export(path, None, length=45, spans=spans, scores=(NAN, mas, NAN))
    rows = _table("length", tmp_path / "out", out=tmp_path)
    used = [(length, mas) for length, mas in scores if not math.isnan(mas)]
    expected = published({"ifr": ([one[0] for one in used], [one[1] for one in used])})
    assert _points(rows, "math") == expected
    assert [(row["bin"], row["low"], row["high"], row["n"]) for row in rows] == [
        *(("0", "0", "1", "2"), ("1", "0", "4", "3")),
    ]


def test_scores(data: Path, tmp_path: Path) -> None:
    rows = _table("scores", data, out=tmp_path)
    assert list(rows[0]) == ["panel", "method", "score", "item", "number", "value"]
    seen = 0
    for dataset, count in DATASETS.items():
        for method, hops in METHODS.items():
            for score in ("rise", "mas", "recovery"):
                mine = [
                    row
                    for row in rows
                    if (row["panel"], row["method"], row["score"])
                    == (dataset, method.removesuffix("_n1"), score)
                ]
                seen += len(mine)
                if score == "recovery" and not hops:
                    assert not mine
                    continue
                values = np.array([float(one[score]) for one in load(data, dataset, method)])
                half = np.std(values, ddof=1) / np.sqrt(count) * t.ppf(0.975, count - 1)
                q1, median, q3 = np.percentile(values, [25, 50, 75])
                inside = values[(values >= q1 - 1.5 * (q3 - q1)) & (values <= q3 + 1.5 * (q3 - q1))]
                expected = {
                    "mean": values.mean(),
                    "low": values.mean() - half,
                    "high": values.mean() + half,
                    "median": median,
                    "q1": q1,
                    "q3": q3,
                    "whisker_low": inside.min(),
                    "whisker_high": inside.max(),
                }
                found = {row["item"]: float(row["value"]) for row in mine if row["item"] != "point"}
                assert found == pytest.approx(expected, rel=1e-12)
                assert {row["number"] for row in mine if row["item"] != "point"} == {str(count)}
                points = [float(row["value"]) for row in mine if row["item"] == "point"]
                assert points == values.tolist()
    assert seen == len(rows)


def _mass(sample: dict[str, Any], vector: Any) -> list[float]:
    """Shares of in, cot, out, rest: by slices."""
    mass = np.abs(vector.astype(np.float64))
    parts = [mass[a : b + 1].sum() for a, b in (sample[f"span_{p}"] for p in PARTS[:3])]
    return [part / mass.sum() for part in (*parts, mass.sum() - sum(parts))]


def test_shares(data: Path, tmp_path: Path) -> None:
    rows = _table("shares", data, out=tmp_path)
    assert list(rows[0]) == ["panel", "method", "bin", "low", "high", "n", "part", "share"]
    found = {
        (row["panel"], row["method"], row["bin"], row["part"]): (int(row["n"]), float(row["share"]))
        for row in rows
    }
    assert len(found) == len(rows)
    expected = {}
    for dataset in DATASETS:
        edges: Any = None
        for method in METHODS:
            samples = load(data, dataset, method)
            lengths = list(map(_length, samples))
            edges = np.percentile(lengths, range(0, 101, 20)) if edges is None else edges
            places = [next(i for i in range(5) if n < int(edges[i + 1]) + 1) for n in lengths]
            weighed = np.array([_mass(one, one["attr"]) for one in samples])
            for at in ("", "0", "1", "2", "3", "4"):
                some = weighed if at == "" else weighed[np.array(places) == int(at)]
                for part, share in zip(PARTS, some.mean(axis=0), strict=True):
                    name = method.removesuffix("_n1")
                    expected[dataset, name, at, part] = len(some), float(share)
    assert found.keys() == expected.keys()
    for key, (n, share) in expected.items():
        assert found[key][0] == n, key
        assert found[key][1] == pytest.approx(share, rel=1e-9), key


def test_hops(data: Path, tmp_path: Path) -> None:
    rows = _table("hops", data, out=tmp_path)
    assert list(rows[0]) == ["panel", "method", "hop", "part", "n", "mean", "low", "high"]
    assert {row["method"] for row in rows} == {"ifr_multi_hop_both"}
    assert len(rows) == len(DATASETS) * 2 * 4
    for row in rows:
        samples = load(data, row["panel"], "ifr_multi_hop_both_n1")
        of = [_mass(one, one["hop"][int(row["hop"])])[PARTS.index(row["part"])] for one in samples]
        expected = [np.mean(of), *np.percentile(of, [25, 75])]
        assert [float(row[key]) for key in ("mean", "low", "high")] == pytest.approx(expected)
        assert int(row["n"]) == len(samples)


def test_sample(tmp_path: Path) -> None:
    path = write_export(
        tmp_path / "ex_000000.npz",
        [" Two", " plus", "游", "戏", "\n", "=4"],
        attr=[0.5, -1.0, 0.25, 0.125, 0.0, 0.75],
        hop=[[1, 2, 3, 4, 5, 6]] * 2,
        spans=((0, 2), (3, 4), (5, 5)),
    )
    rows = _table("sample", path, out=tmp_path)
    assert list(rows[0]) == ["first", "last", "part", "text", "value", "level"]
    assert [(row["part"], row["text"]) for row in rows] == [
        *(("in", " Two"), ("in", " plus"), ("in", "游"), ("cot", "戏"), ("cot", "\\n")),
        ("out", "'=4"),
    ]
    assert [float(row["value"]) for row in rows] == [0.5, -1.0, 0.25, 0.125, 0.0, 0.75]
    assert [int(row["level"]) for row in rows] == [12, -24, 6, 3, 0, 18]
    rows = _table("sample", path, "--hop", "1", "--scale", "rank", out=tmp_path)
    assert [float(row["value"]) for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [int(row["level"]) for row in rows] == [4, 8, 12, 16, 20, 24]
