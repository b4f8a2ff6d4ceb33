"""What the figures were taken on: nothing that names a machine or a place on it."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from exp2proc.formats import deflate
from exp2proc.versions import library_versions


def describe() -> dict[str, Any]:
    """Processor, cores, memory, load and the versions of what decides the speed."""
    versions = library_versions()
    try:
        versions["deflate"] = version("deflate")
    except PackageNotFoundError:
        versions["deflate"] = ""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1),
        "load_at_start": round(os.getloadavg()[0], 2),
        "codec": deflate.NAME,
        "versions": versions,
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return os.uname().machine
