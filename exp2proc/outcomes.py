"""What became of one row: the record that workers send and reports are made of."""

from __future__ import annotations

from typing import Literal, NamedTuple

Status = Literal["converted", "kept", "failed", "pending"]


class Outcome(NamedTuple):
    """What became of one row.

    Attributes:
        number: the row's number in the plan.
        status: converted, kept (its output was there), failed, or pending (its trace is not there
            yet and the run is young).
        with_hop: whether its sample carries `hop`.
        finite: False when its sample's numbers are NaN or infinite somewhere.
        error: code, message and hint of a failed row.
        trace: the traceback of an internal error.
    """

    number: int
    status: Status
    with_hop: bool = False
    finite: bool = True
    error: tuple[str, str, str] | None = None
    trace: str = ""
