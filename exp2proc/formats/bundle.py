"""What a bundle is called inside: its files, its folders of samples, its sums. Pure.

data/<dataset>/<model>/<method>/ex_NNNNNN.npz
parquet/<dataset>.parquet
README.md, CITATION.cff, viewer.html, provenance.json
SHA256SUMS                          written last: where it stands, all is there
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from ..errors import Exp2procError
from .names import setting_of, short_dataset

SUMS: Final = "SHA256SUMS"
PROVENANCE: Final = "provenance.json"
CARD: Final = "README.md"
CITATION: Final = "CITATION.cff"
VIEWER: Final = "viewer.html"
DATA: Final = "data"
PARQUET: Final = "parquet"

FORMAT: Final = 1
"""Of `provenance.json`: goes up when a key changes its meaning."""

UNKNOWN_FOLDER: Final = "unknown"
"""Where a sample's path does not say its dataset, model or run."""

_NOT_EVERYWHERE: Final = re.compile(r'[/\\:*?"<>|\[\]\s]')
_DEVICE: Final = re.compile(r"(con|prn|aux|nul|(com|lpt)[1-9])(\.|$)", re.IGNORECASE)
_LINE: Final = re.compile(r"([0-9a-f]{64}) [ *](.+)")


class RunNames(NamedTuple):
    """A run, as its samples' paths say it; "" for what they do not say."""

    dataset: str
    model: str
    run_tag: str


def portable(name: str) -> str:
    r"""A folder's name that every system takes; what some do not take becomes "_".

    Nor is it a pattern: a card names Parquet files by patterns.

    >>> portable("exp/data/math.jsonl"), portable("llama3:8b"), portable("")
    ('exp_data_math.jsonl', 'llama3_8b', 'unknown')
    >>> portable("math[1]"), portable("con.jsonl")
    ('math_1_', '_con.jsonl')
    """
    text = "".join(one if one.isprintable() else "_" for one in name)
    text = _NOT_EVERYWHERE.sub("_", text).rstrip(".")
    if _DEVICE.match(text):
        return f"_{text}"
    return f"_{text[1:]}" if text.startswith(".") else text or UNKNOWN_FOLDER


def spellings(run: RunNames) -> tuple[tuple[str, str], ...]:
    """Each name of a run as a folder is called: short, and in full.

    >>> spellings(RunNames("exp/data/math.jsonl", "Qwen/Qwen3-8B", "ifr_n1_5ex"))[:2]
    (('math', 'exp_data_math.jsonl'), ('Qwen3-8B', 'Qwen_Qwen3-8B'))
    """
    shorts = (
        short_dataset(run.dataset),
        run.model.rpartition("/")[2],
        setting_of(run.run_tag),
    )
    return tuple((portable(short), portable(full)) for short, full in zip(shorts, run, strict=True))


def folders(runs: Iterable[RunNames]) -> dict[RunNames, str]:
    """The folder of each run below `data`: short names, in full where short ones would meet.

    >>> runs = [RunNames("exp/data/math.jsonl", "m", tag) for tag in ("ifr_n1_5ex", "ifr_n1_9ex")]
    >>> list(folders(runs).values())
    ['math/m/ifr_n1_5ex', 'math/m/ifr_n1_9ex']
    >>> folders(runs[:1])[runs[0]]
    'math/m/ifr_n1'

    Raises:
        Exp2procError: `samples-collide`, where names in full meet, too.
    """
    known = sorted(set(runs))
    named = {run: spellings(run) for run in known}
    chosen: dict[RunNames, str] = dict.fromkeys(known, "")
    for level in range(3):
        meeting: dict[tuple[str, str], set[str]] = defaultdict(set)
        for run in known:
            meeting[chosen[run], named[run][level][0].casefold()].add(run[level])
        for run in known:
            short, full = named[run][level]
            alone = len(meeting[chosen[run], short.casefold()]) == 1
            chosen[run] += f"{'/' if level else ''}{short if alone else full}"
    by_folder: dict[str, RunNames] = {}
    for run, folder in chosen.items():
        other = by_folder.setdefault(folder.casefold(), run)
        if other is not run:
            said = f"{'/'.join(other)} and {'/'.join(run)} are both {folder} in a bundle"
            raise Exp2procError("samples-collide", said, "Rename one of the two.")
    return chosen


def sums_text(sums: Mapping[str, str]) -> str:
    """What `sha256sum -c` reads.

    Args:
        sums: SHA-256 in hex by path inside the bundle.
    """
    return "".join(f"{sums[path]}  {path}\n" for path in sorted(sums))


def read_sums(text: str) -> dict[str, str]:
    """SHA-256 in hex by path inside the bundle.

    Raises:
        ValueError: a line is none of `sha256sum`, or a path stands there twice.

    >>> read_sums(sums_text({"README.md": "0" * 64}))["README.md"][:4]
    '0000'
    """
    sums: dict[str, str] = {}
    for number, line in enumerate(text.split("\n")[:-1], 1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError(f"line {number} is no sum")
        if match[2] in sums:
            raise ValueError(f"line {number} names {match[2]} once more")
        sums[match[2]] = match[1]
    if text and not text.endswith("\n"):
        raise ValueError("its last line is cut")
    return sums
