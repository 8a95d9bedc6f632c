"""Figures to small SVG drawings: no style attributes, since the page's policy allows none; colours come from classes.

A drawing only repeats what the table beside it says in numbers, so it is hidden from screen readers where it stands in
a cell, and has a title where it stands alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from postlens.pipelines.report.numbers import count, place
from postlens.types import EngagementForecast

HISTORY_PX = (720, 240)  # width and height of a forecast history, which keeps its proportions
MARGIN_PX = (72, 14, 12, 14)  # left, top, right, bottom: room for the labels of the axes
MOST_DOTS = 60  # posts in a forecast history: more would be narrower than their marks
MOST_LINES = 5  # labelled lines across a history: more stand too close where it is narrow
_STEPS = ((1.0, 2.0, 5.0), (1.0, 3.0), (1.0,))  # times powers of ten: figures that are read easily, the finest first


@dataclass(frozen=True, slots=True)
class Scale:
    """A log scale from the least to the greatest mark, see `report.numbers.place`."""

    low: float
    high: float

    @classmethod
    def of(cls, marks: Sequence[float]) -> Scale | None:
        """The scale that holds all marks; None without any."""
        return cls(min(marks), max(marks)) if marks else None

    def spot(self, value: float) -> float:
        """0..100."""
        return place(value, low=self.low, high=self.high)


def share_bar(share: float, *, mark: float | None = None, css: str = "fill") -> Markup:
    """A bar of a share in [0, 1], with a line at a threshold."""
    line = (
        ""
        if mark is None
        else Markup('<rect class="limit" x="{:.1f}" y="0" width="1.2" height="10"/>').format(_clamped(mark) - 0.6)
    )
    bar = Markup('<rect class="{}" x="0" y="1" width="{:.1f}" height="8" rx="1"/>').format(css, _clamped(share))
    return _small(Markup('<rect class="rail" x="0" y="1" width="100" height="8" rx="1"/>') + bar + line)


def whisker(mean: float, interval: tuple[float, float] | None, usual: float | None, *, scale: Scale) -> Markup:
    """A mean with its interval, and the mean of the whole campaign."""
    parts = Markup('<rect class="rail" x="0" y="1" width="100" height="8" rx="1"/>')
    if interval is not None:
        parts += _range(scale.spot(interval[0]), scale.spot(interval[1]))
    if usual is not None:
        parts += _mark("usual", scale.spot(usual))
    return _small(parts + _mark("expected", scale.spot(mean)))


def forecast_bar(forecast: EngagementForecast) -> Markup:
    """The interval of a forecast with its median, the account's usual count, and what the post got."""
    marks = (forecast.median, forecast.lower, forecast.upper, forecast.baseline, forecast.actual)
    scale = Scale.of([mark for mark in marks if mark is not None])
    if scale is None:
        return Markup("")
    parts = Markup('<rect class="rail" x="0" y="1" width="100" height="8" rx="1"/>')
    if forecast.lower is not None and forecast.upper is not None:
        parts += _range(scale.spot(forecast.lower), scale.spot(forecast.upper))
    known = (("usual", forecast.baseline), ("expected", forecast.median), ("got", forecast.actual))
    return _small(parts + Markup("").join(_mark(css, scale.spot(value)) for css, value in known if value is not None))


def _range(left: float, right: float) -> Markup:
    rect = Markup('<rect class="range" x="{:.1f}" y="2.5" width="{:.1f}" height="5"/>')
    return rect.format(left, max(0.5, right - left))


def _mark(css: str, at: float) -> Markup:
    return Markup('<rect class="{}" x="{:.1f}" y="0" width="1.4" height="10"/>').format(css, at - 0.7)


def _small(parts: Markup) -> Markup:
    head = Markup('<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">')
    return head + parts + Markup("</svg>")


def _clamped(share: float) -> float:
    return 100 * min(1.0, max(0.0, share))


# --- history ----------------------------------------------------------------------------------------------------------


def forecast_history(forecasts: Sequence[EngagementForecast], *, title: str) -> Markup:
    """Forecasts against what the posts got, in the order given, the last MOST_DOTS of them; "" where none is known."""
    shown = [one for one in forecasts if one.median is not None or one.actual is not None][-MOST_DOTS:]
    marks = [mark for one in shown for mark in (one.lower, one.upper, one.median, one.actual) if mark is not None]
    scale = Scale.of(marks)
    if scale is None:
        return Markup("")
    width, height = HISTORY_PX
    head = Markup('<svg class="history" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(width, height, title)
    return head + _lines(scale) + Markup("").join(_columns(shown, scale)) + Markup("</svg>")


def _lines(scale: Scale) -> Markup:
    """Labelled lines across the drawing, at round figures."""
    left, _, right, _ = MARGIN_PX
    line = Markup('<line class="grid" x1="{}" x2="{}" y1="{y:.1f}" y2="{y:.1f}"/><text x="{}" y="{:.1f}">{}</text>')
    return Markup("").join(
        line.format(left, HISTORY_PX[0] - right, left - 8, _y(value, scale) + 4, count(value), y=_y(value, scale))
        for value in ticks(scale.low, scale.high)
    )


def ticks(low: float, high: float) -> list[float]:
    """Round figures from low to high, at most MOST_LINES; the ends themselves, rounded, where fewer than two fit."""
    powers = range(math.floor(math.log10(max(low, 1.0))), math.ceil(math.log10(max(high, 1.0))) + 1)
    for steps in _STEPS:
        found = [step * 10.0**power for power in powers for step in steps if low <= step * 10.0**power <= high]
        if 2 <= len(found) <= MOST_LINES:
            return found
    if len(found) > MOST_LINES:
        return found[:: math.ceil(len(found) / MOST_LINES)]
    return list(dict.fromkeys(float(f"{value:.2g}") for value in (low, high)))


def _columns(shown: Sequence[EngagementForecast], scale: Scale) -> list[Markup]:
    left, _, right, _ = MARGIN_PX
    step = (HISTORY_PX[0] - left - right) / len(shown)
    return [_column(one, left + (n + 0.5) * step, min(10.0, step * 0.6), scale) for n, one in enumerate(shown)]


def _column(one: EngagementForecast, x: float, wide: float, scale: Scale) -> Markup:
    parts = Markup("")
    if one.lower is not None and one.upper is not None:
        top, bottom = _y(one.upper, scale), _y(one.lower, scale)
        rect = Markup('<rect class="range" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="2"/>')
        parts += rect.format(x - wide / 2, top, wide, max(1.0, bottom - top))
    if one.median is not None:
        rect = Markup('<rect class="expected" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="3"/>')
        parts += rect.format(x - wide / 2, _y(one.median, scale) - 1.5, wide)
    if one.actual is not None:
        parts += Markup('<circle class="got" cx="{:.1f}" cy="{:.1f}" r="4"/>').format(x, _y(one.actual, scale))
    return parts


def _y(value: float, scale: Scale) -> float:
    _, top, _, bottom = MARGIN_PX
    return top + (HISTORY_PX[1] - top - bottom) * (1 - scale.spot(value) / 100)
