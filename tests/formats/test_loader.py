"""A loader that has seen the token pieces says of every file what `load_sample` says."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from support.exported import write_export

from exp2proc.errors import Exp2procError
from exp2proc.formats.layouts import LAYOUTS
from exp2proc.formats.sample import Loader, digests, load_sample, values_of

PIECES = [" a", "🍎", "🍎", "", "\x00b", "长"]


class Pieces(Loader[list[str]]):
    """Learns the pieces themselves, and counts how often it does."""

    def __init__(self, limit: int = 1 << 20) -> None:
        self.times = 0
        super().__init__(self.learn, limit)

    def learn(self, tok: npt.NDArray[np.str_]) -> list[str]:
        self.times += 1
        return [str(piece) for piece in tok]


def said(call: Any, path: Path) -> Any:
    """What it gives, plainly, or what it refuses with."""
    try:
        return call(path)
    except Exp2procError as err:
        return (err.code, err.message)


def by_loader(loader: Pieces) -> Any:
    def call(path: Path) -> Any:
        loaded = loader.load(path)
        plain = values_of(loaded.sample)
        assert "tok" not in plain
        return repr(plain), loaded.sample.layout, loaded.digests, loaded.learned

    return call


def by_load_sample(path: Path) -> Any:
    sample = load_sample(path)
    values = values_of(sample)
    found = digests(LAYOUTS[sample.layout], values)
    tok = values.pop("tok", None)
    return repr(values), sample.layout, found, None if tok is None else [*map(str, tok)]


def test_pieces_are_learned_once(tmp_path: Path) -> None:
    loader = Pieces()
    for number in range(3):
        attr = np.arange(number, number + len(PIECES)).tolist()
        path = write_export(tmp_path / f"ex_{number:06}.npz", PIECES, attr=attr)
        assert by_loader(loader)(path) == by_load_sample(path)
    assert loader.times == 1
    write_export(tmp_path / "other.npz", PIECES[::-1])
    assert loader.load(tmp_path / "other.npz").learned == PIECES[::-1]
    assert loader.times == 2
    assert loader.load(write_export(tmp_path / "none.npz", None, length=3)).learned is None


def test_as_many_pieces_as_tokens_are_asked_for_each_time(tmp_path: Path) -> None:
    loader = Pieces()
    loader.load(write_export(tmp_path / "good.npz", PIECES))
    bad = write_export(tmp_path / "bad.npz", PIECES, attr=[1, 2], spans=((0, 1), (-1, -1), (1, 1)))
    refused = said(by_loader(loader), bad)
    assert refused == said(by_load_sample, bad)
    assert refused == ("sample-invalid", f"{bad}: tok is str64[6], not str[2]")


def test_what_other_programs_write(tmp_path: Path) -> None:
    good = write_export(tmp_path / "good.npz", PIECES, hop=[[1, 2, 3, 4, 5, 6]] * 2)
    with np.load(good) as npz:
        arrays = dict(npz)
    loader = Pieces()
    for number, more in enumerate(
        (
            {},
            {"tok": arrays["tok"].astype("U9")},
            {"tok": arrays["tok"].astype(">U9")},
            {"hop": np.asfortranarray(arrays["hop"])},
        )
    ):
        for save in (np.savez_compressed, np.savez):
            path = tmp_path / f"{number}-{save.__name__}.npz"
            save(path, **{**arrays, **more})
            for _ in range(2):
                assert said(by_loader(loader), path) == said(by_load_sample, path)


@pytest.mark.parametrize("seed", range(4))
def test_damaged_files(tmp_path: Path, seed: int) -> None:
    """A byte changed, or the end missing: after the good one was seen."""
    rng = random.Random(seed)
    tok = [f"{rng.random()}"[: rng.randrange(9)] for _ in range(40)]
    good = write_export(tmp_path / "good.npz", tok, hop=[[*range(40)]] * 2).read_bytes()
    loader = Pieces()
    loader.load(tmp_path / "good.npz")
    path, refused = tmp_path / "ex_000000.npz", 0
    for _ in range(400):
        data = bytearray(good)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data[: rng.choice([len(data), rng.randrange(len(data))])])
        outcome = said(by_loader(loader), path)
        assert outcome == said(by_load_sample, path)
        refused += outcome[0] == "sample-invalid"
    assert 200 < refused < 400
