"""Figures to short texts and places on bars, as the page prints them."""

from __future__ import annotations

import math

from postlens.types import EngagementForecast

UNITS = ((1e9, 1e9, "B"), (1e6, 1e6, "M"), (1e4, 1e3, "k"))  # from, divided by, letter
MARGIN = 0.15  # of a bar's log scale beyond its outer marks


def count(value: float | None) -> str:
    """1234567 -> 1.23 M, 12345 -> 12.3 k, 950 -> 950, None -> a dash."""
    if value is None:
        return "–"
    rounded = float(f"{value:.3g}")
    for least, size, unit in UNITS:
        if abs(value) >= 1e4 and abs(rounded) >= least:
            scaled = rounded / size
            return f"{scaled:.3g} {unit}" if abs(scaled) < 1e3 else f"{scaled:,.0f} {unit}"
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 10 else f"{value:.1f}"


def percent(value: float | None) -> str:
    """0.456 -> 46 %, 0.001 -> under 1 %."""
    if value is None:
        return "–"
    return "under 1 %" if 0 < value < 0.005 else f"{value:.0%}".replace("%", " %")


def lift(value: float | None) -> str:
    """0.23 -> +23 %, with a real minus sign."""
    return "–" if value is None else f"{round(value, 2) + 0.0:+.0%}".replace("-", "−").replace("%", " %")


def seconds(value: float) -> str:
    """75.2 -> 1 min 15 s, 4.2 -> 4.2 s."""
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s" if minutes and value >= 59.95 else f"{value:.1f} s"


def spot(value: float, forecast: EngagementForecast) -> float:
    """Where a count stands on the forecast's bar, 0..100, on a log scale a little wider than all its marks."""
    marks = [m for m in (forecast.lower, forecast.upper, forecast.baseline, forecast.actual) if m is not None]
    return place(value, low=min(marks), high=max(marks))


def place(value: float, *, low: float, high: float) -> float:
    """Where a figure stands on a log scale a little wider than from low to high, 0..100."""
    left, right = _log(low) - MARGIN, _log(high) + MARGIN
    return round(100 * (_log(value) - left) / (right - left), 1)


def _log(value: float) -> float:
    """Log of a count, mirrored below zero, where a score can be."""
    return math.copysign(math.log1p(abs(value)), value)
