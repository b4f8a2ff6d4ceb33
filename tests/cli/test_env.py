"""`exp2proc env`: what a bug report needs."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path

from support.cli import run_cli, run_json

import exp2proc


def test_what_it_tells(tmp_path: Path) -> None:
    variables = {"EXP2PROC_CACHE_DIR": str(tmp_path / "cache"), "EXP2PROC_CACHE_MB": "7"}
    found = run_json("env", env=variables)
    assert (found["exp2proc"], found["python"]) == (
        *(exp2proc.__version__, platform.python_version()),
    )
    for name in ("numpy", "transformers", "tokenizers", "joblib", "rich"):
        assert found["packages"][name] == version(name)
    assert {*found["codecs"]} == {"texts", "vectors"}
    assert 1 <= found["cores"]["usable"] <= found["cores"]["machine"]
    cache = found["cache"]
    assert Path(cache["path"]).parent == tmp_path / "cache"
    assert (cache["entries"], cache["limit"]) == (0, 7 << 20)
    assert {"dask", "ray", "parquet", "frames", "stats", "torch", "figures"} <= {*found["extras"]}
    assert variables.items() <= found["variables"].items()


def test_the_codec_that_is_used() -> None:
    found = run_json("env", env={"EXP2PROC_DEFLATE": "zlib"}, fresh=True)
    assert found["codecs"] == {"texts": "zlib", "vectors": "zlib"}


def test_people_are_told_the_same() -> None:
    found, told = run_json("env"), run_cli("env").stdout
    assert max(map(len, told.splitlines())) <= 80 or "/" in max(told.splitlines(), key=len)
    for name in (*found["packages"], found["platform"], found["cache"]["path"]):
        assert name in told
    for extra, packages in found["extras"].items():
        assert f"[{extra}]" in told
        for package, of in packages.items():
            assert f"{package} {of or 'missing'}" in " ".join(told.split())
