"""The parts of README and these pages that programs know better than anybody.

python docs/generate.py           (writes them anew, in every page that has one)
python docs/generate.py --check   (says which are stale; exit code 1)

A part stands between a line that says what it is and the line `<!-- end -->`:

<!-- generated: NAME -->          one of `PARTS`: tables, from the code and the benchmarks
<!-- run: COMMAND -->             what the command prints
<!-- run: COMMAND | 9 lines -->   likewise, cut after so many lines

Commands are run once each in one folder, README's first (`exp2proc demo`), then page after page.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import functools
import html
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Final

_DOCS: Final = Path(__file__).resolve().parent
_ROOT: Final = _DOCS.parent
sys.path.insert(0, str(_ROOT))

from benchmarks import tables  # noqa: E402
from exp2proc import errors  # noqa: E402
from exp2proc.cli import COMMANDS  # noqa: E402
from exp2proc.cli.answers import add_json  # noqa: E402
from exp2proc.cli.reports import Telling  # noqa: E402
from exp2proc.options import Following, Options, table  # noqa: E402

_PART: Final = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_RUN: Final = re.compile(
    r"(<!-- run: (.+?)(?: \| (\d+) lines)? -->\n)(.*?)(<!-- end -->)", re.DOTALL
)
_TIMES: Final = re.compile(r"\d+\.\d+ s|[\d,]+/s|[\d.]+ [kM]B")
"""What differs from run to run, or with the releases of libraries, is no reason to be stale."""


def _rows(*rows: tuple[str, ...]) -> str:
    """A table, its headings first."""
    heads, *others = rows
    lines = [heads, ("---",) * len(heads), *others]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _code(text: str) -> str:
    r"""Code in a cell. `\|` in it is one sign on GitHub and two on the site: neither is needed."""
    if "|" not in text:
        return f"`{text}`"
    return f"<code>{html.escape(text, quote=False).replace('|', '&#124;')}</code>"


def _text(text: str) -> str:
    """Words of the program in a cell: no tag, no emphasis; options are code."""
    escaped = re.sub(r"[<>|*]", lambda sign: f"&#{ord(sign[0])};", text)
    return re.sub(r"(?<![\w`-])--[a-z]\w*", r"`\g<0>`", escaped)


def options() -> str:
    """The options of `convert`, by what they concern."""
    return "\n".join(
        f"## {heading.capitalize()}\n\n"
        + _rows(("option", "what it does"), *((_code(one), _text(told)) for one, told in rows))
        for heading, rows in _convert_tables().items()
    )


def _convert_tables() -> dict[str, list[tuple[str, str]]]:
    return {**table(Options), **table(Following), **table(Telling)}


def commands() -> str:
    """Each command: what it is for, what it takes, examples and exit codes."""
    return "\n".join(map(_command, COMMANDS))


def _command(name: str) -> str:
    module = import_module(f"exp2proc.cli.{name}")
    parser = argparse.ArgumentParser(prog=f"exp2proc {name}", add_help=False)
    module.add_arguments(parser)
    add_json(parser)
    found = f"## {name}\n\n{_text(' '.join(str(module.__doc__).split()))}\n\n"
    known = [row for rows in _convert_tables().values() for row in rows]
    rows = [(_spelled(one), _told(one, parser)) for one in parser._actions]
    if shared := [_code(row[0].split(" ")[0]) for row in rows if row in known]:
        some = "all of them" if len(shared) == len(known) else ", ".join(shared)
        found += f"[Options of `convert`](options.md) that it takes: {some}.\n\n"
    if own := [
        (_code(spelled), _text(told)) for spelled, told in rows if (spelled, told) not in known
    ]:
        found += _rows(("argument", "what it does"), *own) + "\n"
    return f"{found}```text\n{module.EXAMPLES.strip()}\n```\n"


def _spelled(action: argparse.Action) -> str:
    """An argument as a command line has it: `-o, --output FILE`."""
    value = action.metavar or ("|".join(map(str, action.choices)) if action.choices else "")
    if action.nargs == 0:
        value = ""
    elif not value:
        value = action.dest.upper()
    several = " ..." if action.nargs in ("+", "*") else ""
    return f"{', '.join(action.option_strings)} {value}".strip() + several


def _told(action: argparse.Action, parser: argparse.ArgumentParser) -> str:
    return (action.help or "") % {**vars(action), "prog": parser.prog}


def _errors(kinds: dict[str, errors.ErrorKind]) -> str:
    """The codes of a table, when they are said and what to do."""
    rows = [(_code(one.code), _text(one.when), _text(one.hint)) for one in kinds.values()]
    return _rows(("code", "when", "what to do"), *rows)


def benchmarks() -> str:
    """What `benchmarks/latest.json` says."""
    latest = json.loads((_ROOT / "benchmarks/latest.json").read_text(encoding="utf-8"))
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        tables.show(latest, markdown=True)
    return shown.getvalue()


PARTS: Final[dict[str, Callable[[], str]]] = {
    "options": options,
    "commands": commands,
    "benchmarks": benchmarks,
    # row-errors, plan-errors, ...: a part for each table of the catalogue
    **{
        name.lower().replace("_", "-"): functools.partial(_errors, kinds)
        for name, kinds in vars(errors).items()
        if any(kinds is table for table in errors.TABLES)
    },
}
"""By the name that a page gives them."""


Runner = Callable[..., "subprocess.CompletedProcess[str]"]
"""Runs `exp2proc WORDS` with more of an environment, in a folder."""


def run_process(*words: str, env: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """As a process, by these sources."""
    return subprocess.run(
        [sys.executable, "-m", "exp2proc", *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(_ROOT), **env},
        capture_output=True,
        text=True,
        check=False,
    )


class Shell:
    """Commands of pages, each run once, in one folder."""

    def __init__(self, folder: str, runner: Runner = run_process) -> None:
        self._folder = Path(folder).resolve()
        self._runner = runner
        self._known: dict[str, str] = {}
        self._shown: dict[tuple[str, int | None], str] = {}

    def fence_as(self, shown: str, command: str, limit: int | None) -> str:
        """The fence of a page, or a new one where it says something else than it should.

        What a page says of times is also what the next page says.
        """
        fence = self._shown.get((command, limit))
        if fence is None:
            fence = self.fence(command, limit)
            same = _TIMES.sub("", fence) == _TIMES.sub("", shown)
            fence = self._shown[command, limit] = shown if same else fence
        return fence

    def fence(self, command: str, limit: int | None) -> str:
        """A command and the first lines of what it prints, as a reader sees them."""
        if command not in self._known:
            self._known[command] = self._run(command)
        lines = self._known[command].splitlines()
        if limit is not None and len(lines) > limit:
            lines = [*lines[:limit], "..."]
        return "\n".join(["```console", f"$ {command}", *lines, "```", ""])

    def _run(self, command: str) -> str:
        name, *words = shlex.split(command)
        assert name == "exp2proc", command
        env = {"EXP2PROC_CACHE_DIR": str(self._folder / ".cache")}
        done = self._runner(*words, env=env, cwd=self._folder)
        if done.returncode == 2:
            raise SystemExit(f"{command}\n{done.stdout}{done.stderr}")
        # Of stderr nothing: on a slow machine it tells of progress.
        said = done.stdout.replace(str(self._folder), "/data/repo")
        return "\n".join(line.rstrip() for line in said.splitlines()).strip("\n")


def made(page: str, parts: dict[str, str], shell: Shell) -> str:
    """A page with its parts anew."""

    def run(found: re.Match[str]) -> str:
        limit = int(found[3]) if found[3] else None
        return found[1] + shell.fence_as(found[4], found[2], limit) + found[5]

    page = _PART.sub(lambda found: f"{found[1]}\n{parts[found[2]]}\n{found[3]}", page)
    return _RUN.sub(run, page)


def pages(runner: Runner = run_process) -> Iterator[tuple[Path, str, str]]:
    """README and the pages here: what they say, and what they should say."""
    parts = {name: part() for name, part in PARTS.items()}
    with tempfile.TemporaryDirectory() as folder:
        shell = Shell(folder, runner)
        for page in [*sorted(_ROOT.glob("README*.md")), *sorted(_DOCS.rglob("*.md"))]:
            old = page.read_text(encoding="utf-8")
            yield page, old, made(old, parts, shell)


def main() -> int:
    """Write the parts, or say which are stale."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    stale = [(page, old, new) for page, old, new in pages() if new != old]
    for page, old, new in stale:
        name = str(page.relative_to(_ROOT))
        if check:
            lines = old.splitlines(), new.splitlines()
            print("\n".join(difflib.unified_diff(*lines, name, "what it should say", lineterm="")))
        else:
            page.write_text(new, encoding="utf-8")
            print(f"{name}: written")
    if stale and check:
        print("python docs/generate.py makes them anew")
    return 1 if stale and check else 0


if __name__ == "__main__":
    sys.exit(main())
