"""What the page computes in JavaScript is what Python computes, over real data; in a Chromium."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from support.browser import wait_ready
from support.pages import ask
from support.texts import HARD

from exp2proc.exports.find import source_of
from exp2proc.exports.scores import score_rows
from exp2proc.formats.cells import Cell, cells
from exp2proc.formats.layouts import SCORES
from exp2proc.formats.names import Source
from exp2proc.formats.shares import PARTS, part_numbers, shares
from exp2proc.formats.spans import NONE, SampleSpans
from exp2proc.tokens.pieces import pieces
from exp2proc.tokens.tokenizer import load_tokenizer
from exp2proc.traces.trace import read_gold
from exp2proc.viewer.facts import _SNIPPET_TOKENS, Facts, _snippet, message, names
from exp2proc.viewer.heat import Scale, cell_scores, levels
from exp2proc.viewer.heatmap import visible
from exp2proc.viewer.single import write_single

pytestmark = pytest.mark.browser

_rng = np.random.default_rng(11)
Floats = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def page(driver: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The page without samples: only its functions matter."""
    path = tmp_path_factory.mktemp("page") / "viewer.html"
    write_single([], path)
    driver.get(path.as_uri())
    wait_ready(driver)
    yield driver
    assert driver.get_log("browser") == []


def plain(values: Any) -> list[Any]:
    """Numbers as JSON can carry them to a browser: NaN and infinities as text."""
    return [value if math.isfinite(value) else str(value) for value in map(float, values)]


# "nan" and "inf" of Python as numbers of the page
NUMBERS = "(all) => all.map((x) => ({ nan: NaN, inf: Infinity, '-inf': -Infinity })[x] ?? x)"

# --- cells

SCRIPTS = {
    **HARD,
    "thai": "น้ำใจไมตรี ขอบคุณมากครับ ๑๒๓",
    "devanagari": "क्षत्रिय नमस्ते दुनिया १२३ ज्ञान",
    "georgian": "გამარჯობა მსოფლიო ვეფხისტყაოსანი",
    "amharic": "ሰላም ለዓለም፣ እንኳን ደህና መጡ።",
    "burmese": "မင်္ဂလာပါ ကမ္ဘာလောက",
    "khmer": "សួស្តី​ពិភពលោក ភាសាខ្មែរ",
    "tibetan": "བཀྲ་ཤིས་བདེ་ལེགས།",
    "korean": "안녕하세요 세계 뷁 꿹 똠방각하",
    "cherokee": "ᎣᏏᏲ ᎡᎶᎯ ᏣᎳᎩ",
    "rare han": "䶮䶮 龘龘龘 𠮷野家 𪚥𪚥 叕叕 游戏 游游戏戏",
    "boxes": " ──────\n │   └── exp2\n ████▓▓▒▒░░ ⠿⠿⠿⣿⣿ ▁▂▃▄▅▆▇█",
    "faces": "😀😀😀 😀 😀😀🙂🙂💡💡 👩\u200d🚀👩\u200d🚀 🏳️\u200d🌈🇨🇳🇨🇳🇨🇳 ✅✅ ☑️",
    "math": "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 ∀x∈ℝ ∃y: ∑∑ ∞∞ ≈≈ ⟨ψ|φ⟩ ½½",
}


@pytest.fixture(scope="module")
def tokens(deepseek: Path) -> list[list[str]]:
    """Pieces of every text under two real tokenizers, as far as they are here."""
    shared = Path(__file__).resolve().parents[3] / "shared/reference/tokenizers/qwen3"
    folders = [deepseek, *([shared] if shared.is_dir() else [])]
    found = []
    for folder in folders:
        tokenizer = load_tokenizer(str(folder)).tokenizer
        for text in SCRIPTS.values():
            cut = text[:20_000]
            found.append(pieces(cut, tokenizer.encode(cut)[1]))
    return [one for one in found if one]


def test_cells_of_thousands_of_token_sequences(
    page: Any, tokens: list[list[str]], slow: bool
) -> None:
    choose = random.Random(3)
    sequences = []
    for _ in range(10_000 if slow else 2_000):
        parts = []
        for _ in range(choose.choice((1, 1, 2, 3))):
            source = choose.choice(tokens)
            start = choose.randrange(len(source))
            parts += source[start : start + choose.randrange(1, 24)]
        if choose.random() < 0.2:  # the same twice: what is whole once may be cut elsewhere
            parts += parts[: choose.randrange(1, len(parts) + 1)]
        sequences.append(parts)
    sequences += tokens
    wrong = []
    for at in range(0, len(sequences), 2500):
        some = sequences[at : at + 2500]
        script = "arguments[0].map((one) => cellsOf(one).map((c) => [c.start, c.stop, c.text]))"
        for sequence, found in zip(some, ask(page, script, some), strict=True):
            if [Cell(*cell) for cell in found] != cells(sequence):
                wrong.append((sequence, found, cells(sequence)))
    assert wrong[:1] == []


def test_visible_is_what_python_shows(page: Any) -> None:
    points = [chr(n) for n in range(0x300)] + [chr(n) for n in range(0x2000, 0x2100)]
    texts = [*points, "a\tb\x00c\nd\u202ee\u2066f\x7f\x9f", "e\u0301🙂\u200f", *SCRIPTS.values()]
    assert ask(page, "arguments[0].map(visible)", texts) == [visible(one) for one in texts]
    # half a pair cannot be sent to a browser; it is made there
    assert ask(page, "visible('a\\ud83d')") == visible("a\ud83d")
    assert ask(page, "visible('\\ud83d\\ude42')") == "🙂"


def test_how_a_text_begins(page: Any, tokens: list[list[str]]) -> None:
    odd = [["😀"] * 300, ["a\ufeffb", "\u3000", "↵", "\n\n", "c", "\x85", "\x1c"], [" "], []]
    some = [*tokens, *odd]
    kept = [np.array(one, np.str_).tolist() for one in some]
    expected = [_snippet(tuple(one[:_SNIPPET_TOKENS])) for one in kept]
    assert ask(page, "arguments[0].map(snippetOf)", kept) == expected


# --- levels, parts, shares


def vectors() -> list[Floats]:
    gamma = _rng.gamma(0.4, 1.0, 300)
    odd = np.array([0, 5, 1, 1, -4, np.nan, 0.004, np.inf, -np.inf, 2, 2, 0.5, -0.01])
    return [
        *(gamma, -gamma, gamma * _rng.choice([-1, 0, 1], 300), odd, np.zeros(5), np.zeros(0)),
        *(np.full(4, np.nan), np.array([1e-38, 1e-45, 3e38]), np.array([-3.0]), np.ones(50)),
        np.arange(1, 49) / 24,  # where levels end
    ]


def single_tokens(count: int) -> list[Cell]:
    return [Cell(at, at + 1, "") for at in range(count)]


@pytest.mark.parametrize("scale", ["linear", "log", "rank"])
def test_levels(page: Any, scale: Scale) -> None:
    script = (
        f"arguments[0].map({NUMBERS}).map((row) => {{"
        " const units = row.map((_, i) => ({ start: i, stop: i + 1 }));"
        " const values = unitValues(Float32Array.from(row), units, 'sum');"
        " return [...levels(values, row.map(() => true), arguments[1])]; })"
    )
    rows = vectors()
    found = ask(page, script, [plain(row.astype(np.float32)) for row in rows], scale)
    for row, mine in zip(rows, found, strict=True):
        scores = row.astype(np.float32)
        expected = levels(cell_scores(scores, single_tokens(len(row))), scale)
        assert mine == expected.tolist()


def test_levels_up_to_a_percentile_above_a_cut_and_of_what_is_shown(page: Any) -> None:
    row = _rng.gamma(0.4, 1.0, 1000)
    shown = _rng.random(1000) < 0.7
    row[np.flatnonzero(shown)[3]] = 1e6
    row = row.astype(np.float32).astype(np.float64)
    highest = np.percentile(np.where(shown, row, np.nan)[shown], 99.5)
    expected = np.ceil(np.minimum(1, row / highest) * 24 - 1e-9)
    expected[~shown | (row < 0.2 * highest)] = 0
    script = "[...levels(Float64Array.from(arguments[0]), arguments[1], 'p99.5', 0.2)]"
    assert ask(page, script, row.tolist(), shown.tolist()) == expected.astype(int).tolist()
    # prompt and generation, each by its own highest
    parts = ["in"] * 3 + ["cot"] * 3
    script = "[...levelsApart([1, 2, 4, 10, 20, 40], Array(6).fill(true), arguments[0], 'linear')]"
    assert ask(page, script, parts) == [6, 12, 24, 6, 12, 24]


def test_parts_and_shares(page: Any) -> None:
    layouts = [
        SampleSpans((0, 9), (10, 19), (20, 24)),
        SampleSpans((0, 9), (10, 24), (20, 24)),
        SampleSpans((2, 9), NONE, (29, 29)),
        SampleSpans(NONE, NONE, NONE),
        SampleSpans((0, 29), (5, 6), NONE),
    ]
    rows = [_rng.normal(size=30), np.zeros(30), np.where(np.arange(30) % 7, 1.0, np.nan)]
    for spans in layouts:
        given = {"in": spans[0], "cot": spans[1], "out": spans[2]}
        numbers = part_numbers(30, spans)
        assert ask(page, "[...partNumbers(30, arguments[0])]", given) == numbers.tolist()
        for row in rows:
            script = f"sharesOf(({NUMBERS})(arguments[0]), partNumbers(30, arguments[1]))"
            single = row.astype(np.float32)
            found = [
                math.nan if one is None else one for one in ask(page, script, plain(single), given)
            ]
            expected = [shares(single, spans)[part] for part in PARTS]
            np.testing.assert_allclose(found, expected, rtol=1e-12)


# --- units


@pytest.mark.parametrize("kind", ["words", "sentences", "lines"])
def test_units_cover_all_tokens_and_never_cross_parts(
    page: Any, tokens: list[list[str]], kind: str
) -> None:
    script = (
        "arguments[0].map((tok, i) => unitsOf(cellsOf(tok), partNumbers(tok.length,"
        " { in: arguments[1][i][0], cot: arguments[1][i][1], out: arguments[1][i][2] }),"
        " arguments[2]).map(({ start, stop, text, part }) => [start, stop, text, part]))"
    )
    some = [one[:600] for one in tokens]
    cuts = [sorted(_rng.integers(0, len(one), 2).tolist()) for one in some]
    spans = [
        (
            [0, a],
            [a + 1, b] if a < b else [-1, -1],
            [b + 1, len(one) - 1] if b + 1 < len(one) else [-1, -1],
        )
        for one, (a, b) in zip(some, cuts, strict=True)
    ]
    for tok, span, units in zip(some, spans, ask(page, script, some, spans, kind), strict=True):
        numbers = part_numbers(len(tok), SampleSpans(*(tuple(one) for one in span)))
        assert [unit[0] for unit in units[1:]] == [unit[1] for unit in units[:-1]]
        assert (units[0][0], units[-1][1]) == (0, len(tok))
        assert "".join(unit[2] for unit in units) == "".join(cell.text for cell in cells(tok))
        begins = {cell.start for cell in cells(tok)}
        for start, _, _, part in units:
            assert start in begins
            assert part == PARTS[numbers[start]]
        for cell in cells(tok):  # a cell over a border of parts is of the part it begins in
            unit = next(unit for unit in units if unit[0] <= cell.start < unit[1])
            assert unit[3] == PARTS[numbers[cell.start]]


def units(page: Any, tok: Sequence[str], kind: str) -> list[str]:
    script = "unitsOf(cellsOf(arguments[0]), new Uint8Array(arguments[0].length), arguments[1])"
    return [one["text"] for one in ask(page, script, list(tok), kind)]


def test_units_are_words_sentences_and_lines(page: Any) -> None:
    tok = [
        "The",
        " app",
        "le",
        " is",
        " red",
        ".",
        " It",
        " costs",
        " 3",
        ".",
        "5",
        "!",
        "\n",
        "B",
        "ye",
    ]
    assert units(page, tok, "words") == [
        *("The", " apple", " is", " red", ".", " It", " costs", " 3.5", "!", "\n", "Bye"),
    ]
    assert units(page, tok, "sentences") == ["The apple is red.", " It costs 3.5!\n", "Bye"]
    assert units(page, tok, "lines") == ["The apple is red. It costs 3.5!\n", "Bye"]
    zh = [
        "小",
        "明",
        "有",
        "三个",
        "苹",
        "果",
        "。",
        "他",
        "吃",
        "了",
        "一个",
        "。",
        "\n",
        "答案",
        "是",
        "二",
    ]
    assert units(page, zh, "sentences") == ["小明有三个苹果。", "他吃了一个。\n", "答案是二"]
    words = units(page, zh, "words")
    assert "苹果" in words
    assert "".join(words) == "".join(zh)


def test_values_of_units(page: Any) -> None:
    given = [{"start": 0, "stop": 3}, {"start": 3, "stop": 5}, {"start": 5, "stop": 6}]
    script = f"[...unitValues(({NUMBERS})(arguments[0]), arguments[1], arguments[2])]"
    row = [1, -4, 0.5, "nan", 2, "-inf"]
    for how, expected in (("sum", [-2.5, 2, 0]), ("mean", [-2.5 / 3, 1, 0]), ("max", [-4, 2, 0])):
        assert ask(page, script, row, given, how) == pytest.approx(expected)


# --- scores


def test_the_score_table_is_that_of_summary(page: Any) -> None:
    def source(dataset: str, model: str, tag: str, number: int) -> Source:
        return Source(Path(f"/out/{dataset}/{tag}/ex_{number:06d}.npz"), dataset, model, tag)

    tags = ("ifr_n1_8ex", "ifr_n2_4ex", "attnlrp_negdrop_8ex", "IG", "perturbation_all_9ex")
    sources, scored = [], []
    for dataset in ("exp/exp2/data/math.jsonl", "needles", "other/math.jsonl"):
        for model in ("q", ""):
            for tag in tags[: 4 if model else 5]:
                for number in range(8):
                    sources.append(source(dataset, model, tag, number))
                    values = np.round(_rng.random(3), 5)
                    values[_rng.random(3) < 0.3] = np.nan
                    if tag == "IG":
                        values[:] = [0.5, np.nan, np.nan]
                    scored.append(dict(zip(SCORES, values.tolist(), strict=True)))
    rows = score_rows(zip(sources, scored, strict=True))
    facts = [
        Facts("t", 1, 0, [None] * 4, [None if math.isnan(v) else v for v in one.values()], "", None)
        for one in scored
    ]
    script = (
        "(() => { const catalog = new Catalog();"
        " for (const one of arguments) catalog.add(one);"
        " return scoreTable(catalog).map((row) => [row.run.path, row.run.model, row.run.tag,"
        " row.label, row.count, row.partial, row.estimates, [...row.best]]); })()"
    )
    script = script.replace("of arguments", "of given").replace("(() =>", "((given) =>")
    script = script[: -len("()")] + "(arguments[0])"
    found = ask(page, script, [names(sources), message(enumerate(facts), set()), {"done": True}])
    found.sort(key=lambda row: row[:3])
    expected = sorted(rows, key=lambda row: (row.dataset, row.model, row.run_tag))
    assert len(found) == len(expected) == 27
    keys = list(SCORES)
    for row, wanted in zip(found, expected, strict=True):
        assert row[:4] == [wanted.dataset, wanted.model, wanted.run_tag, wanted.label]
        assert row[4:6] == [wanted.samples, wanted.partial]
        for key, one in zip(keys, row[6], strict=True):
            estimate = wanted.estimates[key]
            assert one["n"] == estimate.n
            assert one["mean"] == (pytest.approx(estimate.mean) if estimate.n else None)
            assert one["sem"] == (None if estimate.sem is None else pytest.approx(estimate.sem))
        assert {keys[i] for i in row[7]} == wanted.best


def test_scores_and_titles_are_those_of_python(page: Any) -> None:
    expected = [
        {"key": score.key, "label": score.label, "higher": score.higher_is_better}
        for score in SCORES.values()
    ]
    assert ask(page, "SCORE_KEYS") == expected


def test_recovery_is_that_of_the_experiment(page: Any, reference: Path) -> None:
    traces = reference / "genuine"
    told: list[tuple[Path, float, dict[str, list[int]], list[float]]] = []
    for manifest in sorted(traces.rglob("manifest.jsonl")):
        for line in manifest.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            path = manifest.parent / row["file"]
            gold = read_gold(path, row["prompt_len"]) if path.is_file() else None
            if gold is None or not row["recovery_scores"]:
                continue
            with np.load(path) as trace:
                told.append(
                    (
                        path,
                        float(row["recovery_scores"][1]),
                        {name: one.tolist() for name, one in gold._asdict().items()},
                        plain(trace["v_row_all"].astype(np.float32)),
                    )
                )
    assert len(told) > 70
    script = f"arguments[0].map(([row, gold]) => recoveryAt(({NUMBERS})(row), gold, 0.1))"
    found = ask(page, script, [[row, gold] for _, _, gold, row in told])
    different = [
        (path.parent.name, path.name, score, mine)
        for (path, score, _, _), mine in zip(told, found, strict=True)
        if not (mine is None and math.isnan(score)) and mine != pytest.approx(score)
    ]
    assert different == []


# --- two methods


def ranks(values: Floats) -> Floats:
    return np.array([(values < one).sum() + ((values == one).sum() + 1) / 2 for one in values])


def test_rank_correlation_and_overlap(page: Any) -> None:
    for one, other in (
        (_rng.normal(size=200), _rng.normal(size=200)),
        (_rng.integers(0, 5, 200).astype(float), _rng.integers(0, 9, 200).astype(float)),
        (np.arange(9.0), -np.arange(9.0)),
    ):
        expected = np.corrcoef(ranks(one), ranks(other))[0, 1]
        found = ask(
            page, "rankCorrelation(arguments[0], arguments[1])", one.tolist(), other.tolist()
        )
        assert found == pytest.approx(expected)
        top = [set(np.argsort(-np.abs(row), kind="stable")[:5].tolist()) for row in (one, other)]
        if len(np.unique(np.abs(one))) == len(one):
            script = "overlap(arguments[0], arguments[1], arguments[0].map(() => true), 5)"
            assert ask(page, script, one.tolist(), other.tolist()) == [len(top[0] & top[1]), 5]
    assert ask(page, "rankCorrelation([1, 1, 1], [1, 2, 3])") is None
    assert ask(page, "overlap([1, 0, 0], [0, 0, 2], [true, true, true], 5)") == [0, 1]


def test_the_strongest(page: Any) -> None:
    rows = [
        _rng.normal(size=300),
        _rng.integers(-3, 4, 300).astype(float),
        np.zeros(4),
        np.zeros(0),
    ]
    for row in rows:
        shown = _rng.random(len(row)) < 0.8
        size = np.where(shown, np.abs(row), 0)
        for most in (1, 20, 1000):
            expected = [int(at) for at in np.argsort(-size, kind="stable")[:most] if size[at] > 0]
            script = "strongest(arguments[0], arguments[1], arguments[2])"
            assert ask(page, script, row.tolist(), shown.tolist(), most) == expected


# --- names

PATHS = [
    ("math/qwen-8B/ifr_n1_5ex/ex_000000.npz", ""),
    ("out/math/qwen-8B/ifr_n1_5ex/ex_000000.npz", "out"),
    ("out/math/Qwen/Qwen3-8B/ifr_n1_5ex/ex_000000.npz", "out"),
    ("output/math/qwen-8B/ifr_n1_5ex/ex_000000.npz", "output"),
    ("output/exp/exp2/data/math.jsonl/qwen-8B/ifr_n1_5ex/ex_000000.npz", "output"),
    ("proc/output/exp/exp2/data/math.jsonl/qwen-8B/ifr_n1_5ex/ex_000000.npz", "proc/output"),
    ("exp/proc/output/math/qwen-8B/ifr_n1_5ex/ex_000000.npz", "exp/proc/output"),
    ("exp/proc/output/math/Qwen/Qwen3-8B/IG_mfaithfulness_gen_8ex/ex_0.npz", "exp/proc/output"),
    ("site/exp/proc_1/output/math/qwen-8B/attnlrp_negdrop_5ex/ex_1.npz", "site/exp/proc_1/output"),
    ("exp/proc/output/exp/exp2/data/a.jsonl/Qwen/Q3/ifr_n1_5ex/e.npz", "exp/proc/output"),
    ("exp/exp2/data/math.jsonl/qwen-8B/ifr_n1_5ex/ex_000000.npz", ""),
    ("mine/exp/exp2/data/math.jsonl/qwen-8B/ifr_n1_5ex/ex_000000.npz", "mine"),
    ("data/math/qwen-8B/ifr_multi_hop_both/ex_000000.npz", "data"),
    ("qwen-8B/ifr_n1_5ex/ex_000000.npz", "qwen-8B"),
    ("ifr_n1_5ex/ex_000000.npz", "ifr_n1_5ex"),
    ("ex_000000.npz", ""),
    ("math.jsonl/qwen-8B/ifr_n1_5ex/ex_000000.npz", ""),
]


@pytest.mark.parametrize(("path", "out"), PATHS)
def test_names_of_dropped_paths(page: Any, path: str, out: str) -> None:
    source = source_of(Path("/", path), Path("/", out))
    found = ask(page, "namesOf(arguments[0])", path)
    assert (found["dataset"], found["model"], found["tag"]) == (
        source.dataset,
        source.model,
        source.run_tag,
    )
    assert ask(page, "methodOf(arguments[0])", source.run_tag) == source.method
