"""Forecasts and what the posts really got, to scores with 95 % intervals, whole and by size of the account."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from postlens.errors import ShapeError
from postlens.tasks.engagement.predict import MODEL_METRIC, predict_account
from postlens.tasks.engagement.records import Float, Model, PostFacts
from postlens.tasks.scoring import N_RESAMPLES, bootstrap_interval, plain_interval, plain_number
from postlens.types import EngagementForecast

# Fixed bands of followers, so that the scores of two collections can be compared.
SIZES = {"<1k": 0.0, "1k-10k": 1e3, "10k-100k": 1e4, "100k-1M": 1e5, ">=1M": 1e6}
MIN_ROWS = 2  # fewer have neither a rank correlation nor an interval

Scores = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Columns of N forecasts whose posts' counts are known, everything as log(1 + count)."""

    actual: Float  # (N,)
    lower: Float  # (N,)
    median: Float  # (N,)
    upper: Float  # (N,)
    blind: Float  # (N,) median forecast without any of the account's counts, to compare its posts by; NaN: none
    baseline: Float  # (N,) the account's median of earlier posts; NaN without any
    followers: Float  # (N,) plain, NaN where unknown
    account: Float  # (N,) number of the account

    def __post_init__(self) -> None:
        shapes = {name: getattr(self, name).shape for name in self.__slots__}
        if set(shapes.values()) != {(len(self.actual),)}:
            raise ShapeError(f"all columns must have shape ({len(self.actual)},), got {shapes}")

    def __len__(self) -> int:
        return len(self.actual)

    def take(self, rows: NDArray[Any]) -> Outcomes:
        """The rows of a mask or an index array."""
        return Outcomes(**{name: getattr(self, name)[rows] for name in self.__slots__})


def collect_outcomes(accounts: Iterable[Sequence[PostFacts]], *, model: Model, metric: str = MODEL_METRIC) -> Outcomes:
    """Forecast every post of every account as the product does; posts without forecast or count are left out."""
    rows = [
        (*_logs(seen), blind, _nan(post.followers), float(number))
        for number, posts in enumerate(accounts)
        for post, seen, blind in _forecast_twice(posts, metric=metric, model=model)
        if seen.actual is not None and seen.median is not None
    ]
    columns = np.array(rows, np.float64).reshape(len(rows), 8).T
    actual, lower, median, upper, baseline, blind, followers, account = columns
    return Outcomes(actual, lower, median, upper, blind, baseline, followers, account)


def score_outcomes(outcomes: Outcomes, *, rng: np.random.Generator, resamples: int = N_RESAMPLES) -> Scores:
    """The table of `evaluate instagram_posts`: whole, `by_account_size`, and beside the account's own median.

    mae_log: mean of |log(1 + count) - log(1 + median)|. spearman: rank correlation of the same. coverage_90: share of
    the counts inside the interval. pair_accuracy: of all pairs of one account's posts with unequal counts, the share
    that the forecasts without the account's counts put in the right order, equal forecasts half; forecasts that know
    earlier counts would carry one post's count into the other's. Intervals draw whole accounts, `resamples` times.
    """
    table = _score(outcomes, rng=rng, n=resamples)
    edges = list(SIZES.values())
    band = np.digitize(outcomes.followers, edges) - 1  # NaN followers fall into the last; masked below
    known = ~np.isnan(outcomes.followers)
    table["by_account_size"] = {
        name: _score(outcomes.take(known & (band == i)), rng=rng, n=resamples)
        for i, name in enumerate(SIZES)
        if (known & (band == i)).any()
    }
    table["account_median"] = _compare(outcomes.take(~np.isnan(outcomes.baseline)), rng=rng, n=resamples)
    return table


def pair_counts(outcomes: Outcomes) -> tuple[Float, Float, Float]:
    """(rightly ordered pairs, pairs, account number), each (A,), of the accounts with two or more posts."""
    order = np.argsort(outcomes.account, kind="stable")
    numbers, starts = np.unique(outcomes.account[order], return_index=True)
    found = [
        (*_ordered(outcomes.actual[rows], outcomes.blind[rows]), number)
        for number, rows in zip(numbers, np.split(order, starts)[1:], strict=True)
        if len(rows) > 1
    ]
    right, n_pairs, number = np.array(found, np.float64).reshape(len(found), 3).T
    return right, n_pairs, number


def _ordered(actual: Float, guess: Float) -> tuple[float, float]:
    first, second = np.triu_indices(len(actual), 1)
    truth, said = np.sign(actual[first] - actual[second]), np.sign(guess[first] - guess[second])
    judged = (truth != 0) & ~np.isnan(said)
    return float(((said * truth)[judged] + 1).sum() / 2), float(judged.sum())


def _score(outcomes: Outcomes, *, rng: np.random.Generator, n: int) -> Scores:
    o = outcomes
    table: Scores = {"n": len(o), "n_accounts": len(np.unique(o.account))}
    inside = (o.actual >= o.lower) & (o.actual <= o.upper)
    table |= _entry("mae_log", _mean, np.abs(o.actual - o.median), groups=o.account, rng=rng, n=n)
    table |= _entry("spearman", spearman, o.actual, o.median, groups=o.account, rng=rng, n=n)
    table |= _entry("coverage_90", _mean, inside.astype(np.float64), groups=o.account, rng=rng, n=n)
    right, n_pairs, number = pair_counts(o)
    return table | _entry("pair_accuracy", _ratio, right, n_pairs, groups=number, rng=rng, n=n)


def _compare(outcomes: Outcomes, *, rng: np.random.Generator, n: int) -> Scores:
    """The account's median of earlier posts beside the model, on the posts that have earlier ones."""
    o = outcomes
    own = _entry("mae_log", _mean, np.abs(o.actual - o.baseline), groups=o.account, rng=rng, n=n)
    model = _entry("mae_log_of_model", _mean, np.abs(o.actual - o.median), groups=o.account, rng=rng, n=n)
    return {"n": len(o)} | own | model


def _entry(
    name: str, score: Callable[..., float], *columns: Float, groups: Float, rng: np.random.Generator, n: int
) -> Scores:
    if len(groups) < MIN_ROWS:
        return {name: plain_number(score(*columns)), f"{name}_ci": None}
    interval = bootstrap_interval(score, *columns, groups=groups, n=n, rng=rng)
    return {name: plain_number(score(*columns)), f"{name}_ci": plain_interval(interval)}


def _mean(values: Float) -> float:
    return float(values.mean()) if len(values) else math.nan


def _ratio(top: Float, bottom: Float) -> float:
    return float(top.sum() / bottom.sum()) if bottom.sum() else math.nan


def spearman(a: Float, b: Float) -> float:
    """Spearman's rank correlation, ties at their mean rank; NaN where one column is constant."""
    from scipy.stats import rankdata

    x, y = rankdata(a) if len(a) else a, rankdata(b) if len(b) else b
    if len(x) < MIN_ROWS or x.std() == 0 or y.std() == 0:
        return math.nan
    return float(((x - x.mean()) * (y - y.mean())).mean() / (x.std() * y.std()))


def _forecast_twice(
    posts: Sequence[PostFacts], *, metric: str, model: Model
) -> list[tuple[PostFacts, EngagementForecast, float]]:
    """Each post with its forecast and, in accounts of several posts, the log of the one without any counts."""
    seen = predict_account(posts, metric=metric, model=model)
    if len(posts) < MIN_ROWS:
        return [(post, one, math.nan) for post, one in zip(posts, seen, strict=True)]
    hidden = predict_account([replace(post, counts={}) for post in posts], metric=metric, model=model)
    return [(post, one, _log(other.median)) for post, one, other in zip(posts, seen, hidden, strict=True)]


def _logs(one: EngagementForecast) -> tuple[float, ...]:
    return tuple(_log(value) for value in (one.actual, one.lower, one.median, one.upper, one.baseline))


def _log(value: float | None) -> float:
    return math.nan if value is None else math.log1p(value)


def _nan(value: float | None) -> float:
    return math.nan if value is None else value
