"""Figures of a person's posts to their mean, with an interval that says how much it rests on chance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from postlens.types import IntArray

Float = NDArray[np.float64]

N_RESAMPLES = 2000  # at 10 posts an end of the interval then rests on 17 draws; more is slower and no wider
BLOCK_DRAWS = 1 << 20  # posts drawn at once: 24 MB; the numbers are the same for every size
LEVEL = 0.95


def weighted_mean(values: Float, weights: Float) -> float:
    """Mean of values (N,) by weights (N,), not all of them 0."""
    return float((values * weights).sum() / weights.sum())


def effective_number(weights: Float) -> float:
    """How many equally weighted posts are as much as these: (sum w)^2 / sum w^2 (Kish 1965), in [1, N]."""
    shares = weights / weights.max()  # tiny weights would vanish when squared
    return float(shares.sum() ** 2 / (shares**2).sum())


def mean_interval(
    values: Float, weights: Float | None = None, *, rng: np.random.Generator
) -> tuple[float, float] | None:
    """95 % bootstrap interval of the mean of values (N,); `None` below two that have a weight.

    Posts are drawn together with their weights (Efron 1979). The percentiles are moved outwards for few posts, as if a
    t interval were drawn: "expanded percentile" (Hesterberg 2015, What teachers should know about the bootstrap,
    section 5.4). For 2 to 3 posts it is the range of the figures, which is still too narrow: see `FEW_POSTS`.
    """
    given = np.ones(len(values)) if weights is None else weights
    used, given = values[given > 0], given[given > 0]
    if len(used) < 2:
        return None
    at_once = max(1, BLOCK_DRAWS // len(used))
    sizes = [min(at_once, N_RESAMPLES - start) for start in range(0, N_RESAMPLES, at_once)]
    means = np.concatenate([_means(used, given, rng.integers(len(used), size=(n, len(used)))) for n in sizes])
    low, high = np.quantile(means, _expanded(effective_number(given)))
    return float(low), float(high)


def _means(values: Float, weights: Float, drawn: IntArray) -> Float:
    """Weighted mean of each row of drawn posts (R, N): (R,)."""
    of = weights[drawn]
    means: Float = (values[drawn] * of).sum(axis=1) / of.sum(axis=1)
    return means


def _expanded(n: float) -> tuple[float, float]:
    """The quantiles whose normal scores are those of a t interval of n posts."""
    from scipy.special import ndtr, stdtrit

    freedom = max(n - 1, 0.5)  # weights can make less than 2 posts of many; the t quantile grows without end below
    tail = float(ndtr(np.sqrt(n / freedom) * stdtrit(freedom, (1 - LEVEL) / 2)))
    return tail, 1 - tail
