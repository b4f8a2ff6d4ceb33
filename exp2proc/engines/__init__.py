"""Engines: where work runs, and all control of processes. Each is one module behind `open_engine`.

They know nothing of what the work is. `choice.ENGINES` is the table of them, `each` the way of
everybody who has a function and a list of items. Imports `system`, `errors`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import Exp2procError, PlanError
from .active import active_backend
from .choice import BACKENDS, ENGINES, EngineChoice, check_cores
from .engine import Engine, Lost, Task, Work, WorkersLost
from .processes import children_off_working_directory, kept_handlers

__all__ = ["Engine", "Lost", "Task", "Work", "WorkersLost", "open_engine"]


@contextmanager
def open_engine(choice: EngineChoice) -> Iterator[Engine]:
    """The engine that was chosen by name, or that an active `joblib.parallel_config` asks for.

    >>> with open_engine(EngineChoice("threading", jobs=3)) as engine:
    ...     engine.workers(seconds=0.01)
    3

    Raises:
        PlanError: `usage`, `missing-extra` or `no-cluster`.
    """
    active = active_backend()
    name = choice.backend or ("loky" if active is None else active.engine)
    kind = ENGINES.get(name) if isinstance(name, str) else None
    if kind is None and choice.backend is None:
        raise PlanError([_unserved(name)])
    if kind is not None and kind.cluster and (problems := choice.problems()):
        raise PlanError(problems)  # not after minutes of planning; planning finds the others
    if active is not None and active.engine != name:
        active = None
    with children_off_working_directory():
        try:
            if name != "sequential":
                check_cores()
            with kept_handlers():
                engine = (kind or ENGINES["loky"]).connect(choice, active)
        except Exp2procError as err:
            raise PlanError([err]) from None
        try:
            yield engine
        finally:
            with kept_handlers():
                engine.close()


def _unserved(joblib: str) -> Exp2procError:
    return Exp2procError(
        "usage",
        f"the active joblib.parallel_config names a backend that no engine serves ({joblib})",
        f"It may name {', '.join(BACKENDS)}; or pass one of these as `backend`, which wins.",
    )
