"""What a caller may ask of engines, checked for what does not go together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from ..errors import Exp2procError

Backend = Literal["loky", "threading", "sequential", "dask", "ray"]
BACKENDS: Final[tuple[Backend, ...]] = ("loky", "threading", "sequential", "dask", "ray")
CLUSTERS: Final = frozenset({"dask", "ray"})


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """Which engine, and how much of it.

    Attributes:
        backend: its name; None: what an active `joblib.parallel_config` says, else loky.
        scheduler: of a Dask cluster, or None.
        address: of a Ray cluster, or None.
        jobs: workers, or "auto".
    """

    backend: Backend | None = None
    scheduler: str | None = None
    address: str | None = None
    jobs: int | Literal["auto"] = "auto"

    def problems(self) -> list[Exp2procError]:
        """What does not go together."""
        found: list[str] = []
        if self.backend is not None and self.backend not in BACKENDS:
            found.append(f"backend is {self.backend!r}: it may be {', '.join(BACKENDS)}")
        if self.scheduler is not None and self.backend != "dask":
            found.append("--scheduler goes with --backend dask")
        if self.address is not None and self.backend != "ray":
            found.append("--address goes with --backend ray")
        if self.jobs != "auto" and (not isinstance(self.jobs, int) or self.jobs < 1):
            found.append(f"jobs is {self.jobs}: it may be auto or a number from 1")
        return [Exp2procError("usage", message) for message in found]
