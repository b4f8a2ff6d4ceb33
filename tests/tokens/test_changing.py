"""A tokenizer that changes while it is loaded, and entries of the cache that are none."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from support.arrays import assert_same_npz
from support.cli import import_first, run_json

from exp2proc.demo.tree import DemoTree, save_tokenizer
from exp2proc.tokens.cache import Cache, alignment_key
from exp2proc.tokens.pieces import Alignment, align
from exp2proc.tokens.tokenizer import fingerprint, load_tokenizer
from exp2proc.traces.datasets import Text

_SWAP = """
import importlib.abc, os, shutil, sys

class Swap(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "transformers":
            sys.meta_path.remove(self)
            shutil.copy(os.environ["NEW_TOKENIZER"], os.environ["OLD_TOKENIZER"])
        return None

if "NEW_TOKENIZER" in os.environ:
    sys.meta_path.insert(0, Swap())
"""
"""As sitecustomize: a file is replaced in the moment in which transformers is imported."""


@pytest.mark.thorough
@pytest.mark.process
def test_replaced_while_transformers_is_imported(demo: DemoTree, tmp_path: Path) -> None:
    """What the new files gave is not remembered as if the old ones had given it."""
    folder = tmp_path / "tokenizer"
    shutil.copytree(demo.tokenizer, folder)
    backend = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    backend.post_processor = tokenizers.processors.ByteLevel(trim_offsets=True)
    save_tokenizer(backend, tmp_path / "new")
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(_SWAP)
    words = (
        *("convert", "--traces_root", demo.traces / "needles", "--data_root", demo.data),
        *("--tokenizer_model", folder),
    )
    env = {"EXP2PROC_CACHE_DIR": str(tmp_path / "cache")}
    racing = {
        **env,
        **import_first(site),
        "NEW_TOKENIZER": str(tmp_path / "new/tokenizer.json"),
        "OLD_TOKENIZER": str(folder / "tokenizer.json"),
    }
    raced = run_json(*words, "--out_root", tmp_path / "raced", env=racing, fresh=True)
    for run in raced["runs"]:
        (warning,) = run["warnings"]
        assert warning["code"] == "tokenizer-changed"
        assert f"{folder} changed while it was loaded" in warning["message"]

    shutil.copy(demo.tokenizer / "tokenizer.json", folder / "tokenizer.json")
    later = run_json(*words, "--out_root", tmp_path / "later", env=env)
    assert not any(run["warnings"] for run in later["runs"])
    right = run_json(*words, "--out_root", tmp_path / "right", "--no_cache")
    assert later["counts"] == right["counts"]
    for path in (tmp_path / "right").rglob("*.npz"):
        assert_same_npz(tmp_path / "later" / path.relative_to(tmp_path / "right"), path)


def test_a_process_that_loads_by_name_finds_what_was_planned(demo: DemoTree) -> None:
    """Or says so: its pieces would be another tokenizer's than those of the others."""
    from exp2proc.errors import Exp2procError
    from exp2proc.tokens.aligner import Tokenizers, TokenizerSource

    name = str(demo.tokenizer)
    planned = fingerprint(name)
    assert load_tokenizer(name).fingerprint == planned
    assert Tokenizers([TokenizerSource(name, planned, None, planned)])[0].eos_token
    backend = tokenizers.Tokenizer.from_file(f"{name}/tokenizer.json")
    save_tokenizer(backend, demo.tokenizer, "<|im_start|>")
    with pytest.raises(Exp2procError, match="changed since the run was planned"):
        Tokenizers([TokenizerSource(name, planned, None, planned)])[0]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Alignment:
    from exp2proc.demo.tree import train_tokenizer

    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer = train_tokenizer(["the sink is 42", "a hop is a hop"], folder)
    return align(tokenizer, Text("the sink is 42? " * 20, "a hop is a hop. " * 20))


def test_an_alignment_there_and_back(made: Alignment) -> None:
    assert Alignment.from_bytes(made.to_bytes()) == made


@given(st.binary(max_size=200))
def test_rubbish_is_no_alignment(value: bytes) -> None:
    assert Alignment.from_bytes(value) is None


@given(data=st.data())
def test_what_is_not_whole_is_no_alignment(made: Alignment, data: st.DataObject) -> None:
    value = bytearray(made.to_bytes())
    at = data.draw(st.integers(0, len(value) - 1))
    value[at] ^= data.draw(st.integers(1, 255))
    found = Alignment.from_bytes(bytes(value))
    # How many pieces of the generation are empty is the one thing with two right answers.
    assert found is None or found[:3] == made[:3]
    assert found is None or found.tok.digest == made.tok.digest


@pytest.mark.parametrize("key", ["prompt_len", "gen_len", "prompt_empty"])
def test_lengths_that_are_not_those_of_the_pieces(made: Alignment, key: str) -> None:
    other = made._replace(**{key: getattr(made, key) + 1})
    assert Alignment.from_bytes(other.to_bytes()) is None


def test_a_valid_digest_over_rubbish_is_a_miss(demo: DemoTree, tmp_path: Path) -> None:
    """The run makes the alignment itself, and what it writes is right."""
    import exp2proc

    folder = tmp_path / "cache"
    run = next((demo.traces / "needles").rglob("ifr_in_all_gen*"))
    mark = fingerprint(str(demo.tokenizer))
    assert mark is not None
    plan = exp2proc.make_plan(
        exp2proc.Options(
            trace_dir=run,
            data_root=demo.data,
            tokenizer_model=demo.tokenizer,
            out_dir=tmp_path / "planned",
        )
    )
    keys = [alignment_key(mark, *text.key) for text in plan.texts if text.key is not None]
    Cache(folder).put(dict.fromkeys(keys, b"rubbish" * 40))
    words = (
        *("convert", "--trace_dir", run, "--data_root", demo.data),
        *("--tokenizer_model", demo.tokenizer, "--jobs", "1"),
    )
    env = {"EXP2PROC_CACHE_DIR": str(folder)}
    report = run_json(*words, "--out_dir", tmp_path / "out", env=env)
    assert report["counts"]["converted"] == 8
    run_json(*words, "--out_dir", tmp_path / "right", "--no_cache")
    for path in (tmp_path / "right").iterdir():
        assert_same_npz(tmp_path / "out" / path.name, path)
