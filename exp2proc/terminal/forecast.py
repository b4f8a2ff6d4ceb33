"""A forecast on screen: a table of runs, the totals, then what cannot work."""

from __future__ import annotations

import os
from itertools import compress
from typing import Final

from rich import box
from rich.table import Table
from rich.text import Text

from ..formats.names import counted, printable, short_dataset
from ..planning.forecast import Forecast, RunForecast
from .console import console, tell
from .errors import print_errors, print_left_out, print_problems, print_warnings, run_name


def print_forecast(forecast: Forecast) -> None:
    """The table on stdout; what keeps the conversion from starting on stderr."""
    out = console()
    if forecast.runs:
        failures = print_left_out(out, forecast.failures)
        out.print(_table(forecast, out.width))
        for title, names in (
            ("dataset file", {name for run in forecast.runs for name in run.dataset_files}),
            ("tokenizer", {run.tokenizer for run in forecast.runs if run.tokenizer}),
        ):
            for name in sorted(names):
                tell(out, Text(f"{title}: {printable(name)}"))
        print_errors(out, failures)
        runs = [(run_name(r.dataset, r.model_tag, r.run_tag), r.warnings) for r in forecast.runs]
        print_warnings(out, runs)
        tell(out, Text(_closing(forecast)))
    if forecast.problems:
        print_problems(forecast.problems)


def _closing(forecast: Forecast) -> str:
    rows = forecast.total("rows") - forecast.total("failing") - forecast.total("pending")
    pending = forecast.total("pending")
    known = f", {forecast.known_texts} of them known" if forecast.known_texts else ""
    return (
        ("nothing can start as it is; else " if forecast.problems and rows else "")
        + f"{rows} of {counted(forecast.total('rows'), 'row')} can be converted"
        + (f", {pending} {'is' if pending == 1 else 'are'} pending" if pending else "")
        + f"; {counted(forecast.texts, 'text')}{known}; about {_seconds(forecast.seconds)} with"
        f" {counted(forecast.jobs, 'worker')},"
        f" {_bytes(forecast.total('size'))}"
    )


_COUNTS: Final = ("rows", "texts", "tokens", "existing", "failing")


_NARROW: Final = 100
"""Columns below which names get the room of what the lines under the table say as well."""


def _table(forecast: Forecast, width: int) -> Table:
    runs = forecast.runs
    narrow = width < _NARROW
    table = Table(
        box=box.SIMPLE_HEAD,
        show_footer=len(runs) > 1,
        pad_edge=False,
        padding=(0, 0 if narrow else 1, 0, 0),
    )
    total = {name: forecast.total(name) for name in _COUNTS} | {"texts": forecast.texts}
    _add_names(table, "dataset", footer=counted(len(runs), "run"))
    _add_names(table, "model")
    _add_names(table, "method")
    for name, title in zip(_COUNTS, ("rows", "texts", "tokens", "there", "cannot"), strict=True):
        table.add_column(title, justify="right", no_wrap=True, footer=str(total[name]))
    table.add_column("size", justify="right", no_wrap=True, footer=_bytes(forecast.total("size")))
    names, sources = [*map(_names, runs)], [*map(_sources, runs)]
    usual = all(file == f"{name[0]}.jsonl" for name, (_, file) in zip(names, sources, strict=True))
    several = len({tokenizer for tokenizer, _ in sources}) > 1
    told = (several or not narrow, not usual or not narrow)
    for title in compress(("tokenizer", "dataset file"), told):
        _add_names(table, title)
    for run, called, source in zip(runs, names, sources, strict=True):
        table.add_row(*map(Text, called), *_numbers(run), *map(Text, compress(source, told)))
    return table


def _add_names(table: Table, title: str, footer: str = "") -> None:
    """A column of names, which are folded where there is no room; no word of its title is."""
    longest = max(map(len, [*title.split(), *footer.split()]))
    table.add_column(title, overflow="fold", min_width=longest, footer=footer)


def _names(run: RunForecast) -> tuple[str, ...]:
    dataset = short_dataset(run.dataset) or run.run_tag
    return tuple(map(printable, (dataset, run.model_tag, run.method)))


def _numbers(run: RunForecast) -> list[Text]:
    style = "red" if run.failing else ""
    counts = [Text(str(getattr(run, name))) for name in _COUNTS[:-1]]
    return [*counts, Text(str(run.failing), style=style), Text(_bytes(run.size))]


def _sources(run: RunForecast) -> tuple[str, ...]:
    files = ", ".join(os.path.basename(name) for name in run.dataset_files)
    tokenizer = os.path.basename(run.tokenizer.rstrip("/"))
    return tuple(map(printable, (tokenizer, files)))


def _bytes(count: int) -> str:
    if count < 1e6:
        return f"{count / 1e3:.0f} kB"
    return f"{count / 1e6:.1f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"


def _seconds(seconds: float) -> str:
    if seconds < 1:
        return "a second"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
