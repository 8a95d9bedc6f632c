"""Earlier counts to the numbers of the median-and-spread forecast of metrics that no model was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engagement_data import Accounts
from postlens.tasks.engagement.history import known_count, read_histories
from postlens.tasks.engagement.predict import (
    MIN_HISTORY,
    SPREAD_FACTOR,
    SPREAD_PRIOR,
    SPREAD_WORTH_POSTS,
    spread_interval,
)
from postlens.tasks.scoring import bootstrap_interval, plain_interval

WORTHS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # posts that the usual spread of accounts is tried to be worth
Float = NDArray[np.float64]


def measure_spread(accounts: Accounts, metric: str) -> dict[str, float]:
    """Card values of `spread_interval`: prior deviation, its worth in posts, and the factor that covers nine of ten.

    The worth is the one with the best interval score (Gneiting and Raftery 2007) on posts with two or more earlier
    ones, each with the factor that covers 90 %.
    """
    pairs = [
        (history.counts, known_count(post, metric))
        for posts in accounts.values()
        for post, history in zip(posts, read_histories(posts, metric=metric), strict=True)
        if len(history) > 1
    ]
    known = [(counts, float(np.log1p(count))) for counts, count in pairs if count is not None]
    prior = float(np.sqrt(np.mean([np.log1p(counts).var(ddof=1) for counts, _ in known])))
    _, worth, factor = min(_spread_score(known, prior=prior, worth=worth) for worth in WORTHS)
    return {SPREAD_PRIOR: round(prior, 3), SPREAD_WORTH_POSTS: worth, SPREAD_FACTOR: round(factor, 3)}


def _spread_score(known: Sequence[tuple[Float, float]], *, prior: float, worth: float) -> tuple[float, float, float]:
    unit = {SPREAD_PRIOR: prior, SPREAD_WORTH_POSTS: worth, SPREAD_FACTOR: 1.0}
    ends = np.log1p([spread_interval(counts, thresholds=unit) for counts, _ in known])
    half, error = ends[:, 2] - ends[:, 1], np.abs(ends[:, 1] - np.array([y for _, y in known]))
    factor = float(np.quantile(error / half, 0.9))
    score = 2 * factor * half + 20 * np.maximum(error - factor * half, 0)
    return float(score.mean()), worth, factor


def spread_coverage(accounts: Accounts, metric: str, thresholds: Mapping[str, float]) -> dict[str, Any]:
    """Coverage of the median-and-spread forecast on posts with MIN_HISTORY earlier ones or more."""
    inside, groups = [], []
    for number, posts in enumerate(accounts.values()):
        for post, history in zip(posts, read_histories(posts, metric=metric), strict=True):
            count = known_count(post, metric)
            if count is not None and len(history) >= MIN_HISTORY:
                lower, _, upper = spread_interval(history.counts, thresholds=thresholds)
                inside.append(float(lower <= count <= upper))
                groups.append(number)
    interval = bootstrap_interval(lambda v: float(v.mean()), inside, groups=groups, rng=np.random.default_rng(0))
    return {
        "n": len(inside),
        "coverage_90": round(float(np.mean(inside)), 4),
        "coverage_90_ci": plain_interval(interval),
    }
