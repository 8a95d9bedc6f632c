"""An account's posts to forecasts: each from what was known before the post."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from postlens.tasks.engagement.features import FEATURES, feature_row
from postlens.tasks.engagement.history import known_count, read_histories
from postlens.tasks.engagement.records import Float, History, Model, PostFacts
from postlens.types import EngagementForecast, FloatArray

COVERAGE = 0.9  # of the interval, as the model was trained and calibrated
MIN_HISTORY = 5  # earlier posts with the metric that an account's own median may rest on
MODEL_METRIC = "likes"  # what the shipped model was trained on
LARGEST_LOG = 60.0  # e^60 is more than any count; beyond it float32 would overflow
# Names on the card, measured by recipes/engagement.py: the usual standard deviation of log counts within an account,
# how many posts this prior is worth, and half the interval's width per standard deviation.
SPREAD_PRIOR, SPREAD_WORTH_POSTS, SPREAD_FACTOR = "spread_prior", "spread_worth_posts", "spread_factor"


def predict_account(
    posts: Sequence[PostFacts], *, metric: str, model: Model, only: int | None = None
) -> tuple[EngagementForecast, ...]:
    """One forecast per post, in the given order, which does not matter otherwise.

    `only`: forecasts of the first so many posts alone; the others are history.

    Only posts published earlier count as history (`history.read_histories`). Likes come from the model, once the
    account's followers or at least MIN_HISTORY earlier posts are known; another metric is forecast by the account's
    median of at least MIN_HISTORY earlier posts, with an interval from their spread. With less, `median`, `lower` and
    `upper` are None and `note` says what is missing.
    """
    asked = zip(posts[:only], read_histories(posts, metric=metric), strict=False)
    return _by_model(asked, model=model) if metric == MODEL_METRIC else _by_median(asked, metric=metric, model=model)


def spread_interval(counts: Float, *, thresholds: Mapping[str, float]) -> tuple[float, float, float]:
    """(lower, median, upper) from earlier counts (n,), n >= 1: their median, and the spread of their logs around it.

    The variance is drawn towards that of accounts in general, as in a normal model with a scaled inverse chi-squared
    prior (Gelman et al. 2013, Bayesian Data Analysis, 2.6); pi / 2n is the sampling variance of a median.
    """
    logs = np.log1p(counts)
    n, worth, middle = len(logs), thresholds[SPREAD_WORTH_POSTS], float(np.median(logs))
    variance = (float(((logs - middle) ** 2).sum()) + worth * thresholds[SPREAD_PRIOR] ** 2) / (n + worth)
    half = thresholds[SPREAD_FACTOR] * (variance * (1 + np.pi / (2 * n))) ** 0.5
    return _counts(middle - half, middle, middle + half)


def run_model(features: FloatArray, model: Model) -> Float:
    """Rows of features (N, F) to (N, 3) log(1 + likes): lower, median, upper, never out of order or below 0."""
    if not len(features):
        return np.zeros((0, 3))
    out = model.run({"features": features})
    lower, middle, upper = (np.asarray(out[name], np.float64).reshape(-1) for name in ("lower", "median", "upper"))
    ordered = np.stack([np.minimum(lower, middle), middle, np.maximum(upper, middle)], axis=1)
    return np.asarray(np.maximum(ordered, 0.0))


def _by_model(posts: Iterable[tuple[PostFacts, History]], *, model: Model) -> tuple[EngagementForecast, ...]:
    found: list[EngagementForecast] = []
    rows: dict[int, FloatArray] = {}
    for place, (post, history) in enumerate(posts):
        found.append(_without_interval(post, history, metric=MODEL_METRIC))
        if history.followers is not None or len(history) >= MIN_HISTORY:
            rows[place] = feature_row(post, history, names=model.spec.labels or FEATURES)
            found[place] = replace(found[place], note=_model_note(history))
    logs = run_model(np.array(list(rows.values()), np.float32), model)
    for place, row in zip(rows, logs.tolist(), strict=True):
        found[place] = _with_interval(found[place], _counts(*row))
    return tuple(found)


def _by_median(
    posts: Iterable[tuple[PostFacts, History]], *, metric: str, model: Model
) -> tuple[EngagementForecast, ...]:
    found: list[EngagementForecast] = []
    for post, history in posts:
        answer = _without_interval(post, history, metric=metric)
        if len(history) >= MIN_HISTORY:
            interval = spread_interval(history.counts, thresholds=model.spec.thresholds)
            note = _note(f"median and spread of {len(history)} earlier posts with {metric}", history)
            answer = _with_interval(replace(answer, note=note), interval)
        found.append(answer)
    return tuple(found)


def _without_interval(post: PostFacts, history: History, *, metric: str) -> EngagementForecast:
    missing = f"not enough data: {len(history)} earlier posts with {metric}, at least {MIN_HISTORY} are needed"
    return EngagementForecast(
        post_id=post.post_id,
        metric=metric,
        median=None,
        lower=None,
        upper=None,
        coverage=COVERAGE,
        baseline=history.median,
        n_history=len(history),
        actual=known_count(post, metric),
        note=_note(missing, history),
    )


def _with_interval(answer: EngagementForecast, interval: tuple[float, float, float]) -> EngagementForecast:
    lower, middle, upper = interval
    return replace(answer, lower=lower, median=middle, upper=upper)


def _model_note(history: History) -> str:
    n = len(history)
    if not n:
        text = "model on followers: no earlier posts with likes"
        return _note(text, history) if history.n_young else text
    posts = f"{n} earlier post{'s' * (n > 1)} with likes"
    return _note(f"model on {posts}" if n >= MIN_HISTORY else f"model on followers and only {posts}", history)


def _note(text: str, history: History) -> str:
    if history.n_young:
        text += f"; {history.n_young} more left out, counted before they were a week old"
    return text if history.timed else f"{text}; the post has no date, so the account's other posts count as earlier"


def _counts(lower: float, middle: float, upper: float) -> tuple[float, float, float]:
    """Log counts to counts, cut at 0 and LARGEST_LOG."""
    low, mid, high = np.expm1(np.clip([lower, middle, upper], 0.0, LARGEST_LOG)).tolist()
    return low, mid, high
