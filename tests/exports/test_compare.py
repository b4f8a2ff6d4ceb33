"""Methods next to ours, against plain numpy, pandas and enumeration."""

from __future__ import annotations

import csv
import io
import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.cli import import_first, on_a_terminal, preload, run_cli
from support.exported import NAN, write_export
from support.latex import set_in_an_article

import exp2proc
from exp2proc.exports.compare import holm, interval, record_fields, sign_flip

pytest.importorskip("scipy")

SCORES = ("rise", "mas", "recovery")
SIZES = {"math": 7, "data/niah.jsonl": 12}
METHODS = ("IG", "attnlrp_negdrop_normnorm", "ifr_n1", "ifr_multi_hop_both_n1")


@pytest.fixture(scope="module")
def _template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    preload("scipy.stats")
    rng = np.random.default_rng(11)
    root = tmp_path_factory.mktemp("template")
    for dataset, count in SIZES.items():
        for number in range(count):
            cot = int(rng.integers(1, 9))
            spans = ((0, 3), (4, 3 + cot), (4 + cot, 5 + cot))
            tok = [f"{number}", *"abc", *"d" * cot, "e", "f"]
            for method in METHODS:
                path = root / dataset / "q-8B" / f"{method}_mfaithfulness_gen_{count}ex"
                some = [float(value) for value in rng.uniform(0, 1, 3)]
                write_export(
                    path / f"ex_{number:06d}.npz",
                    tok,
                    attr=rng.normal(size=len(tok)).tolist(),
                    spans=spans,
                    scores=(some[0], some[1], some[2]),
                )
    math = root / "math/q-8B"
    (math / "IG_mfaithfulness_gen_7ex/ex_000003.npz").unlink()
    (math / "ifr_multi_hop_both_n1_mfaithfulness_gen_7ex/ex_000002.npz").unlink()
    write_export(math / "IG_mfaithfulness_gen_7ex/ex_000000.npz", ["a"], scores=(0.5, 0.5, 0.5))
    path = math / "ifr_n1_mfaithfulness_gen_7ex/ex_000001.npz"
    with np.load(path) as npz:
        tok, attr = npz["tok"].tolist(), npz["attr"].tolist()
        ends = [npz[f"span_{name}"].tolist() for name in ("in", "cot", "out")]
    spans = ((ends[0][0], ends[0][1]), (ends[1][0], ends[1][1]), (ends[2][0], ends[2][1]))
    write_export(path, tok, attr=attr, spans=spans, scores=(0.5, NAN, 0.5))
    return root


@pytest.fixture
def out(_template: Path, tmp_path: Path) -> Path:
    """4 methods on 2 datasets; example 3 lacks a method, a score and a text here and there."""
    return Path(shutil.copytree(_template, tmp_path / "out"))


def loaded(out: Path) -> dict[tuple[str, str], dict[str, dict[str, np.ndarray]]]:
    """By dataset and file name: by setting what the files hold."""
    found: dict[tuple[str, str], dict[str, dict[str, np.ndarray]]] = {}
    for path in out.rglob("*.npz"):
        dataset = "niah" if "niah" in str(path) else "math"
        setting = path.parent.name.partition("_mfaith")[0]
        with np.load(path) as npz:
            arrays = {key: npz[key] for key in npz.files}
        found.setdefault((dataset, path.name), {})[setting] = arrays
    return found


def pairs(out: Path, other: str, score: str, dataset: str = "") -> list[tuple[Any, Any]]:
    found = []
    for (name, _), by_setting in sorted(loaded(out).items()):
        mine, theirs = by_setting.get("ifr_multi_hop_both_n1"), by_setting.get(other)
        if dataset in ("", name) and mine is not None and theirs is not None:
            same = mine["tok"].tolist() == theirs["tok"].tolist()
            if same and not np.isnan(float(mine[score]) + float(theirs[score])):
                found.append((mine, theirs))
    return found


def ranks(values: np.ndarray) -> np.ndarray:
    """Average ranks, one comparison at a time."""
    below = (values[:, None] > values[None, :]).sum(1)
    equal = (values[:, None] == values[None, :]).sum(1)
    ranked: np.ndarray = below + (equal + 1) / 2
    return ranked


@pytest.mark.parametrize("score", SCORES)
def test_all_numbers_are_those_of_numpy(out: Path, score: str) -> None:
    found = exp2proc.compare(out, ours="ifr_multi_hop_both", score=score, draws=99)
    assert [row.method for row in found.rows[::4]] == ["IG", "attnlrp", "ifr"] * 3
    settings = {"IG": "IG", "attnlrp": "attnlrp_negdrop_normnorm", "ifr": "ifr_n1"}
    for row in found.rows:
        some = pairs(out, settings[row.method], score, row.dataset)
        if row.tercile != "all":
            pandas = pytest.importorskip("pandas")
            cots = [int(mine["span_cot"][1] - mine["span_cot"][0] + 1) for mine, _ in some]
            _, bins = pandas.qcut(cots, 3, retbins=True, duplicates="drop")
            edges = np.quantile(cots, [1 / 3, 2 / 3])
            if len(bins) == 4:
                assert bins[1:3] == pytest.approx(edges)
            third = np.searchsorted(edges, cots)  # how many edges are below
            wanted = {"low": 0, "middle": 1, "high": 2}[row.tercile]
            some = [pair for pair, at in zip(some, third, strict=True) if at == wanted]
            kept = [cot for cot, at in zip(cots, third, strict=True) if at == wanted]
            assert (row.cot_min, row.cot_max) == ((min(kept), max(kept)) if kept else (None, None))
        d = np.array([float(mine[score]) - float(theirs[score]) for mine, theirs in some])
        assert row.n == len(d)
        gain = d if score == "recovery" else -d
        assert (row.wins, row.ties, row.losses) == ((gain > 0).sum(), 0, (gain < 0).sum())
        if not len(d):
            assert row.difference is row.ours_mean is row.p is row.spearman is None
            continue
        assert row.difference == pytest.approx(d.mean())
        assert row.ours_mean == pytest.approx(np.mean([float(mine[score]) for mine, _ in some]))
        rho = [np.corrcoef(ranks(a["attr"]), ranks(b["attr"]))[0, 1] for a, b in some]
        assert row.spearman == pytest.approx(np.mean(rho))
        top = []
        for a, b in some:
            k = -(-len(a["attr"]) // 10)
            best = [set(np.argsort(-v["attr"], kind="stable")[:k].tolist()) for v in (a, b)]
            top.append(len(best[0] & best[1]) / k)
        assert row.top10 == pytest.approx(np.mean(top))
        assert row.agreement_n == row.n


def test_what_was_left_out_and_why(out: Path) -> None:
    found = exp2proc.compare(out, ours="ifr_multi_hop_both_n1", draws=99)
    rows = {row.method: row for row in found.rows if row.dataset == "math" and row.tercile == "all"}
    told = {
        name: (row.n, row.only_ours, row.only_other, row.absent, row.other_text, row.left_out)
        for name, row in rows.items()
    }
    assert told == {
        "IG": (4, 1, 1, 0, 1, 3),
        "attnlrp": (6, 0, 1, 0, 0, 1),
        "ifr": (5, 0, 1, 1, 0, 2),
    }
    text = run_cli("compare", out, "--ours", "ifr_multi_hop_both").stdout
    assert "IG: 3 examples left out: 1 only of ours, 1 only of the other, 1 not of one text" in text
    assert "ifr: 2 examples left out: 1 only of the other, 1 score absent" in text


def test_a_sign_flip_test_of_few_values_is_exact() -> None:
    rng = np.random.default_rng(3)
    for n in (1, 2, 5, 8):
        d = rng.normal(0.4, 1, n)
        means = [np.mean(d * signs) for signs in itertools.product((1, -1), repeat=n)]
        exact = np.mean(np.abs(means) >= abs(d.mean()) - 1e-12)
        assert sign_flip(d, 50_000, 0) == pytest.approx(exact)
    assert sign_flip(np.zeros(5), 50_000, 0) == 1.0


def test_bootstrap_and_test_of_many_values_agree_with_plain_numpy() -> None:
    rng = np.random.default_rng(4)
    d = rng.normal(0.1, 0.5, 60)
    draws = 40_000
    means = np.array([d[rng.integers(0, 60, 60)].mean() for _ in range(draws)])
    low, high = interval(d, 50_000, 0)
    assert (low, high) == pytest.approx(np.percentile(means, [2.5, 97.5]), abs=0.005)
    flips = np.array([(d * rng.choice((-1, 1), 60)).mean() for _ in range(draws)])
    wanted = np.mean(np.abs(flips) >= abs(d.mean()))
    assert sign_flip(d, 50_000, 0) == pytest.approx(wanted, abs=0.01)
    assert interval(d, 50_000, 0) == (low, high)
    assert interval(d, 50_000, 1) != (low, high)


@pytest.mark.thorough
def test_batches_do_not_grow_with_the_examples() -> None:
    import tracemalloc

    import scipy.stats  # noqa: F401 # before memory is counted

    d = np.random.default_rng(5).normal(size=1_000)
    tracemalloc.start()
    interval(d, 5_000, 0)
    sign_flip(d, 5_000, 0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20e6  # at once they would be 5 million numbers, of eight bytes each


def test_holm_is_what_its_definition_says() -> None:
    rng = np.random.default_rng(6)
    for count in (0, 1, 2, 7):
        p = rng.uniform(0, 0.3, count).tolist()
        wanted = []
        for mine in p:
            lower = sorted(other for other in p if other <= mine)
            wanted.append(max([min(1, (count - at) * q) for at, q in enumerate(lower)]))
        assert holm(p) == pytest.approx(wanted)


def test_holm_is_over_the_methods_of_a_table(out: Path) -> None:
    found = exp2proc.compare(out, ours="ifr_multi_hop_both", draws=999)
    for dataset in ("math", "niah", ""):
        for tercile in ("all", "low", "middle", "high"):
            rows = [r for r in found.rows if (r.dataset, r.tercile) == (dataset, tercile)]
            assert len(rows) == 3
            p = [row.p for row in rows if row.p is not None]
            assert [row.p_holm for row in rows if row.p is not None] == pytest.approx(holm(p))


def test_ties_are_equal_scores(tmp_path: Path) -> None:
    for number, theirs in enumerate((0.5, 0.5 + 9e-13, 0.5 - 9e-13, 0.5 + 2e-12, 0.4)):
        for method, mas in (("ifr_n1", 0.5), ("IG", theirs)):
            path = tmp_path / "math/q" / f"{method}_5ex" / f"ex_{number:06d}.npz"
            write_export(path, ["a", "b"], attr=[1, 1], scores=(NAN, mas, NAN))
    row = exp2proc.compare(tmp_path, ours="ifr").rows[0]
    assert (row.wins, row.ties, row.losses) == (1, 3, 1)
    # attributions that are all alike have no ranks
    assert (row.spearman, row.top10, row.agreement_n) == (None, None, 0)


def test_runs_that_agree_are_one_and_others_are_refused(out: Path) -> None:
    twin = out / "math/q-8B/ifr_n1_mfaithfulness_gen+recovery_7ex"
    source = out / "math/q-8B/ifr_n1_mfaithfulness_gen_7ex/ex_000004.npz"
    twin.mkdir()
    (twin / source.name).write_bytes(source.read_bytes())
    found = exp2proc.compare(out / "math", ours="ifr_multi_hop_both", others=["ifr"], draws=99)
    assert found.rows[0].n == 5
    write_export(twin / source.name, ["a"], scores=(0.5, 0.123, 0.5))
    done = run_cli("compare", out, "--ours", "ifr_multi_hop_both")
    assert (done.returncode, done.stdout) == (2, "")
    assert "runs of one name differ in mas" in done.stderr
    tag = source.parent.name
    done = run_cli("compare", out, "--ours", "ifr_multi_hop_both", "--with", tag)
    assert done.returncode == 0


@pytest.mark.thorough
def test_workers_and_the_seed_change_nothing_else(out: Path) -> None:
    one = exp2proc.compare(out, ours="ifr", draws=999)
    assert exp2proc.compare(out, ours="ifr", draws=999, jobs=2).records == one.records
    other = exp2proc.compare(out, ours="ifr", draws=999, seed=1)
    assert [row.difference for row in other.rows] == [row.difference for row in one.rows]
    assert other.records != one.records


def test_every_format_has_the_numbers(out: Path, tmp_path: Path) -> None:
    words = ("compare", out, "--ours", "ifr_multi_hop_both", "--score", "recovery")
    data = json.loads(run_cli(*words, "--format", "json").stdout)
    assert (data["ours"], data["better"], data["draws"]) == ("ifr_multi_hop_both", "higher", 50000)
    rows = list(csv.DictReader(io.StringIO(run_cli(*words, "--format", "csv").stdout)))
    assert list(rows[0]) == ["ours", "score", *record_fields()]
    for row, told in zip(rows, data["rows"], strict=True):
        assert {key: row[key] for key in told} == {
            key: "" if value is None else str(value) for key, value in told.items()
        }
    whole = [row for row in data["rows"] if row["tercile"] == "all"]
    texts = {how: run_cli(*words, "--format", how).stdout for how in ("markdown", "latex", "table")}
    for row in whole:
        for text in texts.values():
            assert f"{row['difference']:+.3f} [{row['ci_low']:+.3f}, {row['ci_high']:+.3f}]" in text
            assert f"{row['wins']}/{row['ties']}/{row['losses']}" in text
    log = set_in_an_article(texts["latex"], tmp_path)
    assert "Overfull" not in log


def test_tables_fit_a_terminal_of_80_columns(out: Path) -> None:
    lines = on_a_terminal(80, "compare", out, "--ours", "ifr_multi_hop_both")
    assert any("CoT" in line for line in lines)
    assert max(map(len, lines)) <= 80


def test_a_file_that_is_no_sample_costs_its_own_pair(out: Path) -> None:
    (out / "math/q-8B/IG_mfaithfulness_gen_7ex/ex_000005.npz").write_bytes(b"x")
    done = run_cli("compare", out / "math", "--ours", "ifr_multi_hop_both", "--format", "json")
    assert done.returncode == 1
    assert "ex_000005.npz" in done.stderr
    row = json.loads(done.stdout)["rows"][0]
    assert (row["method"], row["n"], row["only_ours"]) == ("IG", 3, 2)
    with pytest.raises(exp2proc.Exp2procError, match=r"ex_000005\.npz"):
        exp2proc.compare(out, ours="ifr_multi_hop_both")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--ours", "nonsense"), "no run is called 'nonsense'"),
        (("--ours", "ifr", "--with", "nonsense"), "no run is called 'nonsense'"),
        (("--ours", "ifr", "--with", "ifr_n1"), "no example is of ifr and another method"),
        (("--ours", "ifr", "--score", "ap"), "invalid choice"),
    ],
)
def test_what_cannot_be_compared_is_refused(out: Path, words: tuple[str, ...], says: str) -> None:
    done = run_cli("compare", out, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_lone_method_is_refused(out: Path) -> None:
    lone = out / "math/q-8B/IG_mfaithfulness_gen_7ex"
    done = run_cli("compare", lone, "--ours", "IG")
    assert done.returncode == 2
    assert "nothing that IG could be compared with" in done.stderr


def test_scipy_is_missed_with_its_extra(out: Path, tmp_path: Path) -> None:
    hidden = tmp_path / "site"
    (hidden / "scipy").mkdir(parents=True)
    (hidden / "scipy/__init__.py").write_text("raise ImportError('hidden by a test')")
    for words in (("compare", "--ours", "ifr"), ("summary", "--spread", "ci95")):
        done = run_cli(*words, out, env=import_first(hidden))
        assert (done.returncode, done.stdout) == (2, "")
        assert "missing-extra" in done.stderr
        assert "exp2proc[stats]" in done.stderr
