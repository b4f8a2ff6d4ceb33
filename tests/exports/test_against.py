"""An export next to the CSVs that exp2 wrote itself."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.cli import run_cli

CSV = "niah_mini/qwen-8B/ft_attnlrp_8_examples.csv"


@pytest.fixture
def exp2(reference: Path, tmp_path: Path) -> Path:
    """exp2's CSVs, to be changed."""
    for kind in ("faithfulness", "recovery"):
        shutil.copytree(reference / "genuine/exp/exp2/output" / kind, tmp_path / "output" / kind)
    return tmp_path / "output"


def against(reference: Path, exp2: Path, code: int, out: str = "") -> dict[str, Any]:
    export = reference / "genuine/expected/proc_1" / out
    done = run_cli("summary", export, "--against", exp2, "--format", "json")
    assert (done.returncode, done.stderr) == (code, "")
    found: dict[str, Any] = json.loads(done.stdout)["against"]
    return found


def states(found: dict[str, Any]) -> dict[str, int]:
    counted: dict[str, int] = {}
    for one in found["scores"]:
        counted[one["state"]] = counted.get(one["state"], 0) + 1
    return counted


def test_the_experiment_s_own_means(reference: Path, exp2: Path) -> None:
    found = against(reference, exp2, 0)
    assert states(found) == {"same": 26, "no-csv": 7}
    assert (found["no_export"], found["unreadable"]) == ([], [])
    hub = [one for one in found["scores"] if one["model"] == "Qwen/Qwen3-8B"]
    assert [(one["state"], one["exp2_n"]) for one in hub] == [("same", 4), ("no-csv", None)]


def test_a_mean_that_differs(reference: Path, exp2: Path) -> None:
    path = exp2 / "faithfulness" / CSV
    path.write_text(
        path.read_text().replace("Row Attr Scores Mean,0.0,0.18", "Row Attr Scores Mean,0.0,0.19")
    )
    found = against(reference, exp2, 1)
    assert states(found) == {"same": 25, "differs": 1, "no-csv": 7}
    (one,) = (one for one in found["scores"] if one["state"] == "differs")
    assert (one["score"], one["file"]) == ("mas", f"faithfulness/{CSV}")
    assert one["exp2_mean"] - one["mean"] == pytest.approx(0.01)
    export = reference / "genuine/expected/proc_1"
    for words in ((), ("--wide",), ("--format", "csv")):
        done = run_cli("summary", export, "--against", exp2, *words)
        told = done.stderr if words[:1] == ("--format",) else done.stdout
        assert done.returncode == 1
        assert "25 scores as exp2 wrote them, 1 different, 7 without a CSV" in told
        assert "0.19109" in told
        assert "no CSV of exp2: dup/" in told


def test_spreads_and_counts_count_too(reference: Path, exp2: Path) -> None:
    path = exp2 / "recovery" / CSV
    path.write_text(path.read_text().replace("Examples Used,7", "Examples Used,8"))
    other = exp2 / "recovery/niah_mini/qwen-8B/attnlrp_8_examples.csv"
    other.write_text(
        other.read_text().replace("Row Attr Recovery Std,0.0", "Row Attr Recovery Std,0.1")
    )
    found = against(reference, exp2, 1)
    differing = sorted(one["run_tag"] for one in found["scores"] if one["state"] == "differs")
    assert [tag.split("_m")[0] for tag in differing] == [
        "attnlrp_negdrop_normnorm",
        *["ft_attnlrp_n2_negdrop_normnorm"] * 2,
    ]


def test_a_csv_of_another_run_of_the_method(reference: Path, exp2: Path, tmp_path: Path) -> None:
    """Two runs of as many examples write one file: the last one's is no sign against it."""
    export = tmp_path / "out/niah_mini/qwen-8B"
    source = reference / "genuine/expected/proc_1/niah_mini/qwen-8B"
    shutil.copytree(
        source / "ft_attnlrp_n2_negdrop_normnorm_mrecovery_ruler_8ex",
        export / "ft_attnlrp_n2_negdrop_normnorm_mrecovery_ruler_8ex",
    )
    shutil.copytree(
        source / "attnlrp_negdrop_normnorm_mrecovery_ruler_8ex",
        export / "ft_attnlrp_n1_negdrop_normnorm_mrecovery_ruler_8ex",
    )
    done = run_cli("summary", tmp_path / "out", "--against", exp2, "--format", "json")
    found = json.loads(done.stdout)["against"]
    assert (done.returncode, states(found)) == (0, {"other-run": 1, "same": 1})
    assert len(found["no_export"]) == 14
    done = run_cli("summary", tmp_path / "out", "--against", exp2)
    assert "1 whose CSV is of another run of the method" in done.stdout
    assert "no sample here: recovery/niah_mini/Qwen/Qwen3-8B/attnlrp_4_examples.csv" in done.stdout


def test_the_published_layout_s_short_names(reference: Path, exp2: Path, tmp_path: Path) -> None:
    run = "ifr_multi_hop_n2_mfaithfulness_gen_8ex"
    source = next((reference / "genuine/expected/proc_1").rglob(run))
    shutil.copytree(source, tmp_path / "data/morehopqa/qwen-8B/ifr_multi_hop_n2")
    done = run_cli("summary", tmp_path / "data", "--against", exp2, "--format", "json")
    found = json.loads(done.stdout)["against"]
    assert (done.returncode, states(found)) == (0, {"same": 2})


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no table of exp2"),
        (b"Method,RISE,MAS\n", "no table of exp2"),
        (b"Method,RISE,MAS\nRow Attr Scores Mean,x,1\n", "a number of it is none"),
        (b"Method,RISE,MAS\nRow Attr Scores Mean,1\n", "a number of it is none"),
        (b"\xff\xfe", "utf-8"),
        (b"x" * (1 << 17), "larger than"),
    ],
)
def test_damaged_csvs_are_named(reference: Path, exp2: Path, content: bytes, why: str) -> None:
    (exp2 / "faithfulness" / CSV).write_bytes(content)
    found = against(reference, exp2, 1)
    (told,) = found["unreadable"]
    assert told["file"] == f"faithfulness/{CSV}"
    assert why in told["why"]


def test_a_folder_without_csvs_is_refused(reference: Path, tmp_path: Path) -> None:
    done = run_cli("summary", reference / "genuine/expected/proc_1", "--against", tmp_path)
    assert done.returncode == 2
    assert "holds no CSV of exp2" in done.stderr
    assert "Traceback" not in done.stderr
