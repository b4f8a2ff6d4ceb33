"""doctor: every cause is named, and not another; the command it ends with works."""

from __future__ import annotations

import json
import shlex
import shutil
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.arrays import assert_same_npz
from support.bare import retrace_bare
from support.cli import run_cli, run_json
from support.deepseek import altered, decomposed, single_digits

import exp2proc
from exp2proc.demo import texts
from exp2proc.demo.traces import Method, write_jsonl, write_run
from exp2proc.demo.tree import DemoTree, measure, train_tokenizer, write_broken
from exp2proc.doctor.findings import Diagnosis, RunFindings, TokenizerTrial
from exp2proc.tokens.tokenizer import load_tokenizer
from exp2proc.traces.datasets import Text, text_sha1

METHOD = Method("ifr_multi_hop_both", "ifr_multi_hop_both_n1_mfaithfulness_gen_18ex", 2)

TEXTS = [
    *texts.arithmetic(6),
    *texts.multi_hop(3),
    *texts.needles(3),
    *(
        Text(f"Où est le café n° {n} ?", f"Près du musée, là-bas.\n\n{'Voilà. ' * n}")
        for n in (1, 2)
    ),
    *(Text(f"Say {w}.", f"Because of that, {w}.") for w in ("how", "why")),
    *(Text(f"Sing {w}.", f"La {w}, la.\nAnd {w} again.\n") for w in ("softly", "loudly")),
]
"""Texts with and without digits, with line breaks, with letters that can be normalised."""


@dataclass(frozen=True)
class Place:
    """A repository as exp2 leaves it: one run and its dataset cache."""

    root: Path

    @property
    def data(self) -> Path:
        return self.root / "exp/exp2/data"

    @property
    def cache(self) -> Path:
        return self.data / "mixed.jsonl"

    @property
    def run(self) -> Path:
        traces = self.root / "exp/exp2/output/traces"
        return traces / "exp/exp2/data/mixed.jsonl/deep-7B" / METHOD.run_tag

    def rows(self) -> list[dict[str, Any]]:
        lines = (self.run / "manifest.jsonl").read_text(encoding="utf-8").split("\n")
        return [json.loads(line) for line in lines if line]

    def change_rows(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change manifest rows, and the lengths and vectors of their traces with them."""
        rows = self.rows()
        for row in rows:
            change(row)
            with np.load(self.run / row["file"]) as npz:
                arrays = {key: npz[key] for key in npz.files}
            total = row["prompt_len"] + row["gen_len"]
            arrays["prompt_len"] = np.array(row["prompt_len"])
            arrays["gen_len"] = np.array(row["gen_len"])
            for key in ("v_row_all", "vh"):
                arrays[key] = np.resize(arrays[key], (*arrays[key].shape[:-1], total))
            np.savez_compressed(self.run / row["file"], **arrays)
        write_jsonl(self.run / "manifest.jsonl", rows)

    def change_cache(self, change: Callable[[dict[str, Any]], None]) -> None:
        rows: list[dict[str, Any]] = [dict(text._asdict()) for text in TEXTS]
        for row in rows:
            change(row)
        write_jsonl(self.cache, rows)


@dataclass(frozen=True)
class Tokenizers:
    right: Path
    digits: Path
    accents: Path
    other: Path


@pytest.fixture(scope="module")
def tokenizers(deepseek: Path, tmp_path_factory: pytest.TempPathFactory) -> Tokenizers:
    """A real tokenizer, and three that are wrong in ways of their own."""
    root = tmp_path_factory.mktemp("tokenizers")
    train_tokenizer([part for text in TEXTS for part in text], root / "other")
    return Tokenizers(
        deepseek,
        altered(deepseek, root / "digits", single_digits),
        altered(deepseek, root / "accents", decomposed),
        root / "other",
    )


@pytest.fixture(scope="module")
def _template(tokenizers: Tokenizers, tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = Place(tmp_path_factory.mktemp("place"))
    tokenizer = load_tokenizer(str(tokenizers.right)).tokenizer
    write_run(place.run, [measure(tokenizer, text) for text in TEXTS], METHOD)
    write_jsonl(place.cache, [text._asdict() for text in TEXTS])
    return place


@pytest.fixture
def place(_template: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The repository, copied for one test, as the working directory."""
    shutil.copytree(_template.root, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path)


def examine(place: Place, *candidates: Path) -> Diagnosis:
    return exp2proc.diagnose(trace_dir=place.run, tokenizer_model=candidates)


def only(diagnosis: Diagnosis) -> RunFindings:
    (found,) = diagnosis.runs
    return found


def trial(diagnosis: Diagnosis) -> TokenizerTrial:
    (tried,) = only(diagnosis).trials
    return tried


@pytest.mark.thorough
def test_three_wrong_tokenizers_and_the_right_one(place: Place, tokenizers: Tokenizers) -> None:
    wrong = (tokenizers.other, tokenizers.digits, tokenizers.accents)
    diagnosis = examine(place, *wrong, tokenizers.right)
    found = only(diagnosis)
    assert [(t.compared, t.kind) for t in found.trials] == [
        (18, "vocabulary"),
        (18, "pre-tokenizer"),
        (18, "pre-tokenizer"),
        (18, "match"),
    ]
    other, digits, accents, right = found.trials
    assert other.prompt_matches < 3
    assert "digits" in digits.sentence
    assert 0 < digits.matches < 18
    assert "accented letters" in accents.sentence
    assert 0 < accents.matches < 18
    assert right.matches == 18
    assert found.chosen_tokenizer == str(tokenizers.right)
    assert (diagnosis.needs, diagnosis.notes, diagnosis.exit_code) == ([], [], 0)


def test_the_command_works(place: Place, tokenizers: Tokenizers) -> None:
    words = (
        *("doctor", "--trace_dir", place.run),
        *("--tokenizer-model", tokenizers.other, "--tokenizer_model", tokenizers.right),
    )
    shown = run_cli(*words)
    assert shown.returncode == 0, shown.stderr
    report = run_json(*words)
    (command,) = report["commands"]
    assert shown.stdout.splitlines()[-1].split() == command
    assert command[0] == "exp2proc"
    converted = run_json(*command[1:])
    assert converted["counts"]["converted"] == 18
    again = run_json(*words)["commands"][0]
    assert again == [*command, "--resume"]
    assert run_json(*again[1:])["counts"]["kept"] == 18


@pytest.mark.thorough
def test_published_run(
    reference: Path, qwen3: Path, tokenizers: Tokenizers, tmp_path: Path
) -> None:
    report = run_json(
        *("doctor", "--traces_root", reference / "exp/exp2/output/traces"),
        *("--tokenizer_model", tokenizers.right, "--tokenizer_model", tokenizers.accents),
        *("--tokenizer_model", tokenizers.other, "--tokenizer_model", qwen3),
        *("--out_root", tmp_path),
    )
    (run,) = report["runs"]
    assert [t["matches"] for t in run["tokenizers"]] == [0, 0, 0, 60]
    assert [t["kind"] for t in run["tokenizers"]][::2] == ["vocabulary", "vocabulary"]
    run_json(*report["commands"][0][1:])
    (one,) = tmp_path.rglob("ex_000007.npz")
    assert_same_npz(one, reference / "expected/ex_000007.npz")


# Which dataset?


CAUSES: dict[str, tuple[str, Callable[[dict[str, Any]], None], Callable[[Text], Text]]] = {
    # what doctor says, what happened to the cache, what the trace had
    "null targets": ("target-missing", lambda row: row.update(target=None), lambda t: t),
    "trimmed in the cache": (
        "trimmed",
        lambda row: row.update(target=row["target"].strip()),
        lambda t: Text(t.prompt, t.target.strip() + "\n"),
    ),
    "trimmed in the trace": (
        "trimmed",
        lambda row: row.update(prompt=row["prompt"] + " \n", target="\n" + row["target"]),
        lambda t: Text(t.prompt.strip(), t.target.lstrip()),
    ),
    "CRLF in the cache": (
        "line-endings",
        lambda row: row.update(
            prompt=row["prompt"] + "\r\n?", target=row["target"].replace("\n", "\r\n") + "\r\n."
        ),
        lambda t: Text(t.prompt + "\n?", t.target + "\n."),
    ),
    "LF in the cache": (
        "line-endings",
        lambda row: row.update(target=row["target"] + "\n."),
        lambda t: Text(t.prompt, t.target.replace("\n", "\r\n") + "\r\n."),
    ),
    "a space added in the trace": (
        "leading-space",
        lambda row: None,
        lambda t: Text(" " + t.prompt, t.target),
    ),
    "a space added in the cache": (
        "leading-space",
        lambda row: row.update(prompt=" " + row["prompt"], target=" " + row["target"]),
        lambda t: t,
    ),
    "NFD in the trace": (
        "unicode",
        lambda row: row.update(target=row["target"] + " Å é"),
        lambda t: Text(t.prompt, unicodedata.normalize("NFD", t.target + " Å é")),
    ),
    "NFC in the trace": (
        "unicode",
        lambda row: row.update(prompt=unicodedata.normalize("NFD", row["prompt"] + " ü")),
        lambda t: Text(unicodedata.normalize("NFC", t.prompt + " ü"), t.target),
    ),
    "an older cache": (
        "older-cache",
        lambda row: row.update(target="Draft: " + row["target"]),
        lambda t: t,
    ),
    "other prompts": (
        "other-prompt",
        lambda row: row.update(prompt="Question: " + row["prompt"]),
        lambda t: t,
    ),
}


@pytest.mark.parametrize("name", CAUSES)
def test_why_no_text_matches(place: Place, name: str) -> None:
    kind, change, traced = CAUSES[name]
    by_sha1 = {text_sha1(t.prompt) + text_sha1(t.target): traced(t) for t in TEXTS}

    def retrace(row: dict[str, Any]) -> None:
        text = by_sha1[row["prompt_sha1"] + row["target_sha1"]]
        row.update(prompt_sha1=text_sha1(text.prompt), target_sha1=text_sha1(text.target))

    place.change_rows(retrace)
    place.change_cache(change)
    diagnosis = examine(place)
    found = only(diagnosis)
    assert found.unmatched == 18
    assert {cause.kind for cause in found.causes} == {kind}
    assert sum(cause.rows for cause in found.causes) == 18
    assert {cause.path for cause in found.causes} == {str(place.cache)}
    assert diagnosis.exit_code == 1
    assert diagnosis.commands == []
    assert found.causes[0].meaning in diagnosis.needs[0]


def test_manifest_rows_without_a_target(place: Place) -> None:
    place.change_rows(lambda row: row.update(target_sha1=None))
    found = only(examine(place))
    assert {cause.kind for cause in found.causes} == {"target-missing"}
    assert found.unmatched == 18


def test_texts_that_are_nowhere_have_no_cause(place: Place) -> None:
    write_jsonl(place.cache, [t._asdict() for t in texts.arithmetic(9, seed=77)])
    diagnosis = examine(place)
    assert only(diagnosis).causes == []
    assert only(diagnosis).unmatched == 18
    assert diagnosis.exit_code == 1


def test_the_right_cache_is_found_among_many(place: Place, tokenizers: Tokenizers) -> None:
    moved = place.data / "old/2024/kept.jsonl"
    moved.parent.mkdir(parents=True)
    place.cache.rename(moved)
    write_jsonl(place.data / "half.jsonl", [text._asdict() for text in TEXTS[:9]])
    write_jsonl(place.data / "other.jsonl", [t._asdict() for t in texts.needles(9, seed=9)])
    diagnosis = examine(place, tokenizers.right)
    found = only(diagnosis)
    matched = {Path(match.path).name: match.matched for match in found.datasets}
    assert matched == {"kept.jsonl": 18, "half.jsonl": 9, "other.jsonl": 0}
    assert found.chosen_datasets == [str(moved)]
    (command,) = diagnosis.commands
    assert command.words[command.words.index("--dataset_jsonl") + 1] == str(moved)
    assert run_json(*command.words[1:])["counts"]["converted"] == 18


def test_texts_in_two_caches(place: Place, tokenizers: Tokenizers) -> None:
    place.cache.unlink()
    for name, some in (("a", TEXTS[:9]), ("b", TEXTS[9:])):
        write_jsonl(place.data / f"{name}.jsonl", [text._asdict() for text in some])
    diagnosis = examine(place, tokenizers.right)
    (command,) = diagnosis.commands
    assert diagnosis.exit_code == 0
    assert run_json(*command.words[1:])["counts"]["converted"] == 18


# Which tokenizer?


def more(prompt: int, generation: int) -> Callable[[dict[str, Any]], None]:
    def change(row: dict[str, Any]) -> None:
        row["prompt_len"] += prompt
        row["gen_len"] += generation

    return change


def cut(row: dict[str, Any]) -> None:
    row["gen_len"] = min(row["gen_len"], 20)


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        (more(1, 0), "bos", "one BOS token more"),
        (more(-1, 0), "bos", "one BOS token less"),
        (more(0, -1), "eos", "one EOS token less"),
        (more(0, 1), "eos", "one EOS token more"),
        (more(0, 3), "another-eos", "every generation has 3 tokens more"),
        (more(1, 1), "constant", "one BOS token more, one EOS token more"),
        (cut, "cut", "exactly 20 tokens in the trace"),
    ],
)
def test_why_lengths_differ(
    place: Place,
    tokenizers: Tokenizers,
    change: Callable[[dict[str, Any]], None],
    kind: str,
    said: str,
) -> None:
    place.change_rows(change)
    diagnosis = examine(place, tokenizers.right)
    assert trial(diagnosis).kind == kind
    assert said in trial(diagnosis).sentence
    assert any(said in need for need in diagnosis.needs)
    assert diagnosis.exit_code == 1


def test_targets_cut_in_the_cache(place: Place, tokenizers: Tokenizers) -> None:
    # Digests are of what the cache has now: only the lengths remember the whole text.
    short = {text_sha1(t.prompt): t.target[:60] for t in TEXTS}

    def change(row: dict[str, Any]) -> None:
        row["target_sha1"] = text_sha1(short[row["prompt_sha1"]])

    place.change_cache(lambda row: row.update(target=short[text_sha1(row["prompt"])]))
    place.change_rows(change)
    tried = trial(examine(place, tokenizers.right))
    assert tried.kind == "cut"
    assert "60 characters" in tried.sentence


def test_tokenizers_that_cannot_be_tried(place: Place, tokenizers: Tokenizers) -> None:
    (place.root / "empty").mkdir()
    diagnosis = examine(place, place.root / "empty", place.root / "absent", tokenizers.right)
    found = only(diagnosis)
    assert [bool(t.error) for t in found.trials] == [True, True, False]
    assert diagnosis.exit_code == 0
    diagnosis = examine(place)
    assert diagnosis.exit_code == 1
    assert "--tokenizer_model" in diagnosis.needs[0]


def test_two_models_need_two_tokenizers(place: Place, tokenizers: Tokenizers) -> None:
    tokenizer = load_tokenizer(str(tokenizers.other)).tokenizer
    second = place.run.parent.parent / "small-1B" / METHOD.run_tag
    write_run(second, [measure(tokenizer, text) for text in TEXTS], METHOD)
    diagnosis = exp2proc.diagnose(
        traces_root=place.root / "exp/exp2/output/traces",
        tokenizer_model=[tokenizers.right, tokenizers.other],
    )
    (command,) = diagnosis.commands
    assert f"small-1B={tokenizers.other}" in command.words
    assert run_json(*command.words[1:])["counts"]["converted"] == 36


def test_prompts_without_a_leading_space(
    demo: DemoTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the lengths tell; the command it ends with converts every row."""
    monkeypatch.chdir(tmp_path)
    run = retrace_bare(demo, "needles")
    words = ("doctor", "--trace_dir", run, "--tokenizer_model", demo.tokenizer)
    report = run_json(*words)
    (found,) = report["runs"]
    space, none = found["tokenizers"]
    assert (space["kind"], none["kind"], none["matches"]) == ("prefix", "match", 16)
    assert len(found["doubtful"]) == space["matches"]
    assert 0 < space["matches"] < 16
    (command,) = report["commands"]
    assert command[command.index("--prompt_prefix") + 1] == "none"
    assert run_json(*command[1:])["counts"]["converted"] == 16
    (note,) = report["notes"]
    assert found["doubtful"][0] in note
    shown = run_cli(*words).stdout
    assert f"{demo.tokenizer} without the leading space: 16 of 16 rows fit" in shown
    assert f"{space['matches']} rows fit by accident with a leading space: " in shown
    (found,) = run_json(*words, "--prompt_prefix", "none")["runs"]
    assert (len(found["tokenizers"]), found["doubtful"]) == (1, [])


def test_an_empty_run_does_not_change_the_command(
    demo: DemoTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(demo.root)
    manifest = min(demo.traces.rglob("manifest.jsonl"))
    manifest.write_bytes(b"")
    words = ("--traces_root", str(demo.traces), "--tokenizer_model", str(demo.tokenizer))
    (command,) = run_json("doctor", *words)["commands"]
    assert command == ["exp2proc", "convert", *words]


# Is the trace whole?


def whole(place: Place, *candidates: Path) -> tuple[Diagnosis, Any]:
    diagnosis = examine(place, *candidates)
    return diagnosis, only(diagnosis).wholeness


def test_a_whole_trace(place: Place) -> None:
    assert whole(place)[1].whole


def test_rows_without_a_file_and_files_without_a_row(place: Place, tokenizers: Tokenizers) -> None:
    (place.run / "ex_000003.npz").rename(place.run / "ex_000300.npz")
    diagnosis, trace = whole(place, tokenizers.right)
    assert list(trace.broken) == ["ex_000003.npz"]
    assert trace.broken["ex_000003.npz"].code == "trace-missing"
    assert trace.strays == ("ex_000300.npz",)
    assert diagnosis.exit_code == 1
    assert [command.rows for command in diagnosis.commands] == [17]
    converted = run_json(*diagnosis.commands[0].words[1:], code=1)
    assert converted["counts"]["converted"] == 17


def test_missing_hops(place: Place, tokenizers: Tokenizers) -> None:
    path = place.run / "ex_000004.npz"
    with np.load(path) as npz:
        arrays = {key: npz[key] for key in npz.files if key != "vh"}
    np.savez_compressed(path, **arrays)
    diagnosis, trace = whole(place, tokenizers.right)
    assert trace.without_hops == ("ex_000004.npz",)
    assert not trace.broken
    assert "--allow_missing_ft_hops" in diagnosis.commands[0].words
    assert "without hop" in diagnosis.notes[0]
    assert run_json(*diagnosis.commands[0].words[1:])["counts"]["converted"] == 18


def test_manifest_and_npz_that_disagree(place: Place) -> None:
    rows = place.rows()
    rows[1]["gen_len"] += 1
    rows[2]["sink_span_gen"] = [0, 1]
    rows[5]["faithfulness_scores"][1][0] += 0.5
    write_jsonl(place.run / "manifest.jsonl", rows)
    _, trace = whole(place)
    assert {at: error.code for at, error in trace.broken.items()} == {
        "ex_000001.npz": "manifest-trace-disagree"
    }
    assert trace.copies_differ == {
        "ex_000002.npz": "sink_span_gen",
        "ex_000005.npz": "faithfulness_scores",
    }
    assert not trace.strays


def test_duplicate_rows_and_fewer_than_promised(place: Place) -> None:
    rows = place.rows()
    write_jsonl(place.run / "manifest.jsonl", [*rows[:10], rows[3]])
    _, trace = whole(place)
    assert list(trace.broken) == ["line 11"]
    assert trace.duplicates == (3,)
    assert (trace.rows, trace.promised, trace.too_few) == (11, 18, True)
    assert len(trace.strays) == 8


# The command


def test_a_way_without_text(place: Place) -> None:
    place.cache.unlink()
    diagnosis = examine(place)
    assert (diagnosis.commands, diagnosis.exit_code) == ([], 1)
    (note,) = diagnosis.notes
    words = shlex.split(note.partition("exp2proc ")[2])
    assert run_json(*words)["counts"]["converted"] == 18


def test_two_tokenizers_that_fit(place: Place, tokenizers: Tokenizers) -> None:
    twin = shutil.copytree(tokenizers.right, place.root / "twin")
    diagnosis = examine(place, tokenizers.right, twin)
    assert only(diagnosis).chosen_tokenizer == str(tokenizers.right)
    assert f"{tokenizers.right} and {twin} fit equally" in diagnosis.notes[0]
    assert diagnosis.exit_code == 0


def test_many_runs_some_of_them_broken(demo: DemoTree, monkeypatch: pytest.MonkeyPatch) -> None:
    write_broken(demo)
    monkeypatch.chdir(demo.root)
    words = ("doctor", "--traces_root", demo.traces, "--tokenizer_model", demo.tokenizer)
    report = run_json(*words, code=1)
    assert len(report["runs"]) == 12
    (command,) = report["commands"]
    converted = run_json(*command[1:], code=1)
    assert converted["counts"]["converted"] == 86
    assert converted["counts"]["planned"] == 88
    shown = run_cli(*words)
    assert shown.returncode == 1
    for said in ("another vocabulary", "trace-corrupt", "needed first", "converts 86 of 96 rows"):
        assert said in shown.stdout
    assert shown.stdout.count("\nok ") + shown.stdout.startswith("ok ") == 10


def test_nothing_to_look_at(tmp_path: Path) -> None:
    assert run_json("doctor", "--traces_root", tmp_path, code=2)["problems"][0]["code"] == "no-runs"
    assert run_cli("doctor").returncode == 2


def test_hostile_names_do_not_reach_the_terminal(place: Place) -> None:
    run = place.run.rename(place.run.with_name("x\x1b[31m_18ex"))
    rows = place.rows() if run == place.run else []
    assert rows == []
    (run / "y\x1b]0;z.npz").write_text("")
    shown = run_cli("doctor", "--trace_dir", run, "--tokenizer_model", "no\x1b[2J")
    assert shown.returncode == 1
    assert "\x1b" not in shown.stdout + shown.stderr
    assert "Traceback" not in shown.stderr
