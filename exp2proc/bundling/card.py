"""What a bundle says of itself: the dataset card and the citation. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import yaml
from huggingface_hub import DatasetCardData

from ..exports.score_formats import markdown, markdown_text, pipes
from ..exports.scores import ScoreRow
from ..formats.bundle import CITATION, DATA, PARQUET, PROVENANCE, SUMS, VIEWER
from ..formats.layouts import LAYOUTS, Layout
from ..formats.names import counted
from ..versions import __version__

_TAGS: Final = ("attribution", "interpretability", "exp2", "exp2proc")
_SIZES: Final = (1_000, 10_000, 100_000, 1_000_000)
_SHORT: Final = ("1K", "10K", "100K", "1M")
_PAPER: Final = "2602.01914"
"""FlashTrace on arXiv, whose experiment 2 the traces are of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What its makers say of a bundle.

    Attributes:
        title: of the dataset.
        license: as an SPDX or hub identifier; "" for none.
        authors: as they are to be cited; "Family, Given" is a person, anything else a name.
        cite: whether there is a citation file.
    """

    title: str
    license: str = ""
    authors: Sequence[str] = ()
    cite: bool = False


def card_text(
    about: About,
    *,
    rows: Sequence[ScoreRow],
    layouts: Sequence[str],
    tables: Mapping[str, str],
    npz: bool,
    example: str,
    warnings: Sequence[str] = (),
) -> str:
    """The dataset card, `README.md`.

    Args:
        about: what its makers say.
        rows: the scores.
        layouts: of the samples.
        tables: the Parquet file of each dataset.
        npz: whether the npz files are there.
        example: path of one of them.
        warnings: what is not known of where samples come from.
    """
    parts = [
        f"---\n{_front(about, rows, tables)}---",
        f"# {about.title}",
        _intro(about, rows),
        "## Scores\n\n" + markdown_text(rows).strip(),
        *(f"## The arrays of a sample\n\n{_arrays(LAYOUTS[name])}" for name in layouts),
        "## Loading\n\n" + _loading(tables, npz, example),
        "## Where it comes from\n\n" + _origin(warnings, npz),
    ]
    return "\n\n".join(parts) + "\n"


def _front(about: About, rows: Sequence[ScoreRow], tables: Mapping[str, str]) -> str:
    samples = sum(row.samples for row in rows)
    at = next((at for at, size in enumerate(_SIZES) if samples < size), len(_SIZES))
    sizes = ["n<1K", *(f"{a}<n<{b}" for a, b in pairwise(_SHORT)), "n>1M"]
    more: dict[str, Any] = {}
    if tables:
        more["configs"] = [
            {"config_name": name, "data_files": path} for name, path in tables.items()
        ]
    data = DatasetCardData(
        pretty_name=about.title,
        license=about.license.lower() or None,
        tags=list(_TAGS),
        size_categories=[sizes[at]],
        **more,
    )
    return f"{data.to_yaml()}\n"


def _intro(about: About, rows: Sequence[ScoreRow]) -> str:
    samples = sum(row.samples for row in rows)
    runs = counted(len(rows), "run")
    said = (
        f"{counted(samples, 'sample')} of {runs} of the exp2 attribution experiment (FlashTrace,"
        f" [arXiv:{_PAPER}](https://arxiv.org/abs/{_PAPER})): for each text which of its tokens a"
        " method holds responsible for the output."
    )
    who = f"\n\nBy {'; '.join(map(markdown, about.authors))}." if about.authors else ""
    how = f" To cite it: `{CITATION}`." if about.cite else ""
    licensed = f"\n\nLicence: {markdown(about.license)}." if about.license else ""
    return said + who + how + licensed


_MEANING: Final = {
    "attr": "row attribution of each token",
    "tok": "the token pieces; they may overlap or be empty",
    "span_in": "the prompt, a closed range of tokens",
    "span_cot": "the chain of thought, likewise; [-1, -1] for none",
    "span_out": "the explained output, likewise",
    "length": "the sizes of prompt, chain of thought and output",
    "rise": "RISE of the row attribution, lower is better; NaN when not measured",
    "mas": "MAS of the row attribution, lower is better; NaN when not measured",
    "recovery": "Recovery@10% of the row attribution, higher is better; NaN when not measured",
    "hop": "attribution by hop (multi-hop methods)",
}
_KINDS: Final = {
    "vector": "float32[L]",
    "hops": "float32[H, L]",
    "text": "str[L]",
    "span": "int64[2]",
    "lengths": "int64[3]",
    "score": "float64",
}


def _arrays(layout: Layout) -> str:
    lines = [pipes(["array", "dtype, shape", "what it is"]), pipes(["---"] * 3)]
    lines += (
        pipes([f"`{key.name}`", _KINDS[key.kind], markdown(_MEANING[key.name])])
        for key in layout.keys
    )
    said = f"Layout `{layout.name}`. L is the number of tokens, prompt and generation, without the"
    return f"{said} final EOS.\n\n" + "\n".join(lines)


def _loading(tables: Mapping[str, str], npz: bool, example: str) -> str:
    ways: list[str] = []
    if npz:
        ways.append(
            "numpy, one sample:\n\n```python\nimport numpy as np\n\n"
            f'with np.load("{example}") as sample:\n'
            '    print(sample["attr"].shape, sample["span_cot"], float(sample["mas"]))\n```'
        )
    if tables:
        name, path = next(iter(tables.items()))
        ways.append(
            "pandas, a row a sample:\n\n```python\nimport pandas as pd\n\n"
            f'frame = pd.read_parquet("{path}")\n'
            'print(frame.groupby(["model", "run_tag"])[["rise", "mas", "recovery"]].mean())\n```'
        )
        ways.append(
            "datasets, from here or by its name on the hub:\n\n"
            "```python\nfrom pathlib import Path\n\nfrom datasets import load_dataset\n\n"
            f'data = load_dataset(str(Path.cwd()), "{name}", split="train")\nprint(data)\n```'
        )
    ways.append(
        "exp2proc, with names, spans and scores:\n\n```python\nimport exp2proc\n\n"
        'for sample in exp2proc.iter_samples("."):\n    print(sample)\n```'
    )
    if npz:
        ways.append(
            f"No Python at hand: open `{VIEWER}` in a browser and drop the folder `{DATA}` on it."
        )
    return "\n\n".join(ways)


def _origin(warnings: Sequence[str], npz: bool) -> str:
    said = (
        f"`{PROVENANCE}` has for each run its dataset, model and run_tag in full, how many samples"
        " there are, and the record of what they were made from: the content of traces, texts and"
        f" tokenizers, and the versions of libraries. `{SUMS}` has the SHA-256 of every file:"
        f" `sha256sum -c {SUMS}`. Written by exp2proc {__version__}; `exp2proc check .` looks"
        " at all of it."
    )
    if not npz:
        said += f" The samples lie in `{PARQUET}`: `exp2proc unpack` makes npz files of them."
    return "\n\n".join([said, *(f"- {markdown(one)}" for one in warnings)])


def citation_text(about: About) -> str:
    """`CITATION.cff`, which cites the dataset, and the paper as its reference."""
    found: dict[str, Any] = {
        "cff-version": "1.2.0",
        "message": "If you use these samples, please cite them as below.",
        "type": "dataset",
        "title": about.title,
        "authors": [_author(name) for name in about.authors],
    }
    if about.license:
        found["license"] = about.license
    found["references"] = [
        {
            "type": "article",
            "title": "FlashTrace",
            "authors": [{"name": "The authors of FlashTrace"}],
            "identifiers": [{"type": "other", "value": f"arXiv:{_PAPER}"}],
            "url": f"https://arxiv.org/abs/{_PAPER}",
        }
    ]
    return str(yaml.safe_dump(found, sort_keys=False, allow_unicode=True))


def _author(name: str) -> dict[str, str]:
    family, comma, given = name.partition(",")
    if comma and family.strip() and given.strip():
        return {"family-names": family.strip(), "given-names": given.strip()}
    return {"name": name.strip()}
