"""The table of papers, next to what pandas and scipy make of the same samples."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.cli import run_cli
from support.exported import NAN, write_export
from support.latex import set_in_an_article

import exp2proc

DATASETS = ("math", "morehopqa", "niah_mq_q2")
METHODS = ("IG", "attnlrp_negdrop_normnorm", "ifr_n1", "ifr_multi_hop_n1", "ifr_multi_hop_both_n1")
"""Sorted by method."""
KEYS = ("rise", "mas", "recovery")
BETTER: dict[str, Callable[..., Any]] = {"rise": min, "mas": min, "recovery": max}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """5 methods on 3 datasets; faithfulness and Recovery of niah are of two runs each."""
    rng = np.random.default_rng(5)
    root = tmp_path / "out"
    for dataset in DATASETS:
        size = 6 if dataset == "math" else 4
        modes = ["faithfulness_gen"] + ["recovery_ruler"] * dataset.startswith("niah")
        for method in METHODS:
            for mode in modes:
                run = root / f"data/{dataset}.jsonl/q_8B/{method}_m{mode}_{size}ex"
                for number in range(size):
                    values = [float(value) for value in rng.uniform(0, 1, 3)]
                    if mode == "faithfulness_gen":
                        values[2] = NAN
                    else:
                        values[:2] = NAN, NAN
                        values[2] = NAN if number == 0 else values[2]
                    scores = (values[0], values[1], values[2])
                    write_export(run / f"ex_{number:06d}.npz", ["a"], scores=scores)
    return root


def by_pandas(out: Path) -> Any:
    """Mean, standard error, deviation and n by dataset and method."""
    pandas = pytest.importorskip("pandas")
    records = []
    for path in out.rglob("*.npz"):
        with np.load(path) as npz:
            scores = {key: float(npz[key]) for key in KEYS}
        dataset = path.parents[2].name.removesuffix(".jsonl")
        setting = path.parent.name.partition("_mfaith")[0].partition("_mrecov")[0]
        records.append({"dataset": dataset, "setting": setting, **scores})
    return pandas.DataFrame(records).groupby(["dataset", "setting"])


def wide(out: Path, *more: str) -> dict[str, Any]:
    done = run_cli("summary", out, "--wide", "--format", "json", *more)
    assert (done.returncode, done.stderr) == (0, "")
    data: dict[str, Any] = json.loads(done.stdout)
    return data


def test_cells_are_those_of_pandas(out: Path) -> None:
    special = pytest.importorskip("scipy.special")
    data, groups = wide(out, "--spread", "ci95"), by_pandas(out)
    assert data["datasets"] == {
        **{name: ["rise", "mas"] for name in DATASETS[:2]},
        DATASETS[2]: list(KEYS),
    }
    assert [row["run_tag"] for row in data["rows"]] == list(METHODS)
    for row in data["rows"]:
        for dataset, keys in data["datasets"].items():
            group = groups.get_group((dataset, row["run_tag"]))
            for key in keys:
                cell = row["cells"][dataset][key]
                n = int(group[key].count())
                assert cell["n"] == n
                assert cell["mean"] == pytest.approx(group[key].mean())
                assert cell["sem"] == pytest.approx(group[key].sem())
                assert cell["std"] == pytest.approx(group[key].std(ddof=0))
                assert cell["ci95"] == pytest.approx(
                    group[key].sem() * special.stdtrit(n - 1, 0.975)
                )
                assert not cell["partial"]


def test_first_and_second_are_marked(out: Path) -> None:
    data = wide(out)
    for dataset, keys in data["datasets"].items():
        for key in keys:
            cells = [row["cells"][dataset][key] for row in data["rows"]]
            order = sorted((c["mean"] for c in cells), reverse=BETTER[key] is max)
            assert [c["mean"] for c in cells if c["place"] == 1] == [order[0]]
            assert [c["mean"] for c in cells if c["place"] == 2] == [order[1]]
    text = run_cli("summary", out, "--wide", "--format", "markdown").stdout
    assert (text.count("**"), text.count("<ins>")) == (14, 7)
    tex = run_cli("summary", out, "--wide", "--format", "latex").stdout
    assert (tex.count(r"\textbf{"), tex.count(r"\underline{")) == (7, 7)


def test_csv_holds_the_same_numbers(out: Path) -> None:
    text = run_cli("summary", out, "--wide", "--format", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    for row, told in zip(rows, wide(out)["rows"], strict=True):
        assert row["label"] == told["label"]
        assert float(row["math mas mean"]) == told["cells"]["math"]["mas"]["mean"]
        assert int(row["niah_mq_q2 recovery n"]) == 3


def test_two_runs_that_differ_are_two_rows(out: Path) -> None:
    extra = out / "data/math.jsonl/q_8B/ifr_n1_mfaithfulness_gen_1ex/ex_000000.npz"
    write_export(extra, ["a"], scores=(0.5, 0.5, NAN))
    tags = [row["run_tag"] for row in wide(out)["rows"]]
    assert "ifr_n1" not in tags
    assert {"ifr_n1_mfaithfulness_gen_1ex", "ifr_n1_mfaithfulness_gen_6ex"} < set(tags)
    labels = [row["label"] for row in wide(out, "--label", "ifr=IFR")["rows"]]
    assert "IFR (ifr_n1_mfaithfulness_gen_1ex)" in labels


def test_rows_are_ordered_set_apart_and_named(out: Path) -> None:
    words: tuple[str, ...] = ("--ours", "ifr_multi_hop_both", "--ablation", "ifr_multi_hop_n1")
    words += ("--label", "ifr_multi_hop_both=Ours & all", "--order", "ifr,niah_mq_q2")
    data = wide(out, *words)
    assert [row["label"] for row in data["rows"]] == [
        *("ifr", "IG", "attnlrp", "Ours & all", "ifr_multi_hop")
    ]
    assert [row["role"] for row in data["rows"]] == ["", "", "", "ours", "ablation"]
    assert list(data["datasets"]) == ["niah_mq_q2", "math", "morehopqa"]
    tex = run_cli("summary", out, "--wide", "--format", "latex", *words).stdout
    first = tex[: tex.index(r"\bottomrule")]
    assert first.count(r"\midrule") == 3
    assert r"Ours \& all" in first
    long = run_cli("summary", out / "data/math.jsonl", "--format", "json", *words[:-2])
    assert [row["label"] for row in json.loads(long.stdout)["rows"]] == [
        *("IG", "attnlrp", "ifr", "Ours & all", "ifr_multi_hop")
    ]
    assert run_cli("summary", out, *words).returncode == 0


def test_a_group_is_the_samples_of_its_datasets_together(out: Path) -> None:
    pandas = pytest.importorskip("pandas")
    data, groups = wide(out, "--group", "QA=math,data/morehopqa.jsonl"), by_pandas(out)
    assert list(data["datasets"]) == ["QA", "niah_mq_q2"]
    for row in data["rows"]:
        some = [groups.get_group((name, row["run_tag"])) for name in DATASETS[:2]]
        both = pandas.concat(some)
        assert len(both) == 10
        for key in ("rise", "mas"):
            cell = row["cells"]["QA"][key]
            assert cell["n"] == 10
            assert cell["mean"] == pytest.approx(both[key].mean())
            assert cell["sem"] == pytest.approx(both[key].sem())


def test_a_group_counts_samples_of_two_runs_once_and_knows_partial_ones(out: Path) -> None:
    (out / "data/math.jsonl/q_8B/IG_mfaithfulness_gen_6ex/ex_000000.npz").unlink()
    rows = exp2proc.summary(out, groups={"all": DATASETS})
    assert [(row.run_tag, row.count) for row in rows] == [
        ("IG", "13 of 14"),
        *((name, "14") for name in METHODS[1:]),
    ]
    assert rows[0].estimates["recovery"].n == 3
    assert not rows[0].best
    (row,) = exp2proc.summary(out / "data/math.jsonl/q_8B/IG_mfaithfulness_gen_6ex", ours="IG")
    assert row.role == "ours"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--label", "nonsense=X"), "no run is called 'nonsense'"),
        (("--ours", "nonsense"), "no run is called 'nonsense'"),
        (("--ablation", "math"), "no run is called 'math'"),
        (("--group", "all=math,nonsense"), "no dataset is called 'nonsense'"),
        (("--order", "math,nonsense"), "no dataset or run is called 'nonsense'"),
        (("--group", "niah_mq_q2=math"), "called like a dataset outside it"),
        (("--group", "all="), "it may be NAME=VALUE"),
        (("--order", ","), "it may be names between commas"),
    ],
)
def test_names_that_nothing_has_are_refused(out: Path, words: tuple[str, str], says: str) -> None:
    for name in ("niah_mq_q2.jsonl",):  # in a path a group cannot be mistaken for it
        (out / "data" / name).rename(out / "niah_mq_q2")
    done = run_cli("summary", out, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr


@pytest.mark.parametrize("spread", ["sem", "std", "ci95", "none"])
def test_latex_is_set_within_the_lines_of_an_article(
    out: Path, tmp_path: Path, spread: str
) -> None:
    body = run_cli(
        *("summary", out, "--wide", "--format", "latex", "--spread", spread),
        *("--label", "ifr_multi_hop_both=A & B_C {100%}", "--ours", "ifr_multi_hop_both"),
    ).stdout
    log = set_in_an_article(body, tmp_path)
    assert "Overfull" not in log
    assert "Underfull" not in log


def test_many_long_names_are_set_within_the_lines_too(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for dataset in ("hotpotqa_long", "WWWW_MMMM", "variable_tracking_h10_c1", "a", "b", "c"):
        for method in ("perturbation_all_fast", "ifr_multi_hop_split_hop_n1"):
            path = out / dataset / "q" / f"{method}_2ex"
            for number in range(2):
                some = (-0.111 * number, 0.888, 0.0 if number else NAN)
                write_export(path / f"ex_{number:06d}.npz", ["a"], scores=some)
    body = run_cli("summary", out, "--wide", "--format", "latex").stdout
    assert body.count(r"\begin{tabular}") > 1
    assert "Overfull" not in set_in_an_article(body, tmp_path)


def test_long_latex_is_set(out: Path, tmp_path: Path) -> None:
    body = run_cli("summary", out, "--format", "latex", "--ours", "ifr_multi_hop_both").stdout
    assert r"\addlinespace" in body
    set_in_an_article(body, tmp_path)


def test_the_terminal_s_tables_fit_80_columns(out: Path) -> None:
    from rich.console import Console

    from exp2proc.exports.wide import wide_table
    from exp2proc.terminal.scores import wide_tables

    stream = io.StringIO()
    rows = exp2proc.summary(out, ours=["ifr_multi_hop_both"])
    Console(file=stream, width=80).print(wide_tables(wide_table(rows)))
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert stream.getvalue().count("±") >= 7 * 5
    assert any("second of its dataset" in line for line in lines)


def test_partial_runs_are_in_brackets_and_have_no_place(out: Path) -> None:
    run = out / "data/math.jsonl/q_8B/perturbation_all_mfaithfulness_gen_6ex"
    write_export(run / "ex_000000.npz", ["a"], scores=(0.0, 0.0, NAN))
    text = run_cli("summary", out, "--wide", "--format", "markdown").stdout
    assert "[0.000 (1)]" in text
    assert "in brackets" in text
    row = next(row for row in wide(out)["rows"] if row["method"] == "perturbation_all")
    assert (row["cells"]["math"]["mas"]["partial"], row["cells"]["math"]["mas"]["place"]) == (
        True,
        None,
    )


def test_spreads_on_the_long_table(out: Path) -> None:
    group = by_pandas(out).get_group(("math", "IG"))["mas"]
    for spread, width in (("sem", group.sem()), ("std", group.std(ddof=0))):
        text = run_cli("summary", out / "data/math.jsonl", "--spread", spread).stdout
        line = next(line for line in text.splitlines() if " IG " in line)
        assert f"{group.mean():.3f} ± {width:.3f}" in line
    text = run_cli("summary", out, "--spread", "none").stdout
    assert "±" not in text
    text = run_cli("summary", out, "--spread", "ci95", "--format", "csv").stdout
    assert float(next(csv.DictReader(io.StringIO(text)))["mas_ci95"]) > group.sem()
