"""The files of figures: whole, the same each time, readable everywhere; nothing else replaced."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from support.archive import read_csv, write_archive
from support.cli import preload, run_cli
from support.exported import write_export
from support.processes import fingerprint

import exp2proc
from exp2proc.cli import main

pytest.importorskip("matplotlib", reason="the extra figures is not installed")

_KINDS = ("length", "scores", "shares", "hops", "sample")
_USED = ("matplotlib.backends.backend_pdf", "matplotlib.backends.backend_svg", "scipy.special")
_BEGIN = {".pdf": b"%PDF-1", ".svg": b"<?xml", ".png": b"\x89PNG"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for module in _USED:
        preload(module)
    return write_archive(tmp_path_factory.mktemp("archive"))


def _of(kind: str, data: Path) -> Path:
    return min((data / "math").rglob("*.npz")) if kind == "sample" else data


def _draw_elsewhere(data: Path, folder: Path, files: Sequence[tuple[str, str]]) -> str:
    """Draw kinds in formats, in one process with another clock and other hashes; what it says."""
    words = [
        [kind, str(_of(kind, data)), "-o", str(folder / f"{kind}{ending}")]
        for kind, ending in files
    ]
    program = (
        "import json, sys\nfrom exp2proc.cli import main\n"
        "for words in json.loads(sys.argv[1]):\n"
        "    assert main(['figure', *words]) == 0, words\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(words)],
        env={**os.environ, "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.thorough
def test_the_same_bytes_each_time(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], slow: bool
) -> None:
    """Here and elsewhere: every kind, every format, in the long form each with each."""
    before = fingerprint(data)
    here, there = tmp_path / "here", tmp_path / "there"
    said = {}
    for kind in _KINDS:
        for ending, start in _BEGIN.items():
            file = here / f"{kind}{ending}"
            assert main(["figure", kind, str(_of(kind, data)), "-o", str(file)]) == 0
            said[kind, ending], error = capsys.readouterr()
            assert error == ""
            table, size = file.with_suffix(".csv"), file.stat().st_size
            rows = len(read_csv(table.read_text()))
            wanted = f"{file}: {size / 1e3:.0f} kB; {table}: {rows} rows\n"
            assert said[kind, ending] == wanted
            made = file.read_bytes()
            assert made.startswith(start)
            assert b"exp2proc figure" in made
            assert not re.search(rb"CreationDate|dc:date|/Type3|/Type1\b", made)
        pdf = (here / f"{kind}.pdf").read_bytes()
        fonts = re.findall(rb"/Type /FontDescriptor.*?>>", pdf, re.DOTALL)
        assert fonts
        assert all(b"/FontFile2" in font for font in fonts)
        svg = ET.parse(here / f"{kind}.svg").getroot()
        # shapes: no font is needed
        assert not list(svg.iter("{http://www.w3.org/2000/svg}text"))
    assert {path.name for path in here.iterdir()} == {
        f"{kind}{ending}" for kind in _KINDS for ending in (*_BEGIN, ".csv")
    }
    again = list(said) if slow else list(zip(_KINDS, cycle(_BEGIN)))
    told = _draw_elsewhere(data, there, again)
    assert told.replace(str(there), str(here)) == "".join(said[one] for one in again)
    for path in there.iterdir():
        assert path.read_bytes() == (here / path.name).read_bytes(), path.name
    assert len(list(there.iterdir())) == len(again) + len(_KINDS)
    assert fingerprint(data) == before


@pytest.mark.thorough
def test_widths(data: Path, tmp_path: Path) -> None:
    for width, points in (("3.25in", 234.0), ("82.55mm", 234.0), ("17.0 cm", 481.89)):
        file = tmp_path / "f.svg"
        assert run_cli("figure", "length", data, "-o", file, "--width", width).returncode == 0
        assert float(ET.parse(file).getroot().attrib["width"][:-2]) == pytest.approx(points, 1e-4)
    for width in ("3ft", "0.1in", "", "90in", "nan"):
        done = run_cli("figure", "length", data, "-o", file, "--width", width)
        assert done.returncode == 2
        assert "--width: it may be a width from 1.5in to 40in" in done.stderr


def test_only_earlier_figures_are_replaced(data: Path, tmp_path: Path) -> None:
    file, table = tmp_path / "f.pdf", tmp_path / "f.csv"
    for path, other in ((file, table), (table, file)):
        path.write_text("of somebody else\n")
        done = run_cli("figure", "length", data, "-o", file)
        assert (done.returncode, done.stdout) == (2, "")
        assert "target-exists" in done.stderr
        assert path.read_text() == "of somebody else\n"
        assert not other.exists()
        path.unlink()
    assert run_cli("figure", "length", data, "-o", file).returncode == 0
    first = file.read_bytes(), table.read_bytes()
    assert run_cli("figure", "scores", data, "-o", file).returncode == 0
    assert file.read_bytes() != first[0]
    assert run_cli("figure", "hops", data / "math/qwen-8B/attnlrp", "-o", file).returncode == 2
    assert run_cli("figure", "length", data, "-o", file).returncode == 0
    assert (file.read_bytes(), table.read_bytes()) == first
    assert {path.name for path in tmp_path.iterdir()} == {"f.pdf", "f.csv"}


def test_refusals(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "f.pdf"
    refused: list[tuple[tuple[str | Path, ...], str, str]] = [
        (("length", data, "--method", "FT=ifr_multi_hop_boht"), "usage", "did you mean ifr_multi"),
        (("length", data, "--panel", "M=maht"), "usage", "(did you mean math?)"),
        (("length", data, "--order", "xyz"), "usage", "Known: attnlrp, "),
        (("length", data, "--label", "xyz=1"), "usage", "there is no run 'xyz'"),
        (("hops", data / "math/qwen-8B/attnlrp"), "nothing-to-draw", "has hops"),
        (
            ("length", data / "math/qwen-8B/attnlrp", "--score", "recovery"),
            "nothing-to-draw",
            "10%",
        ),
        (
            ("scores", data / "math/qwen-8B/attnlrp", "--score", "recovery"),
            "nothing-to-draw",
            "10%",
        ),
        (("sample", data), "usage", "120 samples named"),
        (("sample", _of("sample", data), "--hop", "1"), "nothing-to-draw", "hop 1 of a sample"),
        (("hops", data, "--score", "mas"), "usage", "the kind hops heeds no score"),
        (("scores", data, "--scale", "log"), "usage", "the kind scores heeds no scale"),
        (("sample", _of("sample", data), "--order", "x"), "usage", "kind sample heeds no order"),
        (("length", tmp_path), "no-samples", "holds no sample"),
    ]
    for words, code, said in refused:
        done = run_cli("figure", *words, "-o", file)
        assert (done.returncode, done.stdout) == (2, ""), words
        told = "exp2proc figure: " if code == "usage" else f"exp2proc: {code}: "
        assert done.stderr.startswith(told), done.stderr
        assert said in done.stderr
    unread: list[tuple[tuple[str | Path, ...], str]] = [
        (("pie", data, "-o", file), "invalid choice: 'pie'"),
        (("length", data, "-o", tmp_path / "f.jpg"), "f.jpg ends with none of .pdf, .svg, .png"),
        (("length", data, "-o", file, "--method", "attnlrp"), "it may be NAME=VALUE"),
        (("length", data, "-o", file, "--label", "x="), "it may be NAME=VALUE"),
    ]
    for words, said in unread:
        done = run_cli("figure", *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_sample_that_no_page_holds(tmp_path: Path) -> None:
    path = write_export(tmp_path / "ex_000000.npz", ["\n"] * 1800)
    done = run_cli("figure", "sample", path, "-o", tmp_path / "f.pdf")
    assert (done.returncode, "the sample needs more than 194 inches" in done.stderr) == (2, True)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_two_runs_of_a_method_are_not_taken_together_unasked(tmp_path: Path) -> None:
    for tag in ("ifr_n1_2ex", "ifr_n2_2ex"):
        for example in range(2):
            path = tmp_path / "out/math/m" / tag / f"ex_{example:06d}.npz"
            write_export(path, None, length=3, scores=(0.5, 0.5, 0.5))
    words = ("figure", "length", tmp_path / "out", "-o", tmp_path / "f.svg")
    assert run_cli(*words).returncode == 0
    rows = read_csv((tmp_path / "f.csv").read_text())
    assert [row["method"] for row in rows] == ["ifr_n1_2ex", "ifr_n2_2ex"]
    done = run_cli(*words, "--method", "IFR=ifr")
    assert (done.returncode, "ifr is two runs: ifr_n1_2ex and ifr_n2_2ex" in done.stderr) == (
        2,
        True,
    )
    assert run_cli(*words, "--method", "IFR=ifr_n1,ifr_n2_2ex").returncode == 0
    assert (
        run_cli(*words, "--label", "ifr_n1_2ex=One, first", "--order", "ifr_n2_2ex").returncode == 0
    )
    rows = read_csv((tmp_path / "f.csv").read_text())
    assert [row["method"] for row in rows] == ["ifr_n2_2ex", "One, first"]


def test_models_are_not_mixed(tmp_path: Path) -> None:
    for model in ("a-1B", "b-1B"):
        for example in range(2):
            path = tmp_path / "out/math" / model / "ifr_n1_2ex" / f"ex_{example:06d}.npz"
            write_export(path, None, length=3, scores=(0.5, 0.5, 0.5))
    done = run_cli("figure", "scores", tmp_path / "out", "-o", tmp_path / "f.svg")
    assert done.returncode == 0
    panels = {row["panel"] for row in read_csv((tmp_path / "f.csv").read_text())}
    assert panels == {"math · a-1B", "math · b-1B"}


def test_groups_and_orders(tmp_path: Path) -> None:
    for dataset in ("exp/exp2/data/a.jsonl", "b", "c"):
        for tag in ("IG_n1_2ex", "ifr_n1_2ex"):
            for example in range(2):
                path = tmp_path / "out" / dataset / "m" / tag / f"ex_{example:06d}.npz"
                write_export(path, None, length=3, scores=(0.5, 0.5, 0.5))

    def names(*words: str) -> list[tuple[str, str, str]]:
        file = tmp_path / "f.svg"
        assert run_cli("figure", "length", tmp_path / "out", "-o", file, *words).returncode == 0
        rows = read_csv((tmp_path / "f.csv").read_text())
        return [(row["panel"], row["method"], row["n"]) for row in rows]

    both = ("--group", "A=c,exp/exp2/data/a.jsonl", "--label", "ifr_n1=FT")
    assert names() == [(p, m, "2") for p in "abc" for m in ("IG", "ifr")]
    assert names(*both) == [(p, m, n) for p, n in (("A", "4"), ("b", "2")) for m in ("IG", "FT")]
    for order in ("FT,b", "b,ifr", "ifr_n1_2ex,b"):
        assert names(*both, "--order", order)[:2] == [("b", "FT", "2"), ("b", "IG", "2")]
    assert names(*both, "--order", "b,c") == names(*both, "--order", "b")
    twice = ("--panel", "X=b", "--panel", "X=c")
    assert names(*twice) == [("X", "IG", "4"), ("X", "ifr", "4")]
    done = run_cli("figure", "length", tmp_path / "out", "-o", tmp_path / "x.svg", *both, *twice)
    assert (done.returncode, "panels and groups exclude each other" in done.stderr) == (2, True)


def test_what_is_no_sample_is_told(data: Path, tmp_path: Path) -> None:
    for example in range(2):
        path = tmp_path / "out/math/m/ifr_n1_3ex" / f"ex_{example:06d}.npz"
        write_export(path, None, length=3, scores=(0.5, 0.5, 0.5))
    (path.parent / "ex_000002.npz").write_bytes(b"none")
    done = run_cli("figure", "length", tmp_path / "out", "-o", tmp_path / "f.pdf")
    assert done.returncode == 1
    assert "ifr_n1_3ex/ex_000002.npz: " in done.stderr
    assert [row["n"] for row in read_csv((tmp_path / "f.csv").read_text())] == ["2"]


def test_labels_of_other_scripts(data: Path, tmp_path: Path) -> None:
    """Glyphs come from whatever font has them; for others there is one line and a box."""
    words = ("figure", "length", data, "-o", tmp_path / "f.pdf")
    done = run_cli(*words, "--panel", "A $x^2$ & <b>=math", "--label", "attnlrp=Größe Ω")
    assert (done.returncode, done.stderr) == (0, "")
    done = run_cli(*words, "--label", "attnlrp=\U0010fffd\U0010fffc")
    assert done.returncode == 0
    assert done.stderr == ("exp2proc: no installed font has U+10FFFC, U+10FFFD: drawn as boxes\n")


def test_east_asian_labels(data: Path, tmp_path: Path) -> None:
    from matplotlib.font_manager import fontManager

    if not any("CJK" in font.name for font in fontManager.ttflist):
        pytest.skip("no font with Chinese characters is installed")
    words = ("figure", "length", data, "-o", tmp_path / "f.pdf")
    done = run_cli(*words, "--label", "attnlrp=归因", "--panel", "数学=math")
    assert (done.returncode, done.stderr) == (0, "")
    pdf = (tmp_path / "f.pdf").read_bytes()
    # no font under a type that it is not: all that are embedded begin as TrueType does
    assert re.findall(rb"/FontFile2 (\d+) 0 R", pdf)
    for number in re.findall(rb"/FontFile2 (\d+) 0 R", pdf):
        start = re.search(rb"\n%s 0 obj\n.*?stream\r?\n" % number, pdf, re.DOTALL)
        assert start is not None
        inflated = zlib.decompressobj().decompress(pdf[start.end() :], 4)
        assert inflated == b"\0\1\0\0"


@pytest.mark.thorough
@pytest.mark.parametrize("home", ["none", "file"])
def test_no_home_is_needed(data: Path, tmp_path: Path, home: str) -> None:
    hidden = ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR", "DISPLAY")
    env = dict.fromkeys(hidden, "")
    if home == "file":
        (tmp_path / "home").touch()
        env["HOME"] = str(tmp_path / "home")
    (tmp_path / "matplotlibrc").write_text("pdf.fonttype: 3\nfont.size: 30\nnonsense\n")
    words = ("figure", "length", data, "-o")
    assert run_cli(*words, tmp_path / "a.pdf").returncode == 0
    done = run_cli(*words, "b.pdf", env=env, cwd=tmp_path, fresh=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()


@pytest.mark.thorough
def test_settings_of_others(data: Path, tmp_path: Path) -> None:
    words = ("figure", "length", data, "-o", tmp_path / "f.pdf")
    done = run_cli(*words, env={"MPLBACKEND": "nonsense"}, fresh=True)
    assert (done.returncode, done.stderr) == (0, "")
    (tmp_path / "matplotlibrc").write_bytes(b"font.size: 30 # \xff\n")
    done = run_cli(*words, cwd=tmp_path, fresh=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "missing-extra: matplotlib does not start (UnicodeDecodeError" in done.stderr
    assert "matplotlibrc" in done.stderr


def test_without_matplotlib(data: Path, tmp_path: Path) -> None:
    (tmp_path / "matplotlib.py").write_text("raise ImportError('there is none')\n")
    paths = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    words = ("figure", "length", data, "-o", tmp_path / "f.pdf")
    done = run_cli(*words, env={"PYTHONPATH": paths}, fresh=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "exp2proc: missing-extra: this needs matplotlib" in done.stderr
    assert "pip install 'exp2proc[figures]'" in done.stderr
    assert not (tmp_path / "f.pdf").exists()


def test_from_python(data: Path, tmp_path: Path) -> None:
    import matplotlib
    from matplotlib.figure import Figure

    before = dict(matplotlib.rcParams)
    drawn = exp2proc.figure(
        "length",
        data,
        methods={"FT-IFR": ["ifr_multi_hop_both"], "AttnLRP": ["attnlrp"]},
        panels={"MATH": ["math"]},
        width="82.55mm",
        where=lambda source: source.dataset == "math",
    )
    assert isinstance(drawn, Figure)
    assert drawn.get_size_inches()[0] == pytest.approx(3.25)
    assert [ax.get_title() for ax in drawn.axes] == ["MATH"]
    drawn.savefig(tmp_path / "mine.png")
    assert dict(matplotlib.rcParams) == before
    for kind in _KINDS:
        assert isinstance(exp2proc.figure(kind, _of(kind, data)), Figure)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"kind": "pie"}, "kind is 'pie': it may be length, scores, shares, hops, sample"),
        ({"score": "bleu"}, "score is 'bleu': it may be rise, mas, recovery"),
        ({"width": "3ft"}, "width is '3ft': it may be a width from 1.5in"),
        ({"scale": "odd"}, "scale is 'odd': it may be linear, log, rank"),
    ]
    for words, said in wrong:
        with pytest.raises(exp2proc.Exp2procError, match=said) as caught:
            exp2proc.figure(**{"kind": "length", "outs": data, **words})
        assert caught.value.code == "usage"
    with pytest.warns(UserWarning, match="no installed font has U"):
        exp2proc.figure("length", data, labels={"attnlrp": "\U0010fffd"})
