"""Checking samples after the fact: each against its schema and itself, and against its trace.

Without traces a sample proves that it is whole and consistent. With `against`, everything but the
token pieces is derived from its trace again and compared, array by array; with a tokenizer the
pieces, too, from the texts.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from itertools import chain
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import numpy as np

from ..conversion.cluster import check_paths
from ..conversion.row import pieces_of, read_row, trace_values
from ..conversion.stale import differences, differing
from ..conversion.worker import Settings
from ..engines import Engine, open_engine
from ..engines.choice import Backend
from ..engines.each import each
from ..errors import Exp2procError, PlanError
from ..formats.layouts import LAYOUTS
from ..formats.sample import Loaded, Loader, load_sample, sample_digest
from ..formats.spans import NONE
from ..options import ConvertOptions, Options, PathLike
from ..results import OnProgress, Progress, RowError
from ..tokens.prefixes import DEFAULT_PREFIX
from .again import Align, TextSamples, aligned, aligning
from .bundled import Bundle, open_bundle
from .find import named
from .pair import SampleWork, find_samples, pair_with_rows, sample_error
from .read import reason
from .records import Records, orphans

_BATCH: Final = 4
_FEW_PIECES: Final = 8
"""A sample with fewer pieces may be all white space."""
# Seconds, as measured on a 2-core server.
_SAMPLE: Final = 2.6e-4
_SAMPLE_BYTE: Final = 1e-8
_HELD: Final = 1 << 16
"""Bytes of a sample, where to ask would take as long as to read it."""


@dataclass(slots=True)
class CheckReport:
    """What a check found.

    >>> CheckReport(samples=2).exit_code
    0

    Attributes:
        samples: npz files that were checked.
        compared: those of them that were compared with their trace.
        tok_compared: those of them whose token pieces were compared, too.
        tok_left_out: those that have pieces, but no tokenizer was given.
        files: of bundles, whose sums were compared.
        folders: output folders that hold samples.
        recorded: those of them that have a record of what their samples were made from.
        leftovers: temporary files and folders, of runs that were killed or are under way; nothing
            is wrong with them, and the next run that writes there removes those of killed runs.
        errors: what is wrong; `trace_dir` is the output folder.
    """

    samples: int = 0
    compared: int = 0
    tok_compared: int = 0
    tok_left_out: int = 0
    files: int = 0
    folders: int = 0
    recorded: int = 0
    leftovers: list[str] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 when nothing is wrong, else 1."""
        return 1 if self.errors else 0

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        errors = [
            {
                "folder": error.trace_dir,
                **{name: getattr(error, name) for name in ("file", "code", "message", "hint")},
            }
            for error in self.errors
        ]
        return {**asdict(self), "errors": errors, "exit_code": self.exit_code}


def check(
    out: PathLike | Sequence[PathLike],
    *,
    against: PathLike | None = None,
    tokenizer_model: PathLike | Sequence[PathLike] = (),
    dataset_jsonl: PathLike | Sequence[PathLike] = (),
    data_root: PathLike | None = None,
    prompt_prefix: str = DEFAULT_PREFIX,
    cache: bool = True,
    jobs: int | Literal["auto"] = "auto",
    backend: Backend | None = None,
    scheduler: str | None = None,
    address: str | None = None,
    on_progress: OnProgress | None = None,
) -> CheckReport:
    """Check every sample under some folders.

    >>> report = check(
    ...     demo.out,
    ...     against=demo.traces,
    ...     data_root=demo.data,
    ...     tokenizer_model=demo.tokenizer,
    ... )
    >>> report.samples, report.compared, report.tok_compared, report.errors
    (96, 96, 96, [])

    Args:
        out: output folders, roots of them, or single samples.
        against: a traces_root; its runs are matched with output folders by their paths, and every
            row must have its sample. Where `out` is the root of an export, every run must be there.
        tokenizer_model, dataset_jsonl, data_root, prompt_prefix, cache: as of `convert`; with a
            tokenizer the token pieces are compared, too.
        jobs: workers, or "auto": by estimated work.
        backend, scheduler, address: as of `convert`.
        on_progress: called in this process whenever samples have been checked.

    Raises:
        Exp2procError: `no-runs` when there is none below `against`.
        PlanError: options do not go together; a tokenizer does not load; a cluster cannot be
            reached, or does not see the folders.
    """
    options = ConvertOptions(
        traces_root=against,
        tokenizer_model=tokenizer_model,
        dataset_jsonl=dataset_jsonl,
        data_root=data_root,
        prompt_prefix=prompt_prefix,
        cache=cache,
        jobs=jobs,
        backend=backend,
        scheduler=scheduler,
        address=address,
        on_progress=on_progress,
    )
    problems = options.value_problems() if against is None else options.problems()
    if options.tokenizer_model and against is None:
        problems.append(Exp2procError("usage", "--tokenizer_model goes with --against"))
    if problems:
        raise PlanError(problems)
    outs = named(out, "out")
    with open_engine(options.engine) as engine:
        return _check(outs, options, engine, on_progress)


def _check(
    outs: tuple[Path, ...], options: Options, engine: Engine, on_progress: OnProgress | None
) -> CheckReport:
    report = CheckReport()
    if not outs:
        report.errors.append(sample_error("sample-missing", "", "no folder and no npz was named"))
    known: dict[str, dict[str, Any]] = {}
    counted_only: set[str] = set()
    bundles = [open_bundle(out) or out for out in outs]
    for one in bundles:
        if isinstance(one, Bundle):
            with one:
                report.errors += _damaged(one)
                report.files += len(one.sums)
                known |= (counts := one.records())
                counted_only |= counts.keys() - one.records(of_source=True).keys()
    outs = tuple(one.samples_in if isinstance(one, Bundle) else one for one in bundles)
    folders = find_samples(outs, report.errors, report.leftovers)
    works = list(chain.from_iterable(folders.values()))
    if options.traces_root is not None:
        works = pair_with_rows(outs, folders, options.traces_root, report.errors)
    report.folders = len(folders)
    report.samples = len(works)
    report.compared = sum(work.row is not None for work in works)
    if engine.remote:
        check_paths(engine, [*folders, *dict.fromkeys(w.trace_dir for w in works if w.row)], [])
    seconds = 0.0
    if options.jobs == "auto":
        seconds = sum(_SAMPLE + _SAMPLE_BYTE * _size(work) for work in works)
    done = 0
    layouts: dict[str, set[str]] = defaultdict(set)
    records = Records(folders, outs, known)
    with (
        aligning(works, options, engine, seconds) as (items, settings),
        closing(
            each(
                partial(_check_text, settings=settings),
                items,
                engine,
                seconds=seconds,
                batch=_BATCH,
            )
        ) as results,
    ):
        for item, found in zip(items, results, strict=True):
            report.errors += found.errors
            report.tok_compared += found.tok_compared
            report.tok_left_out += found.tok_left_out
            for path, layout, digest in found.digests:
                records.add(path, digest)
                layouts[os.path.dirname(path)].add(layout)
            done += len(item.works)
            if on_progress is not None:
                on_progress(Progress(done, len(works), len(report.errors)))
    _hold_against(records, report, counted_only)
    amiss = {error.trace_dir for error in report.errors}
    for folder, made in chain.from_iterable(orphans(out, folders) for out in outs):
        if str(folder) not in amiss:
            said = f"0 samples are there, {made} were made when its record was written"
            report.errors.append(sample_error("record-mismatch", f"{folder}/", said))
    for where, several in layouts.items():
        if len(several) > 1:
            said = f"samples of layouts {' and '.join(sorted(several))} lie in it together"
            report.errors.append(sample_error("sample-unexpected", f"{where}/", said))
    report.errors.sort(key=lambda error: (error.trace_dir, error.file or ""))
    return report


def _damaged(bundle: Bundle) -> Iterator[RowError]:
    for path, why in bundle.damage():
        where = str(bundle.root / path) if path else f"{bundle.root}/"
        yield sample_error("bundle-damaged", where, why)


def _size(work: SampleWork) -> int:
    try:
        return _HELD if work.held else os.stat(work.path).st_size
    except OSError:
        return 0


def _hold_against(records: Records, report: CheckReport, counted_only: Collection[str]) -> None:
    """Say which folders' samples are not those that their record describes.

    Where something was found in a folder already, that says more.
    """
    amiss = {error.trace_dir for error in report.errors}
    for path, why in records.invalid:
        report.errors.append(sample_error("record-mismatch", str(path), why))
    for folder, verdict in records.verdicts().items():
        report.recorded += folder not in counted_only
        if verdict.mismatch and folder not in amiss:
            said = f"{verdict.mismatch} when its record was written"
            report.errors.append(sample_error("record-mismatch", f"{folder}/", said))
    for place, mismatch in records.links_amiss():
        if str(place) not in amiss:
            said = f"it is a link: {mismatch} when its record was written"
            report.errors.append(sample_error("record-mismatch", f"{place}/", said))


class _Found(NamedTuple):
    """What was found of the samples of a text."""

    errors: list[RowError]
    tok_compared: int
    tok_left_out: int
    digests: list[tuple[str, str, str]]


def _check_text(item: TextSamples, settings: Settings | None) -> _Found:
    """Check the samples of a text, which is aligned at most once."""
    align: Align | None = None
    if settings is not None and item.text is not None:
        align = cache(partial(aligned, item.text, settings))
    errors: list[RowError] = []
    compared = left_out = 0
    found: list[tuple[str, str, str]] = []
    for work in item.works:
        try:
            loaded = _loader.load(work.place)
            sample = loaded.sample
            digest = sample_digest(os.path.basename(work.path), loaded.digests)
            found.append((work.path, sample.layout, digest))
            if work.row is not None and "tok" in loaded.digests:
                compared += align is not None
                left_out += align is None
            said, problem = contradiction(loaded), None
            if work.row is not None and not (said and contradiction(loaded, scores=False)):
                problem = difference(loaded, work, align)
                said = said if problem else None  # infinite scores that its trace has are right
            if said:
                errors.append(sample_error("sample-inconsistent", work.path, said))
            elif problem:
                errors.append(sample_error("sample-differs", work.path, *problem))
        except Exp2procError as err:
            said = reason(work.place, err)
            errors.append(sample_error("sample-invalid", work.path, said, err.hint))
    return _Found(errors, compared, left_out, found)


def contradiction(loaded: Loaded[str | None], *, scores: bool = True) -> str | None:
    """What in a sample that fits its schema cannot be, or None.

    Args:
        loaded: the sample, and what is wrong with its pieces.
        scores: whether infinite ones count.
    """
    sample = loaded.sample
    if sample.span_in != NONE and sample.span_in[0] != 0:
        return f"span_in starts at {sample.span_in[0]}, not at 0"
    for name in ("span_cot", "span_out"):  # of the generation; these two often share tokens
        span = getattr(sample, name)
        if NONE not in (sample.span_in, span) and span[0] <= sample.span_in[1]:
            return f"{name} {list(span)} begins in span_in {list(sample.span_in)}"
    for name, score in sample.scores.items():
        if scores and np.isinf(score):
            return f"{name} is {score}"
    return loaded.learned


def _tok_problem(tok: np.ndarray[Any, np.dtype[np.str_]]) -> str | None:
    """What is wrong with the pieces; `tokens.pieces.check_lengths` says why many are not empty.

    A sample does not tell, as the converter can, whether an empty piece is one of white space that
    was trimmed. A short one may be all of these: an empty prompt with a blank target.
    """
    lengths = np.char.str_len(tok)
    width, longest = tok.dtype.itemsize // 4, max(1, int(lengths.max(initial=0)))
    if width != longest:
        return f"tok is U{width}, but its longest piece has {longest} characters"
    empty = int((lengths == 0).sum())
    if 2 * empty > len(tok) >= _FEW_PIECES:
        return f"{empty} of {len(tok)} pieces of tok are empty"
    return None


_loader: Final = Loader(_tok_problem, limit=1 << 22)
"""Of this process: a text's pieces come again with each method."""


class Problem(NamedTuple):
    """What is wrong with a sample, and what to do where it is not to make it again."""

    message: str
    hint: str = ""


def difference(loaded: Loaded[str | None], work: SampleWork, align: Align | None) -> Problem | None:
    """How a sample differs from what its row gives; None when it does not.

    Args:
        loaded: the sample.
        work: with its row.
        align: gives the alignment of its text; None where its pieces are not to be compared.
    """
    layout, row = LAYOUTS[loaded.sample.layout], work.row
    assert row is not None
    try:
        trace = read_row(f"{work.trace_dir}/{row.file}", row, layout)
    except Exp2procError as err:
        return Problem(f"its trace cannot be read: {err}", err.hint)
    wanted = trace_values(trace, row)
    if align is not None and layout.needs_text:
        try:
            wanted["tok"] = pieces_of(row, align())
        except Exp2procError as err:
            return Problem(f"its token pieces cannot be made again: {err}", err.hint)
    if not differing(loaded.digests, layout, wanted):
        return None
    found = differences(load_sample(work.place), layout, wanted)
    return Problem("; ".join(how for _, how in found)) if found else None
