"""Forecasts and what posts got to small SVG drawings, whose colours are those of the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from postlens.pipelines.report.numbers import count

WIDTH, HEIGHT = 360, 270
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 12, 40
MARGIN = 0.12  # of the log scale beyond the outermost value
MOST_TICKS = 6  # with more, only powers of ten are written
EDGE = 16  # texts nearer to the right end than this grow to the left
ROW = 34  # height of a row of bars
LABEL = 132  # width of what stands before the bars


@dataclass(frozen=True, slots=True)
class Past:
    """One forecast and what the post got."""

    actual: float
    lower: float
    median: float
    upper: float

    @property
    def inside(self) -> bool:
        """Whether the count is in the interval."""
        return self.lower <= self.actual <= self.upper


@dataclass(frozen=True, slots=True)
class _Scale:
    """Counts to places along one axis, by log(1 + count)."""

    low: float
    high: float
    start: float
    length: float

    def at(self, value: float) -> float:
        share = (math.log1p(value) - self.low) / (self.high - self.low)
        return round(self.start + self.length * min(1.0, max(0.0, share)), 1)


def scatter_svg(past: Sequence[Past], *, metric: str) -> str:
    """What posts got (across) and what was forecast (up) with its interval; on the line both are equal."""
    logs = [math.log1p(value) for one in past for value in (one.actual, one.lower, one.upper)]
    low, high = max(0.0, min(logs) - MARGIN), max(logs) + MARGIN
    across = _Scale(low, high, LEFT, WIDTH - LEFT - RIGHT)
    up = _Scale(low, high, HEIGHT - BOTTOM, -(HEIGHT - TOP - BOTTOM))
    parts = [_axes(across, up, metric=metric), *(_point(one, across, up) for one in past)]
    n_inside = sum(one.inside for one in past)
    label = f"Forecast against actual {metric} of {len(past)} posts; {n_inside} counts inside their interval"
    return _svg(parts, label=label, height=HEIGHT)


def bars_svg(rows: Sequence[tuple[str, int]], *, expected: Sequence[float] | None = None, label: str) -> str:
    """A bar for each (text, number); `expected`: where a mark shows how many there should be."""
    most = max(1.0, *(float(number) for _, number in rows), *(expected or ()))
    parts = []
    for place, (text, number) in enumerate(rows):
        top, width = place * ROW + 6, (WIDTH - LABEL - 40) * number / most
        parts.append(f'<text class="tick" x="{LABEL - 8}" y="{top + 15}" text-anchor="end">{text}</text>')
        parts.append(f'<rect class="barfill" x="{LABEL}" y="{top}" width="{width:.1f}" height="22" rx="3"/>')
        end = width
        if expected is not None:
            mark = LABEL + (WIDTH - LABEL - 40) * expected[place] / most
            parts.append(f'<line class="expectedmark" x1="{mark:.1f}" x2="{mark:.1f}" y1="{top - 3}" y2="{top + 25}"/>')
            end = max(end, mark - LABEL)
        parts.append(f'<text class="tick strong" x="{LABEL + end + 7:.1f}" y="{top + 15}">{number}</text>')
    return _svg(parts, label=label, height=len(rows) * ROW + 6)


def _svg(parts: Sequence[str], *, label: str, height: int) -> str:
    """The label and all texts inside are ours, never a source's."""
    inner = "".join(parts)
    return f'<svg class="plot" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">{inner}</svg>'


def _axes(across: _Scale, up: _Scale, *, metric: str) -> str:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = [f'<line class="same" x1="{LEFT}" y1="{bottom}" x2="{right}" y2="{TOP}"/>']
    for value in _ticks(across):
        x, y, text = across.at(value), up.at(value), count(value)
        parts.append(f'<line class="gridline" x1="{LEFT}" x2="{right}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{text}</text>')
        anchor = "end" if x > right - EDGE else "middle"
        parts.append(f'<text class="tick" x="{x}" y="{bottom + 16}" text-anchor="{anchor}">{text}</text>')
    middle = (LEFT + right) / 2
    parts.append(f'<text class="tick strong" x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{metric} it got</text>')
    turned = f'transform="translate(11 {(TOP + bottom) / 2}) rotate(-90)"'
    parts.append(f'<text class="tick strong" {turned} text-anchor="middle">forecast</text>')
    return "".join(parts)


def _ticks(scale: _Scale) -> list[float]:
    """Round counts on the scale, at most MOST_TICKS where powers of ten do; some at least."""
    low, high = math.expm1(scale.low), math.expm1(scale.high)
    powers = [10.0**k for k in range(-1, math.ceil(math.log10(max(high, 1.0))) + 1)]
    found = [step * power for power in powers for step in (1.0, 2.0, 5.0)]
    shown = [value for value in found if low <= value <= high and value >= 1]
    return shown if len(shown) <= MOST_TICKS else [value for value in shown if value in powers]


def _point(one: Past, across: _Scale, up: _Scale) -> str:
    x, kind = across.at(one.actual), "in" if one.inside else "out"
    line = f'<line class="whisk {kind}" x1="{x}" x2="{x}" y1="{up.at(one.lower)}" y2="{up.at(one.upper)}"/>'
    return f'{line}<circle class="dotmark {kind}" cx="{x}" cy="{up.at(one.median)}" r="3.6"/>'
