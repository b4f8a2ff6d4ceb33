"""The `joblib.parallel_config` that is active where `convert` is called, if any."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, Final

_ENGINES: Final = {
    "LokyBackend": "loky",
    "ThreadingBackend": "threading",
    "SequentialBackend": "sequential",
    "DaskDistributedBackend": "dask",
    "RayBackend": "ray",
}


@dataclass(frozen=True, slots=True)
class Active:
    """A backend that somebody chose by `joblib.parallel_config`.

    Attributes:
        engine: the engine that serves it; "joblib" for one that only joblib knows.
        backend: joblib's backend object.
        n_jobs: workers that were asked for, or None: all there are.
    """

    engine: str
    backend: Any
    n_jobs: int | None


def active_backend() -> Active | None:
    """What an active `parallel_config` says; None outside of one."""
    joblib: Any = sys.modules.get("joblib.parallel")
    if joblib is None:
        return None  # nobody can have entered a context of a library that is not loaded
    backend, n_jobs = joblib.get_active_backend()
    name = type(backend).__name__
    if name == "LokyBackend" and n_jobs is None:
        return None  # what joblib says outside of any context
    if n_jobs == -1:
        n_jobs = None
    elif n_jobs is not None and n_jobs < 0:
        n_jobs = backend.effective_n_jobs(n_jobs)
    return Active(_ENGINES.get(name, "joblib"), backend, n_jobs)
