"""What names and paths may be, and what they say: of files, runs and samples."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .held import Held, Place

# Where the method ends in a run_tag: hops (n1), modes of LRP (negdrop, normnorm), what was measured
# (mfaithfulness_gen), how many (100ex).
_SETTINGS: Final = re.compile(r"_(?=n\d+(?:_|$)|neg[a-z]+(?:_|$)|norm[a-z]+|mfaith|mrecov|\d+ex$)")
# Where the settings end: behind them stand what was measured, and how many.
_MODES: Final = re.compile(r"_(?=mfaith|mrecov|\d+ex$)")
_SIZE: Final = re.compile(r"(?:^|_)([0-9]{1,9})ex$")
# Methods whose published folders say no settings. Others are known by these.
_METHODS: Final = re.compile(r"(?:ft_)?(?:ifr|attnlrp|perturbation)(?:_|$)|IG$")

UNKNOWN: Final = "?"
"""What people are shown for a name that is not known; in data it is an empty string."""

_EXAMPLE: Final = re.compile(r"ex_(\d{1,18})\.npz")
_NO_UTF8: Final = re.compile("[\udc80-\udcff]")
"""Bytes of a name that are no UTF-8, as Python hands them over."""
_SEPARATORS: Final = re.compile(r"[/\\:]")
_MAX_NAME: Final = 200
"""Bytes of a file name; file systems take 255, and a temporary name is made beside it."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a sample was read from, and what its path says it is of.

    Attributes:
        path: the npz, absolute.
        dataset: one or more path parts, joined by "/"; "" when the path does not tell.
        model: the model's folder name, or a hub name; "" when the path does not tell.
        run_tag: the run's folder name: method, settings, modes and size; "" when it has none.
        held: how it is read where it lies in another file, an archive or a Parquet file: `path`
            then goes on inside that file. None for a file of its own.

    >>> path = Path("/out/math/qwen-8B/attnlrp_negdrop_5ex/ex_000012.npz")
    >>> source = Source(path, "math", "qwen-8B", "attnlrp_negdrop_5ex")
    >>> source.method, source.example, source.name
    ('attnlrp', 12, 'math/qwen-8B/attnlrp_negdrop_5ex/ex_000012.npz')
    >>> Source(path, "exp/exp2/data/math.jsonl", "qwen-8B", "attnlrp_negdrop_5ex").short_name
    'math/qwen-8B/attnlrp_negdrop_5ex/ex_000012.npz'
    """

    path: Path
    dataset: str
    model: str
    run_tag: str
    held: Held | None = None

    @property
    def place(self) -> Place:
        """What readers take: the path, unless it is held by another file."""
        return self.held or self.path

    @property
    def method(self) -> str:
        """The attribution method: what `run_tag` begins with."""
        return method_of(self.run_tag)

    @property
    def setting(self) -> str:
        """The method and its settings: `run_tag` without what was measured and how often."""
        return setting_of(self.run_tag)

    def is_of(self, run: str) -> bool:
        """Whether it is of a run that is named by its method, setting or run_tag."""
        return run in (self.run_tag, self.setting, self.method)

    def to_dict(self) -> dict[str, Any]:
        """Plain data: dataset (short), dataset_path, model, method, run_tag, file, example."""
        return {
            "dataset": self.short_dataset,
            "dataset_path": self.dataset,
            "model": self.model,
            "method": self.method,
            "run_tag": self.run_tag,
            "file": spelled(self.path.name),
            "example": self.example,
        }

    @property
    def example(self) -> int | None:
        """The sample's number in its run, from a name like ex_000012.npz; else None."""
        match = _EXAMPLE.fullmatch(self.path.name)
        return int(match[1]) if match else None

    @property
    def name(self) -> str:
        """dataset/model/run_tag/file, the parts that are known."""
        return self._joined(self.dataset)

    @property
    def short_dataset(self) -> str:
        """`dataset` as people are shown it, see `short_dataset`; "" when it is not known."""
        return short_dataset(self.dataset)

    @property
    def short_name(self) -> str:
        """`name` with `short_dataset`."""
        return self._joined(self.short_dataset)

    def _joined(self, dataset: str) -> str:
        parts = (dataset, self.model, self.run_tag, spelled(self.path.name))
        return "/".join(filter(None, parts))


def short_dataset(dataset: str) -> str:
    """A dataset's short spelling: where it is a path, the file's name without its ending.

    >>> short_dataset("exp/exp2/data/math.jsonl"), short_dataset("needles")
    ('math', 'needles')
    """
    return dataset.rpartition("/")[2].removesuffix(".jsonl")


def short_datasets(datasets: Iterable[str]) -> dict[str, str]:
    """How each dataset is shown: short where that tells them apart; `UNKNOWN` for "".

    >>> short_datasets(["exp/exp2/data/math.jsonl", "a/niah", "b/niah"])["a/niah"]
    'a/niah'
    """
    names = {name: short_dataset(name) or UNKNOWN for name in sorted(set(datasets))}
    shorts = Counter(names.values())
    return {name: short if shorts[short] == 1 else name for name, short in names.items()}


def method_of(run_tag: str) -> str:
    """The method in a run_tag: all before its settings, modes and size.

    >>> method_of("ifr_multi_hop_both_n1_mfaithfulness_gen_100ex")
    'ifr_multi_hop_both'
    """
    return _SETTINGS.split(run_tag, maxsplit=1)[0]


def setting_of(run_tag: str) -> str:
    """The method and its settings in a run_tag: all before what was measured, and how often.

    >>> setting_of("ifr_multi_hop_both_n1_mfaithfulness_gen_100ex")
    'ifr_multi_hop_both_n1'
    """
    return _MODES.split(run_tag, maxsplit=1)[0]


def promised_by(run_tag: str) -> int | None:
    """How many rows, and so samples, a run_tag says were asked for; None when it does not say.

    >>> promised_by("ifr_multi_hop_both_n1_mfaithfulness_gen_100ex"), promised_by("attnlrp")
    (100, None)
    """
    match = _SIZE.search(run_tag)
    return int(match[1]) if match else None


def names_a_method(run_tag: str) -> bool:
    """Whether a folder's name is that of a run: a method that is known, or settings behind one.

    >>> names_a_method("perturbation_all_fast"), names_a_method("math_ifr_multi_hop_both")
    (True, False)
    """
    return bool(_METHODS.match(run_tag) or _SETTINGS.search(run_tag))


def names_a_sample(name: str) -> bool:
    """Whether a name is one that exp2 gives: `ex_NNNNNN.npz`. A manifest may name others.

    >>> names_a_sample("ex_000001.npz"), names_a_sample("archive.npz")
    (True, False)
    """
    return _EXAMPLE.fullmatch(name) is not None


def spelled(name: str) -> str:
    r"""A file name as text that UTF-8 can write: bytes that are no UTF-8 as %ff.

    In such a name a % is written as %25. Another name may read the same: `caf%e9` is one.

    >>> spelled("caf\udce9")  # how Python hands over a name of Latin-1 bytes
    'caf%e9'
    >>> spelled("caf%e9"), spelled("caf%e9\udce9")
    ('caf%e9', 'caf%25e9%e9')
    """
    if not _NO_UTF8.search(name):
        return name
    return re.sub(f"%|{_NO_UTF8.pattern}", lambda one: f"%{ord(one[0]) & 0xFF:02x}", name)


def is_plain_name(name: str) -> bool:
    """Whether `name` is a visible *.npz name with no folder, drive or control character in it.

    >>> is_plain_name("ex_000001.npz"), is_plain_name("../ex_000001.npz"), is_plain_name(".npz")
    (True, False, False)
    """
    return (
        name.endswith(".npz")
        and len(name) > len(".npz")
        and not name.startswith(".")
        and not _SEPARATORS.search(name)
        and name.isprintable()
        and len(name.encode("utf-8", "surrogatepass")) <= _MAX_NAME
    )


def is_inside(path: str) -> bool:
    r"""Whether a path of parts between "/" leads to a place below where it begins.

    A part may hold whatever a name of this system may: a colon, a backslash, a tab.

    >>> is_inside("math/llama3:8b/ex_000001.npz"), is_inside(r"a\b	c")
    (True, True)
    >>> any(map(is_inside, ("../a", "/a", "a//b", "a/./b", "a/..", "a\0b", "")))
    False
    """
    return "\0" not in path and not {"", ".", ".."} & set(path.split("/"))


def printable(text: str) -> str:
    r"""`text` with everything that could steer a terminal spelled out.

    >>> print(printable("red \x1b[31mEVIL\n"))
    red \x1b[31mEVIL\n
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """What is added to the message about a word that is not known.

    >>> did_you_mean("convrt", ["convert", "plan"]), did_you_mean("--jbos", ["--jobs", "--limit"])
    (' (did you mean convert?)', ' (did you mean --jobs?)')
    >>> did_you_mean("--score", ["--order"])
    ''
    """
    from difflib import get_close_matches

    # The dashes of options are alike in any two, and would make short ones look so, too.
    names = {name.lstrip("-"): name for name in known}
    alike = get_close_matches(word.lstrip("-"), names, n=1, cutoff=0.7)
    return f" (did you mean {names[alike[0]]}?)" if alike else ""


def counted(count: int, what: str, several: str = "") -> str:
    """A number of things, for people.

    >>> counted(1, "sample"), counted(0, "hop"), counted(2, "entry", "entries")
    ('1 sample', '0 hops', '2 entries')
    """
    return f"{count} {what}" if count == 1 else f"{count} {several or f'{what}s'}"
