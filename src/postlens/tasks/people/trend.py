"""Figures of dated posts to their slope over time."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from postlens.types import Trend

Float = NDArray[np.float64]

# With 4 posts no order of figures is rare enough: Kendall's rank test reaches p = 1/12 at best, with 5 it is 1/60.
MIN_TREND_POSTS = 5
MIN_TREND_DAYS = 14.0  # a slope per 30 days from a few days would be guesswork; a convention
PERIOD_DAYS = 30.0
MOST_POSTS = 1500  # every pair of posts has a slope: 1.1 million of them; beyond, posts evenly spaced in order
LEVEL = 0.95


def trend(days: Float, values: Float, *, level: float) -> Trend | None:
    """Slope of figures (N,) over days (N,) in shares of the campaign's mean `level`, per 30 days.

    The median of the slopes of all pairs of posts (Theil 1950), with Sen's interval (1968), also for posts of one
    time and equal figures; one post that did far better than the rest hardly moves it. `None` for fewer than
    `MIN_TREND_POSTS` posts, for fewer than `MIN_TREND_DAYS` from the first to the last, and for a level of 0.
    """
    if level <= 0 or len(days) < MIN_TREND_POSTS or np.ptp(days) < MIN_TREND_DAYS:
        return None
    order = np.lexsort((values, days))
    if len(order) > MOST_POSTS:
        order = order[np.linspace(0, len(order) - 1, MOST_POSTS).astype(int)]
    slopes = _slopes(days[order], values[order]) * PERIOD_DAYS / level
    low, high = _sen_ranks(days[order], values[order], n_pairs=len(slopes))
    return Trend(float(np.median(slopes)), float(slopes[low]), float(slopes[high]), len(days))


def _slopes(days: Float, values: Float) -> Float:
    """Rising slopes of all pairs of posts of different times."""
    first, second = np.triu_indices(len(days), 1)
    apart = days[second] > days[first]
    rise, run = values[second] - values[first], days[second] - days[first]
    return np.sort(rise[apart] / run[apart])


def _sen_ranks(days: Float, values: Float, *, n_pairs: int) -> tuple[int, int]:
    """Which of the sorted slopes are the ends of the interval, by the variance of Kendall's S with ties."""
    n = len(days)
    variance = n * (n - 1) * (2 * n + 5) - _ties(days) - _ties(values)
    half = NormalDist().inv_cdf((1 + LEVEL) / 2) * math.sqrt(max(variance, 0.0) / 18)
    return max(round((n_pairs - half) / 2) - 1, 0), min(round((n_pairs + half) / 2), n_pairs - 1)


def _ties(values: Float) -> float:
    _, counts = np.unique(values, return_counts=True)
    return float((counts * (counts - 1) * (2 * counts + 5)).sum())
