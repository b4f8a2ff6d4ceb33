"""Loading tokenizers, carrying them to workers, and saying what is wrong with one."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from support.texts import HARD

from exp2proc.demo.tree import DemoTree
from exp2proc.errors import Exp2procError
from exp2proc.options import Options
from exp2proc.planning.planner import make_plan
from exp2proc.tokens.cache import Cache
from exp2proc.tokens.tokenizer import (
    BackendTokenizer,
    PretrainedTokenizer,
    fingerprint,
    load_tokenizer,
    quiet_transformers,
    restore_tokenizer,
)


@pytest.fixture(params=["qwen3", "deepseek"])
def folder(request: pytest.FixtureRequest) -> Path:
    path: Path = request.getfixturevalue(request.param)
    return path


def test_the_portable_form_is_the_same_tokenizer(folder: Path) -> None:
    loaded = load_tokenizer(str(folder))
    assert loaded.portable is not None
    restored = restore_tokenizer(loaded.portable)
    assert restored is not None
    assert restored.eos_token == loaded.tokenizer.eos_token
    for text in HARD.values():
        ids, offsets = loaded.tokenizer.encode(text)
        assert restored.encode(text) == (ids, offsets)
        assert restored.decode(ids) == loaded.tokenizer.decode(ids)


def test_another_tokenizer_is_not_taken_for_the_one_that_was_probed(
    deepseek: Path, demo: DemoTree
) -> None:
    """The probes of one with the body of another, and damage of every sort: no tokenizer."""
    first, second = (load_tokenizer(str(path)).portable for path in (deepseek, demo.tokenizer))
    assert first is not None
    assert second is not None
    probes, _, _ = first.partition(b"\n")
    _, _, body = second.partition(b"\n")
    assert restore_tokenizer(probes + b"\n" + body) is None
    for damaged in (b"", b"{}", first[: len(first) // 2], b"\xff" + first, second[:-1]):
        assert restore_tokenizer(damaged) is None


def test_truncation_set_in_the_file_is_not_applied(demo: DemoTree) -> None:
    path = demo.tokenizer / "tokenizer.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["truncation"] = {
        "direction": "Right",
        "max_length": 4,
        "strategy": "LongestFirst",
        "stride": 0,
    }
    config["padding"] = {
        "strategy": {"Fixed": 16},
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": "x",
    }
    plain = len(load_tokenizer(str(demo.tokenizer)).tokenizer.encode("one two three four")[0])
    path.write_text(json.dumps(config), encoding="utf-8")
    loaded = load_tokenizer(str(demo.tokenizer))
    assert len(loaded.tokenizer.encode("one two three four")[0]) == plain > 4
    assert loaded.portable is not None
    restored = restore_tokenizer(loaded.portable)
    assert restored is not None
    assert len(restored.encode("one two three four")[0]) == plain


def _edit(path: Path, **changes: object) -> None:
    config = {**json.loads(path.read_text(encoding="utf-8")), **changes}
    path.write_text(json.dumps(config), encoding="utf-8")


def test_what_is_wrong_is_said(
    demo: DemoTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def problem(name: Path | str) -> str:
        with pytest.raises(Exp2procError) as caught:
            load_tokenizer(str(name))
        assert caught.value.code == "tokenizer-invalid"
        assert "\n" not in caught.value.message
        return caught.value.message

    (tmp_path / "a-file").touch()
    monkeypatch.chdir(tmp_path)
    for name in (tmp_path / "nowhere", "./nowhere", "~/nowhere", "a/b/c", "a-file"):
        assert problem(name) == f"tokenizer {name}: there is no such folder"
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "does not load" in problem(empty)
    _edit(demo.tokenizer / "tokenizer_config.json", eos_token=None)
    assert "no eos_token" in problem(demo.tokenizer)
    _edit(demo.tokenizer / "tokenizer_config.json", eos_token="")
    assert "no eos_token" in problem(demo.tokenizer)
    (demo.tokenizer / "tokenizer.json").write_text("{broken", encoding="utf-8")
    assert "does not load" in problem(demo.tokenizer)


def test_a_mistyped_folder_is_not_asked_of_the_hub_for_ever() -> None:
    """A name that is neither a folder nor cached: a look at whether the hub can be reached."""
    script = (
        "import socket\n"
        "def refuse(*args, **kwargs): raise OSError('no network')\n"
        "socket.create_connection = refuse\n"
        "from exp2proc.tokens.tokenizer import load_tokenizer\n"
        "try: load_tokenizer('models/Qwen3-8B')\n"
        "except Exception as err: print(err)\n"
    )
    clean = {name: value for name, value in os.environ.items() if "PROXY" not in name.upper()}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=clean
    )
    assert done.stdout.startswith("tokenizer-invalid: tokenizer models/Qwen3-8B: there is no such")
    assert done.stdout.endswith("the hub cannot be reached\n")
    assert done.stderr == ""


def test_fingerprint_follows_the_files(demo: DemoTree, tmp_path: Path) -> None:
    before = fingerprint(str(demo.tokenizer))
    assert before is not None
    shutil.copytree(demo.tokenizer, tmp_path / "copy")
    assert fingerprint(str(tmp_path / "copy")) == before
    (tmp_path / "copy" / "model.safetensors").write_bytes(b"weights do not matter")
    assert fingerprint(str(tmp_path / "copy")) == before
    _edit(tmp_path / "copy" / "tokenizer_config.json", eos_token="<|endoftext|>")
    assert fingerprint(str(tmp_path / "copy")) != before
    assert fingerprint("some/hub-name") is None


@pytest.mark.thorough
def test_loading_is_silent_and_offline(deepseek: Path) -> None:
    """No advice of transformers is shown, and a local folder asks nobody for anything."""
    script = (
        "import socket, sys\n"
        "def refuse(*args, **kwargs): raise AssertionError('network')\n"
        "socket.socket.connect = refuse\n"
        "from exp2proc.tokens.tokenizer import load_tokenizer\n"
        "tokenizer = load_tokenizer(sys.argv[1]).tokenizer\n"
        "assert len(tokenizer.encode('x ' * 200_000)[0]) > 100_000\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(deepseek)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


class PanicException(BaseException):
    """What a panic in Rust code becomes: no `Exception`."""


class _Raising:
    """Stands for transformers and for the Rust library: raises whatever it is asked."""

    eos_token = "</s>"

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __call__(self, *_: object, **__: object) -> object:
        raise self._error

    encode = decode = __call__

    def no_truncation(self) -> None: ...

    def no_padding(self) -> None: ...


@pytest.mark.parametrize("error", [PanicException("nothing\nto see"), Exception("nothing")])
def test_whatever_the_library_raises_on_a_text_has_a_code(error: BaseException) -> None:
    """Its Rust code panics on some texts: one row is lost, not the worker."""
    raising: Any = _Raising(error)
    authority, backend = PretrainedTokenizer(raising), BackendTokenizer(raising, "</s>")
    for act in (authority.encode, backend.encode, authority.decode, backend.decode):
        with pytest.raises(Exp2procError) as caught:
            act("x")  # type: ignore[arg-type]  # it is never looked at
        assert caught.value.code == "tokenizer-invalid"
        said = f"it cannot tokenize a text ({type(error).__name__}: nothing)"
        assert caught.value.message == said


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError(), SystemExit(3)])
def test_what_is_not_the_librarys_passes_through(error: BaseException) -> None:
    """Ctrl-C while a text is tokenized is Ctrl-C; memory has a code of its own."""
    raising: Any = _Raising(error)
    with pytest.raises(type(error)):
        PretrainedTokenizer(raising).encode("x")


def test_a_tokenizer_that_panics_is_said_to(demo: DemoTree) -> None:
    path = demo.tokenizer / "tokenizer.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["normalizer"] = {"type": "Replace", "pattern": {"String": ""}, "content": "x"}
    path.write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(Exp2procError) as caught:
        load_tokenizer(str(demo.tokenizer))
    assert caught.value.code == "tokenizer-invalid"
    assert "it cannot tokenize" in caught.value.message


def test_what_a_folder_weighs_too_much_for_has_no_fingerprint(
    demo: DemoTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files are read whole for it; one byte too many and it is not tried."""
    largest = max(path.stat().st_size for path in demo.tokenizer.iterdir())
    monkeypatch.setattr("exp2proc.tokens.tokenizer._LARGEST", largest)
    assert fingerprint(str(demo.tokenizer)) is not None
    monkeypatch.setattr("exp2proc.tokens.tokenizer._LARGEST", largest - 1)
    assert fingerprint(str(demo.tokenizer)) is None


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that may ask the hub, without a proxy."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize(
    ("endpoint", "asked"),
    [
        ("https://hub.test", ("hub.test", 443)),
        ("http://hub.test/mirror", ("hub.test", 80)),
        ("http://hub.test:8080", ("hub.test", 8080)),
    ],
)
def test_the_hub_is_asked_for_at_its_endpoint(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, asked: tuple[str, int]
) -> None:
    addresses: list[tuple[str, int]] = []

    def refuse(address: tuple[str, int], timeout: float) -> None:
        addresses.append(address)
        raise TimeoutError

    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)
    monkeypatch.setattr(socket, "create_connection", refuse)
    with pytest.raises(Exp2procError, match="the hub cannot be reached"):
        load_tokenizer("nobody/has-this")
    assert addresses == [asked]


@pytest.mark.usefixtures("online")
def test_a_hub_that_answers_is_asked_by_its_client_unless_told_not_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Here the client finds out by itself that what answers is no hub."""
    import transformers

    asked: list[bool] = []

    def none(name: str, *, local_files_only: bool = False, **_: object) -> None:
        asked.append(not local_files_only)
        raise OSError("not there")

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", none)
    with socket.create_server(("127.0.0.1", 0)) as server:
        here = f"http://127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", here)
        with pytest.raises(Exp2procError, match=r"it does not load .*not there"):
            load_tokenizer("nobody/has-this")
        assert asked == [False, True]
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        with pytest.raises(Exp2procError, match="the hub cannot be reached"):
            load_tokenizer("nobody/has-this")
        assert asked == [False, True, False]
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HTTPS_PROXY", here)  # nobody listens any more: the client is to find out
    with pytest.raises(Exp2procError, match=r"it does not load .*not there"):
        load_tokenizer("nobody/has-this")


def test_where_python_does_more_than_rust_only_the_authority_is_exact(
    demo: DemoTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a tokenizer is used through transformers, and nothing of it is kept."""
    from transformers import AutoTokenizer

    kind = type(AutoTokenizer.from_pretrained(demo.tokenizer, local_files_only=True))
    decode = kind.decode

    def more(self: Any, ids: list[int], **options: Any) -> str:
        return str(decode(self, ids, **options)).replace("sink", "SINK")

    monkeypatch.setattr(kind, "decode", more)
    monkeypatch.setenv("EXP2PROC_CACHE_DIR", str(tmp_path / "cache"))
    loaded = load_tokenizer(str(demo.tokenizer))
    assert loaded.portable is None
    assert isinstance(loaded.tokenizer, PretrainedTokenizer)
    ids, offsets = loaded.tokenizer.encode("The sink")
    assert loaded.tokenizer.decode(ids) == "The SINK"
    assert (offsets[0][0], offsets[-1][1]) == (0, 8)
    options = Options(
        traces_root=demo.traces, tokenizer_model=(str(demo.tokenizer),), out_root=tmp_path / "out"
    )
    (planned,) = make_plan(options).tokenizers
    assert (planned.cache_key, planned.portable) == (None, None)
    assert Cache(tmp_path / "cache").size().entries == 0


def test_without_transformers_that_is_what_is_said(
    demo: DemoTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    monkeypatch.setenv("TRANSFORMERS_VERBOSITY", "info")
    with pytest.raises(Exp2procError, match="transformers does not import") as caught:
        load_tokenizer(str(demo.tokenizer))
    assert caught.value.code == "tokenizer-invalid"
    assert os.environ["TRANSFORMERS_VERBOSITY"] == "info"


def test_being_quiet_in_several_threads_leaves_the_environment_as_it_was() -> None:
    before = dict(os.environ)
    started = threading.Barrier(4)

    def be_quiet() -> None:
        started.wait()
        with quiet_transformers():
            time.sleep(0.01)

    threads = [threading.Thread(target=be_quiet) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert dict(os.environ) == before
