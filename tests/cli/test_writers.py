"""Every command that writes refuses a trace run as its place, before it writes anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.cli import run_cli
from support.exported import write_export

from exp2proc.demo.tree import DemoTree


def _files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def out(demo: DemoTree, tmp_path: Path) -> Path:
    """Samples that would be unpacked into the runs of the demo, and one that would not."""
    out = tmp_path / "out"
    for manifest in demo.traces.rglob("manifest.jsonl"):
        run = out / manifest.parent.relative_to(demo.traces)
        write_export(run / "ex_000000.npz", ["a", "b"])
    write_export(out / "a/b/ifr_1ex/ex_000000.npz", ["a", "b"])
    return out


def test_traces_are_never_written_to(demo: DemoTree, out: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="the extra parquet is not installed")
    packed = tmp_path / "samples.parquet"
    assert run_cli("pack", out, "-o", packed).returncode == 0
    run = min(demo.traces.rglob("manifest.jsonl")).parent
    traces = _files(demo.traces)
    for words in (
        ("unpack", packed, "-o", demo.traces),
        ("unpack", packed, "-o", demo.traces, "--overwrite"),
        ("gallery", out, "-o", run),
        ("figure", "length", out, "-o", run / "new.pdf"),
        ("pack", out, "-o", run / "new.parquet", "--overwrite"),
        ("pack", out, "-o", run / "new.parquet"),
        ("convert", "--trace_dir", run, "--layout", "proc_1", "--out_dir", run, "--overwrite"),
    ):
        done = run_cli(*words)
        assert done.returncode == 2, done
        assert "output-is-trace" in done.stderr
        assert "Traceback" not in done.stderr
        assert _files(demo.traces) == traces
        assert not (demo.traces / "a").exists()


def test_a_gallery_that_became_a_trace_run_is_left_alone(out: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    assert run_cli("gallery", out / "a", "-o", site).returncode == 0
    (site / "manifest.jsonl").write_text("")
    before = _files(site)
    done = run_cli("gallery", out / "a", "-o", site)
    assert (done.returncode, "output-is-trace" in done.stderr) == (2, True)
    assert _files(site) == before
