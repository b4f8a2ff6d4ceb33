"""One trace npz: the arrays that are exported, checked against what its manifest row declares."""

from __future__ import annotations

import errno
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import Exp2procError
from ..formats.layouts import MAX_HOPS, SCORES
from ..formats.npz import NpzReader, OversizeError, shown
from ..formats.spans import Span, sample_length
from ..formats.zipped import NpzError
from ..system.files import is_missing


@dataclass(frozen=True, slots=True)
class Trace:
    """The exported part of a trace.

    Attributes:
        row_all: float32[T], row attribution over prompt and generation tokens.
        hops: float32[H, T], or None when it was not asked for or is not there.
        sink: closed span in generation tokens, as stored.
        thinking: closed span in generation tokens, as stored, or None.
        scores: of the row attribution, by the key of the score; NaN when absent.
        finite: whether every exported number of `row_all` and `hops` is finite.
    """

    row_all: npt.NDArray[np.float32]
    hops: npt.NDArray[np.float32] | None
    sink: Span
    thinking: Span | None
    scores: dict[str, float]
    finite: bool


def open_trace(path: str) -> NpzReader:
    """Open a trace, refusing links that lead out of its folder.

    Raises:
        Exp2procError: `trace-missing`, `trace-corrupt` or `unsafe-path`.
    """
    try:
        try:
            return NpzReader(path, follow_symlinks=False)
        except OSError as err:
            if err.errno != errno.ELOOP:
                raise
            folder, target = os.path.realpath(os.path.dirname(path)), os.path.realpath(path)
            if os.path.dirname(target) != folder:
                raise Exp2procError("unsafe-path", "it is a link out of the run folder") from None
            return NpzReader(path)
    except OSError as err:
        reason = err.strerror or str(err)
        if is_missing(err):
            raise Exp2procError("trace-missing", "it does not exist") from None
        raise Exp2procError(
            "trace-missing", f"it cannot be opened: {reason}", "Check the file's permissions."
        ) from None
    except NpzError as err:
        raise Exp2procError("trace-corrupt", str(err)) from None


def read_trace(path: str | Path, prompt_len: int, gen_len: int, *, hops: bool) -> Trace:
    """Read what is exported of one trace.

    Args:
        path: the npz.
        prompt_len, gen_len: P and G as the manifest row declares them; T = P + G.
        hops: whether `vh` is wanted. When it is not there, `Trace.hops` is None.

    Raises:
        Exp2procError: `trace-missing`, `trace-corrupt`, `unsafe-path`, `trace-missing-field`,
            `trace-shape-mismatch` or `manifest-trace-disagree`.
    """
    with open_trace(os.fspath(path)) as npz:
        try:
            return _read(npz, prompt_len, gen_len, hops)
        except OversizeError as err:
            raise Exp2procError("trace-shape-mismatch", str(err)) from None
        except NpzError as err:
            raise Exp2procError("trace-corrupt", str(err)) from None
        except OSError as err:
            raise Exp2procError("trace-corrupt", err.strerror or str(err)) from None


class Gold(NamedTuple):
    """Which prompt tokens hold the answer, and which Recovery counts.

    Attributes:
        gold: int64[*], tokens that hold the answer.
        among: int64[*], tokens that Recovery ranks: stop words and the like may be left out.
    """

    gold: npt.NDArray[np.int64]
    among: npt.NDArray[np.int64]


def read_gold(path: str | Path, prompt_len: int) -> Gold | None:
    """The gold tokens of a trace; None where it has none.

    Args:
        path: the npz.
        prompt_len: P; indices outside of the prompt do not count.

    Raises:
        Exp2procError: `trace-missing`, `trace-corrupt`, `unsafe-path` or `trace-shape-mismatch`.
    """
    with open_trace(os.fspath(path)) as npz:
        try:
            gold = _indices(npz, "gold_prompt_token_indices", prompt_len)
            if gold is None:
                return None
            for key in ("keep_prompt_token_indices", "user_prompt_indices"):
                if (among := _indices(npz, key, prompt_len)) is not None:
                    return Gold(gold, among)
            return Gold(gold, np.arange(prompt_len))
        except NpzError as err:
            raise Exp2procError("trace-corrupt", str(err)) from None
        except OSError as err:
            raise Exp2procError("trace-corrupt", err.strerror or str(err)) from None


def _indices(npz: NpzReader, key: str, prompt_len: int) -> npt.NDArray[np.int64] | None:
    """The prompt tokens that an array names, sorted; None when it is not there."""
    if key not in npz:
        return None
    array = np.unique(_numbers(npz, key, 2 * prompt_len + _FEW, None).astype(np.int64))
    return array[(array >= 0) & (array < prompt_len)]


def _read(npz: NpzReader, prompt_len: int, gen_len: int, hops: bool) -> Trace:
    for name, declared in (("prompt_len", prompt_len), ("gen_len", gen_len)):
        stored = _scalar(npz, name)
        if stored != declared:
            raise Exp2procError(
                "manifest-trace-disagree",
                f"{name} is {declared} in the manifest row, {stored} in the npz",
            )
    total = prompt_len + gen_len
    row_all = _floats(npz, "v_row_all", (total,))
    vh = _floats(npz, "vh", (None, total)) if hops and "vh" in npz else None
    sink = _span(npz, "sink_span_gen") or _span(npz, "indices_to_explain_gen", legacy=True)
    if sink is None:
        raise Exp2procError(
            "trace-missing-field",
            "neither sink_span_gen nor a two-entry indices_to_explain_gen is there",
        )
    scores = _scores(npz)
    exported = sample_length(prompt_len, gen_len)
    finite = bool(np.isfinite(row_all[:exported]).all()) and (
        vh is None or bool(np.isfinite(vh[:, :exported]).all())
    )
    thinking = _span(npz, "thinking_span_gen")
    return Trace(row_all, vh, sink, thinking, scores, finite)


def _scores(npz: NpzReader) -> dict[str, float]:
    arrays: dict[str, npt.NDArray[np.float64]] = {}
    for score in SCORES.values():
        if score.array in npz and score.array not in arrays:
            array = _numbers(npz, score.array, math.prod(score.shape), score.shape)
            arrays[score.array] = array.astype(np.float64)
    return {
        key: float(arrays[score.array][score.at]) if score.array in arrays else math.nan
        for key, score in SCORES.items()
    }


def _numbers(
    npz: NpzReader, key: str, max_items: int, shape: tuple[int | None, ...] | None
) -> npt.NDArray[np.generic]:
    """An array of integers or floats. A None in `shape` stands for any length."""
    if key not in npz:
        raise Exp2procError("trace-missing-field", f"{key} is not in the npz")
    try:
        array = npz.array(key, max_items)
    except OversizeError as err:
        if shape is not None and not _fits(err.shape, shape):
            raise _another_shape(key, err.shape, shape) from None
        raise
    if array.dtype.kind not in "iuf":
        raise _mismatch(key, f"has dtype {array.dtype.name}, expected numbers")
    if shape is not None and not _fits(array.shape, shape):
        raise _another_shape(key, array.shape, shape)
    return array


def _another_shape(
    key: str, actual: tuple[int, ...], wanted: tuple[int | None, ...]
) -> Exp2procError:
    spelled = ", ".join("H" if length is None else str(length) for length in wanted)
    return _mismatch(key, f"has shape {shown(actual)}, expected [{spelled}]")


def _fits(actual: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(actual) == len(wanted) and all(
        have <= MAX_HOPS if want is None else have == want
        for have, want in zip(actual, wanted, strict=True)
    )


def _mismatch(key: str, what: str) -> Exp2procError:
    return Exp2procError("trace-shape-mismatch", f"{key} {what}")


def _floats(npz: NpzReader, key: str, shape: tuple[int | None, ...]) -> npt.NDArray[np.float32]:
    items = 1
    for length in shape:
        items *= MAX_HOPS if length is None else length
    array = _numbers(npz, key, items, shape)
    with np.errstate(over="ignore", invalid="ignore"):
        return array.astype("<f4", copy=False)


def _whole(key: str, array: npt.NDArray[np.generic]) -> list[int]:
    """The entries of a short array of integers; floats are taken when they are whole."""
    values = array.ravel().tolist()
    if array.dtype.kind != "f":
        return values
    if any(value != value or value in (_INF, -_INF) or int(value) != value for value in values):
        raise _mismatch(key, f"holds {shown(values)}, expected integers")
    return [int(value) for value in values]


_INF: Final = float("inf")
_FEW: Final = 64


def _scalar(npz: NpzReader, key: str) -> int:
    array = _numbers(npz, key, _FEW, None)
    if array.size != 1:
        raise _mismatch(key, f"has {array.size} entries, expected one")
    return _whole(key, array)[0]


def _span(npz: NpzReader, key: str, *, legacy: bool = False) -> Span | None:
    """A closed span, None when it is not there; `legacy` arrays may be of another size."""
    if key not in npz:
        return None
    try:
        array = _numbers(npz, key, _FEW, None)
    except OversizeError:
        if legacy:
            return None
        raise
    if array.shape != (2,):
        if legacy:
            return None
        raise _mismatch(key, f"has shape {shown(array.shape)}, expected a closed span [2]")
    start, end = _whole(key, array)
    return start, end
