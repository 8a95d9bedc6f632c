"""Forecasts of posts held out to the scores of a training, with the baselines beside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from postlens.tasks.engagement.evaluate import Outcomes, score_outcomes, spearman
from postlens.tasks.scoring import bootstrap_interval, plain_interval, plain_number

MIN_ROWS = 2  # fewer have neither a rank correlation nor an interval
MIN_LINE = 3  # posts that a line of two numbers is fitted to
Float = NDArray[np.float64]


def scores_of(outcomes: Outcomes, baselines: Mapping[str, Float], *, rng: np.random.Generator) -> dict[str, Any]:
    """`score_outcomes`, and under `baselines` each baseline beside the model on the posts that it has an answer for.

    baselines: name to log(1 + likes) (N,), NaN where there is none.
    """
    table = score_outcomes(outcomes, rng=rng)
    found = {name: compare(outcomes, guess, rng=rng) for name, guess in baselines.items()}
    return {**table, "baselines": {name: row for name, row in found.items() if row is not None}}


def compare(outcomes: Outcomes, guess: Float, *, rng: np.random.Generator) -> dict[str, Any] | None:
    """Another forecast (N,) beside the model on the posts that it has, not NaN, an answer for; None for too few."""
    known = ~np.isnan(guess)
    if known.sum() < MIN_ROWS:
        return None
    rows, said = outcomes.take(known), guess[known]
    error, own = np.abs(said - rows.actual), np.abs(rows.median - rows.actual)
    interval = bootstrap_interval(lambda e: float(e.mean()), error, groups=rows.account, rng=rng)
    return {
        "n": len(rows),
        "mae_log": plain_number(float(error.mean())),
        "mae_log_ci": plain_interval(interval),
        "spearman": plain_number(spearman(rows.actual, said)),
        "mae_log_of_model": plain_number(float(own.mean())),
    }


def followers_line(followers: Float, y: Float, *, wanted: Float) -> Float:
    """Least squares of log(1 + likes) on log(1 + followers), for the `wanted` followers; NaN where these are unknown.

    followers, y: (N,) of training posts; NaN throughout where too few of them have followers.
    """
    known = ~np.isnan(followers)
    if known.sum() < MIN_LINE or np.ptp(followers[known]) == 0:
        return np.full(len(wanted), np.nan)
    slope, intercept = np.polyfit(np.log1p(followers[known]), y[known], 1)
    return np.asarray(intercept + slope * np.log1p(wanted), np.float64)


def percent_errors(outcomes: Outcomes) -> Float:
    """(N,) of single forecasts: 100 (forecast - likes) / likes; posts without likes are left out."""
    likes, said = np.expm1(outcomes.actual), np.expm1(outcomes.median)
    known = likes >= 1
    return np.asarray(100 * (said[known] - likes[known]) / likes[known])
