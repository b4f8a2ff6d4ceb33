"""check: silent on clean exports, and every kind of planted damage is found."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.cli import run_cli, run_json

import exp2proc
from exp2proc.demo.tree import DemoTree, write_tree

Arrays = dict[str, np.ndarray[Any, Any]]

RUN = "needles/demo-1B/ifr_multi_hop_both_n1_mfaithfulness_gen+recovery_8ex"
NAME = "ex_000002.npz"


@dataclass(frozen=True)
class Export:
    tree: DemoTree
    out: dict[str, Path]


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Export:
    """A demo tree, all of it converted in both layouts."""
    tree = write_tree(tmp_path_factory.mktemp("clean"))
    out = {}
    for layout in ("proc", "proc_1"):
        out[layout] = tree.root / layout
        report = exp2proc.convert(
            traces_root=tree.traces,
            data_root=tree.data,
            tokenizer_model=tree.tokenizer,
            layout=layout,
            out_root=out[layout],
        )
        assert report.counts.converted == 96
    return Export(tree, out)


def rewrite(path: Path, change: Callable[[Arrays], Arrays | None]) -> None:
    """Load a sample's arrays, change them in place or return others, save them again."""
    with np.load(path, allow_pickle=False) as npz:
        arrays = {key: npz[key] for key in npz.files}
    changed = change(arrays)
    np.savez_compressed(path, **(arrays if changed is None else changed))


def put(key: str, value: Any, dtype: Any = None) -> Callable[[Path], None]:
    """A damage that sets one array, or what a function makes of the one that was there."""

    def damage(path: Path) -> None:
        def change(arrays: Arrays) -> None:
            new = value(arrays[key]) if callable(value) else value
            arrays[key] = np.asarray(new, arrays[key].dtype if dtype is None else dtype)

        rewrite(path, change)

    return damage


def nudge(key: str, how: Callable[[np.ndarray[Any, Any]], Any]) -> Callable[[Path], None]:
    """A damage that changes one number of an array, the first that is not zero."""

    def change(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        array = array.copy()
        at = np.flatnonzero(array)[0]
        array.flat[at] = how(array.flat[at])
        return array

    return put(key, change)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[120] ^= 0x10
    path.write_bytes(bytes(data))


def pickled(path: Path) -> None:
    def change(arrays: Arrays) -> None:
        arrays["tok"] = arrays["tok"].astype(object)

    rewrite(path, change)


def into_the_prompt(key: str) -> Callable[[Path], None]:
    def change(arrays: Arrays) -> None:
        arrays[key][0] = arrays["span_in"][1]

    return lambda path: rewrite(path, change)


def negative_zero(path: Path) -> None:
    def change(arrays: Arrays) -> None:
        assert (arrays["attr"] == 0).any()
        arrays["attr"][np.flatnonzero(arrays["attr"] == 0)[0]] = -0.0

    rewrite(path, change)


def swap(path: Path) -> None:
    """The sample of another row in the place of this one."""
    shutil.copy(path.with_name("ex_000005.npz"), path)


def reordered(path: Path) -> None:
    rewrite(path, lambda a: {key: a[key] for key in sorted(a)})


def without(key: str) -> Callable[[Path], None]:
    return lambda path: rewrite(path, lambda a: {k: v for k, v in a.items() if k != key})


def extra(path: Path) -> None:
    rewrite(path, lambda a: {**a, "note": np.array("x")})


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (truncate, "sample-invalid"),
    "a flipped bit": (flip, "sample-invalid"),
    "empty": (lambda path: path.write_bytes(b""), "sample-invalid"),
    "another zip": (lambda path: path.write_bytes(b"PK\5\6" + bytes(18)), "sample-invalid"),
    "a key is missing": (without("mas"), "sample-invalid"),
    "a key too many": (extra, "sample-invalid"),
    "keys in another order": (reordered, "sample-invalid"),
    "attr of another dtype": (put("attr", lambda a: a, np.float64), "sample-invalid"),
    "attr of another shape": (put("attr", lambda a: a[None]), "sample-invalid"),
    "attr too short": (put("attr", lambda a: a[:-1]), "sample-invalid"),
    "tok pickled": (pickled, "sample-invalid"),
    "tok too short": (put("tok", lambda a: a[:-1]), "sample-invalid"),
    "tok as bytes": (put("tok", lambda a: np.char.encode(a, "utf-8"), "S"), "sample-invalid"),
    "tok too wide": (put("tok", lambda a: a, "U400"), "sample-inconsistent"),
    "tok mostly empty": (put("tok", lambda a: ["x", *[""] * (len(a) - 1)]), "sample-inconsistent"),
    "a span outside": (put("span_out", [5, 100000]), "sample-invalid"),
    "a span reversed": (put("span_cot", lambda a: a[::-1]), "sample-invalid"),
    "a span of int32": (put("span_in", lambda a: a, np.int32), "sample-invalid"),
    "CoT from within the prompt": (into_the_prompt("span_cot"), "sample-inconsistent"),
    "output from within the prompt": (into_the_prompt("span_out"), "sample-inconsistent"),
    "span_in off its start": (put("span_in", lambda a: np.add(a, [1, 0])), "sample-inconsistent"),
    "an infinite score": (put("rise", np.inf), "sample-inconsistent"),
    "a score of float32": (put("recovery", lambda a: a, np.float32), "sample-invalid"),
    "a score that is a vector": (put("mas", lambda a: a[None]), "sample-invalid"),
    "hop of another length": (put("hop", lambda a: a[:, 1:]), "sample-invalid"),
    "hop of another dtype": (put("hop", lambda a: a, np.float64), "sample-invalid"),
}

BY_TRACE: dict[str, tuple[Callable[[Path], None], str]] = {
    "attr off by one ulp": (nudge("attr", lambda x: np.nextafter(x, np.float32(9))), "attr"),
    "attr with another zero": (negative_zero, "attr"),
    "hop changed": (nudge("hop", lambda x: x * 2), "hop"),
    "hop of fewer hops": (put("hop", lambda a: a[:1]), "hop"),
    "hop dropped": (without("hop"), "hop"),
    "rise changed": (put("rise", lambda a: a + 1e-12), "rise"),
    "mas measured nowhere": (put("mas", np.nan), "mas"),
    "recovery invented": (put("recovery", 0.5), "recovery"),
    "span_out moved": (put("span_out", lambda a: np.add(a, [0, -1])), "span_out"),
    "span_cot dropped": (put("span_cot", [-1, -1]), "span_cot"),
    "another sample's file": (swap, ""),
}


def copied(clean: Export, tmp_path: Path, layout: str = "proc") -> Path:
    """One run's samples, to damage one of."""
    folder = tmp_path / "out" / RUN
    shutil.copytree(clean.out[layout] / RUN, folder)
    return folder


def test_a_clean_export_has_nothing(clean: Export) -> None:
    for out in clean.out.values():
        for against in (None, clean.tree.traces):
            report = exp2proc.check(out, against=against)
            assert report.errors == []
            assert (report.samples, report.folders) == (96, 12)
            assert report.compared == (0 if against is None else 96)


@pytest.mark.parametrize("thinking", ["span_out", "its first token", "one that reaches into it"])
def test_cot_and_output_may_share_tokens(clean: Export, tmp_path: Path, thinking: str) -> None:
    """As the experiment stores them without spans in its cache, and for targets of two tokens."""

    def change(arrays: Arrays) -> None:
        start, end = arrays["span_out"]
        before = arrays["span_cot"][0]
        first, last = {
            "span_out": (start, end),
            "its first token": (start, start),
            "one that reaches into it": (before, end),
        }[thinking]
        arrays["span_cot"][:] = first, last

    folder = copied(clean, tmp_path)
    rewrite(folder / NAME, change)
    assert exp2proc.check(folder).errors == []


def test_genuine_samples_are_clean(reference: Path) -> None:
    for layout in ("proc", "proc_1"):
        report = exp2proc.check(reference / "genuine/expected" / layout)
        assert report.errors == []
        assert report.samples > 100


def test_published_samples_are_clean(reference: Path) -> None:
    traces = reference / "exp/exp2/output/traces"
    report = exp2proc.check(reference / "expected", against=traces)
    assert (report.samples, report.compared, report.errors) == (60, 60, [])


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_shows_without_the_trace(clean: Export, tmp_path: Path, kind: str) -> None:
    damage, code = DAMAGE[kind]
    folder = copied(clean, tmp_path)
    damage(folder / NAME)
    for against in (None, clean.tree.traces):
        (error,) = exp2proc.check(folder, against=against).errors
        assert (error.trace_dir, error.file, error.code) == (str(folder), NAME, code), error
        assert error.hint


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("rise", r"rise is nan, [0-9.]+ by the trace"),
        ("recovery", "recovery is another NaN than the trace's: 7ff80000000001e1 and {}"),
        ("attr", r"attr differs from the trace in 1 of \d+ numbers, 1 of them NaN in both"),
    ],
)
def test_nan_of_other_bits_is_told_as_such(
    clean: Export, tmp_path: Path, key: str, told: str
) -> None:
    """Exact to the bit: what is written has the trace's own NaN."""
    folder = copied(clean, tmp_path)
    traces = tmp_path / "traces" / RUN
    shutil.copytree(clean.tree.traces / RUN, traces)

    def nan(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        array = array.copy().reshape(-1)
        array[0] = np.nan
        return array

    rewrite(traces / NAME, lambda a: {**a, "recovery_scores": a["recovery_scores"] * np.nan})
    rewrite(traces / NAME, lambda a: {**a, "v_row_all": nan(a["v_row_all"])})
    bits = np.float64(np.load(traces / NAME)["recovery_scores"][1]).view(np.uint64)
    put("recovery", np.nan)(folder / NAME)
    put("attr", nan)(folder / NAME)
    assert exp2proc.check(folder, against=traces).errors == []
    other = np.uint64(0x7FF80000000001E1).view(np.float64)
    single = np.uint32(0x7FC001E1).view(np.float32)
    put(key, (lambda a: np.append(single, a[1:])) if key == "attr" else other)(folder / NAME)
    (error,) = exp2proc.check(folder, against=traces).errors
    assert error.code == "sample-differs"
    assert re.fullmatch(told.format(f"{bits:016x}"), error.message), error.message


@pytest.mark.parametrize("kind", BY_TRACE)
def test_damage_shows_by_the_trace(clean: Export, tmp_path: Path, kind: str) -> None:
    damage, what = BY_TRACE[kind]
    folder = copied(clean, tmp_path)
    damage(folder / NAME)
    assert exp2proc.check(folder).errors == []  # nothing to be seen from the sample alone
    (error,) = exp2proc.check(folder, against=clean.tree.traces).errors
    assert (error.file, error.code) == (NAME, "sample-differs")
    assert error.message.startswith(what)


def test_damage_of_layout_proc_1(clean: Export, tmp_path: Path) -> None:
    folder = copied(clean, tmp_path, "proc_1")
    put("length", lambda a: np.add(a, [0, 1, 0]))(folder / NAME)
    nudge("hop", lambda x: -x)(folder / "ex_000004.npz")
    report = exp2proc.check(folder, against=clean.tree.traces)
    assert [(e.file, e.code) for e in report.errors] == [
        (NAME, "sample-invalid"),
        ("ex_000004.npz", "sample-differs"),
    ]


def test_damage_of_folders(clean: Export, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(clean.out["proc"], out)
    (out / RUN / NAME).unlink()
    shutil.copy(out / RUN / "ex_000001.npz", out / RUN / "ex_000099.npz")
    (out / RUN / "notes.txt").write_text("x")
    (out / RUN / ".0123abcd-1-1.exp2proc-tmp").write_text("x")
    gone = out / "multihop_zh/demo-1B/attnlrp_negdrop_normnorm_mfaithfulness_gen_8ex"
    shutil.rmtree(gone)
    moved = out / "needles/demo-1B/ifr_in_all_gen_n2_mfaithfulness_gen+recovery_8ex"
    moved.rename(out / "somewhere")
    report = exp2proc.check(out, against=clean.tree.traces)
    run = str(out / RUN)
    assert report.leftovers == [f"{run}/.0123abcd-1-1.exp2proc-tmp"]
    assert {(e.trace_dir, e.file, e.code) for e in report.errors} == {
        (run, NAME, "sample-missing"),
        (run, "ex_000099.npz", "sample-unexpected"),
        (run, "notes.txt", "sample-unexpected"),
        (str(gone), None, "sample-missing"),
        (str(moved), None, "sample-missing"),
        (str(out / "somewhere"), None, "sample-unexpected"),
    }


def test_what_a_killed_run_left_is_a_note(clean: Export, tmp_path: Path) -> None:
    """No sample is amiss for it, and the next run sweeps it."""
    out = tmp_path / "out"
    shutil.copytree(clean.out["proc"], out)
    left = [out / RUN / ".0123abcd-1-1.exp2proc-tmp", out / ".0123abcd-1-2.exp2proc-tmp"]
    left[0].write_text("half a sample")
    left[1].mkdir()
    (left[1] / "ex_000000.npz").write_text("of nobody")
    done = run_cli("check", out)
    assert done.returncode == 0, done.stdout
    assert "2 temporary files of runs that were killed or are under way, such as " in done.stdout
    assert "96 samples in 12 folders checked: no problems" in done.stdout
    assert run_cli("check", out, "--quiet").stdout == ""
    assert run_json("check", out)["leftovers"] == sorted(map(str, left))
    (out / RUN / ".notes").write_text("x")
    assert run_cli("check", out).returncode == 1


def test_an_export_with_out_dir_is_paired_with_its_only_run(clean: Export, tmp_path: Path) -> None:
    out, traces = tmp_path / "mine", clean.tree.traces / RUN
    shutil.copytree(clean.out["proc"] / RUN, out)
    assert exp2proc.check(out, against=traces).compared == 8
    assert exp2proc.check(out, against=traces).errors == []


@pytest.mark.parametrize(("more_than_half", "wrong"), [(0, False), (1, True)])
def test_up_to_half_the_pieces_may_be_empty(
    clean: Export, tmp_path: Path, more_than_half: int, wrong: bool
) -> None:
    """As conversion has it: more than half, and the tokenizer gave no offsets."""
    path = copied(clean, tmp_path) / NAME

    def empty(tok: np.ndarray[Any, Any]) -> list[str]:
        count = len(tok) // 2 + more_than_half
        return [*[""] * count, *["xy"] * (len(tok) - count)]

    with np.load(path) as npz:
        pieces = empty(npz["tok"])
    put("tok", pieces, "U2")(path)
    errors = exp2proc.check(path).errors
    said = f"{pieces.count('')} of {len(pieces)} pieces of tok are empty"
    assert [error.message for error in errors] == [said] * wrong


def test_many_workers_find_the_same(clean: Export, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(clean.out["proc"], out)
    for sample in sorted(out.rglob("ex_000003.npz")):
        flip(sample)
    alone, together = (exp2proc.check(out, against=clean.tree.traces, jobs=n) for n in (1, 2))
    assert len(alone.errors) == 12
    assert together.to_dict() == alone.to_dict()


def test_the_command(clean: Export, tmp_path: Path) -> None:
    out = clean.out["proc"]
    report = run_json("check", out, "--against", clean.tree.traces)
    assert (report["samples"], report["errors"], report["exit_code"]) == (96, [], 0)
    folder = copied(clean, tmp_path)
    for name in (NAME, "ex_000003.npz"):
        truncate(folder / name)
    put("rise", -np.inf)(folder / "ex_000004.npz")
    (folder / "bad\x1b[31mname.npz").write_text("")
    done = run_cli("check", folder)
    assert done.returncode == 1
    assert "sample-invalid (2)" in done.stdout
    assert f"{NAME}: no zip directory" in done.stdout
    assert f"{NAME}: {NAME}" not in done.stdout
    assert "sample-inconsistent (1)" in done.stdout
    assert "8 samples in 1 folder checked: 4 problems" in done.stdout
    assert "\x1b" not in done.stdout
    assert run_cli("check", tmp_path / "nowhere").returncode == 1
    assert run_cli("check", out, "--against", tmp_path / "nowhere").returncode == 2


def test_a_folder_of_traces_is_not_to_be_made_again_or_moved_away(clean: Export) -> None:
    """What a wrong name is told must not lead to the harm of the inputs."""
    errors = exp2proc.check(clean.tree.traces).errors
    assert {error.code for error in errors} == {"sample-invalid", "sample-unexpected"}
    for error in errors:
        assert "move" not in error.hint, error
        assert "--resume" not in error.hint, error
    assert any("pass the traces to --against" in error.hint for error in errors)


def test_an_export_that_does_not_tell_its_run(clean: Export, tmp_path: Path) -> None:
    """Made with --out_dir: of many runs none is known to be its own, of one run it is."""
    out = tmp_path / "mine"
    shutil.copytree(clean.out["proc"] / RUN, out / "a")
    shutil.copytree(clean.out["proc"] / RUN, out / "b")
    report = exp2proc.check(out, against=clean.tree.traces)
    assert [error.code for error in report.errors] == ["sample-unexpected"] * 2
    assert report.errors[0].hint.endswith("pass its run itself to --against.")
    run = clean.tree.traces / RUN
    assert exp2proc.check(out / "a", against=run).errors == []


def test_layouts_that_lie_together(clean: Export, tmp_path: Path) -> None:
    shutil.copytree(clean.out["proc"] / RUN, tmp_path / RUN)
    shutil.copy(clean.out["proc_1"] / RUN / NAME, tmp_path / RUN / NAME)
    (error,) = exp2proc.check(tmp_path).errors
    assert error.code == "sample-unexpected"
    assert "proc and proc_1 lie in it together" in error.message


def test_an_infinite_score_that_its_trace_has(tmp_path: Path) -> None:
    """It is what convert writes, and nothing to make again; alone it cannot be."""
    tree = write_tree(tmp_path / "tree")
    run, out = tree.traces / RUN, tmp_path / "out"
    rewrite(run / NAME, _infinite)
    exp2proc.convert(trace_dir=run, layout="proc_1", out_dir=out)
    assert exp2proc.check(out, against=run).errors == []
    (error,) = exp2proc.check(out).errors
    assert error.code == "sample-inconsistent"


def _infinite(arrays: Arrays) -> None:
    arrays["faithfulness_scores"][1, 0] = np.inf


@pytest.mark.parametrize("to", ["archive/old", "../elsewhere"])
def test_a_dataset_that_was_moved_and_linked_to_is_at_its_place(
    clean: Export, tmp_path: Path, to: str
) -> None:
    out = tmp_path / "out"
    shutil.copytree(clean.out["proc"], out)
    (out / to).parent.mkdir(exist_ok=True)
    (out / "needles").rename(out / to)
    (out / "needles").symlink_to(to)
    for outs in ([out], [out / to, out]):
        for against in (None, clean.tree.traces):
            report = exp2proc.check(outs, against=against)
            assert report.errors == []
            assert (report.samples, report.recorded) == (96, 12)
    put("mas", np.nan)(out / RUN / NAME)
    (error,) = exp2proc.check(out).errors
    assert error.code == "record-mismatch"  # the record is held against what it is linked to


def test_a_link_to_the_samples_of_another_run_is_not_its_own(clean: Export, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(clean.out["proc"], out)
    other = (out / RUN).with_name("ifr_multi_hop_n1_mfaithfulness_gen+recovery_8ex")
    shutil.rmtree(other)
    other.symlink_to(out / RUN)
    (error,) = exp2proc.check(out, against=clean.tree.traces).errors
    assert (error.trace_dir, error.code) == (str(other), "sample-missing")
    (error,) = exp2proc.check(out).errors
    assert (error.trace_dir, error.code) == (str(other), "record-mismatch")
    assert error.message.startswith("it is a link: its 8 samples are not those that were made")


def test_nothing_checked_is_not_nothing_wrong(clean: Export, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    nothing: tuple[list[Path], ...] = ([], [tmp_path / "empty"])
    for outs in nothing:
        for against in (None, clean.tree.traces):
            report = exp2proc.check(outs, against=against)
            assert [error.code for error in report.errors] == ["sample-missing"]
            assert report.exit_code == 1


def test_a_folder_is_told_of_where_it_is_called_like_a_sample(
    clean: Export, tmp_path: Path
) -> None:
    """Whatever else a folder is called: a dataset may be `gsm8k.npz`."""
    out = tmp_path / "out"
    shutil.copytree(clean.out["proc_1"] / RUN, out / "gsm8k.npz" / RUN)
    assert exp2proc.check(out).errors == []
    (out / "gsm8k.npz" / RUN / "ex_000099.npz").mkdir()
    (error,) = exp2proc.check(out).errors
    assert (error.file, error.code) == ("ex_000099.npz", "sample-invalid")
