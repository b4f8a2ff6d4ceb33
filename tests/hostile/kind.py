"""One kind of bad input."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.cli import COMMAND

from exp2proc.demo.traces import Method, example_of, manifest_row, trace_arrays
from exp2proc.traces.datasets import Text

CONVERTS = "converts"


@dataclass(frozen=True)
class Kind:
    """A kind of bad input.

    Attributes:
        name: what is wrong, in words.
        expects: the code that it must get, or `CONVERTS`.
        make: writes it; what it is given and gives back is its table's business.
        other_rows: how many rows beside it are converted (tables that have any).
    """

    name: str
    expects: str
    make: Callable[..., Any]
    other_rows: int = 0

    @property
    def slug(self) -> str:
        """The name as part of a file name."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")


def table(*kinds: Kind) -> tuple[Kind, ...]:
    """A table of kinds, each of its own name."""
    assert len({kind.slug for kind in kinds}) == len(kinds)
    return kinds


def named(kind: Kind) -> str:
    """For pytest's ids."""
    return kind.name


METHOD = Method("ifr_multi_hop", "hostile", hops=2, recovery=True)
EXAMPLE = example_of(Text("prompt", "target"), 6, 8)


def good_trace() -> tuple[dict[str, Any], dict[str, Any]]:
    """A small row and its arrays: P = 6, G = 8, two hops, all scores."""
    import numpy as np

    arrays = trace_arrays(np.random.default_rng(7), EXAMPLE, METHOD)
    return manifest_row(0, EXAMPLE, METHOD, arrays), arrays


_MEASURED = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[2:]).returncode
open(sys.argv[1], "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
"""


def run_measured(notes: Path, *words: str | Path) -> tuple[dict[str, Any], float]:
    """The JSON report of a command, and the most memory that it held, in MB."""
    done, peak = measured(notes, *words, "--json")
    assert b"Traceback" not in done.stderr, done.stderr[-3000:]
    assert_harmless(done.stdout, done.stderr)
    return json.loads(done.stdout), peak


def measured(notes: Path, *words: str | Path) -> tuple[subprocess.CompletedProcess[bytes], float]:
    """What a command did, and the most memory that it held, in MB."""
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, str(notes), *COMMAND, *map(str, words)],
        capture_output=True,
        timeout=300,
        check=False,
    )
    return done, int(notes.read_text()) / 1024


def assert_harmless(*streams: bytes) -> None:
    """Nothing that a terminal would act on: no control characters but newlines."""
    for stream in streams:
        text = stream.decode("utf-8")
        steering = {c for c in text if c != "\n" and not c.isprintable()}
        assert not steering, sorted(map(ascii, steering))


def by_slug(kinds: Iterable[Kind]) -> dict[str, Kind]:
    """Kinds by their slugs."""
    return {kind.slug: kind for kind in kinds}
