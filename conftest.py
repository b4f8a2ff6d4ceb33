"""What tests and the examples in docstrings have in common."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing here touches the user's cache."""
    os.environ["EXP2PROC_CACHE_DIR"] = str(tmp_path_factory.mktemp("cache"))
    yield
    del os.environ["EXP2PROC_CACHE_DIR"]


@pytest.fixture(scope="session")
def _examples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What examples may name: the tree of `exp2proc demo`, its export, a folder to write to."""
    import exp2proc
    from exp2proc.demo.tree import write_tree

    demo = write_tree(tmp_path_factory.mktemp("demo"))
    exp2proc.convert(
        traces_root=demo.traces,
        data_root=demo.data,
        tokenizer_model=demo.tokenizer,
        out_root=demo.out,
    )
    return {"exp2proc": exp2proc, "demo": demo}


_NEEDS = {
    "compare": "scipy",
    "figure": "matplotlib",
    "pack": "pyarrow",
    "to_frame": "pandas",
    "unpack": "pyarrow",
}
"""Functions and methods whose examples need an extra, and what it installs."""


@pytest.fixture(autouse=True)
def _names(request: pytest.FixtureRequest) -> None:
    if isinstance(request.node, pytest.DoctestItem):
        if library := _NEEDS.get(request.node.name.rpartition(".")[2]):
            pytest.importorskip(library, reason="the example needs an extra")
        names = request.getfixturevalue("doctest_namespace")
        names |= request.getfixturevalue("_examples")
        names["folder"] = Path(request.getfixturevalue("tmp_path"))
