"""README and the pages of docs/ say only what is so: parts, links, commands, names, tests."""

from __future__ import annotations

import argparse
import functools
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from importlib.metadata import distribution
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from support.cli import run_cli
from support.markdown import Section, read_sections

import exp2proc
from exp2proc.cli import COMMANDS, _underscored
from exp2proc.demo.tree import DemoTree
from exp2proc.formats.layouts import LAYOUTS
from exp2proc.versions import library_versions

_HERE = Path(__file__).resolve().parent
_ROOT = _HERE.parent
_DOCS = _ROOT / "docs"
_PAGES = sorted(
    [*_ROOT.glob("README*.md"), _ROOT / "CONTRIBUTING.md", *_DOCS.rglob("*.md")],
)
_OTHERS = {"--save_hop_traces"}
"""Options of other programs."""
_OWN = [page for page in _PAGES if page.name not in ("CONTRIBUTING.md", "commands.md")]
"""Those whose options are this program's, one at a time."""


_TUTORIALS = [
    _ROOT / page
    for page in ("README.md", "README.zh-CN.md", "docs/tutorial.md", "docs/zh/tutorial.md")
]


def _name(page: Path) -> str:
    return page.relative_to(_ROOT).as_posix()


@functools.cache
def _sections(page: Path) -> list[Section]:
    return read_sections(page.read_text(encoding="utf-8"))


# What is generated.


@pytest.fixture(scope="module")
def generate() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("generate", _DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    path = sys.path.copy()
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = path


def test_what_is_generated_is_current(generate: Any) -> None:
    for library in ("matplotlib", "scipy", "pyarrow"):
        pytest.importorskip(library, reason="a page shows what needs the extra")
    for page, says, should_say in generate.pages(run_cli):
        assert says == should_say, f"{page}: python docs/generate.py makes it anew"


def test_the_script_says_what_is_stale(tmp_path: Path) -> None:
    """Outside of pytest, as its user runs it."""
    for name in ("exp2proc", "benchmarks"):
        (tmp_path / name).symlink_to(_ROOT / name)
    page = tmp_path / "docs/page.md"
    page.parent.mkdir()
    page.write_text("<!-- generated: row-errors -->\n<!-- end -->\n")
    script = shutil.copy(_DOCS / "generate.py", page.parent)
    for words, code, told in (
        (["--check"], 1, "+| `trace-missing` |"),
        ([], 0, "docs/page.md: written"),
        (["--check"], 0, ""),
    ):
        command = [sys.executable, script, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        assert told in done.stdout


def test_a_stale_part_is_written_anew(generate: Any, tmp_path: Path) -> None:
    page = (
        "# A\n\n<!-- generated: some -->\nold\n<!-- end -->\n\nb\n\n"
        "<!-- run: exp2proc demo --help | 1 lines -->\n<!-- end -->\n"
    )
    new = generate.made(page, {"some": "new\n"}, generate.Shell(str(tmp_path), run_cli))
    assert new.startswith("# A\n\n<!-- generated: some -->\n\nnew\n\n<!-- end -->\n\nb\n\n")
    assert "-->\n```console\n$ exp2proc demo --help\nusage: exp2proc demo" in new
    assert new.endswith("\n...\n```\n<!-- end -->\n")
    assert generate.made(new, {"some": "new\n"}, generate.Shell(str(tmp_path), run_cli)) == new


def test_a_command_that_is_none_is_told(generate: Any, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="--nonsense"):
        generate.Shell(str(tmp_path), run_cli).fence("exp2proc demo --nonsense", None)


def test_other_times_are_not_stale(generate: Any, tmp_path: Path) -> None:
    page = "<!-- run: exp2proc x -->\n```console\n$ exp2proc x\nin 1.2 s (9/s)\n```\n<!-- end -->\n"
    shell = generate.Shell(str(tmp_path), run_cli)
    shell._known["exp2proc x"] = "in 0.1 s (1,000/s)"
    assert generate.made(page, {}, shell) == page
    shell = generate.Shell(str(tmp_path), run_cli)
    shell._known["exp2proc x"] = "after 0.1 s (1,000/s)"
    assert "after 0.1 s" in generate.made(page, {}, shell)


# Links.


def _slug(title: str) -> str:
    """What GitHub and the site call a heading."""
    words = re.sub(r"[`*]|\[|\]\([^)]*\)", "", title).lower()
    return re.sub(r"[^\w\- ]", "", words).replace(" ", "-")


@pytest.mark.parametrize("page", _PAGES, ids=_name)
def test_links_lead_somewhere(page: Path) -> None:
    for section in _sections(page):
        for target in section.targets:
            address = urlsplit(target)
            if address.scheme:
                continue
            file = page.parent / unquote(address.path) if address.path else page
            assert file.is_file(), target
            if address.fragment:
                slugs = {_slug(other.title) for other in _sections(file.resolve())}
                assert unquote(address.fragment) in slugs, target


def test_pages_of_the_site_are_in_its_navigation() -> None:
    nav = (_ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    named = re.findall(r"[\w/-]+\.md", nav)
    assert sorted(named) == sorted(
        page.relative_to(_DOCS).as_posix() for page in _DOCS.rglob("*.md")
    )


# Commands and options.


@functools.cache
def _help(*command: str) -> str:
    done = run_cli(*command, "--help")
    assert done.returncode == 0, done.stderr
    return done.stdout


@functools.cache
def _options(command: str) -> dict[str, str]:
    """The options that a command's help lists, each with what it says of it."""
    entries = re.findall(r"^  (-.*(?:\n   .*)*)", _help(command), re.MULTILINE)
    return {
        name: entry
        for entry in entries
        for name in re.findall(r"(?:^|, )(--?[\w-]+)", re.split(r"\n|  ", entry)[0])
    }


def _help_has(command: str, words: list[str]) -> bool:
    """Whether a command's help lists the options among `words`, and the values of `--x a|b`."""
    known = _options(command)
    for at, word in enumerate(words):
        name, _, value = word.partition("=")
        if not re.match(r"--?[a-z]", name):
            continue
        choices = (value or "".join(words[at + 1 : at + 2])).split("|")
        if name not in known or (len(choices) > 1 and not all(c in known[name] for c in choices)):
            return False
    return True


def _code(section: Section) -> list[str]:
    """The code in a section's text and tables."""
    cells = [words for table in section.tables for row in table for words in row]
    return [code for words in (section.words, *cells) for code in words.code]


def _commands(texts: Iterable[str]) -> Iterator[list[str]]:
    """The words after `exp2proc` of each command in some code."""
    for text in texts:
        joined = text.replace("\\\n", " ")
        for words in re.findall(r"(?:^|[$&|;]) *exp2proc (.+)$", joined, re.MULTILINE):
            yield shlex.split(re.split(r"&&|[|;>]", words)[0])


def _shown(section: Section) -> list[list[str]]:
    """The commands in a section's fences."""
    return list(
        _commands(text for language, text in section.fences if language in ("sh", "console"))
    )


def _parses(command: str, words: list[str]) -> bool:
    """Whether a command takes these words."""
    parser = argparse.ArgumentParser(prog=command)
    import_module(f"exp2proc.cli.{command}").add_arguments(parser)
    try:
        parser.parse_args(_underscored(words))
    except SystemExit:
        return False
    return True


@pytest.mark.parametrize("page", _PAGES, ids=_name)
def test_commands_are_taken(page: Path) -> None:
    for section in _sections(page):
        for command, *words in _shown(section):
            assert _parses(command, words), (section.title, command, words)


@pytest.mark.parametrize("page", _PAGES, ids=_name)
def test_commands_in_texts_are_in_the_help(page: Path) -> None:
    code = [code for section in _sections(page) for code in _code(section)]
    named = [
        *_commands(code),
        *(shlex.split(text) for text in code if text.split(" ")[0] in COMMANDS),
    ]
    for command, *words in named:
        if command not in ("COMMAND", "--help", "--version"):
            assert command in COMMANDS, command
            assert _help_has(command, words), (command, words)


@pytest.mark.parametrize("page", _OWN, ids=_name)
def test_lone_options_are_in_the_help(page: Path) -> None:
    """`--resume` in a text is an option of a command that its section shows, if it shows any."""
    for section in _sections(page):
        commands = {words[0] for words in (*_shown(section), *_commands(_code(section)))}
        if not _shown(section):
            commands = set(COMMANDS)
        for words in (shlex.split(text) for text in _code(section) if text.startswith("-")):
            if words[0] not in _OTHERS:
                taken = any(_help_has(command, words) for command in commands & {*COMMANDS})
                assert taken, (section.title, words)


def test_an_unknown_option_is_seen() -> None:
    assert _help_has("convert", ["--backend", "loky|threading", "--jobs=2"])
    assert not _help_has("convert", ["--backend", "loky|nonsense"])
    assert not _help_has("convert", ["--against", "DIR"])
    assert _parses("convert", ["--jobs", "2"])
    assert not _parses("convert", ["--jobs", "two"])
    assert list(_commands(["a && exp2proc demo --dir x | cat", "import exp2proc; exp2proc.plan"]))


def test_what_reads_a_sample_runs(
    demo: DemoTree, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(demo.root.parent)
    tree = DemoTree(demo.root.rename("exp2proc-demo"))
    run = next(tree.traces.glob("needles/*/ifr_multi_hop_both*"))
    asked: dict[str, Any] = {"data_root": tree.data, "tokenizer_model": tree.tokenizer}
    exp2proc.convert(trace_dir=run, out_root=tree.out, **asked)
    shutil.copy(next(tree.out.rglob("*.npz")), "ex_000000.npz")
    capsys.readouterr()
    for page in _TUTORIALS:
        names: dict[str, Any] = {}
        for section in _sections(page):
            for (language, text), (below, shown) in pairwise([*section.fences, ("", "")]):
                if language == "python":
                    exec(text, names)
                    assert capsys.readouterr().out == (shown if below == "text" else "")
        assert names


def test_the_page_on_python_runs_on_the_demo(
    demo: DemoTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for library in ("pandas", "polars", "scipy", "pyarrow"):
        pytest.importorskip(library, reason="the page shows what needs the extra")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "exp").symlink_to(demo.root / "exp")
    (tmp_path / "models").mkdir()
    (tmp_path / "models/Qwen3-8B").symlink_to(demo.tokenizer)
    sections = {section.title: section for section in _sections(_DOCS / "how-to/python.md")}
    names: dict[str, Any] = {"exp2proc": exp2proc}
    for title in ("Convert", "Samples", "Scores and files"):
        for _, text in sections[title].fences:
            if title == "Samples":
                sample = min(tmp_path.glob("OUT/needles/*/ifr_multi_hop_both*/*.npz"))
                shutil.copy(sample, "ex_000000.npz")
            exec(text, names)
    assert names["report"].exit_code == 0
    assert len(names["batch"]["lengths"]) == 8
    assert {row.label for row in names["rows"]} >= {"FT-IFR", "attnlrp"}
    assert {row.dataset for row in names["rows"]} == {"English", "multihop_zh"}


def test_the_bundle_is_loaded_as_its_page_says(demo: DemoTree, tmp_path: Path) -> None:
    for library in ("pyarrow", "datasets"):
        pytest.importorskip(library, reason="the page shows what needs it")
    asked: dict[str, Any] = {"data_root": demo.data, "tokenizer_model": demo.tokenizer}
    exp2proc.convert(traces_root=demo.traces, out_root=tmp_path / "out", **asked)
    section = next(one for one in _sections(_DOCS / "how-to/hand-over.md") if "bundle" in one.title)
    (words,) = (words for words in _shown(section) if "--parquet" in words)
    assert run_cli(words[0], tmp_path / "out", *words[2:], cwd=tmp_path).returncode == 0
    (script,) = (text for language, text in section.fences if language == "python")
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("32 ")


def test_extras_are_installed_from_the_clone() -> None:
    """As everything is that these pages install: there is no other place to take it from."""
    for page in (*_OWN, _DOCS / "tour.ipynb"):
        if page.name != "errors.md":  # hints for who has installed it
            assert "pip install 'exp2proc" not in page.read_text(encoding="utf-8"), page


# Names.


def test_every_public_name_is_on_the_page() -> None:
    text = (_DOCS / "reference/python.md").read_text(encoding="utf-8")
    named = re.findall(r"^::: exp2proc\.(\w+)$", text, re.MULTILINE)
    assert sorted(named) == sorted({*exp2proc.__all__} - {"plan"})
    assert "`exp2proc.plan`" in text


def test_every_extra_is_on_its_page() -> None:
    text = (_DOCS / "how-to/install.md").read_text(encoding="utf-8")
    extras = {*(distribution("exp2proc").metadata.get_all("Provides-Extra") or ())}
    for extra in extras - {"test", "dev", "readers", "browser"}:
        assert re.search(rf"^\| .*`{extra}`.* \|", text, re.MULTILINE), extra


def _keys(data: object) -> Iterator[str]:
    """The keys of plain data, at any depth."""
    if isinstance(data, dict):
        yield from data
        data = list(data.values())
    for value in data if isinstance(data, list) else ():
        yield from _keys(value)


def test_every_key_of_report_and_record_is_on_its_page(demo: DemoTree, tmp_path: Path) -> None:
    (demo.traces / "none/demo-1B/ifr_2ex").mkdir(parents=True)
    (demo.traces / "none/demo-1B/ifr_2ex/manifest.jsonl").touch()  # a warning
    min(demo.traces.rglob("*.npz")).unlink()  # an error
    asked: dict[str, Any] = {"data_root": demo.data, "tokenizer_model": demo.tokenizer}
    report = exp2proc.convert(traces_root=demo.traces, out_root=tmp_path / "out", **asked).to_dict()
    assert report["errors"]
    records = [run.pop("record") for run in report["runs"]]
    for page, keys in (("report", _keys(report)), ("provenance", _keys(records))):
        text = (_DOCS / f"reference/{page}.md").read_text(encoding="utf-8")
        for key in {*keys} - {*library_versions()}:
            assert re.search(rf"\b{key}\b", text), (page, key)


def test_every_key_of_a_sample_is_on_its_page() -> None:
    for page in ("reference/sample.md", "zh/sample.md"):
        text = (_DOCS / page).read_text(encoding="utf-8")
        for name, layout in LAYOUTS.items():
            assert f"`{name}`" in text
            for key in layout.keys:
                assert f"`{key.name}`" in text, (page, key)


def test_tests_that_are_named_exist() -> None:
    seen = 0
    for section in _sections(_DOCS / "explanation/promises.md"):
        for table in section.tables:
            for row in table[1:]:
                file = ""
                for code in row[-1].code:
                    named = re.fullmatch(r"((?:\w+/)*test_\w+\.py)?(?:::(test_\w+))?", code)
                    if named is None:
                        continue
                    file = named[1] or file
                    source = (_HERE / file).read_text(encoding="utf-8")
                    assert not named[2] or f"def {named[2]}(" in source, code
                    seen += 1
    assert seen
