"""A sample whose `tok` holds numbers that are no characters: every reader says so in a line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.cli import run_cli
from support.exported import write_export

import exp2proc


@pytest.fixture(params=["<", ">"])
def out(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    run = tmp_path / "out/math/qwen-8B/ifr_n1_2ex"
    write_export(run / "ex_000000.npz", ["a", "b"])
    bad = write_export(run / "ex_000001.npz", ["a", "b"])
    with np.load(bad) as npz:
        arrays = dict(npz)
    codes = np.array([0x61, 0x110000], f"{request.param}u4")
    arrays["tok"] = codes.view(f"{request.param}U1")
    np.savez_compressed(bad, **arrays)
    return tmp_path / "out"


def test_the_last_character_of_all_is_one(tmp_path: Path) -> None:
    path = write_export(tmp_path / "ex_000000.npz", ["\U0010ffff", ""])
    assert exp2proc.load_sample(path).tokens_in == ["\U0010ffff", ""]


def test_each_reader_says_it(out: Path, tmp_path: Path) -> None:
    path = next(out.rglob("ex_000001.npz"))
    says = f"{path}: tok holds 0x110000, which is no character"
    done = run_cli("show", path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"exp2proc: sample-invalid: {says}\nhint: ")
    done = run_cli("check", out)
    assert (done.returncode, "sample-invalid (1)" in done.stdout) == (1, True)
    for command, target in (("gallery", "site"), ("pack", "x.parquet")):
        if command == "pack":
            pytest.importorskip("pyarrow")
        done = run_cli(command, out, "-o", tmp_path / target)
        assert (done.returncode, says in done.stderr) == (1, True), done
        assert done.stderr.count("\n") == 1
    told: list[exp2proc.Exp2procError] = []
    read = list(exp2proc.iter_samples(out, on_error=lambda _, err: told.append(err)))
    assert (len(read), [err.message for err in told]) == (1, [says])
