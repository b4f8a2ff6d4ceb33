"""A real Dask cluster on this machine: a scheduler and worker processes of their own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.arrays import assert_same_tree
from support.cli import codes, import_first, preload, run_cli, run_json
from support.cluster import DaskCluster, dask_cluster
from support.extras import needs
from support.processes import needs_proc
from support.stops import STOPS, assert_stops_well
from support.workload import Workload

import exp2proc
from exp2proc.conversion.run import run_plan
from exp2proc.demo.tree import DemoTree, write_broken
from exp2proc.engines import open_engine
from exp2proc.engines.choice import EngineChoice
from exp2proc.options import Options
from exp2proc.results import Progress

pytestmark = [
    needs("dask"),
    pytest.mark.cluster,
    pytest.mark.filterwarnings("default"),  # other libraries' own warnings
]


@pytest.fixture(scope="module", autouse=True)
def _preloaded() -> None:
    preload("distributed")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    with dask_cluster(tmp_path_factory.mktemp("dask")) as cluster:
        yield cluster


def _all(demo: DemoTree, out: Path) -> tuple[str | Path, ...]:
    return (
        *("convert", "--traces_root", demo.traces),
        *("--tokenizer_model", demo.tokenizer, "--out_root", out),
    )


def _on(cluster: DaskCluster) -> tuple[str, ...]:
    return "--backend", "dask", "--scheduler", cluster.address


def _options(demo: DemoTree, out: Path, cluster: DaskCluster) -> Options:
    return Options(
        traces_root=demo.traces,
        tokenizer_model=(str(demo.tokenizer),),
        out_root=out,
        backend="dask",
        scheduler=cluster.address,
    )


def test_a_cluster_gives_what_one_process_gives(
    demo: DemoTree, tmp_path: Path, cluster: DaskCluster
) -> None:
    write_broken(demo)
    for layout, done in (("proc", 86), ("proc_1", 95)):
        here, there = tmp_path / layout / "here", tmp_path / layout / "there"
        words = ("--layout", layout)
        local = run_json(*_all(demo, here), *words, "--jobs", "1", code=1)
        remote = run_json(*_all(demo, there), *words, *_on(cluster), code=1)
        assert assert_same_tree(there, here) == done
        assert remote["counts"] == local["counts"]
        assert remote["errors"] == local["errors"]
    again = run_json(*_all(demo, tmp_path / "proc/there"), *_on(cluster), "--resume", code=1)
    assert (again["counts"]["kept"], again["counts"]["failed"]) == (86, 10)
    fast = run_json(*_all(demo, tmp_path / "fast"), *_on(cluster), "--fail_fast", code=1)
    assert fast["stopped"] == "fail_fast"


# Folders that have the right name and are not the same


@pytest.fixture
def mounts() -> None:
    """Machines with disks of their own: a mount namespace for each worker."""
    words = ["unshare", "--mount", "--map-root-user", "true"]
    try:
        if subprocess.run(words, capture_output=True, check=False).returncode:
            pytest.skip("no mount namespaces here")
    except FileNotFoundError:
        pytest.skip("unshare is not installed")


_SCRATCH_DISK = """
find "{out}" -type d > "{list}"
mount -t tmpfs none "{out}"
xargs -d '\\n' mkdir -p < "{list}"
"""
"""Every output folder is there, on a disk that nobody else sees."""

_OVERLAY = """
mount -t tmpfs none "{scratch}"
mkdir "{scratch}/upper" "{scratch}/work"
mount -t overlay none -o "lowerdir={out},upperdir={scratch}/upper,workdir={scratch}/work" "{out}"
"""
"""What the planner writes is seen, what is written here stays here."""


@pytest.mark.usefixtures("mounts")
def test_an_output_folder_that_is_another_one_on_a_worker(demo: DemoTree, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_json(*_all(demo, out), "--jobs", "1")
    for path in out.rglob("ex_*.npz"):
        path.unlink()
    script = _SCRATCH_DISK.format(out=out, list=tmp_path / "list")
    with dask_cluster(tmp_path, workers=0) as cluster:
        cluster.add_workers(before=script)
        report = run_json(*_all(demo, out), *_on(cluster), code=1)
        assert set(codes(report)) == {"worker-environment"}
        assert report["counts"]["failed"] == 96
        assert "another folder at" in report["errors"][0]["message"]
    assert not list(out.rglob("*.exp2proc-tmp"))


@pytest.mark.usefixtures("mounts")
def test_samples_that_the_planner_does_not_see(demo: DemoTree, tmp_path: Path) -> None:
    out, scratch = tmp_path / "out", tmp_path / "scratch"
    scratch.mkdir()
    run = next((demo.traces / "needles").rglob("ifr_in_all_gen*"))
    words = ("convert", "--trace_dir", run, "--layout", "proc_1", "--out_dir", out)
    out.mkdir()
    with dask_cluster(tmp_path, workers=0) as cluster:
        # The folder is overlaid when the worker has started: what is put there later is seen.
        cluster.add_workers(before=_OVERLAY.format(out=out, scratch=scratch))
        report = run_json(*words, *_on(cluster), code=1)
    assert codes(report) == ["worker-environment"] * 8
    assert "does not see it" in report["errors"][0]["message"]
    assert not list(out.iterdir())
    assert not (tmp_path / ".exp2proc").exists()


def test_checking_on_a_cluster(demo: DemoTree, tmp_path: Path, cluster: DaskCluster) -> None:
    out = tmp_path / "out"
    run_json(*_all(demo, out), "--jobs", "1")
    victim = sorted(out.rglob("*.npz"))[7]
    victim.write_bytes(victim.read_bytes()[:-20])
    words = ("check", out, "--against", demo.traces)
    here = run_json(*words, code=1)
    there = run_json(*words, *_on(cluster), code=1)
    assert there == here
    assert (there["samples"], codes(there)) == (96, ["sample-invalid"])


def test_progress_and_summary(demo: DemoTree, tmp_path: Path, cluster: DaskCluster) -> None:
    seen: list[Progress] = []
    report = exp2proc.convert(
        traces_root=demo.traces,
        tokenizer_model=demo.tokenizer,
        out_root=tmp_path / "a",
        backend="dask",
        scheduler=cluster.address,
        on_progress=seen.append,
    )
    assert report.counts.converted == 96
    assert [progress.done for progress in seen] == list(range(1, 97))
    done = run_cli(*_all(demo, tmp_path / "b"), *_on(cluster))
    assert (done.returncode, done.stderr) == (0, "")
    assert "96 of 96 rows done" in done.stdout


def test_an_active_joblib_context_is_honoured(
    demo: DemoTree, tmp_path: Path, cluster: DaskCluster
) -> None:
    from distributed import Client
    from joblib import parallel_config

    with Client(cluster.address), parallel_config(backend="dask"):  # type: ignore[no-untyped-call]
        with open_engine(EngineChoice()) as engine:
            assert engine.remote
            assert engine.workers(0.0) == len(cluster.workers)
        report = exp2proc.convert(
            traces_root=demo.traces, tokenizer_model=demo.tokenizer, out_root=tmp_path
        )
    assert report.counts.converted == 96


def test_a_tokenizer_that_differs_where_the_worker_is(
    demo: DemoTree, tmp_path: Path, cluster: DaskCluster
) -> None:
    plan = exp2proc.make_plan(_options(demo, tmp_path, cluster))
    with open(demo.tokenizer / "tokenizer.json", "a", encoding="utf-8") as stream:
        stream.write("\n")
    report = run_plan(plan)
    assert {error.code for error in report.errors} == {"worker-environment"}
    assert len(report.errors) == 96
    assert socket.gethostname() in report.errors[0].message
    assert f"other files of the tokenizer at {demo.tokenizer}" in report.errors[0].message


def test_a_library_that_differs_where_the_worker_is(
    demo: DemoTree, tmp_path: Path, cluster: DaskCluster
) -> None:
    other = tmp_path / "site" / "tokenizers-0.0.1.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: tokenizers\nVersion: 0.0.1\n")
    (worker,) = cluster.add_workers(env=import_first(other.parent))
    try:
        report = run_json(*_all(demo, tmp_path / "out"), *_on(cluster), code=1)
    finally:
        cluster.remove_worker(worker)
    assert set(codes(report)) == {"worker-environment"}
    assert report["counts"]["converted"] > 0
    assert "tokenizers 0.0.1 instead of " in report["errors"][0]["message"]
    report = run_json(*_all(demo, tmp_path / "out"), *_on(cluster), "--resume")
    assert report["counts"]["converted"] + report["counts"]["kept"] == 96


def test_a_path_that_workers_do_not_see(
    demo: DemoTree, tmp_path: Path, cluster: DaskCluster
) -> None:
    # Every process sees its own folder there: the planner's is the demo, the workers' is not.
    mine = DemoTree(Path("/proc/self/cwd"))
    refusal = run_json(
        *_all(mine, tmp_path / "out"), *_on(cluster), code=2, cwd=demo.root, timeout=60
    )
    assert {problem["code"] for problem in refusal["problems"]} == {"path-not-visible"}
    message = refusal["problems"][0]["message"]
    assert f"on machine {socket.gethostname()} does not see /proc/self/cwd/" in message
    assert not (tmp_path / "out").exists()


def test_nobody_at_the_address(demo: DemoTree, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: nobody else gets this port
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        began = time.monotonic()
        refusal = run_json(
            *_all(demo, tmp_path / "out"), "--backend", "dask", "--scheduler", address, code=2
        )
    assert [problem["code"] for problem in refusal["problems"]] == ["no-cluster"]
    assert address in refusal["problems"][0]["message"]
    assert time.monotonic() - began < 30
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "address", ["nonsense", "tcp://", "tcp://127.0.0.1:port", "tcp://no.such.host.invalid:8786"]
)
def test_an_address_that_is_none(demo: DemoTree, tmp_path: Path, address: str) -> None:
    words = ("--backend", "dask", "--scheduler", address)
    done = run_cli(*_all(demo, tmp_path / "out"), *words)
    assert done.returncode == 2
    code, message, hint = done.stderr.splitlines()[1:]
    assert code == "no-cluster (1)"
    assert message.startswith(f"  dask scheduler {address}: ")
    assert hint.startswith("  hint: ")
    assert not (tmp_path / "out").exists()


def test_an_interrupted_run_is_resumed(
    demo: DemoTree, tmp_path: Path, cluster: DaskCluster
) -> None:
    def on_progress(progress: Progress) -> None:
        if progress.done == 1:
            os.kill(os.getpid(), signal.SIGINT)

    plan = exp2proc.make_plan(_options(demo, tmp_path / "out", cluster))
    report = run_plan(plan, on_progress)
    assert (report.stopped, report.exit_code) == ("interrupted", 130)
    # What was under way may end, and is counted.
    written = len(list((tmp_path / "out").rglob("*.npz")))
    assert report.counts.converted == written < 96
    again = run_json(*_all(demo, tmp_path / "out"), *_on(cluster), "--resume")
    assert again["counts"]["kept"] == written
    assert again["counts"]["converted"] == 96 - written


@needs_proc
@pytest.mark.parametrize(
    "number",
    [
        signal.SIGINT,
        *(pytest.param(number, marks=pytest.mark.slow) for number in STOPS[1:]),
    ],
)
def test_a_cluster_started_here_is_stopped(
    workload: Workload, tmp_path: Path, number: signal.Signals
) -> None:
    assert_stops_well(workload, tmp_path, "dask", number)


def test_a_worker_that_leaves_costs_time_only(
    demo: DemoTree, tmp_path: Path, cluster: DaskCluster
) -> None:
    expected = exp2proc.convert(
        traces_root=demo.traces,
        tokenizer_model=demo.tokenizer,
        out_root=tmp_path / "here",
        backend="sequential",
    )
    assert expected.counts.converted == 96
    (leaving,) = cluster.add_workers()
    done = 0
    done_before: list[int] = []

    def leave() -> None:
        done_before.append(done)
        leaving.kill()

    def on_progress(progress: Progress) -> None:
        nonlocal done
        done = progress.done
        if done == 1:
            # Stopped, it keeps what it was handed; killed later, it takes that away.
            leaving.send_signal(signal.SIGSTOP)
            threading.Timer(1.0, leave).start()

    report = exp2proc.convert(
        traces_root=demo.traces,
        tokenizer_model=demo.tokenizer,
        out_root=tmp_path / "there",
        backend="dask",
        scheduler=cluster.address,
        on_progress=on_progress,
    )
    cluster.remove_worker(leaving)
    assert leaving.returncode == -signal.SIGKILL
    assert done_before[0] < 96
    assert (report.exit_code, report.counts.converted) == (0, 96)
    assert assert_same_tree(tmp_path / "there", tmp_path / "here") == 96


def test_a_scheduler_that_goes_away(demo: DemoTree, tmp_path: Path) -> None:
    folder = tmp_path / "dask"
    folder.mkdir()
    with dask_cluster(folder, workers=1) as cluster:

        def on_progress(progress: Progress) -> None:
            if progress.done == 1:
                cluster.scheduler.kill()
                cluster.workers[0].send_signal(signal.SIGSTOP)

        report = run_plan(
            exp2proc.make_plan(_options(demo, tmp_path / "out", cluster)), on_progress
        )
    assert report.stopped == "cluster_lost"
    assert report.exit_code == 1
    assert report.counts.converted + report.counts.unfinished == 96


_DEADLY = """
import exp2proc.conversion.row as rows


def deadly(path, *args, real=rows.read_trace, **kwargs):
    import os, signal

    if path == {victim!r}:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(path, *args, **kwargs)


rows.read_trace = deadly


def dask_setup(server):
    if hasattr(server, "allowed_failures"):
        server.allowed_failures = 0
"""


def test_a_row_that_kills_workers_costs_itself_only(demo: DemoTree, tmp_path: Path) -> None:
    victim = sorted(demo.traces.rglob("ex_000003.npz"))[5]
    script = tmp_path / "deadly.py"
    script.write_text(_DEADLY.format(victim=str(victim)))
    folder = tmp_path / "dask"
    folder.mkdir()
    # One is lost with the shard, one with the row, one with the row alone; one is left.
    with dask_cluster(folder, workers=4, preload=script) as cluster:
        report = run_json(*_all(demo, tmp_path / "out"), *_on(cluster), code=1)
    assert codes(report) == ["worker-lost"], report["errors"][0]["message"]
    assert report["errors"][0]["file"] == victim.name
    assert report["errors"][0]["trace_dir"] == str(victim.parent)
    assert report["counts"]["converted"] == 95
