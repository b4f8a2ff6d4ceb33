"""Before a cluster starts: whether every worker sees what the plan names."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Final

from .engines import Engine
from .environment import View, compare, look
from .errors import Exp2procError, PlanError, first_line
from .manifest import NAME
from .planning import Plan

_MAX_RUNS: Final = 100
"""Runs that each worker is asked about, spread over all of them; rows check the rest."""


def check_workers(plan: Plan, engine: Engine) -> None:
    """Ask each worker of a cluster, by one small task, how it sees the paths of a plan.

    Raises:
        PlanError: `path-not-visible` and `worker-environment`, for every worker concerned.
    """
    if engine.remote:
        check_paths(engine, _inputs(plan), _outputs(plan))


def check_paths(engine: Engine, inputs: list[str], outputs: list[str]) -> None:
    """Ask each worker of a cluster whether it sees these files and folders.

    Args:
        engine: of the workers.
        inputs: paths that must look as they do here.
        outputs: folders that must be writable too.

    Raises:
        PlanError: `path-not-visible` and `worker-environment`, for every worker concerned.
    """
    paths = (*inputs, *outputs)
    mine = look(paths)
    problems: list[Exp2procError] = []
    for worker, seen in engine.everywhere(partial(look, paths)):
        if isinstance(seen, View):
            problems += compare(worker, seen, mine, paths, frozenset(outputs))
        else:
            why = first_line(seen) if isinstance(seen, BaseException) else repr(seen)
            problems.append(
                Exp2procError("worker-environment", f"worker {worker} cannot run exp2proc: {why}")
            )
    if problems:
        raise PlanError(problems)


def tokenizer_path(name: str) -> str:
    """A tokenizer's folder as every machine can name it; a hub name as it is."""
    folder = os.path.expanduser(name)
    return os.path.abspath(folder) if os.path.isdir(folder) else name


def _inputs(plan: Plan) -> list[str]:
    step = max(1, len(plan.runs) // _MAX_RUNS)
    names = [tokenizer_path(tokenizer.name) for tokenizer in plan.tokenizers]
    named = [path for planned in plan.runs for path in planned.datasets]
    named += [name for name in names if os.path.isdir(name)]
    named += [str(planned.run.trace_dir / NAME) for planned in plan.runs[::step]]
    return list(dict.fromkeys(named))


def _outputs(plan: Plan) -> list[str]:
    """The folders that are there already in which outputs, or their folders, will be made."""
    step = max(1, len(plan.runs) // _MAX_RUNS)
    return list(dict.fromkeys(_existing(planned.run.out_dir) for planned in plan.runs[::step]))


def _existing(folder: Path) -> str:
    return next(str(path) for path in (folder, *folder.parents) if path.is_dir())
