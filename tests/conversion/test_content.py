"""Everything that can change between two exports: --resume makes it right, check finds it.

For each change of the table: the old export lies there with all its dates in the future, so that
nothing but content can tell. `check` with the tokenizer names just the samples that are not what
would be written; after `--resume` every sample that can be made equals a fresh export's.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
from support.arrays import assert_same_npz

import exp2proc
from exp2proc.demo.traces import write_jsonl
from exp2proc.demo.tree import DemoTree, manifest_key, save_tokenizer, write_tree
from exp2proc.traces.datasets import Text

HOPS = "needles/demo-1B/ifr_multi_hop_both_n1_mfaithfulness_gen+recovery_8ex"
NAMES = [f"ex_{number:06d}.npz" for number in range(8)]
LATER = 4_000_000_000
"""The date of every output: younger than all inputs."""

Arrays = dict[str, np.ndarray[Any, Any]]


@dataclass
class Place:
    """One run with its export.

    Attributes:
        tree: inputs.
        out: the folder of its samples.
        other: a sample of another run.
        more: options of the next conversion.
    """

    tree: DemoTree
    out: Path
    other: Path
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def run(self) -> Path:
        return self.tree.traces / HOPS

    def convert(self, out: Path | None = None, **more: Any) -> exp2proc.Report:
        layout = {**self.more, **more}.get("layout", "proc")
        return exp2proc.convert(
            trace_dir=self.run,
            data_root=self.tree.data,
            tokenizer_model=self.tree.tokenizer if layout == "proc" else (),
            out_dir=out or self.out,
            jobs=1,
            **{**self.more, **more},
        )

    def check(self) -> exp2proc.CheckReport:
        return exp2proc.check(
            self.out,
            against=self.run,
            data_root=self.tree.data,
            tokenizer_model=self.tree.tokenizer,
            prompt_prefix=self.more.get("prompt_prefix", "space"),
            jobs=1,
        )

    def sample(self, number: int = 2) -> Path:
        return self.out / NAMES[number]

    def trace(self, number: int = 2) -> Path:
        return self.run / NAMES[number]

    def rows(self, change: Callable[[list[dict[str, Any]]], object]) -> None:
        """Edit the manifest."""
        manifest = self.run / "manifest.jsonl"
        rows = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
        change(rows)
        write_jsonl(manifest, rows)

    def texts(self, change: Callable[[list[dict[str, Any]]], object]) -> None:
        """Edit the dataset."""
        dataset = self.tree.data / "needles.jsonl"
        rows = [json.loads(line) for line in dataset.read_text(encoding="utf-8").splitlines()]
        change(rows)
        write_jsonl(dataset, rows)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree, the export of one of its runs, a sample of another: `place` copies it."""
    root = tmp_path_factory.mktemp("exported")
    place = _place(root)
    write_tree(place.tree.root)
    assert place.convert().counts.converted == 8
    arithmetic = next((place.tree.traces / "exp").rglob("ifr_multi_hop_both*"))
    exp2proc.convert(
        trace_dir=arithmetic,
        data_root=place.tree.data,
        tokenizer_model=place.tree.tokenizer,
        out_dir=place.other.parent,
        limit=1,
    )
    return root


def _place(root: Path) -> Place:
    return Place(DemoTree(root / "tree"), root / "out" / Path(HOPS).name, root / "other" / NAMES[0])


@pytest.fixture
def place(exported: Path, tmp_path: Path) -> Place:
    shutil.copytree(exported, tmp_path / "place")
    return _place(tmp_path / "place")


def rewrite(path: Path, change: Callable[[Arrays], Arrays | None]) -> None:
    """Load the arrays of an npz, change them in place or return others, save them again."""
    with np.load(path, allow_pickle=False) as npz:
        arrays = {key: npz[key] for key in npz.files}
    changed = change(arrays)
    np.savez_compressed(path, **(arrays if changed is None else changed))


def traced_again(place: Place) -> None:
    def change(arrays: Arrays) -> None:
        arrays["v_row_all"] = arrays["v_row_all"][::-1].copy()

    rewrite(place.trace(), change)


def traced_again_at(date: int) -> Callable[[Place], None]:
    def change(place: Place) -> None:
        traced_again(place)
        os.utime(place.trace(), (date, date))

    return change


def scored_again(place: Place) -> None:
    def change(arrays: Arrays) -> None:
        arrays["faithfulness_scores"][1, 1] += 0.125

    rewrite(place.trace(), change)


def spans_moved(place: Place) -> None:
    def change(arrays: Arrays) -> None:
        arrays["thinking_span_gen"] = np.array([0, 0])

    rewrite(place.trace(), change)


def hops_gone(place: Place) -> None:
    rewrite(place.trace(), lambda arrays: {k: v for k, v in arrays.items() if k != "vh"})


def hops_gone_and_allowed(place: Place) -> None:
    hops_gone(place)
    place.more["allow_missing_ft_hops"] = True


def hops_back(place: Place) -> None:
    """The export was made while a trace had no hops."""
    whole = place.trace().read_bytes()
    hops_gone_and_allowed(place)
    assert place.convert(overwrite=True).runs[0].with_hop == 7
    place.trace().write_bytes(whole)
    place.more.clear()


def another_method(place: Place) -> None:
    """Which does not export its hops."""
    place.rows(lambda rows: [row.update(attr_func="ifr_multi_hop") for row in rows[2:4]])


def offsets_trimmed(place: Place) -> None:
    """A tokenizer of another revision: equal ids and lengths, other pieces."""
    backend = tokenizers.Tokenizer.from_file(str(place.tree.tokenizer / "tokenizer.json"))
    backend.post_processor = tokenizers.processors.ByteLevel(trim_offsets=True)
    save_tokenizer(backend, place.tree.tokenizer)


def another_eos(place: Place) -> None:
    """Whose piece no sample has."""
    backend = tokenizers.Tokenizer.from_file(str(place.tree.tokenizer / "tokenizer.json"))
    save_tokenizer(backend, place.tree.tokenizer, "<|im_start|>")


def corrected_text(place: Place) -> None:
    """A dataset of equal lengths: two words of the prompt have changed places."""

    def swap(rows: list[dict[str, Any]]) -> None:
        old = Text(rows[2]["prompt"], rows[2]["target"])
        words = old.prompt.split(" ")
        at = next(n for n in range(1, len(words)) if words[n] != words[n + 1])
        words[at : at + 2] = words[at + 1], words[at]
        rows[2]["prompt"] = " ".join(words)
        keys = manifest_key(old), manifest_key(Text(rows[2]["prompt"], old.target))

        def rekey(lines: list[dict[str, Any]]) -> None:
            for line in lines:
                if (line["prompt_sha1"], line["target_sha1"]) == keys[0]:
                    line["prompt_sha1"], line["target_sha1"] = keys[1]

        place.rows(rekey)

    place.texts(swap)


def texts_swapped(place: Place) -> None:
    """The first form of a corrected text, then the manifest names the old one again."""
    before = (place.run / "manifest.jsonl").read_bytes()
    dataset = (place.tree.data / "needles.jsonl").read_bytes()
    corrected_text(place)
    place.convert(overwrite=True)
    with (place.tree.data / "needles.jsonl").open("ab") as stream:
        stream.write(dataset)
    (place.run / "manifest.jsonl").write_bytes(before)


def bit_flipped(place: Place) -> None:
    data = bytearray(place.sample().read_bytes())
    data[len(data) // 2] ^= 4
    place.sample().write_bytes(data)


def truncated(place: Place) -> None:
    place.sample().write_bytes(place.sample().read_bytes()[:-30])


def emptied(place: Place) -> None:
    place.sample().write_bytes(b"")


def another_samples(place: Place) -> None:
    shutil.copy(place.other, place.sample())


def member_swapped(place: Place) -> None:
    """A valid attr of the same length, of nobody's."""
    rewrite(place.sample(), lambda arrays: {**arrays, "attr": arrays["attr"][::-1].copy()})


def score_swapped(place: Place) -> None:
    def change(arrays: Arrays) -> None:
        arrays["rise"], arrays["mas"] = arrays["mas"], arrays["rise"]

    rewrite(place.sample(), change)


def all_empty(place: Place) -> None:
    def change(arrays: Arrays) -> None:
        arrays["tok"] = np.full(arrays["tok"].shape, "", "U1")

    rewrite(place.sample(), change)


def of_another_layout(place: Place) -> None:
    place.convert(overwrite=True, layout="proc_1")


def for_another_layout(place: Place) -> None:
    place.more["layout"] = "proc_1"


def named_as_numpy_prefers(place: Place) -> None:
    """A member named attr beside attr.npy is what np.load gives for attr."""
    stream = io.BytesIO()
    np.save(stream, np.zeros(3, np.float32))
    with zipfile.ZipFile(place.sample(), "a") as archive:
        archive.writestr("attr", stream.getvalue())
    with np.load(place.sample()) as npz:
        assert npz["attr"].shape == (3,)


def with_a_note(place: Place) -> None:
    with zipfile.ZipFile(place.sample(), "a") as archive:
        archive.writestr("note.txt", "not of the sample")


def wider_strings(place: Place) -> None:
    rewrite(place.sample(), lambda arrays: {**arrays, "tok": arrays["tok"].astype("U99")})


def gone(place: Place) -> None:
    place.sample().unlink()


def nothing(place: Place) -> None:
    """All is as it was."""


def library_updated(place: Place) -> None:
    """What was remembered is not found any more: another release gives another fingerprint."""
    place.more["cache"] = False


def by_numpy(place: Place) -> None:
    """As the sequential script writes: equal arrays, other bytes."""
    for number in range(8):
        rewrite(place.sample(number), lambda arrays: None)


def another_prefix(place: Place) -> None:
    """The prompts were tokenized without the leading space, which no length tells here."""
    place.more["prompt_prefix"] = "none"


ALL = set(NAMES)
ONE = {NAMES[2]}
TWO = {NAMES[2], NAMES[3]}

# change, samples that are not what would be written, what --resume says of them, rows that fail
TABLE: list[tuple[Callable[[Place], None], set[str], str, set[str]]] = [
    (nothing, set(), "", set()),
    (by_numpy, set(), "", set()),
    (library_updated, set(), "", set()),
    (another_eos, set(), "", set()),
    (traced_again, ONE, "attr differs", set()),
    (traced_again_at(1_000_000_000), ONE, "attr differs", set()),
    (traced_again_at(LATER), ONE, "attr differs", set()),
    (traced_again_at(LATER + 100), ONE, "attr differs", set()),
    (scored_again, ONE, "mas differs", set()),
    (spans_moved, ONE, "span_cot differs", set()),
    (hops_gone, ONE, "", ONE),
    (hops_gone_and_allowed, ONE, "hop differs", set()),
    (hops_back, ONE, "hop differs", set()),
    (another_method, TWO, "hop differs", set()),
    (offsets_trimmed, ALL, "tok differs", set()),
    (corrected_text, ONE, "tok differs", set()),
    (texts_swapped, ONE, "tok differs", set()),
    (bit_flipped, ONE, "damaged", set()),
    (truncated, ONE, "damaged", set()),
    (emptied, ONE, "damaged", set()),
    (another_samples, ONE, "differ", set()),
    (member_swapped, ONE, "attr differs", set()),
    (score_swapped, ONE, "rise and mas differ", set()),
    (all_empty, ONE, "tok differs", set()),
    (named_as_numpy_prefers, ONE, "damaged", set()),
    (with_a_note, ONE, "damaged", set()),
    (wider_strings, ONE, "tok differs", set()),
    (of_another_layout, ALL, "of layout proc_1", set()),
    (for_another_layout, ALL, "of layout proc", set()),
    (another_prefix, ALL, "tok differs", set()),
    (gone, ONE, "", set()),
]


@pytest.mark.parametrize(
    ("change", "stale", "reason", "failed"), TABLE, ids=lambda value: getattr(value, "__name__", "")
)
def test_a_change_between_two_exports(
    place: Place,
    tmp_path: Path,
    change: Callable[[Place], None],
    stale: set[str],
    reason: str,
    failed: set[str],
) -> None:
    change(place)
    for path in place.out.iterdir():
        os.utime(path, (LATER, LATER))
    unchanged = {path.name: path.read_bytes() for path in place.out.iterdir()}

    # A layout has its own rules: a sample of another one is damaged by no change of inputs.
    if change not in (of_another_layout, for_another_layout):
        found = {error.file for error in place.check().errors}
        assert found == stale

    report = place.convert(resume=True)
    made = stale - failed
    assert {error.file for error in report.errors} == failed
    assert report.counts.kept == 8 - len(stale)
    if change is gone:
        assert report.counts.converted == 1
    else:
        assert {one.file for one in report.replaced} == made
        assert all(reason in one.reason for one in report.replaced)
    for name in ALL - made:
        assert (place.out / name).read_bytes() == unchanged[name], "kept to the byte"
        assert os.stat(place.out / name).st_mtime == LATER

    fresh = tmp_path / "fresh"
    assert place.convert(fresh, cache=False).counts.converted == 8 - len(failed)
    for path in fresh.iterdir():
        assert_same_npz(place.out / path.name, path)
    if failed:
        (error,) = report.errors
        assert "a sample of an earlier run lies at its place" in error.message
        assert {error.file for error in place.check().errors} == failed
    else:
        assert place.convert(resume=True).counts.kept == 8
        assert place.check().errors == [], "clean again"
