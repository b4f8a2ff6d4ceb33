"""The table of scores: NaN absent, the best marked, every format readable by its own reader."""

from __future__ import annotations

import csv
import io
import json
import math
import statistics
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cli import run_cli
from support.exported import NAN, write_export

from exp2proc.exports.scores import estimate, record_fields
from exp2proc.formats.names import short_datasets


@given(st.lists(st.one_of(st.just(NAN), st.floats(-1e6, 1e6)), max_size=20))
def test_estimate_is_over_what_is_there(values: list[float]) -> None:
    present = [value for value in values if value == value]
    found = estimate(values)
    assert found.n == len(present)
    if not present:
        assert (found.mean, found.sem) == (None, None)
        return
    assert found.mean == pytest.approx(statistics.fmean(present))
    if len(present) > 1:
        sem = statistics.stdev(present) / math.sqrt(len(present))
        assert found.sem == pytest.approx(sem, abs=1e-9)
    else:
        assert found.sem is None


def test_short_names_only_where_they_tell_apart() -> None:
    assert short_datasets(["exp/data/math.jsonl", "needles"]) == {
        "exp/data/math.jsonl": "math",
        "needles": "needles",
    }
    assert short_datasets(["a/math.jsonl", "b/math"])["b/math"] == "b/math"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Two methods, one of them in two settings; MAS of one sample and all Recovery absent."""
    root = tmp_path / "out"
    runs = {
        "attnlrp_negdrop_normnorm_mfaithfulness_gen_2ex": (0.5, 0.9),
        "ifr_n1_mfaithfulness_gen_2ex": (0.3, 0.2),
        "ifr_n2_mfaithfulness_gen_2ex": (0.4, NAN),
    }
    for run_tag, (rise, mas) in runs.items():
        for number in range(2):
            path = root / "ma_th.jsonl/q&8B" / run_tag / f"ex_{number:06d}.npz"
            write_export(path, ["a"], scores=(rise + number / 10, mas, NAN))
    write_export(root / "solo/q&8B/ifr_n1_1ex/ex_000000.npz", ["a"], scores=(1, 1, 1))
    return root


def records(out: Path) -> list[dict[str, object]]:
    done = run_cli("summary", out, "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    data = json.loads(done.stdout)
    assert data["better"] == {"rise": "lower", "mas": "lower", "recovery": "higher"}
    rows: list[dict[str, object]] = data["rows"]
    return rows


def test_json_and_csv_agree(out: Path) -> None:
    rows = records(out)
    done = run_cli("summary", out, "--format", "csv")
    read = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [tuple(row) for row in read] == [record_fields()] * 4
    for a, b in zip(read, rows, strict=True):
        assert a == {key: "" if value is None else str(value) for key, value in b.items()}


def test_programs_get_the_dataset_s_path_beside_its_name(out: Path) -> None:
    write_export(out / "deep/er/niah.jsonl/q&8B/ifr_n1_1ex/ex_000000.npz", ["a"])
    assert {(row["dataset"], row["dataset_path"]) for row in records(out)} == {
        ("ma_th", "ma_th.jsonl"),
        ("niah", "deep/er/niah.jsonl"),
        ("solo", "solo"),
    }


def test_rows_are_runs_and_the_best_is_marked(out: Path) -> None:
    rows = records(out)
    assert [row["run_tag"] for row in rows][1:3] == [
        "ifr_n1_mfaithfulness_gen_2ex",
        "ifr_n2_mfaithfulness_gen_2ex",
    ]
    assert [row["rise_best"] for row in rows] == [False, True, False, False]
    assert [row["mas_best"] for row in rows] == [False, True, False, False]
    first, _, third, solo = rows
    assert first["rise_mean"] == pytest.approx(0.55)
    assert first["rise_sem"] == pytest.approx(0.05)
    assert (third["mas_mean"], third["mas_sem"], third["mas_n"]) == (None, None, 0)
    assert (third["recovery_mean"], third["recovery_n"]) == (None, 0)
    # a row that has no rival is not the best of anything
    assert (solo["recovery_mean"], solo["recovery_sem"], solo["recovery_best"]) == (
        1.0,
        None,
        False,
    )


def test_table_on_screen(out: Path) -> None:
    done = run_cli("summary", out)
    assert "lower is better" in done.stdout
    assert "Recovery@10% ↑" in done.stdout
    starred = [line for line in done.stdout.splitlines() if "*" in line and "±" in line]
    assert any("ifr_n1_mfaithfulness_gen_2ex" in line for line in starred)
    assert not any("attnlrp" in line for line in starred)


def narrow(out: Path) -> str:
    """The table on a terminal of 80 columns."""
    from rich.console import Console

    from exp2proc.exports.find import find_sources
    from exp2proc.exports.scores import score_rows
    from exp2proc.formats.sample import load_scores
    from exp2proc.terminal.scores import score_tables

    rows = score_rows((source, load_scores(source.path)) for source in find_sources(out))
    stream = io.StringIO()
    Console(file=stream, width=80).print(score_tables(rows))
    return stream.getvalue()


def test_table_fits_a_narrow_terminal(out: Path) -> None:
    text = narrow(out)
    assert max(map(len, text.splitlines())) <= 80
    for shown in ("ma_th · q&8B", "0.550 ± 0.050", "0.900 ± 0.000", "Recovery@10% ↑", "solo"):
        assert shown in text


@pytest.fixture
def partial(out: Path) -> Path:
    """Beside whole runs one that was cut, with the best scores, and one whose name says no size."""
    run = out / "ma_th.jsonl/q&8B"
    write_export(run / "ifr_all_positions_100ex/ex_000000.npz", ["a"], scores=(0, 0, 1))
    write_export(run / "perturbation_all_fast/ex_000000.npz", ["a"], scores=(0.6, 0.8, NAN))
    return out


def test_partial_runs_are_marked_and_never_best(partial: Path) -> None:
    rows = {str(row["run_tag"]): row for row in records(partial)}
    cut = rows["ifr_all_positions_100ex"]
    assert (cut["samples"], cut["promised"], cut["partial"]) == (1, 100, True)
    assert not any(cut[f"{key}_best"] for key in ("rise", "mas", "recovery"))
    best = rows["ifr_n1_mfaithfulness_gen_2ex"]
    assert (best["promised"], best["partial"], best["rise_best"]) == (2, False, True)
    silent = rows["perturbation_all_fast"]
    assert (silent["samples"], silent["promised"], silent["partial"]) == (1, None, False)
    csv_rows = csv.DictReader(io.StringIO(run_cli("summary", partial, "--format", "csv").stdout))
    assert ["1", "100", "True"] in [[r["samples"], r["promised"], r["partial"]] for r in csv_rows]
    for how, count in (
        ("table", "1 of 100  "),
        ("markdown", "| 1 of 100 |"),
        ("latex", "& 1 of 100 &"),
    ):
        text = run_cli("summary", partial, "--format", how).stdout
        assert count in text
        assert "Partial runs (4 of 8 samples) are never best" in " ".join(text.split())


def test_a_table_of_partial_runs_fits_too(partial: Path) -> None:
    text = narrow(partial)
    assert max(map(len, text.splitlines())) <= 80
    for shown in ("1 of 100", "0.550 ± 0.050", "0.900 ± 0.000", "Recovery@10% ↑"):
        assert shown in text


def test_whole_runs_have_no_word_of_partial_ones(out: Path) -> None:
    assert "artial" not in run_cli("summary", out).stdout


def test_markdown_has_one_shape(out: Path) -> None:
    done = run_cli("summary", out, "--format", "markdown")
    table = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert len(table) == 2 + 4
    assert {line.replace("\\|", "").count("|") for line in table} == {8}
    assert "**0.350 ± 0.050 (2)**" in table[3]
    assert "ma\\_th" in table[2]


def test_latex_is_escaped(out: Path) -> None:
    done = run_cli("summary", out, "--format", "latex")
    body = [line for line in done.stdout.splitlines() if line.endswith(r"\\")]
    assert {line.replace(r"\&", "").count("&") for line in body} == {6}
    assert r"ma\_th & q\&8B" in done.stdout
    assert r"\textbf{0.350}" in done.stdout


_HOSTILE = "e\x1b[31m\x7f\x9b2J\u202e\r\n\u2028"
_FORMULAS = ("=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\uff1d1", "=e\x1b[31m")


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """Names that would steer a terminal, break a cell or be computed by a spreadsheet."""
    root = tmp_path / "out"
    for model in (_HOSTILE, *_FORMULAS):
        path = root / "[=d" / model / "ifr_n1_1ex/ex_000000.npz"
        write_export(path, ["a"], scores=(-0.5, 0.5, NAN))
    return root


@pytest.mark.parametrize("wide", [(), ("--wide",)], ids=["long", "wide"])
@pytest.mark.parametrize("form", ["table", "csv", "json", "markdown", "latex"])
def test_no_name_steers_the_terminal(hostile: Path, form: str, wide: tuple[str, ...]) -> None:
    done = run_cli("summary", hostile, "--format", form, *wide)
    assert (done.returncode, done.stderr) == (0, "")
    assert {char for char in done.stdout if not char.isprintable()} == {"\n"}


@pytest.mark.parametrize("form", ["table", "csv", "json", "markdown", "latex"])
def test_no_name_steers_the_terminal_in_a_comparison(hostile: Path, form: str) -> None:
    pytest.importorskip("scipy")
    for name in (_HOSTILE, "=1+1"):
        write_export(hostile / "[=d" / name / f"{name}_1ex/ex_000000.npz", ["a"], scores=(0, 0, 0))
    done = run_cli("compare", hostile, "--ours", "ifr", "--format", form)
    assert (done.returncode, done.stderr) == (0, "")
    assert {char for char in done.stdout if not char.isprintable()} == {"\n"}
    if form == "csv":
        assert "'=1+1" in done.stdout


def test_json_keeps_names_as_they_are(hostile: Path) -> None:
    text = run_cli("summary", hostile, "--format", "json").stdout
    assert text.isascii()
    assert {row["model"] for row in json.loads(text)["rows"]} == {_HOSTILE, *_FORMULAS}


def test_csv_holds_no_formula(hostile: Path) -> None:
    text = run_cli("summary", hostile, "--format", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    assert sorted(row["model"] for row in rows) == sorted(
        [
            r"e\x1b[31m\x7f\x9b2J\u202e\r\n\u2028",
            *("'=1+1", "'+1", "'-1", "'@x", r"\t=1", r"\r=1", "'\uff1d1", r"'=e\x1b[31m"),
        ]
    )
    assert {row["dataset"] for row in rows} == {"[=d"}
    assert {row["rise_mean"] for row in rows} == {"-0.5"}  # a number stays one


def test_latex_names_are_no_options_of_a_line(hostile: Path) -> None:
    """A bracket or a star behind the end of a line would belong to it."""
    lines = run_cli("summary", hostile, "--format", "latex").stdout.splitlines()
    rows = [line for line in lines if line.endswith(r" \\")][1:]
    assert len(rows) == 9
    assert all(row.startswith("{[}=d & ") for row in rows)


def test_markdown_spells_what_it_escapes(hostile: Path) -> None:
    text = run_cli("summary", hostile, "--format", "markdown").stdout
    assert r"| e\\x1b\[31m\\x7f\\x9b2J\\u202e\\r\\n\\u2028 |" in text


def test_published_samples(reference: Path) -> None:
    done = run_cli("summary", reference / "expected", "--format", "json")
    (row,) = json.loads(done.stdout)["rows"]
    rise = [float(np.load(path)["rise"]) for path in (reference / "expected").glob("*.npz")]
    assert row["rise_n"] == row["samples"] == 60
    assert row["rise_mean"] == pytest.approx(np.mean(rise))
    assert row["rise_sem"] == pytest.approx(np.std(rise, ddof=1) / math.sqrt(60))
    assert row["recovery_mean"] is None
