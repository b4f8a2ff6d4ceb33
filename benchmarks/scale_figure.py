"""The curve of simulated scaling, as an SVG picture."""

from __future__ import annotations

from collections import defaultdict
from math import log2

_WIDTH, _HEIGHT = 640, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 200, 24, 48
_COLOURS = ("#4477aa", "#228833", "#cc6677", "#aa3377", "#ccbb44", "#66ccee")
_GOAL = 0.85


def draw(found: list[dict[str, float]]) -> str:
    """The share of the workers' time that is work, by workers; a line for each number of rows.

    Args:
        found: what `simulate_scale.summary` gives.
    """
    series: dict[tuple[float, float], list[dict[str, float]]] = defaultdict(list)
    for one in found:
        series[one["rows"], one["row_ms"]].append(one)
    most = log2(max(one["workers"] for one in found))

    def x(workers: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (log2(workers) - 1) / (most - 1)

    def y(share: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * min(1.0, share)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}">',
        '<g font-family="sans-serif" font-size="12">',
        "<title>Share of the workers' time that is work</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
    ]
    end = _WIDTH - _RIGHT
    for percent in range(0, 101, 20):
        at = y(percent / 100)
        parts.append(f'<path d="M{_LEFT} {at:.1f}H{end}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{percent} %</text>')
    at = y(_GOAL)
    parts.append(f'<path d="M{_LEFT} {at:.1f}H{end}" stroke="#888" stroke-dasharray="2 3"/>')
    parts.append(f'<text x="{end + 8}" y="{at + 4:.1f}" fill="#888">goal, {_GOAL:.0%}</text>')
    under = f'y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle"'
    parts += [
        f'<text x="{x(workers):.1f}" {under}>{workers:.0f}</text>'
        for workers in sorted({one["workers"] for one in found})
    ]
    middle = (_LEFT + end) / 2
    parts.append(f'<text x="{middle}" y="{_HEIGHT - 10}" text-anchor="middle">workers</text>')
    row = _HEIGHT - _BOTTOM - 40.0 * len(series)
    for colour, ((rows, row_ms), of) in zip(_COLOURS, sorted(series.items()), strict=False):
        for share, dash, what in (("busy", "", "handing out"), ("busy_whole", "6 4", "all")):
            line = " ".join(f"{x(one['workers']):.1f},{y(one[share]):.1f}" for one in of)
            style = f'fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash or 0}"'
            parts.append(f'<polyline points="{line}" {style}/>')
            parts.append(f'<path d="M{end + 8} {row - 4:.1f}h24" {style}/>')
            label = f"{rows:,.0f} rows, {row_ms:g} ms: {what}"
            parts.append(f'<text x="{end + 38}" y="{row:.1f}" font-size="10">{label}</text>')
            row += 16
        row += 6
    return "\n".join([*parts, "</g></svg>"]) + "\n"
