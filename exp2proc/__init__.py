"""exp2proc: trace runs of the exp2 attribution experiment -> lean per-sample npz files.

    import exp2proc
    report = exp2proc.convert(traces_root="traces", tokenizer_model="Qwen3-8B", out_root="out")
    sample = exp2proc.load_sample("out/math/qwen-8B/run/ex_000000.npz")

The names below are the whole public interface. They are imported when first used, so that
`import exp2proc` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from . import formats
from .versions import __version__ as __version__

if TYPE_CHECKING:
    from .bundling.bundle import Bundled, bundle
    from .conversion.follow import follow
    from .conversion.run import Interrupted, convert
    from .conversion.standing import Standing, standing
    from .doctor.examination import diagnose
    from .doctor.findings import Diagnosis
    from .errors import Exp2procError, PlanError
    from .exports.check import CheckReport, check
    from .exports.compare import Comparison, compare
    from .exports.dataset import SampleDataset, collate
    from .exports.measured import Scores, scores
    from .exports.packing import pack, unpack
    from .exports.read import iter_samples, load_sample
    from .exports.scores import ScoreRow
    from .exports.summary import summary
    from .figures.plot import figure
    from .formats.names import Source
    from .formats.sample import Sample
    from .formats.shares import TopToken
    from .formats.words import Word
    from .options import Following, Options
    from .planning.forecast import Forecast, forecast
    from .planning.forecast import forecast as plan
    from .planning.plan import Plan
    from .planning.planner import make_plan
    from .results import Counts, Progress, Report, RowError, RunReport
    from .viewer.site import Gallery, build_gallery

_HOME = {
    "Bundled": "bundling.bundle",
    "CheckReport": "exports.check",
    "Comparison": "exports.compare",
    "Counts": "results",
    "Diagnosis": "doctor.findings",
    "Exp2procError": "errors",
    "Following": "options",
    "Forecast": "planning.forecast",
    "Gallery": "viewer.site",
    "Interrupted": "conversion.run",
    "Options": "options",
    "Plan": "planning.plan",
    "PlanError": "errors",
    "Progress": "results",
    "Report": "results",
    "RowError": "results",
    "RunReport": "results",
    "Sample": "formats.sample",
    "SampleDataset": "exports.dataset",
    "ScoreRow": "exports.scores",
    "Scores": "exports.measured",
    "Standing": "conversion.standing",
    "Source": "formats.names",
    "TopToken": "formats.shares",
    "Word": "formats.words",
    "build_gallery": "viewer.site",
    "bundle": "bundling.bundle",
    "check": "exports.check",
    "collate": "exports.dataset",
    "compare": "exports.compare",
    "convert": "conversion.run",
    "diagnose": "doctor.examination",
    "figure": "figures.plot",
    "follow": "conversion.follow",
    "iter_samples": "exports.read",
    "load_sample": "exports.read",
    "forecast": "planning.forecast",
    "make_plan": "planning.planner",
    "pack": "exports.packing",
    "scores": "exports.measured",
    "standing": "conversion.standing",
    "summary": "exports.summary",
    "unpack": "exports.packing",
}

__all__ = [
    "Bundled",
    "CheckReport",
    "Comparison",
    "Counts",
    "Diagnosis",
    "Exp2procError",
    "Following",
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
    "ScoreRow",
    "Scores",
    "Source",
    "Standing",
    "TopToken",
    "Word",
    "build_gallery",
    "bundle",
    "check",
    "collate",
    "compare",
    "convert",
    "diagnose",
    "figure",
    "follow",
    "forecast",
    "iter_samples",
    "load_sample",
    "make_plan",
    "pack",
    "plan",
    "scores",
    "standing",
    "summary",
    "unpack",
]


def _draw(sample: Any) -> str:
    from .viewer.heatmap import notebook_html

    return notebook_html(sample)


def _view(sample: Any, **chosen: Any) -> Any:
    from .viewer.notebook import EmbeddedView

    return EmbeddedView(sample, **chosen)


formats.notebook_drawer = _draw
formats.notebook_viewer = _view


_FORMER: Final = {"plan": "forecast"}
"""Names of earlier releases -> names of today."""


def __getattr__(name: str) -> Any:
    today = _FORMER.get(name, name)
    if today not in _HOME:
        raise AttributeError(f"module 'exp2proc' has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[today]}", __name__), today)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
