"""exp2proc: trace runs of the exp2 attribution experiment -> lean per-sample npz files.

    import exp2proc
    report = exp2proc.convert(traces_root="traces", tokenizer_model="Qwen3-8B", out_root="out")
    sample = exp2proc.load_sample("out/math/qwen-8B/run/ex_000000.npz")

The names below are the whole public interface. They are imported when first used, so that
`import exp2proc` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .checking import CheckReport, check
    from .doctor.findings import Diagnosis
    from .doctor.gathering import diagnose
    from .errors import Exp2procError, PlanError
    from .exports import Source, iter_samples
    from .forecast import Forecast, plan
    from .gallery.build import Gallery, build_gallery
    from .mapstyle import SampleDataset
    from .options import Options
    from .pipeline import Interrupted, convert
    from .planning import Plan, make_plan
    from .report import Counts, Report, RowError, RunReport
    from .samples import Sample, load_sample
    from .tally import Progress
    from .viewing.mass import TopToken

_HOME = {
    "CheckReport": "checking",
    "Counts": "report",
    "Diagnosis": "doctor.findings",
    "Exp2procError": "errors",
    "Forecast": "forecast",
    "Gallery": "gallery.build",
    "Interrupted": "pipeline",
    "Options": "options",
    "Plan": "planning",
    "PlanError": "errors",
    "Progress": "tally",
    "Report": "report",
    "RowError": "report",
    "RunReport": "report",
    "Sample": "samples",
    "SampleDataset": "mapstyle",
    "Source": "exports",
    "TopToken": "viewing.mass",
    "build_gallery": "gallery.build",
    "check": "checking",
    "convert": "pipeline",
    "diagnose": "doctor.gathering",
    "iter_samples": "exports",
    "load_sample": "samples",
    "make_plan": "planning",
    "plan": "forecast",
}

__all__ = [
    "CheckReport",
    "Counts",
    "Diagnosis",
    "Exp2procError",
    "Forecast",
    "Gallery",
    "Interrupted",
    "Options",
    "Plan",
    "PlanError",
    "Progress",
    "Report",
    "RowError",
    "RunReport",
    "Sample",
    "SampleDataset",
    "Source",
    "TopToken",
    "build_gallery",
    "check",
    "convert",
    "diagnose",
    "iter_samples",
    "load_sample",
    "make_plan",
    "plan",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'exp2proc' has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
