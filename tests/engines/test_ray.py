"""A real Ray on this machine: small, without dashboard, ended with the tests."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.arrays import assert_same_tree
from support.cli import run_json
from support.extras import needs
from support.processes import needs_proc
from support.stops import assert_stops_well
from support.workload import Workload

import exp2proc
from exp2proc.demo.tree import DemoTree, write_broken
from exp2proc.engines import open_engine
from exp2proc.engines.choice import EngineChoice
from exp2proc.results import Progress

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

pytestmark = [
    needs("ray"),
    pytest.mark.cluster,
    pytest.mark.filterwarnings("default"),  # other libraries' own warnings
]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A Ray of this process's own, with two workers; its address."""
    import ray

    handler = signal.getsignal(signal.SIGTERM)
    context: Any = ray.init(
        address="local",
        num_cpus=2,
        object_store_memory=80 << 20,
        include_dashboard=False,
        log_to_driver=False,
    )
    yield context.address_info["gcs_address"]
    ray.shutdown()
    signal.signal(signal.SIGTERM, handler)


def _all(demo: DemoTree, out: Path) -> tuple[str | Path, ...]:
    return (
        *("convert", "--traces_root", demo.traces),
        *("--tokenizer_model", demo.tokenizer, "--out_root", out),
    )


def test_a_cluster_gives_what_one_process_gives(
    demo: DemoTree, tmp_path: Path, address: str
) -> None:
    write_broken(demo)
    local = run_json(*_all(demo, tmp_path / "here"), "--jobs", "1", code=1)
    words = ("--backend", "ray", "--address", address)
    remote = run_json(*_all(demo, tmp_path / "there"), *words, code=1)
    assert assert_same_tree(tmp_path / "there", tmp_path / "here") == 86
    assert remote["counts"] == local["counts"]
    assert remote["errors"] == local["errors"]


def test_a_worker_that_leaves_costs_time_only(demo: DemoTree, tmp_path: Path, address: str) -> None:
    import ray

    killed: list[int] = []

    def on_progress(progress: Progress) -> None:
        if not killed:
            killed.extend(_busy_workers()[:1])
            for pid in killed:
                os.kill(pid, signal.SIGKILL)

    report = exp2proc.convert(
        traces_root=demo.traces,
        tokenizer_model=demo.tokenizer,
        out_root=tmp_path,
        backend="ray",
        on_progress=on_progress,
    )
    assert len(killed) == 1
    assert (report.exit_code, report.counts.converted) == (0, 96)
    assert ray.is_initialized(), "a connection that was there is left as it was"


def test_an_active_joblib_context_is_honoured(demo: DemoTree, tmp_path: Path, address: str) -> None:
    from joblib import parallel_config
    from ray.util.joblib import register_ray

    register_ray()  # type: ignore[no-untyped-call]
    with parallel_config(backend="ray"):
        with open_engine(EngineChoice()) as engine:
            assert engine.remote
            assert engine.workers(0.0) == 2
        report = exp2proc.convert(
            traces_root=demo.traces, tokenizer_model=demo.tokenizer, out_root=tmp_path
        )
    assert report.counts.converted == 96


@needs_proc
@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGHUP, marks=pytest.mark.slow)]
)
def test_a_ray_started_here_is_stopped(
    workload: Workload, tmp_path: Path, number: signal.Signals
) -> None:
    """Not SIGTERM to every process: it ends Ray's own before this one can end them."""
    assert_stops_well(workload, tmp_path, "ray", number)


def test_nobody_at_the_address(demo: DemoTree, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: nobody else gets this port
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        words = ("--backend", "ray", "--address", address)
        refusal = run_json(*_all(demo, tmp_path / "out"), *words, code=2)
    assert [problem["code"] for problem in refusal["problems"]] == ["no-cluster"]
    assert address in refusal["problems"][0]["message"]
    assert not (tmp_path / "out").exists()


def _busy_workers() -> list[int]:
    """Processes below this one that Ray has named after a task of ours."""
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            pid = int(entry.name)
            try:
                name = Path(entry.path, "cmdline").read_bytes()
                if name.startswith(b"ray::_call_with") and _is_below(pid, os.getpid()):
                    found.append(pid)
            except OSError:
                continue
    return found


def _is_below(pid: int, ancestor: int) -> bool:
    while pid > 1:
        status = Path(f"/proc/{pid}/stat").read_bytes()
        pid = int(status.rpartition(b")")[2].split()[1])
        if pid == ancestor:
            return True
    return False
