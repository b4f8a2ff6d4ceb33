"""Whether what lies at a sample's place is what would be written there: content alone says.

No date and no length is asked. A sample is the one that would be made when each of its arrays has
the digest (size and CRC-32) of the array that would be written, and its bytes keep what its
directory says of them. An archive that was written by another program counts by its arrays.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from ..errors import Exp2procError
from ..formats.layouts import Key, Layout
from ..formats.npz import Digest, Member, NpzReader, unpack
from ..formats.sample import Sample, digests, load_sample, values_of
from ..formats.zipped import NpzError

# A file of more bytes than both allow is no longer looked into to tell what is wrong with it.
_ROOM: Final = 4
_LITTLE: Final = 1 << 22


class Stale(NamedTuple):
    """Why a sample is not what would be written.

    Attributes:
        reason: in a few words, the same for samples that have the same wrong with them.
        message: with the numbers.
    """

    reason: str
    message: str


def stale(path: str, layout: Layout, wanted: Mapping[str, Any]) -> Stale | None:
    """Why the file at `path` is not the sample that would be written; None when it is.

    Args:
        path: of a file that is there.
        layout: of the sample that would be written.
        wanted: its values, as `encode` takes them.
    """
    expected = digests(layout, wanted)
    size = sum(one.size for one in expected.values())
    try:
        with NpzReader(path) as npz:
            if npz.claimed > _ROOM * size + _LITTLE:
                said = f"its arrays claim {npz.claimed} bytes, those to be written have {size}"
                return Stale("too large", said)
            if _as_written(npz, expected, wanted):
                return None
    except (NpzError, OSError):
        pass  # what is wrong with it is said below
    try:
        sample = load_sample(path)
    except Exp2procError as err:
        return Stale("damaged", err.message)
    if sample.layout != layout.name:
        which = f"of layout {sample.layout}"
        return Stale(which, f"it is a sample {which}, not {layout.name}")
    found = differences(sample, layout, wanted)
    if not found:
        return None
    reason = f"{_joined([key for key, _ in found])} {'differs' if len(found) == 1 else 'differ'}"
    return Stale(reason, "; ".join(message for _, message in found))


def _as_written(npz: NpzReader, expected: Mapping[str, Digest], wanted: Mapping[str, Any]) -> bool:
    """Whether the file is an archive of just these arrays, every byte of them whole."""
    if npz.others or list(npz.digests().items()) != list(expected.items()):
        return False
    for key in npz.keys:
        value = wanted[key]
        # Equal packed bytes need no inflating: those of the pieces are most of a sample.
        if not isinstance(value, Member) or npz.packed(key) != value.data:
            npz.raw(key)
    return True


def differing(there: Mapping[str, Digest], layout: Layout, wanted: Mapping[str, Any]) -> list[Key]:
    """The arrays in which a sample is not what is wanted, in the order of the file.

    Args:
        there: the digests of the sample's arrays.
        layout: of both.
        wanted: values as `encode` takes them; where `tok` is left out it is not compared.
    """
    expected = digests(layout, wanted)
    return [
        key
        for key in layout.keys
        if there.get(key.name) != expected.get(key.name)
        and not (key.kind == "text" and key.name not in wanted)
    ]


def differences(sample: Sample, layout: Layout, wanted: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What `differing` gives, and how the arrays differ."""
    have = values_of(sample)
    return [
        (key.name, _how(key, have.get(key.name), wanted.get(key.name)))
        for key in differing(digests(layout, have), layout, wanted)
    ]


def _how(key: Key, have: Any, want: Any) -> str:
    if have is None or want is None:
        return f"{key.name} is {'missing' if have is None else 'there'}, but should not be"
    if key.kind not in ("vector", "hops", "text"):
        if have != have and want != want:  # NaN has many bits; the trace's own are written
            bits = (struct.pack(">d", value).hex() for value in (have, want))
            return f"{key.name} is another NaN than the trace's: {' and '.join(bits)}"
        return f"{key.name} is {_plain(have)}, {_plain(want)} by the trace"
    source = "text" if key.kind == "text" else "trace"
    want = unpack(want) if isinstance(want, Member) else want
    if have.shape != want.shape:
        return f"{key.name} has shape {list(have.shape)}, {list(want.shape)} by the {source}"
    if key.kind == "text":
        at = np.flatnonzero(have != want)
        if not at.size:  # equal pieces in strings of another width
            return f"{key.name} is {have.dtype.str}, {want.dtype.str} by the text"
        first = f"piece {at[0]} is {_short(have[at[0]])}, not {_short(want[at[0]])}"
        return f"{key.name} differs from the text in {at.size} of {have.size} pieces: {first}"
    other = _bits(have) != _bits(want)
    said = f"{key.name} differs from the trace in {int(other.sum())} of {have.size} numbers"
    nan = int((other & np.isnan(have) & np.isnan(want)).sum())
    return f"{said}, {nan} of them NaN in both" if nan else said


def _short(piece: Any) -> str:
    text = repr(str(piece))
    return text if len(text) <= 60 else f"{text[:57]}..."


def _bits(array: Any) -> Any:
    return np.ascontiguousarray(array).view(np.uint32)


def _plain(value: Any) -> str:
    return repr(list(value) if isinstance(value, Sequence) else value)


def _joined(names: Sequence[str]) -> str:
    *rest, last = names
    return f"{', '.join(rest)} and {last}" if rest else last
