"""The `joblib.parallel_config` that is active where work is to run, if any."""

from __future__ import annotations

import sys
from typing import Any

from ..errors import Exp2procError, PlanError
from .choice import ENGINES, Active


def active_backend() -> Active | None:
    """What an active `parallel_config` says; None outside of one.

    Raises:
        PlanError: `usage`, it asks for no workers at all.
    """
    joblib: Any = sys.modules.get("joblib.parallel")
    if joblib is None:
        return None  # nobody can have entered a context of a library that is not loaded
    backend, n_jobs = joblib.get_active_backend()
    kind = type(backend).__name__
    if kind == "LokyBackend" and n_jobs is None:
        return None  # what joblib says outside of any context
    if n_jobs == 0:
        raise PlanError([Exp2procError("usage", "the active joblib.parallel_config has n_jobs=0")])
    if n_jobs == -1:
        n_jobs = None
    elif n_jobs is not None and n_jobs < 0:
        n_jobs = backend.effective_n_jobs(n_jobs)
    engine = next((name for name, row in ENGINES.items() if row.joblib == kind), kind)
    return Active(engine, backend, n_jobs)
