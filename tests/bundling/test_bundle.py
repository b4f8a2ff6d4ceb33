"""What is handed over: equal samples make equal bytes, and damage is found and named."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import DatasetCard
from hypothesis import given
from hypothesis import strategies as st
from support.cli import run_cli, run_json
from support.exported import write_export
from support.extras import has, needs

import exp2proc
from exp2proc.demo.tree import DemoTree
from exp2proc.formats.bundle import RunNames, folders, read_sums, spellings, sums_text
from exp2proc.formats.zipped import STORED, ending, headers

TAGS = ["ifr_multi_hop_both_n1_mfaithfulness_gen_3ex", "attnlrp_mfaithfulness_gen_3ex"]
HUB = "Qwen/Qwen3-8B"
_PARQUET = ["--parquet"] if has("parquet") else []


@pytest.fixture
def out(tmp_path: Path) -> Path:
    root = tmp_path / "out"
    for dataset in ("exp/exp2/data/math.jsonl", "needles"):
        for tag in TAGS:
            for number in range(3):
                name = f"{dataset}/qwen-8B/{tag}/ex_{number:06d}.npz"
                write_export(root / name, ["a", "b", f"c{number}"], scores=(0.1, number / 4, 0.5))
    return root


@pytest.fixture(params=["bundle", "bundle.zip"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / str(request.param)


def export(demo: DemoTree, out: Path, jobs: int = 1) -> Path:
    exp2proc.convert(
        traces_root=demo.traces,
        data_root=demo.data,
        tokenizer_model=demo.tokenizer,
        out_root=out,
        jobs=jobs,
    )
    return out


def content(path: Path) -> dict[str, bytes]:
    if path.is_file():
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    files = (one for one in path.rglob("*") if one.is_file())
    return {one.relative_to(path).as_posix(): one.read_bytes() for one in files}


def test_samples_lie_under_short_names_as_they_were(out: Path, target: Path) -> None:
    made = exp2proc.bundle(out, target)
    found = content(target)
    assert (made.samples, made.files, made.size) == (12, len(found), sum(map(len, found.values())))
    name = "exp/exp2/data/math.jsonl/qwen-8B/ifr_multi_hop_both_n1_mfaithfulness_gen_3ex"
    for number in range(3):
        there = found[f"data/math/qwen-8B/ifr_multi_hop_both_n1/ex_{number:06d}.npz"]
        assert there == (out / name / f"ex_{number:06d}.npz").read_bytes()
    others = {path for path in found if not path.startswith("data/")}
    assert others == {"README.md", "SHA256SUMS", "provenance.json", "viewer.html"}
    assert len(found) == 16


def test_a_script_that_knows_numpy_alone_reads_it(out: Path, tmp_path: Path) -> None:
    exp2proc.bundle(out, tmp_path / "bundle")
    script = """
import glob, os, sys
import numpy as np
means = {}
for path in sorted(glob.glob(os.path.join(sys.argv[1], "*", "*", "*", "*.npz"))):
    dataset, model, method = path.split(os.sep)[-4:-1]
    with np.load(path, allow_pickle=False) as sample:
        start, end = sample["span_cot"]
        found = int(end - start), float(sample["mas"])
    means.setdefault((dataset, model, method), []).append(found)
assert "exp2proc" not in sys.modules
print(len(means), means["math", "qwen-8B", "attnlrp"])
"""
    words = [sys.executable, "-c", script, str(tmp_path / "bundle/data")]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout == "4 [(0, 0.0), (0, 0.25), (0, 0.5)]\n"


def test_sums_are_those_of_sha256sum(out: Path, tmp_path: Path) -> None:
    exp2proc.bundle(out, tmp_path / "bundle", parquet=has("parquet"))
    words = ["sha256sum", "--strict", "-c", "SHA256SUMS"]
    done = subprocess.run(
        words, cwd=tmp_path / "bundle", capture_output=True, text=True, check=True
    )
    assert done.stdout.count(": OK\n") == len(content(tmp_path / "bundle")) - 1


def test_the_archive_is_one_for_other_programs(out: Path, tmp_path: Path) -> None:
    exp2proc.bundle(out, tmp_path / "b.zip")
    exp2proc.bundle(out, tmp_path / "b")
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path / "extracted")
    assert content(tmp_path / "extracted") == content(tmp_path / "b") == content(tmp_path / "b.zip")


def test_datasets_loads_the_folder(out: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    exp2proc.bundle(out, tmp_path / "bundle", parquet=True, npz=False)
    cache = str(tmp_path / "cache")
    data = datasets.load_dataset(str(tmp_path / "bundle"), "math", split="train", cache_dir=cache)
    assert data["mas"] == [0.0, 0.25, 0.5] * 2
    assert set(data["dataset"]) == {"math"}
    assert datasets.get_dataset_config_names(str(tmp_path / "bundle")) == ["math", "needles"]


def test_equal_samples_make_equal_bytes(demo: DemoTree, tmp_path: Path) -> None:
    made: list[bytes] = []
    for number, jobs in enumerate((1, 2)):
        out = tmp_path / f"o{number}"
        export(demo, out, jobs)
        for path in out.rglob("*"):
            os.utime(path, (number * 1e8, number * 1e8))
        target = tmp_path / f"folder {number}" / "x.zip"
        env = {"TZ": "Asia/Tokyo", "PYTHONHASHSEED": str(number)}
        words = [*_PARQUET, "--cite", "--authors", "Doe, Jane", "--license", "mit"]
        done = run_cli("bundle", out, "-o", target, *words, env=env)
        assert done.returncode == 0, done.stderr
        made.append(target.read_bytes())
    assert made[0] == made[1]


@needs("parquet")
def test_the_card_is_what_its_hub_reads(demo: DemoTree, tmp_path: Path) -> None:
    words = ["--parquet", "--title", "找针 needles", "--license", "CC-BY-4.0"]
    more = ["--authors", "Doe, Jane", "--authors", "The Lab", "--cite"]
    done = run_cli("bundle", export(demo, tmp_path / "o"), "-o", tmp_path / "b", *words, *more)
    assert done.returncode == 0, done.stderr
    card = DatasetCard.load(tmp_path / "b/README.md")
    assert card.data.pretty_name == "找针 needles"
    assert card.data.license == "cc-by-4.0"
    assert {one["config_name"] for one in card.data.configs} == {
        *("arithmetic", "multihop_zh", "needles")
    }
    for one in card.data.configs:
        assert (tmp_path / "b" / one["data_files"]).is_file()
    assert card.text.count("| needles | demo-1B |") == 4
    cited = (tmp_path / "b/CITATION.cff").read_text()
    assert "family-names: Doe" in cited
    assert "name: The Lab" in cited
    assert "arXiv:2602.01914" in cited
    assert done.stdout.splitlines()[-1] == (
        f"publish it: hf upload USER/NAME {tmp_path / 'b'} . --repo-type dataset"
    )


def test_the_ways_of_loading_in_the_card_run(demo: DemoTree, tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    exp2proc.bundle(export(demo, tmp_path / "o"), tmp_path / "b", parquet=True)
    text = (tmp_path / "b/README.md").read_text()
    scripts = [part.partition("```")[0] for part in text.split("```python\n")[1:]]
    assert len(scripts) == 4
    env = {**os.environ, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1"}
    for script in scripts:
        words = [sys.executable, "-c", script]
        done = subprocess.run(words, cwd=tmp_path / "b", env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout


def test_provenance_has_the_records_and_says_what_is_not_known(
    demo: DemoTree, tmp_path: Path
) -> None:
    export(demo, tmp_path / "out")
    made = exp2proc.bundle(tmp_path / "out", tmp_path / "whole")
    assert made.unknown == {}
    told = json.loads((tmp_path / "whole/provenance.json").read_text())
    assert len(told["runs"]) == 12
    run = told["runs"]["needles/demo-1B/ifr_multi_hop_both_n1"]
    assert run["record"]["rows"]["samples"] == run["samples"] == 8
    assert str(tmp_path) not in json.dumps(told)
    changed, *_ = sorted((tmp_path / "out").rglob("needles*/**/ex_000003.npz"))
    changed.unlink()
    gone, *_ = sorted((tmp_path / "out/.exp2proc").rglob("*attnlrp*.json"))
    gone.unlink()
    made = exp2proc.bundle(tmp_path / "out", tmp_path / "less")
    assert sorted(made.unknown.values()) == [
        "its record is of other samples: 7 samples are there, 8 were made",
        "there is no record of what it was made from",
    ]
    assert "there is no record" in (tmp_path / "less/README.md").read_text()
    assert exp2proc.bundle(tmp_path / "whole", tmp_path / "whole.zip").unknown == {}


@needs("parquet")
def test_provenance_goes_through_parquet(demo: DemoTree, tmp_path: Path) -> None:
    exp2proc.bundle(export(demo, tmp_path / "out"), tmp_path / "whole")
    exp2proc.pack(tmp_path / "whole", tmp_path / "whole.parquet")
    assert exp2proc.bundle(tmp_path / "whole.parquet", tmp_path / "last.zip").unknown == {}
    for gone in (tmp_path / "out/.exp2proc").rglob("*attnlrp*.json"):
        gone.unlink()
    exp2proc.pack(tmp_path / "out", tmp_path / "less.parquet")
    assert len(exp2proc.bundle(tmp_path / "less.parquet", tmp_path / "less.zip").unknown) == 3


@pytest.mark.thorough
@pytest.mark.parametrize("moment", [pytest.param(0.3, marks=pytest.mark.slow), 0.6])
def test_killed_it_goes_on(tmp_path: Path, target: Path, moment: float) -> None:
    out = tmp_path / "many"
    one = write_export(out / "d/m" / TAGS[0] / "ex_000000.npz", ["a"] * 300)
    for number in range(1, 1500):
        shutil.copy(one, one.with_name(f"ex_{number:06d}.npz"))
    calm = tmp_path / f"calm{target.suffix}"
    assert run_cli("bundle", out, "-o", calm).returncode == 0
    part = target.with_name(f"{target.name}.part")
    last = target / f"data/d/m/ifr_multi_hop_both_n1/ex_{1500 * moment:06.0f}.npz"
    process = subprocess.Popen([sys.executable, "-m", "exp2proc", "bundle", out, "-o", target])
    while process.poll() is None:
        if last.exists() or (part.exists() and part.stat().st_size > calm.stat().st_size * moment):
            break
        time.sleep(0.001)
    process.kill()
    process.wait()
    assert not (target / "SHA256SUMS").exists()
    assert not target.is_file()
    done = run_cli("bundle", out, "-o", target)
    assert done.returncode == 0, done.stderr
    assert content(target) == content(calm)
    assert exp2proc.check(target).errors == []
    assert not part.exists()


def test_what_is_there_is_not_written_again(out: Path, tmp_path: Path) -> None:
    target = tmp_path / "b"
    exp2proc.bundle(out, target)
    kept = target / "data/math/qwen-8B/attnlrp/ex_000001.npz"
    before = kept.stat()
    (target / "SHA256SUMS").unlink()
    (target / ".exp2proc-bundle-unfinished").touch()
    exp2proc.bundle(out, target)
    assert (kept.stat().st_ino, kept.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_bundle_is_replaced_only_when_asked_and_then_as_a_whole(out: Path, target: Path) -> None:
    exp2proc.bundle(out, target)
    with pytest.raises(exp2proc.Exp2procError, match="target-exists"):
        exp2proc.bundle(out, target)
    some = out / "needles"
    exp2proc.bundle(some, target, overwrite=True)
    assert sum(name.endswith(".npz") for name in content(target)) == 6
    assert exp2proc.check(target).errors == []


def _refused(code: str, *args: object, **options: object) -> str:
    with pytest.raises(exp2proc.Exp2procError) as caught:
        exp2proc.bundle(*args, **options)  # type: ignore[arg-type]
    assert caught.value.code == code
    return caught.value.message


def test_what_may_not_be_is_refused_and_nothing_is_touched(out: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("the only copy")
    (tmp_path / "x.zip.part").write_text("somebody's download")
    (tmp_path / "y.zip").write_text("no archive")
    before = content(tmp_path)
    assert "is not empty and no bundle" in _refused("target-exists", out, mine, overwrite=True)
    assert "is no part of this bundle" in _refused("target-exists", out, tmp_path / "x.zip")
    assert "is there and is no zip" in _refused(
        "target-exists", out, tmp_path / "y.zip", overwrite=True
    )
    assert "which is read" in _refused("usage", out, out / "bundle")
    assert "needs authors" in _refused("usage", out, tmp_path / "z", cite=True)
    assert "hf://x is an address" in _refused("usage", out, "hf://x")
    assert "needs Parquet" in _refused("usage", out, tmp_path / "z", npz=False)
    assert content(tmp_path) == before
    done = run_cli("bundle", out, "-o", tmp_path / "z", "--cite")
    assert (done.returncode, "bundle: a citation needs authors\nTry: " in done.stderr) == (2, True)


def test_no_link_leads_what_is_written_into_what_is_read(out: Path, tmp_path: Path) -> None:
    made = exp2proc.bundle(out, tmp_path / "b").path
    shutil.copy(exp2proc.bundle(out, tmp_path / "whole.zip").path, tmp_path / "z.zip.part")
    (tmp_path / "link").symlink_to(out)
    (tmp_path / "again").symlink_to(made)
    before = content(tmp_path)
    assert "which is read" in _refused("usage", out, tmp_path / "link/b")
    assert "which is read" in _refused("usage", tmp_path / "link", out / "b.zip")
    assert "which is read" in _refused("usage", made, tmp_path / "again", overwrite=True)
    assert "would replace it" in _refused("usage", made / "data", made, overwrite=True)
    assert "would replace it" in _refused("usage", tmp_path / "z.zip.part", tmp_path / "z.zip")
    assert content(tmp_path) == before


def test_a_hostile_bundle_that_is_replaced_leads_nowhere(out: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the only copy")
    target = exp2proc.bundle(out, tmp_path / "b").path
    with (target / "SHA256SUMS").open("a") as sums:
        sums.write(f"{'0' * 64}  ../secret\n{'0' * 64}  {secret}\n")
    exp2proc.bundle(out, target, overwrite=True)
    assert secret.read_text() == "the only copy"
    assert exp2proc.check(target).errors == []
    (target / "data").rename(tmp_path / "elsewhere")
    (target / "data").symlink_to(tmp_path / "elsewhere")
    before = content(tmp_path / "elsewhere")
    assert "by a link" in _refused("target-exists", out / "needles", target, overwrite=True)
    assert content(tmp_path / "elsewhere") == before


@pytest.mark.parametrize("overwrite", [False, True])
def test_stopped_before_its_sources_changed_it_leaves_nothing_of_them(
    out: Path, tmp_path: Path, overwrite: bool
) -> None:
    target = tmp_path / "b"
    if overwrite:
        exp2proc.bundle(out, target)

    def stop(done: exp2proc.Progress) -> None:
        if done.done > 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exp2proc.bundle(out, target, overwrite=overwrite, on_progress=stop)
    exp2proc.bundle(out / "needles", target)
    exp2proc.bundle(out / "needles", tmp_path / "calm")
    assert content(target) == content(tmp_path / "calm")


def test_a_part_that_is_hardly_begun_is_gone_on_with(out: Path, tmp_path: Path) -> None:
    calm = exp2proc.bundle(out, tmp_path / "calm.zip").path.read_bytes()
    for begun in (0, 1, 29, 40):
        (tmp_path / "b.zip.part").write_bytes(calm[:begun])
        exp2proc.bundle(out, tmp_path / "b.zip", overwrite=True)
        assert (tmp_path / "b.zip").read_bytes() == calm


def test_no_room_is_told_with_the_place_and_it_goes_on(
    out: Path, target: Path, tmp_path: Path
) -> None:
    call = [sys.executable, "-m", "exp2proc", "bundle", str(out), "-o", str(target)]
    limited = subprocess.run(
        ["sh", "-c", 'ulimit -f 16; exec "$@"', "sh", *call], capture_output=True, text=True
    )
    assert (limited.returncode, limited.stdout) == (2, "")
    assert f"exp2proc: system-refuses: {target}" in limited.stderr
    assert ": File too large\nhint: " in limited.stderr
    exp2proc.bundle(out, target)
    calm = exp2proc.bundle(out, tmp_path / f"calm{target.suffix}").path
    assert content(target) == content(calm)


def test_two_runs_do_not_write_one_bundle(out: Path, target: Path, tmp_path: Path) -> None:
    said: list[str] = []

    def another(_: exp2proc.Progress) -> None:
        if not said:
            said.append(_refused("target-exists", out / "needles", target))

    exp2proc.bundle(out, target, on_progress=another)
    assert "is being written by another run" in said[0]
    assert content(target) == content(exp2proc.bundle(out, tmp_path / f"c{target.suffix}").path)


@pytest.mark.parametrize(
    "about", [{"title": "a\n---"}, {"title": " "}, {"license": "\udcff"}, {"authors": [""]}]
)
def test_what_is_said_of_it_is_one_line(
    out: Path, tmp_path: Path, about: dict[str, object]
) -> None:
    _refused("usage", out, tmp_path / "b", **about)
    assert not (tmp_path / "b").exists()


def test_a_file_that_is_no_sample_is_left_out_and_told(out: Path, tmp_path: Path) -> None:
    bad = out / "needles/qwen-8B" / TAGS[0] / "ex_000001.npz"
    bad.write_bytes(bad.read_bytes()[:-9])
    done = run_cli("bundle", out, "-o", tmp_path / "b")
    assert done.returncode == 1
    assert f"exp2proc: sample-invalid: {bad}: " in done.stderr
    told = json.loads((tmp_path / "b/provenance.json").read_text())
    assert [one["code"] for one in told["left_out"]] == ["sample-invalid"]
    assert told["samples"] == 11
    assert exp2proc.check(tmp_path / "b").errors == []


@needs("parquet")
def test_a_bundle_of_parquet_files_alone_keeps_its_provenance(
    demo: DemoTree, tmp_path: Path
) -> None:
    made = exp2proc.bundle(export(demo, tmp_path / "out"), tmp_path / "b", parquet=True, npz=False)
    assert exp2proc.check(made.path).recorded == 12
    assert exp2proc.bundle(made.path, tmp_path / "again.zip").unknown == {}
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for name, data in content(made.path).items():
            archive.writestr(name, data)
    assert exp2proc.check(tmp_path / "b.zip").recorded == 12


def test_runs_that_would_meet_keep_what_tells_them_apart(tmp_path: Path) -> None:
    out = tmp_path / "out"
    ways = [
        "a/niah.jsonl/qwen-8B/ifr_n1_5ex",
        "b/niah.jsonl/qwen-8B/ifr_n1_5ex",
        f"solo/{HUB}/ifr_n1_mfaithfulness_gen_5ex",
        f"solo/{HUB}/ifr_n1_mrecovery_ruler_5ex",
    ]
    for number, way in enumerate(ways):
        write_export(out / way / "ex_000000.npz", ["a"] * (number + 1))
    exp2proc.bundle(out, tmp_path / "b")
    assert sorted(path for path in content(tmp_path / "b") if path.endswith("npz")) == [
        "data/a_niah.jsonl/qwen-8B/ifr_n1/ex_000000.npz",
        "data/b_niah.jsonl/qwen-8B/ifr_n1/ex_000000.npz",
        "data/solo/Qwen3-8B/ifr_n1_mfaithfulness_gen_5ex/ex_000000.npz",
        "data/solo/Qwen3-8B/ifr_n1_mrecovery_ruler_5ex/ex_000000.npz",
    ]


_NAMES = st.text("abAB/.:_1n", min_size=0, max_size=6)


@given(st.lists(st.builds(RunNames, _NAMES, _NAMES, _NAMES), max_size=8))
def test_folders_are_three_deep_and_never_the_same(runs: list[RunNames]) -> None:
    try:
        found = folders(runs)
    except exp2proc.Exp2procError:  # names in full that are one in a bundle
        full = {"/".join(way[1] for way in spellings(run)).casefold() for run in runs}
        assert len(full) < len(set(runs)) or any("_" in one for one in full)
        return
    assert all(folder.count("/") == 2 for folder in found.values())
    assert len({folder.casefold() for folder in found.values()}) == len(set(runs))
    assert not any(part in ("", ".", "..") for one in found.values() for part in one.split("/"))


@given(st.dictionaries(st.text("ab /é", min_size=1).filter(str.strip), st.binary(max_size=3)))
def test_sums_are_read_as_they_were_written(files: dict[str, bytes]) -> None:
    sums = {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}
    assert read_sums(sums_text(sums)) == sums


def test_every_file_that_changes_is_named(out: Path, tmp_path: Path) -> None:
    exp2proc.bundle(out, tmp_path / "b", parquet=has("parquet"))
    report = run_json("check", tmp_path / "b")
    assert (report["files"], report["errors"]) == (len(content(tmp_path / "b")) - 1, [])
    for path in sorted(content(tmp_path / "b")):
        file = tmp_path / "b" / path
        whole = file.read_bytes()
        at = len(whole) // 3
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        errors = exp2proc.check(tmp_path / "b").errors
        assert "bundle-damaged" in {error.code for error in errors}, path
        if path != "SHA256SUMS":
            assert file.name in {error.file for error in errors}, path
        file.write_bytes(whole)
    (tmp_path / "b/more.txt").write_text("added")
    (tmp_path / "b/viewer.html").unlink()
    errors = exp2proc.check(tmp_path / "b").errors
    assert sorted((error.file, error.message) for error in errors) == [
        ("more.txt", "SHA256SUMS does not list it"),
        ("viewer.html", "it is missing"),
    ]


def test_a_flipped_bit_anywhere_in_an_archive_is_found(
    out: Path, tmp_path: Path, slow: bool
) -> None:
    target = tmp_path / "b.zip"
    exp2proc.bundle(out / "needles", target)
    whole = target.read_bytes()
    with zipfile.ZipFile(target) as archive:
        heads = [info.header_offset for info in archive.infolist()]
        directory = archive.start_dir
    chance = random.Random(7)
    places = {head + chance.randrange(40) for head in heads}
    places |= {chance.randrange(directory, len(whole)) for _ in range(1000 if slow else 30)}
    places |= {chance.randrange(len(whole)) for _ in range(1000 if slow else 30)}
    places |= {len(whole) - number for number in range(1, 23, 4)}
    for place in sorted(places):
        data = bytearray(whole)
        data[place] ^= 1 << chance.randrange(8)
        target.write_bytes(data)
        errors = exp2proc.check(target).errors
        assert errors, place
        assert all(error.file or error.trace_dir == str(target) for error in errors), errors
    for damaged in (whole[:-1], whole + b"x", whole[: len(whole) // 2]):
        target.write_bytes(damaged)
        assert exp2proc.check(target).errors


def test_an_archive_that_another_program_packed_is_checked_by_its_sums(
    out: Path, tmp_path: Path
) -> None:
    exp2proc.bundle(out, tmp_path / "b")
    with zipfile.ZipFile(tmp_path / "again.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in content(tmp_path / "b").items():
            archive.writestr(f"b/{path}", data + b" " * (path == "README.md"))
    report = exp2proc.check(tmp_path / "again.zip")
    assert [(error.code, error.file) for error in report.errors] == [
        ("bundle-damaged", "README.md")
    ]
    assert report.samples == 12


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_hides_behind_another_is_found(out: Path, tmp_path: Path) -> None:
    made = content(exp2proc.bundle(out / "needles", tmp_path / "b.zip").path)
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.writestr("README.md", "another card")
        for name, data in made.items():
            archive.writestr(name, data)
    assert [(one.file, one.message) for one in exp2proc.check(tmp_path / "c.zip").errors] == [
        ("README.md", "2 members of the archive have its name")
    ]


def test_counts_are_held_against_the_provenance(out: Path, tmp_path: Path) -> None:
    target = tmp_path / "b"
    exp2proc.bundle(out, target)
    gone = target / "data/math/qwen-8B/attnlrp/ex_000001.npz"
    gone.unlink()
    sums = read_sums((target / "SHA256SUMS").read_text())
    del sums["data/math/qwen-8B/attnlrp/ex_000001.npz"]
    (target / "SHA256SUMS").write_text(sums_text(sums))
    errors = exp2proc.check(target).errors
    assert [(error.code, error.trace_dir) for error in errors] == [
        ("record-mismatch", str(gone.parent))
    ]
    assert errors[0].message.startswith("2 samples are there, 3 were made")


def test_hostile_sums_lead_nowhere(out: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of somebody")
    exp2proc.bundle(out, tmp_path / "b")
    sums = tmp_path / "b/SHA256SUMS"
    known = hashlib.sha256(secret.read_bytes()).hexdigest()
    sums.write_text(sums.read_text() + f"{known}  ../secret\n{known}  {secret}\n")
    errors = exp2proc.check(tmp_path / "b").errors
    assert [error.message for error in errors] == ["it is missing"] * 2
    sums.write_text("x" * 99)
    assert [error.file for error in exp2proc.check(tmp_path / "b").errors] == ["SHA256SUMS"]
    (tmp_path / "b/provenance.json").write_text("[" * 100_000)
    codes = {error.code for error in exp2proc.check(tmp_path / "b").errors}
    assert codes == {"bundle-damaged"}


def test_traces_tell_of_a_bundle_what_they_tell_of_an_export(
    demo: DemoTree, tmp_path: Path, target: Path
) -> None:
    export(demo, tmp_path / "out")
    exp2proc.bundle(tmp_path / "out", target)
    report = exp2proc.check(target, against=demo.traces)
    assert (report.samples, report.compared, report.errors) == (96, 96, [])
    other = next(path for path in demo.traces.rglob("ex_000002.npz") if "needles" in str(path))
    with np.load(other) as npz:
        arrays = dict(npz)
    arrays["v_row_all"] = arrays["v_row_all"] * 2
    np.savez_compressed(other, **arrays)
    errors = exp2proc.check(target, against=demo.traces).errors
    assert [(error.code, error.file) for error in errors] == [("sample-differs", "ex_000002.npz")]


def test_far_and_large_members_are_written_as_zip64(tmp_path: Path) -> None:
    path = tmp_path / "far.zip"
    far = 5 << 30
    made = [headers(b"a", STORED, 0, 0, 0, 0), headers("é".encode(), STORED, 0xE8B7BE43, 1, 1, far)]
    with open(path, "wb") as stream:
        stream.write(made[0].local)
        stream.seek(far)
        stream.write(made[1].local + b"a")
        offset = stream.tell()
        stream.write(made[0].central + made[1].central)
        stream.write(ending(2, len(made[0].central + made[1].central), offset))
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["a", "é"]
        assert archive.read("é") == b"a"
    path.unlink()
    large = headers(b"b", STORED, 1, far, far, 0)
    assert len(large.local) == 30 + 1 + 20
    assert len(large.central) == 46 + 1 + 20
