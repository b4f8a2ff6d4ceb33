"""Pack and unpack: array for array, in flat memory, readable by everybody, safe to unpack."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile.kind import measured
from support.arrays import assert_same_tree, records_of
from support.cli import preload, run_cli
from support.exported import NAN, write_export
from support.processes import unmeasured

import exp2proc
from exp2proc.demo.tree import DemoTree
from exp2proc.formats.parquet import ParquetReader, pack, unpack

pa = pytest.importorskip("pyarrow", reason="the extra parquet is not installed")
pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture(scope="module", autouse=True)
def _preloaded() -> None:
    preload("pyarrow.parquet")


HERE = Path(__file__).parents[1]
RECIPES = sorted((HERE / "recipes").glob("read_*.py"))
RUN = "math/qwen-8B/ifr_n1_mfaithfulness_gen_9ex"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Every kind of sample: with and without text, hops, scores, tokens."""
    run = tmp_path / "out" / RUN
    write_export(run / "ex_000000.npz", [" a", "🍎", "🍎", "", "\x00b"], scores=(0.5, NAN, 1))
    write_export(run / "ex_000001.npz", None, length=3, hop=[[1, NAN, 3], [-0.0, np.inf, 6]])
    write_export(run / "ex_000002.npz", [])
    write_export(run / "ex_000003.npz", ["x", "y"], hop=[[1, 2]])
    write_export(run / "other name.npz", ["长", "文本"], spans=((0, 0), (-1, -1), (1, 1)))
    return tmp_path / "out"


def packed(out: Path) -> Path:
    path = out.parent / "samples.parquet"
    done = run_cli("pack", out, "-o", path)
    assert (done.returncode, done.stderr) == (0, "")
    return path


def test_there_and_back(out: Path, tmp_path: Path) -> None:
    path = packed(out)
    done = run_cli("unpack", path, "-o", tmp_path / "back")
    assert (done.returncode, done.stderr) == (0, "")
    assert assert_same_tree(tmp_path / "back", out) == 5
    again = run_cli("unpack", path, "-o", tmp_path / "back")
    assert again.returncode == 2
    assert "target-exists" in again.stderr
    assert run_cli("unpack", path, "-o", tmp_path / "back", "--overwrite").returncode == 0


def test_what_is_in_the_way_is_said_before_anything_is_written(out: Path, tmp_path: Path) -> None:
    path, back = packed(out), tmp_path / "back"
    there = [back / RUN / "ex_000002.npz", back / RUN / "ex_000003.npz"]
    there[0].parent.mkdir(parents=True)
    for one in there:
        one.write_bytes(b"of somebody")
    done = run_cli("unpack", path, "-o", back)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        f"exp2proc: target-exists: 2 of 5 files are already there, such as {there[0]}",
        "hint: Name another with -o, or pass --overwrite.",
    ]
    assert sorted((back / RUN).iterdir()) == there
    assert {one.read_bytes() for one in there} == {b"of somebody"}
    assert run_cli("unpack", path, "-o", back, "--overwrite").returncode == 0
    assert assert_same_tree(back, out) == 5


def test_two_rows_of_one_path(out: Path, tmp_path: Path) -> None:
    """As when two packed files were put together by other means: which of them is meant?"""
    path = packed(out)
    table = pq.ParquetFile(path).read()
    pq.write_table(pa.concat_tables([table, table]), path)
    for more in ([], ["--overwrite"]):
        done = run_cli("unpack", path, "-o", tmp_path / "back", *more)
        assert done.returncode == 2
        assert f"rows 0 and 5 are both {RUN}/ex_000000.npz" in done.stderr
    assert not (tmp_path / "back").exists()


def test_no_record_stays_beside_samples_that_were_unpacked(demo: DemoTree, tmp_path: Path) -> None:
    words = ("convert", "--traces_root", demo.traces, "--layout", "proc_1", "--out_root")
    assert run_cli(*words, tmp_path / "out").returncode == 0
    before = records_of(tmp_path / "out")
    path = tmp_path / "needles.parquet"
    assert run_cli("pack", tmp_path / "out/needles", "-o", path).returncode == 0
    packed_runs = {name for name in before if name.startswith("needles/")}
    assert 0 < len(packed_runs) < len(before)
    assert run_cli("unpack", path, "-o", "out", "--overwrite", cwd=tmp_path).returncode == 0
    assert set(records_of(tmp_path / "out")) == set(before) - packed_runs


def test_datasets_are_short_with_their_paths_beside_them(tmp_path: Path) -> None:
    out = tmp_path / "out"
    paths = ("exp/exp2/data/math.jsonl", "a/needles.jsonl", "b/needles.jsonl", "solo")
    for path in paths:
        write_export(out / path / "qwen-8B" / "ifr_n1_1ex" / "ex_000000.npz", ["a"])
    packed_file = packed(out)
    table = pq.read_table(packed_file)
    names = dict(zip(*(table[key].to_pylist() for key in ("dataset_path", "dataset")), strict=True))
    assert names == {paths[0]: "math", **{path: path for path in paths[1:]}}
    assert run_cli("unpack", packed_file, "-o", tmp_path / "back").returncode == 0
    assert assert_same_tree(tmp_path / "back", out) == 4
    # a file of the first format, in which the dataset is the path
    first = table.drop_columns("dataset").rename_columns({"dataset_path": "dataset"})
    pq.write_table(first.replace_schema_metadata({"exp2proc": "{}"}), tmp_path / "first.parquet")
    done = run_cli("unpack", tmp_path / "first.parquet", "-o", tmp_path / "first")
    assert (done.returncode, done.stderr) == (0, "")
    assert assert_same_tree(tmp_path / "first", out) == 4


def test_there_and_back_as_a_library(out: Path, tmp_path: Path) -> None:
    path = tmp_path / "samples.parquet"
    assert pack(exp2proc.iter_samples(out), path) == 5
    with ParquetReader(path) as reader:
        assert reader.count == 5
        assert len(list(unpack(reader, tmp_path / "back"))) == 5
    assert assert_same_tree(tmp_path / "back", out) == 5


def test_the_same_bytes_every_time(out: Path, tmp_path: Path) -> None:
    """From samples in memory, and from files whose pieces come again with each method."""
    for method in ("attnlrp", "ifr_in_all_gen"):
        run = out / RUN.replace("ifr_n1", f"{method}_n1")
        write_export(run / "ex_000000.npz", [" a", "🍎", "🍎", "", "\x00b"], hop=[[1, 2, 3, 4, 5]])
        write_export(run / "ex_000003.npz", ["x", "y"], attr=[NAN, 0])
    content = packed(out).read_bytes()
    assert packed_anew(out, tmp_path / "again.parquet") == content
    assert pack(exp2proc.iter_samples(out), tmp_path / "library.parquet") == 9
    assert (tmp_path / "library.parquet").read_bytes() == content
    assert run_cli("unpack", tmp_path / "again.parquet", "-o", tmp_path / "back").returncode == 0
    assert assert_same_tree(tmp_path / "back", out) == 9


def packed_anew(out: Path, path: Path) -> bytes:
    assert run_cli("pack", out, "-o", path, fresh=True).returncode == 0
    return path.read_bytes()


def test_pieces_that_utf_8_cannot_spell(out: Path, tmp_path: Path) -> None:
    write_export(out / RUN / "ex_000005.npz", ["a", "\ud800"])
    done = run_cli("pack", out, "-o", tmp_path / "x.parquet")
    assert (done.returncode, (tmp_path / "x.parquet").exists()) == (2, False)
    assert "ex_000005.npz: a token piece is not valid Unicode" in done.stderr
    with pytest.raises(exp2proc.Exp2procError, match="not valid Unicode"):
        pack(exp2proc.iter_samples(out), tmp_path / "x.parquet")


def test_without_a_sample_there_is_no_file(tmp_path: Path) -> None:
    assert pack(iter(()), tmp_path / "samples.parquet") == 0
    assert list(tmp_path.iterdir()) == []


def test_published_samples_there_and_back(reference: Path, tmp_path: Path) -> None:
    run = tmp_path / "out/math.jsonl/qwen-8B/ifr_multi_hop_both_n1_60ex"
    run.parent.mkdir(parents=True)
    run.symlink_to(reference / "expected")
    path = packed(tmp_path / "out")
    assert run_cli("unpack", path, "-o", tmp_path / "back").returncode == 0
    assert assert_same_tree(tmp_path / "back" / run.relative_to(tmp_path / "out"), run) == 60


def test_columns_types_and_metadata(out: Path) -> None:
    assert pack(exp2proc.iter_samples(out), out.parent / "samples.parquet") == 5
    table = pq.read_table(out.parent / "samples.parquet")
    types = {field.name: str(field.type) for field in table.schema}
    assert types["attr"] == "list<element: float>"
    assert types["hop"] == "list<element: list<element: float>>"
    assert types["tok"] == "list<element: string>"
    assert types["span_in"] == "fixed_size_list<element: int64>[2]"
    row = table.to_pylist()[0]
    names = ("dataset", "model", "method", "file", "example")
    assert [row[name] for name in names] == ["math", "qwen-8B", "ifr", "ex_000000.npz", 0]
    assert (row["rise"], row["mas"], row["recovery"]) == (0.5, None, 1.0)
    assert row["tok"] == [" a", "🍎", "🍎", "", "\x00b"]
    assert table["example"].to_pylist()[-1] is None
    about = json.loads(
        pq.ParquetFile(out.parent / "samples.parquet").metadata.metadata[b"exp2proc"]
    )
    assert about["layout"] == ["proc", "proc_1"]
    assert about["exp2proc_version"] == exp2proc.__version__
    assert set(about["units"]) >= {"attr", "hop", "rise", "recovery"}
    assert about["versions"]["numpy"] == np.__version__


def test_refusals(out: Path, tmp_path: Path) -> None:
    path = out.parent / "samples.parquet"
    pack(exp2proc.iter_samples(out), path)
    before = path.read_bytes()
    assert run_cli("pack", out, "-o", path).returncode == 2
    assert path.read_bytes() == before
    assert run_cli("pack", out, "-o", path, "--overwrite").returncode == 0
    assert run_cli("pack", out, "-o", tmp_path).returncode == 2
    for content in (b"", b"PAR1" * 9, before[:-30]):
        (tmp_path / "bad.parquet").write_bytes(content)
        done = run_cli("unpack", tmp_path / "bad.parquet", "-o", tmp_path / "x")
        assert done.returncode == 2
        assert "parquet-invalid" in done.stderr
        assert "Traceback" not in done.stderr
    pq.write_table(pa.table({"a": [1]}), tmp_path / "foreign.parquet")
    done = run_cli("unpack", tmp_path / "foreign.parquet", "-o", tmp_path / "x")
    assert (done.returncode, "not written by exp2proc" in done.stderr) == (2, True)
    assert not (tmp_path / "x").exists()


def test_a_file_that_is_no_sample_is_left_out(out: Path) -> None:
    (out / RUN / "ex_000009.npz").write_bytes(b"PK")
    path = out.parent / "s.parquet"
    done = run_cli("pack", out, "-o", path)
    assert done.returncode == 1
    assert "ex_000009" in done.stderr
    assert pq.ParquetFile(path).metadata.num_rows == 5
    for sample in out.rglob("*.npz"):
        sample.write_bytes(b"")
    done = run_cli("pack", out, "-o", out.parent / "none.parquet")
    assert done.returncode == 2
    assert sorted(p.name for p in out.parent.iterdir()) == ["out", "s.parquet"]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("dataset_path", "../../evil"),
        ("dataset_path", "/evil"),
        ("run_tag", ".."),
        ("file", "../evil.npz"),
        ("file", "evil"),
        ("file", None),
        ("file", "x\x00.npz"),
        ("file", ".evil.npz"),
        ("file", "evil/x.npz"),
        ("model", "a//evil"),
        ("model", "./evil"),
        ("dataset_path", "evil/.."),
        ("span_in", [3, 1]),
        ("attr", None),
        ("attr", [None] * 5),
        ("tok", [None] * 5),
        ("tok_width", None),
        ("tok_width", -1),
        ("tok_width", 0),
        ("tok_width", 1),
        ("tok_width", 1 << 28),
        ("tok_width", (1 << 31) - 1),
        ("hop", [[1.0] * 5] * 1025),
        ("hop", [[1.0]]),
    ],
)
def test_hostile_rows(out: Path, tmp_path: Path, column: str, value: Any) -> None:
    path = _changed(out, **{column: value})
    with ParquetReader(path) as reader, pytest.raises(exp2proc.Exp2procError) as caught:
        list(unpack(reader, tmp_path / "a/b/x"))
    assert caught.value.code == "parquet-invalid"
    assert "row 0 is no sample: " in caught.value.message
    assert not list(tmp_path.rglob("*evil*"))
    done = run_cli("unpack", path, "-o", tmp_path / "a/b/x")
    assert done.returncode == 1
    assert done.stderr.startswith(f"exp2proc: parquet-invalid: {path}: row 0 is no sample: ")
    assert done.stderr.count("\n") == 1
    assert len(list((tmp_path / "a/b/x").rglob("*.npz"))) == 4
    assert not list(tmp_path.rglob("*evil*"))


def _changed(out: Path, **values: Any) -> Path:
    """A packed file of the samples, the first row with other values."""
    path = out.parent / "samples.parquet"
    pack(exp2proc.iter_samples(out), path)
    table = pq.ParquetFile(path).read()
    rows = table.to_pylist()
    rows[0].update(values)
    bad = pa.Table.from_pylist(rows, schema=table.schema.with_metadata({"exp2proc": "{}"}))
    pq.write_table(bad, path)
    return path


def test_widths_are_what_is_wrong_in_numbers(out: Path, tmp_path: Path) -> None:
    path = _changed(out, tok_width=1 << 28)
    assert "5 pieces of tok_width 268435456 are 5368709120 bytes, at most 536870912" in (
        run_cli("unpack", path, "-o", tmp_path / "x").stderr
    )
    path = _changed(out, tok_width=1)
    assert "tok_width is 1, the longest piece has 2 characters" in (
        run_cli("unpack", path, "-o", tmp_path / "y").stderr
    )


def test_a_width_of_its_own_stays(tmp_path: Path) -> None:
    """Some other program may have written wider strings than the pieces need."""
    sample = tmp_path / "out" / RUN / "ex_000000.npz"
    write_export(sample, ["a", "b"])
    with np.load(sample) as npz:
        arrays = {**npz, "tok": np.array(["a", "b"], "U7")}
    np.savez_compressed(sample, **arrays)
    path = packed(tmp_path / "out")
    assert run_cli("unpack", path, "-o", tmp_path / "back").returncode == 0
    assert assert_same_tree(tmp_path / "back", tmp_path / "out") == 1


def test_a_file_without_a_sample_is_refused(out: Path, tmp_path: Path) -> None:
    path = _changed(out, file="x")
    table = pq.ParquetFile(path).read().slice(0, 1)
    pq.write_table(table, path)
    done = run_cli("unpack", path, "-o", tmp_path / "x")
    assert done.returncode == 2
    assert "none of its rows is a sample" in done.stderr
    assert not (tmp_path / "x").exists()


_ODD_NAMES = ("llama3:8b", "a\\b", "tab\there", "red\x1b[31m", "m" * 210, "x" * 255, " ", "-o", "~")


def test_names_there_and_back(tmp_path: Path) -> None:
    """Whatever a folder may be called."""
    out = tmp_path / "out"
    for number, name in enumerate(_ODD_NAMES):
        places = [["d", name, "ifr_1ex"], [name, "m", "ifr_1ex"], ["d", "m", name]]
        for place in places:
            write_export(out.joinpath(*place, f"ex_{number:06}.npz"), ["a"])
    write_export(out / "d/m/ifr_9ex" / f"{'n' * 251}.npz", ["a"])
    write_export(out / "d/m/ifr_9ex" / "c:\\x.npz", ["a"])
    path = packed(out)
    done = run_cli("unpack", path, "-o", tmp_path / "back")
    assert (done.returncode, done.stderr) == (0, "")
    assert assert_same_tree(tmp_path / "back", out) == 3 * len(_ODD_NAMES) + 2


def test_a_name_that_the_file_system_does_not_take(out: Path, tmp_path: Path) -> None:
    path = _changed(out, model="x" * 300)
    (tmp_path / "back").mkdir()
    done = run_cli("unpack", path, "-o", tmp_path / "back")
    assert done.returncode == 1
    assert done.stderr.startswith("exp2proc: output-unwritable: ")
    assert "File name too long" in done.stderr
    assert len(list((tmp_path / "back").rglob("*.npz"))) == 4
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "math").write_text("")
    path = _changed(out, dataset_path="needles")
    done = run_cli("unpack", path, "-o", blocked)
    assert done.returncode == 1
    assert "and" not in done.stderr
    assert len(list(blocked.rglob("*.npz"))) == 1


def test_files_whose_names_are_no_utf_8(out: Path, tmp_path: Path) -> None:
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
    path = f"{odd}.parquet"
    for words in (["pack", out, "-o", path], ["unpack", path, "-o", odd]):
        done = run_cli(*words)
        assert (done.returncode, done.stderr) == (0, ""), done
        assert "caf\\udce9" in done.stdout
    assert assert_same_tree(Path(odd), out) == 5
    assert run_cli("pack", out, "-o", path).returncode == 2
    assert run_cli("pack", out, "-o", f"{odd}/s.parquet").returncode == 0
    os.mkfifo(tmp_path / "fifo")
    done = run_cli("unpack", tmp_path / "fifo", "-o", odd)
    assert (done.returncode, done.stderr.count("\n")) == (2, 2)


def test_the_file_that_is_read_stays(out: Path, tmp_path: Path) -> None:
    content = packed(out).read_bytes()
    own = tmp_path / "back" / RUN / "ex_000000.npz"
    own.parent.mkdir(parents=True)
    own.write_bytes(content)
    link = tmp_path / "link.npz"
    link.symlink_to(own)
    for name in (own, link):
        done = run_cli("unpack", name, "-o", tmp_path / "back", "--overwrite")
        assert done.returncode == 2
        assert "is the file that is read" in done.stderr
        assert own.read_bytes() == content


@pytest.mark.thorough
def test_memory_stays_flat(tmp_path: Path) -> None:
    """Ten times the samples, the same memory: read from links to one file."""
    pytest.importorskip("resource", reason="no way to ask for peak memory here")
    peaks = []
    tok = [f" token{number}" for number in range(3000)]
    hop = np.random.default_rng(0).random((3, 3000)).tolist()
    for count in (120, 1200):
        run = tmp_path / f"out{count}" / RUN
        first = write_export(run / "ex_000000.npz", tok, hop=hop)
        for number in range(1, count):
            os.link(first, run / f"ex_{number:06d}.npz")
        code = (
            "import resource, sys; from pathlib import Path\n"
            "import exp2proc; from exp2proc.formats.parquet import pack\n"
            "count = pack(exp2proc.iter_samples(sys.argv[1]), Path(sys.argv[2]))\n"
            "print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
        )
        target = tmp_path / f"{count}.parquet"
        done = subprocess.run(
            [sys.executable, "-c", code, str(run), str(target)],
            capture_output=True,
            text=True,
            check=True,
            timeout=300,
        )
        written, peak = map(int, done.stdout.split())
        assert written == count
        assert pq.ParquetFile(target).num_row_groups > 1
        peaks.append(peak)
    assert peaks[1] < 1.3 * peaks[0], peaks


@pytest.mark.thorough
def test_memory_stays_flat_with_long_pieces(tmp_path: Path) -> None:
    """Few tokens, megabytes of text: six times the samples, the same memory, both ways."""
    pytest.importorskip("resource", reason="no way to ask for peak memory here")
    tok = [f"{number}" + 1000 * "🍎" for number in range(1000)]
    peaks = []
    for count in (12, 72):
        out, back = tmp_path / f"out{count}", tmp_path / f"back{count}"
        path = tmp_path / f"{count}.parquet"
        first = write_export(out / RUN / "ex_000000.npz", tok)
        for number in range(1, count):
            os.link(first, out / RUN / f"ex_{number:06d}.npz")
        both = []
        for command, source, target in (("pack", out, path), ("unpack", path, back)):
            done, peak = measured(tmp_path / "notes", command, source, "-o", target)
            assert done.returncode == 0, done.stderr
            both.append(peak)
        assert assert_same_tree(back, out) == count
        peaks.append(both)
    for few, many in zip(*peaks, strict=True):
        assert many < 1.5 * few, peaks


@pytest.mark.parametrize("samples", [5, 2100])
def test_a_full_disk(tmp_path: Path, samples: int) -> None:
    """Seen while a group is written beside the next, or at the end: told, and no file."""
    if shutil.which("prlimit") is None:
        pytest.skip("prlimit is not installed")
    run = tmp_path / "out" / RUN
    first = write_export(run / "ex_000000.npz", [f"t{number}" for number in range(300)])
    for number in range(1, samples):
        os.link(first, run / f"ex_{number:06d}.npz")
    words = ("pack", str(tmp_path / "out"), "-o", str(tmp_path / "x.parquet"))
    done = subprocess.run(
        ["prlimit", "--fsize=1000", sys.executable, "-m", "exp2proc", *words],
        env=unmeasured(),  # what measures coverage would write, too
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    line, hint = done.stderr.splitlines()
    named = f"exp2proc: system-refuses: {tmp_path / 'x.parquet'}: File too large"
    assert (done.returncode, line, hint.startswith("hint: ")) == (2, named, True)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_without_pyarrow_the_extra_is_named(out: Path) -> None:
    block = "import sys; sys.modules['pyarrow'] = None\nfrom exp2proc.cli import main\n"
    words = ["pack", str(out), "-o", str(out.parent / "x.parquet")]
    done = subprocess.run(
        [sys.executable, "-c", f"{block}sys.exit(main({words!r}))"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "exp2proc[parquet]" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_recipes_of_the_readme(out: Path, recipe: Path) -> None:
    library = recipe.stem.removeprefix("read_")
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    path = out.parent / "samples.parquet"
    pack(exp2proc.iter_samples(out), path)
    done = subprocess.run(
        [sys.executable, str(recipe)],
        cwd=path.parent,
        env={**os.environ, "HF_HOME": str(path.parent / "hf"), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "ifr" in done.stdout
    assert "(5,)" in done.stdout if library == "datasets" else "0.5" in done.stdout


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_recipes_stand_in_the_documentation(recipe: Path) -> None:
    page = HERE.parent / "docs/how-to/hand-over.md"
    assert recipe.read_text(encoding="utf-8").strip() in page.read_text(encoding="utf-8")
