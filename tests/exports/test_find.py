"""Finding, naming, reading exported samples; the Python API on them."""

from __future__ import annotations

import copy
import json
import multiprocessing
import os
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from support.cli import import_first, run_cli
from support.exported import NAN, write_export

import exp2proc
from exp2proc.exports.find import find_sources, source_of
from exp2proc.formats.names import method_of
from exp2proc.formats.sample import load_scores
from exp2proc.formats.spans import SampleSpans

RUN = "ifr_multi_hop_both_n1_mfaithfulness_gen_100ex"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Two datasets, one of them with a path for a name; written in no good order."""
    root = tmp_path / "out"
    for number in (2, 0, 1):
        name = f"ex_{number:06d}.npz"
        write_export(root / "exp/data/math.jsonl/qwen-8B" / RUN / name, ["a", "b"])
        write_export(root / "needles/qwen-8B/attnlrp_negdrop_normnorm_5ex" / name, ["c"] * 3)
    return root


@pytest.mark.parametrize(
    ("run_tag", "method"),
    [
        (RUN, "ifr_multi_hop_both"),
        ("attnlrp_negdrop_normnorm_mfaithfulness_gen+recovery_ruler_95ex", "attnlrp"),
        ("ft_attnlrp_n2_negabs_normnorm_mrecovery_ruler_5ex", "ft_attnlrp"),
        ("ifr_in_all_gen_mfaithfulness_gen_5ex", "ifr_in_all_gen"),
        ("ifr_multi_hop_stop_words_n3_5ex", "ifr_multi_hop_stop_words"),
        ("some_new_method", "some_new_method"),
        ("perturbation_all_100ex", "perturbation_all"),
    ],
)
def test_method_is_what_the_run_tag_begins_with(run_tag: str, method: str) -> None:
    assert method_of(run_tag) == method


@pytest.mark.parametrize("below", ["", "exp", "exp/data/math.jsonl/qwen-8B", "{run}", "{run}/file"])
def test_names_whatever_level_is_given(out: Path, below: str) -> None:
    run = f"exp/data/math.jsonl/qwen-8B/{RUN}"
    given = out / below.format(run=run).replace("file", "ex_000000.npz")
    source = find_sources(given)[0]
    assert (source.model, source.run_tag, source.example) == ("qwen-8B", RUN, 0)
    assert source.method == "ifr_multi_hop_both"
    assert source.dataset.endswith("math.jsonl")
    if not below:
        assert source.dataset == "exp/data/math.jsonl"


_SIZED = "ifr_n1_mfaithfulness_gen_5ex"


@pytest.mark.parametrize(
    ("path", "out", "names"),
    [
        # below OUT by position
        ("/out/d/m/r/a.npz", "/out", ("d", "m", "r")),
        ("/out/x/d.jsonl/m/r/a.npz", "/out", ("x/d.jsonl", "m", "r")),
        ("/out/d/m/r/a.npz", "/out/d", ("", "m", "r")),
        ("/x/d/m/r/a.npz", "/x/d/m/r", ("", "", "r")),
        ("/x/d/m/r/a.npz", "/x/d/m/r/a.npz", ("", "", "r")),
        # above OUT only in the right shape
        (f"/out/d/m/{_SIZED}/a.npz", "/out/d", ("d", "m", _SIZED)),
        (f"/x/d/m/{_SIZED}/a.npz", f"/x/d/m/{_SIZED}", ("d", "m", _SIZED)),
        (f"/m/{_SIZED}/a.npz", f"/m/{_SIZED}/a.npz", ("", "m", _SIZED)),
        (f"/{_SIZED}/a.npz", f"/{_SIZED}/a.npz", ("", "", _SIZED)),
        # the root of the file system is nobody's name
        ("/r/a.npz", "/r/a.npz", ("", "", "r")),
        ("/r/a.npz", "/", ("", "", "r")),
        ("/a.npz", "/", ("", "", "")),
        ("/a.npz", "/a.npz", ("", "", "")),
        # neither are the folders that stand above names
        ("/w/exp/proc/output/a.npz", "/w/exp/proc/output", ("", "", "")),
        (f"/w/output/{_SIZED}/a.npz", f"/w/output/{_SIZED}", ("", "", _SIZED)),
        (f"/w/data/m/{_SIZED}/a.npz", f"/w/data/m/{_SIZED}", ("", "m", _SIZED)),
        (f"/w/b/output/d/m/{_SIZED}/a.npz", "/w", ("d", "m", _SIZED)),
        ("/w/a/b/data/a.npz", "/w", ("", "", "")),
        # a method's name alone, in no published archive, is no proof of what stands above it
        (
            "/w/me/ifr_multi_hop_both/a.npz",
            "/w/me/ifr_multi_hop_both",
            ("", "", "ifr_multi_hop_both"),
        ),
    ],
)
def test_names_in_a_path(path: str, out: str, names: tuple[str, str, str]) -> None:
    """As many as can be known, and none that is not."""
    source = source_of(Path(path), Path(out))
    assert (source.dataset, source.model, source.run_tag) == names


_BOTH = "ifr_multi_hop_both_n1_mfaithfulness_gen_100ex"


@pytest.mark.parametrize(
    ("root", "dataset", "model", "run", "known"),
    [
        # a default root is known wherever OUT is
        ("/w/exp/proc/output", "needles", "qwen-8B", _BOTH, ("needles", "qwen-8B")),
        ("/w/exp/proc_1/output", "needles", "qwen-8B", _BOTH, ("needles", "qwen-8B")),
        ("/w/exp/proc/output", "needles", "Qwen/Q3-8B", _BOTH, ("needles", "Qwen/Q3-8B")),
        (
            "/w/exp/proc/output",
            "exp/exp2/data/math.jsonl",
            "qwen-8B",
            _BOTH,
            ("exp/exp2/data/math.jsonl", "qwen-8B"),
        ),
        (
            "/w/exp/proc/output",
            "data/math.jsonl",
            "Qwen/Q3-8B",
            _BOTH,
            ("data/math.jsonl", "Qwen/Q3-8B"),
        ),
        # as published
        ("/w/exp/proc/output", "", "", "math_ifr_multi_hop_both", ("", "")),
        *(
            (f"{root}/data", dataset, "qwen-8B", method, (dataset, "qwen-8B"))
            for root in ("/w/exp/proc_1/output", "/w/archive")
            for dataset in ("morehopqa", "vt_h2_c3", "vt_h10_c1.jsonl")
            for method in ("ifr_multi_hop_both_n1", "attnlrp", "perturbation_all_fast")
        ),
        # elsewhere
        ("/w/mine", "needles", "qwen-8B", _BOTH, ("needles", "qwen-8B")),
    ],
)
def test_names_at_every_level(
    root: str, dataset: str, model: str, run: str, known: tuple[str, str]
) -> None:
    """The same whether OUT is the root, a dataset's, model's or run's folder, or the file."""
    folder = Path(root, dataset, model, run)
    path = folder / "ex_000001.npz"
    for out in (path, folder, *folder.parents):
        if out == Path(root).parent and root == "/w/mine":
            break  # above a root that is none of the default ones: its name is taken for one
        source = source_of(path, out)
        assert (source.dataset, source.model, source.run_tag) == (*known, run), out
        assert source.method == method_of(run)


@pytest.mark.parametrize("out", ["", "exp", "exp/exp2/data", "exp/exp2/data/math.jsonl"])
def test_a_dataset_that_is_a_path_below_another_root(out: str) -> None:
    """As far as OUT tells: at the least the name of its file."""
    path = Path("/w/mine/exp/exp2/data/math.jsonl/Qwen/Q3-8B", _BOTH, "ex_000001.npz")
    source = source_of(path, Path("/w/mine", out))
    assert source.model == "Qwen/Q3-8B"
    below = "exp/exp2/data/math.jsonl".removeprefix(out).strip("/")
    assert source.dataset == (below or "math.jsonl")


def test_what_is_not_known_is_a_question_mark_to_people_and_empty_in_data(tmp_path: Path) -> None:
    folder = tmp_path / "exp/proc/output/math_ifr_multi_hop_both"
    write_export(folder / "ex_000001.npz", ["a"], scores=(0.5, 0.5, NAN))
    for out in (folder, folder.parent, tmp_path):
        assert "? · ?" in run_cli("summary", out).stdout
        (row,) = json.loads(run_cli("summary", out, "--format", "json").stdout)["rows"]
        assert (row["dataset"], row["model"], row["run_tag"]) == ("", "", folder.name)
        assert "| ? | ? | math" in run_cli("summary", out, "--format", "markdown").stdout
        assert "? & ? & math" in run_cli("summary", out, "--format", "latex").stdout
        assert (
            run_cli("summary", out, "--format", "csv").stdout.splitlines()[1].startswith(",,,math")
        )
    assert run_cli("gallery", folder, "-o", tmp_path / "site").returncode == 0
    index = (tmp_path / "site/data/index.js").read_text("ascii")
    assert '"dataset":"","path":"","model":""' in index  # the page shows "?" for it


def test_names_that_nothing_has_are_answered_with_those_that_are_there(out: Path) -> None:
    done = run_cli("show", out, "--method", "both")
    assert done.returncode == 2
    assert "none of 6 npz files is one that was asked for" in done.stderr
    said = (
        "hint: There are datasets math, needles; model qwen-8B; methods attnlrp_negdrop_normnorm,"
        " ifr_multi_hop_both_n1."
    )
    assert said in " ".join(done.stderr.split())


def test_pack_says_once_what_it_misses(out: Path, tmp_path: Path) -> None:
    (tmp_path / "site/pyarrow").mkdir(parents=True)
    (tmp_path / "site/pyarrow/__init__.py").write_text("raise ImportError('hidden by a test')")
    words = ("pack", out, "-o", tmp_path / "s.parquet")
    done = run_cli(*words, env=import_first(tmp_path / "site"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("missing-extra") == 1
    assert "pip install 'exp2proc[parquet]'" in done.stderr


def test_sorted_each_once_no_hidden_files(out: Path) -> None:
    (out / "needles/.x.npz").write_bytes(b"")
    os.symlink(out, out / "needles/loop")
    names = [source.name for source in find_sources([out, out / "needles", out / "exp"])]
    assert names == sorted(names)
    assert len(names) == len(set(names)) == 6


def test_collisions_and_absent_folders_are_refused(out: Path, tmp_path: Path) -> None:
    write_export(
        tmp_path / "other" / "needles/qwen-8B/attnlrp_negdrop_normnorm_5ex/ex_000000.npz", []
    )
    with pytest.raises(exp2proc.Exp2procError) as caught:
        find_sources([out, tmp_path / "other"])
    assert caught.value.code == "samples-collide"
    assert len(find_sources(tmp_path)) == 7
    (out / "needles/qwen-8B/attnlrp_negdrop_normnorm_5ex/manifest.jsonl").touch()
    with pytest.raises(exp2proc.Exp2procError) as caught:
        find_sources([out, tmp_path / "other"])
    assert caught.value.hint.endswith("is a trace run: name the output folder alone.")
    for wrong in (tmp_path / "nothing", tmp_path / "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(exp2proc.Exp2procError) as caught:
            list(exp2proc.iter_samples(wrong))
        assert caught.value.code == "no-samples"
    for reader in (exp2proc.iter_samples, exp2proc.SampleDataset, find_sources):
        with pytest.raises(exp2proc.Exp2procError, match="no folder and no npz was named"):
            next(iter(reader([])))


@pytest.mark.parametrize("jobs", [1, 2])
def test_iter_samples_in_order_with_failures_told(out: Path, jobs: int) -> None:
    bad = out / "needles/qwen-8B/attnlrp_negdrop_normnorm_5ex/ex_000001.npz"
    bad.write_bytes(b"PK")
    told = []
    samples = list(
        exp2proc.iter_samples(out, jobs=jobs, on_error=lambda src, err: told.append((src, err)))
    )
    names = [sample.source.name for sample in samples if sample.source]
    assert names == sorted(names)
    assert len(names) == 5
    assert [(src.path, err.code) for src, err in told] == [(bad, "sample-invalid")]
    with pytest.raises(exp2proc.Exp2procError, match="ex_000001"):
        list(exp2proc.iter_samples(out, jobs=jobs))


def test_iter_samples_is_lazy(out: Path) -> None:
    samples = exp2proc.iter_samples(out)
    next(samples)
    last = find_sources(out)[-1].path
    last.write_bytes(b"")
    with pytest.raises(exp2proc.Exp2procError, match=last.name):
        list(samples)


def test_a_pool_that_is_left_early_ends_quietly(out: Path) -> None:
    code = (
        "import sys, exp2proc\n"
        "for sample in exp2proc.iter_samples(sys.argv[1], jobs=2):\n"
        "    print(sample.source.example); break\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(out)], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")


def test_top_tokens(tmp_path: Path) -> None:
    path = write_export(
        tmp_path / "s.npz",
        list("abcdefg"),
        attr=[1, 5, NAN, 5, 2, -9, 3],
        hop=[[0] * 7, [7, 6, 5, 4, 3, 2, 1]],
        spans=((0, 3), (4, 5), (6, 6)),
    )
    sample = exp2proc.load_sample(path)
    assert sample.top_tokens(2) == [(1, "b", 5.0), (3, "d", 5.0)]
    assert [token.index for token in sample.top_tokens(9)] == [1, 3, 0]
    assert sample.top_tokens(9, span="cot") == [(4, "e", 2.0), (5, "f", -9.0)]
    assert sample.top_tokens(1, span="all", hop=1) == [(0, "a", 7.0)]
    assert sample.top_tokens(0) == []
    with pytest.raises(IndexError):
        sample.top_tokens(hop=2)
    with pytest.raises(ValueError, match="cot"):
        sample.top_tokens(span="thinking")  # type: ignore[arg-type]


def test_shares(tmp_path: Path) -> None:
    path = write_export(
        tmp_path / "s.npz",
        list("abcdef"),
        attr=[1, -1, 2, NAN, 4, 8],
        hop=[[0] * 6, [0, 0, 0, 1, 0, 0]],
        spans=((0, 1), (2, 4), (4, 4)),
    )
    sample = exp2proc.load_sample(path)
    # token 4 is CoT and output at once: it counts once, as output
    assert sample.shares() == {"in": 2 / 16, "cot": 2 / 16, "out": 4 / 16, "rest": 8 / 16}
    assert sample.shares(1) == {"in": 0, "cot": 1, "out": 0, "rest": 0}
    assert all(np.isnan(share) for share in sample.shares(0).values())


def test_no_tokens_in_proc_1(tmp_path: Path) -> None:
    sample = exp2proc.load_sample(write_export(tmp_path / "s.npz", None, length=3))
    assert sample.top_tokens(1) == [(2, None, 3.0)]


def test_load_scores_checks_what_it_reads(tmp_path: Path) -> None:
    path = write_export(tmp_path / "s.npz", ["a"], scores=(0.25, NAN, 1.0))
    scores = load_scores(path)
    assert (scores["rise"], scores["recovery"]) == (0.25, 1.0)
    assert np.isnan(scores["mas"])
    np.savez(tmp_path / "trace.npz", v_row_all=np.zeros(3))
    with pytest.raises(exp2proc.Exp2procError) as caught:
        load_scores(tmp_path / "trace.npz")
    assert caught.value.code == "sample-invalid"


def _length(sample: exp2proc.Sample) -> int:
    return len(sample.attr)


def test_dataset_is_map_style_and_travels_to_other_processes(out: Path) -> None:
    dataset = exp2proc.SampleDataset(out, transform=_length)
    assert len(dataset) == 6
    assert list(dataset) == [2, 2, 2, 3, 3, 3]
    assert dataset[-1] == 3
    with pytest.raises(IndexError):
        dataset[6]
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        assert list(pool.map(dataset.__getitem__, [5, 0])) == [3, 2]
    source = exp2proc.SampleDataset(out)[0].source
    assert source is not None
    assert source.example == 0


def test_a_slice_is_a_dataset_that_reads_nothing_yet(out: Path) -> None:
    dataset = exp2proc.SampleDataset(out, transform=_length)
    bad = dataset.sources[1].path
    bad.write_bytes(b"PK")
    part = dataset[1:5]
    assert repr(part) == "SampleDataset(4 samples)"
    assert part.sources == dataset.sources[1:5]
    assert (list(part[1:]), part[-1], list(dataset[::-3])) == ([2, 3, 3], 3, [3, 2])
    assert len(dataset[6:]) == 0
    assert len(dataset) == 6
    assert pickle.loads(pickle.dumps(part))[1] == 2
    assert dataset[np.int64(5)] == 3
    with pytest.raises(exp2proc.Exp2procError, match="sample-invalid"):
        part[0]


def test_a_sample_is_the_same_behind_pickle(out: Path) -> None:
    """As it comes from the workers of `iter_samples` or of a DataLoader."""
    here, there = (list(exp2proc.iter_samples(out, jobs=jobs)) for jobs in (1, 2))
    copied = [pickle.loads(pickle.dumps(sample)) for sample in here]
    for samples in (here, there, copied, [copy.deepcopy(sample) for sample in here]):
        for one, sample in zip(samples, here, strict=True):
            for key in ("source", "layout", "spans"):
                assert getattr(one, key) == getattr(sample, key)
            for key in ("attr", "hop", "tok"):
                array, same = getattr(one, key), getattr(sample, key)
                assert (array is None) == (same is None)
                assert array is None or (array.dtype, array.tolist()) == (same.dtype, same.tolist())
                assert array is None or not array.flags.writeable


def test_a_sample_does_not_freeze_what_it_is_made_of() -> None:
    attr = np.array([0.5], np.float32)
    spans = SampleSpans((0, 0), (-1, -1), (-1, -1))
    sample = exp2proc.Sample("proc_1", attr, spans, {})
    attr[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        sample.attr[0] = 2


def test_dataset_in_torch(out: Path) -> None:
    data = pytest.importorskip("torch.utils.data", reason="torch is not installed")
    loader = data.DataLoader(
        exp2proc.SampleDataset(out), batch_size=4, shuffle=False, num_workers=1, collate_fn=list
    )
    assert [[len(sample.attr) for sample in batch] for batch in loader] == [[2, 2, 2, 3], [3, 3]]


def test_importing_the_dataset_needs_no_torch() -> None:
    code = "import sys, exp2proc; exp2proc.SampleDataset; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_commands_name_a_file_that_is_no_sample(out: Path) -> None:
    (out / "needles/x.npz").write_bytes(b"no\x1b[31m")
    done = run_cli("summary", out)
    assert done.returncode == 1
    assert "x.npz" in done.stderr
    assert "3" in done.stdout
    for path in find_sources(out):
        path.path.write_bytes(b"")
    done = run_cli("summary", out)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no-samples" in done.stderr
    assert "Traceback" not in done.stderr


_NAMES: list[tuple[bytes, bytes, bool]] = [
    (b"caf\xe9", b"caf\xe8", True),
    (b"\xe9\\xe8", b"\xe9\xe8", True),
    (b"\xe9%e8", b"\xe9\xe8", True),
    (b"caf\x1b", b"caf\\x1b", True),
    (b"caf\xe9", b"caf%e9", False),
]


@pytest.mark.parametrize("where", ["folder", "file"])
@pytest.mark.parametrize(("one", "other", "apart"), _NAMES)
def test_names_that_differ_in_bytes_that_are_no_text(
    tmp_path: Path, where: str, one: bytes, other: bytes, apart: bool
) -> None:
    """They are told apart; but for a name that is what the other one is written as."""
    for name in map(os.fsdecode, (one, other)):
        way = f"{name}/m/r/ex_000000.npz" if where == "folder" else f"d/m/r/{name}.npz"
        write_export(tmp_path / "out" / way, ["a"])
    if apart:
        names = [source.name for source in find_sources(tmp_path / "out")]
        assert len(set(names)) == 2
        assert all(name.encode() for name in names)
        return
    done = run_cli("summary", tmp_path / "out")
    assert done.returncode == 2
    assert "caf\\udce9" in done.stderr
    assert done.stderr.count("caf%e9") == 2
    assert "bytes that are no UTF-8 are written as %ff" in done.stderr
    assert "hint: Rename one of the two." in done.stderr
