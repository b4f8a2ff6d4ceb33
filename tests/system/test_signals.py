"""Stops that arrive where Python would forget them."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

_SCRIPT = """
import signal, sys, time
from exp2proc.system.signals import Terminated, hear_stops

class Fragile:
    def __del__(self):
        signal.raise_signal(signal.{name})

hear_stops()
try:
    fragile = Fragile()
    del fragile
    time.sleep(10)
except (Terminated, KeyboardInterrupt) as stop:
    print(type(stop).__name__)
"""


@pytest.mark.parametrize(
    ("number", "stop"), [(signal.SIGTERM, "Terminated"), (signal.SIGINT, "KeyboardInterrupt")]
)
def test_a_stop_inside_a_finalizer_is_not_forgotten(number: signal.Signals, stop: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT.format(name=number.name)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == (f"{stop}\n", "")


def test_other_things_are_still_told() -> None:
    script = _SCRIPT.format(name="SIGTERM")
    script = script.replace("signal.raise_signal(signal.SIGTERM)", "1 / 0").replace("10)", "0)")
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    assert "ZeroDivisionError" in done.stderr
