"""Python files that lie where the command is run are no part of it, in none of its processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.cli import run_cli, run_json
from support.extras import needs

from exp2proc.demo.tree import DemoTree

_ENGINES = (
    "loky",
    pytest.param("dask", marks=[needs("dask"), pytest.mark.cluster]),
    pytest.param("ray", marks=[needs("ray"), pytest.mark.cluster]),
)
_LIBRARIES = ("attr", "cloudpickle", "joblib", "msgpack", "numpy", "psutil", "tokenizers")
_PYTHONS_OWN = frozenset(
    (
        *("collections", "contextlib", "copyreg", "enum", "functools", "importlib", "keyword"),
        *("operator", "pkgutil", "re", "reprlib", "runpy", "types", "typing", "warnings"),
        *("weakref", "sre_compile", "sre_constants", "sre_parse"),  # these before Python 3.11
    )
)
"""What `python -m` itself imports, from the working directory first, before any of our lines."""

_SWITCH = sys.version_info >= (3, 11)
"""Python 3.10 cannot be told to leave the working directory off the path."""


def _namesakes(folder: Path, *, leave_out: frozenset[str] = frozenset()) -> Path:
    """A module of the user's for every name that Python and libraries have; they tell of imports.

    Returns:
        The file that they write to.
    """
    told = folder / "executed"
    names = {name for name in sys.stdlib_module_names if not name.startswith("_")} - leave_out
    for name in (*names, *_LIBRARIES):
        (folder / f"{name}.py").write_text(
            f"import sys\nopen({str(told)!r}, 'a').write(f'{{__name__}} {{sys.orig_argv}}\\n')\n"
            "raise ImportError('a file of the user was executed')\n"
        )
    return told


@pytest.mark.parametrize("backend", _ENGINES)
def test_no_worker_executes_them(demo: DemoTree, tmp_path: Path, backend: str) -> None:
    """Also: a cluster that is started for a command does all of its work."""
    folder = tmp_path / "here"
    folder.mkdir()
    told = _namesakes(folder) if _SWITCH else folder / "none"
    done = run_cli(
        *("convert", "--traces_root", demo.traces, "--tokenizer_model", demo.tokenizer),
        *("--out_root", tmp_path / "out", "--jobs", "2", "--backend", backend),
        cwd=folder,
    )
    assert not told.exists(), told.read_text()
    # where it takes long, there is a line of progress, too
    noise = [line for line in done.stderr.splitlines() if " of 96 rows, " not in line]
    assert (done.returncode, noise) == (0, [])
    assert "96 of 96 rows done" in done.stdout


def test_python_m_does_not_execute_them(demo: DemoTree, tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    told = _namesakes(folder, leave_out=_PYTHONS_OWN)
    words = ("--layout", "proc_1", "--out_root", tmp_path / "out", "--jobs", "1")
    report = run_json("convert", "--traces_root", demo.traces, *words, cwd=folder, fresh=True)
    assert not told.exists(), told.read_text()
    assert report["counts"]["converted"] == 96


@pytest.mark.parametrize("backend", _ENGINES)
def test_what_a_program_finds_there_its_workers_find(tmp_path: Path, backend: str) -> None:
    """And its own environment is left as it was."""
    (tmp_path / "mine.py").write_text("def twice(number):\n    return 2 * number\n")
    program = (
        "import os, mine\n"
        "from exp2proc.engines import open_engine\n"
        "from exp2proc.engines.choice import EngineChoice\n"
        "from exp2proc.engines.each import each\n"
        "before = dict(os.environ)\n"
        f"with open_engine(EngineChoice({backend!r}, jobs=2)) as engine:\n"
        "    print(list(each(mine.twice, range(8), engine, seconds=9, batch=1)))\n"
        "print({*os.environ} - {*before} - {'RAY_USAGE_STATS_ENABLED', 'PYTHONHASHSEED'})\n"
    )
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[0] == str([0, 2, 4, 6, 8, 10, 12, 14]), done.stderr
    assert "PYTHONSAFEPATH" not in done.stdout
