"""Scores per dataset, model and method of output folders: what `exp2proc summary` shows."""

from __future__ import annotations

from collections.abc import Mapping

from ..formats.names import Source
from ..formats.sample import load_scores
from .find import Names, Outs, Where, find_sources, several
from .read import OnError, read_each, successes
from .scores import Arrangement, ScoreRow, score_rows


def summary(
    outs: Outs,
    *,
    where: Where | None = None,
    jobs: int = 1,
    labels: Mapping[str, str] | None = None,
    groups: Mapping[str, Names] | None = None,
    ours: Names = (),
    ablations: Names = (),
    order: Names = (),
    on_error: OnError | None = None,
) -> list[ScoreRow]:
    """Mean, standard error, standard deviation and n of each score, a row a run.

    Each row has `dataset`, `model`, `method`, `run_tag`, `label`, `estimates` by the key of the
    score, `best` and `to_dict()`.

    >>> rows = exp2proc.summary(demo.out, labels={"attnlrp": "AttnLRP"})
    >>> len(rows), rows[0].label, rows[0].estimates["rise"].n
    (12, 'AttnLRP', 8)

    Args:
        outs: an output folder, an npz, or several of either.
        where: which samples count, by their `Source`.
        jobs: worker processes that read; 1 reads here.
        labels: how runs are shown, by their method, setting (`ifr_n1`) or run_tag.
        groups: datasets whose samples are taken together, by the name for all of them.
        ours: runs that come behind the others, named likewise.
        ablations: runs that come behind those.
        order: datasets and runs that come first, in this order.
        on_error: is told of each file that is not a sample, which is then left out. Without it
            the first such file raises.

    Raises:
        Exp2procError: `no-samples`, `samples-collide`, `sample-invalid`; `usage` for a name that
            nothing has.
    """
    how = Arrangement(
        labels=labels or {},
        groups={name: several(members) for name, members in (groups or {}).items()},
        ours=several(ours),
        ablations=several(ablations),
        order=several(order),
    )
    results = read_each(find_sources(outs, where), scored, jobs=jobs)
    return score_rows(successes(results, on_error), how)


def scored(source: Source) -> tuple[Source, dict[str, float]]:
    """A source and the scores of its sample.

    Raises:
        Exp2procError: `sample-invalid`.
    """
    return source, load_scores(source.place)
