"""An account's posts to forecasts by the method asked for, each fallback told in `method` and `note`.

auto: the account's own model for posts without a count, where it was shown to be better than the account's median;
else the model of many accounts; else the account's median; else none, with what is missing. Posts that have counts are
answered by the model of many accounts: own models before each part of them would cost ten times as much, and tell what
is known already.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from postlens.tasks.engagement.account import MIN_POSTS, AccountModel, forecast_account, read_rows
from postlens.tasks.engagement.history import read_histories
from postlens.tasks.engagement.own import OwnFits, own_models, read_counts
from postlens.tasks.engagement.predict import (
    LARGEST_LOG,
    MIN_HISTORY,
    MODEL_METRIC,
    predict_account,
    spread_interval,
)
from postlens.tasks.engagement.records import Float, Model, PostFacts
from postlens.types import EngagementForecast, as_utc

Method = Literal["auto", "accounts", "account", "median"]


def forecast_posts(
    posts: Sequence[PostFacts],
    *,
    metric: str,
    method: Method,
    model: Model,
    only: int | None = None,
    fits: OwnFits | None = None,
) -> tuple[EngagementForecast, ...]:
    """One forecast per post of one account, in the given order.

    posts: with all that is known before them, whose counts a forecast of a later post may use.
    method: what answers; where it cannot, the next of account, accounts, median does, and `note` says why.
    only: forecasts for the first `only` posts alone; the others are history.
    fits: models of own posts that need not be fitted again.
    """
    asked = posts if only is None else posts[:only]
    found = _medians(posts, asked, metric=metric, model=model) if method == "median" else None
    if found is None:
        found = [_named(one) for one in predict_account(posts, metric=metric, model=model, only=only)]
    if method in ("auto", "account"):
        found = _with_own(posts, found, metric=metric, every=method == "account", fits=fits or OwnFits())
    counts = read_counts(posts, metric)
    by_followers = metric == MODEL_METRIC and method != "median"
    return tuple(_explained(one, counts, by_followers=by_followers) for one in _percentiles(posts, found, counts))


# --- the account's own model ----------------------------------------------------------------------------------------


def _with_own(
    posts: Sequence[PostFacts], found: list[EngagementForecast], *, metric: str, every: bool, fits: OwnFits
) -> list[EngagementForecast]:
    """The forecasts with those of the account's own model in place of others, where it may answer."""
    counts = read_counts(posts, metric)
    wanted = np.zeros(len(posts), bool)
    wanted[: len(found)] = True if every else np.isnan(counts[: len(found)])
    answered: dict[int, EngagementForecast] = {}
    for own in own_models(posts, counts, wanted, fits):
        places = np.flatnonzero(own.targets).tolist()
        logs = np.minimum(forecast_account(own.model, read_rows([posts[place] for place in places])), LARGEST_LOG)
        for place, row in zip(places, np.expm1(logs).tolist(), strict=True):
            answered[place] = _by_own(found[place], own.model, row)
    if not every:
        better = {place: one for place, one in answered.items() if one.method == "account"}
        return [better.get(place, one) for place, one in enumerate(found)]
    usable = int((~np.isnan(counts)).sum())
    why = f"no model of the account's own posts: it needs {MIN_POSTS} earlier ones with {metric} and pictures"
    told = f"{why}, {usable} are known"
    return [answered.get(i, replace(one, note=_joined(told, one.note))) for i, one in enumerate(found)]


def _by_own(before: EngagementForecast, model: AccountModel, row: Sequence[float]) -> EngagementForecast:
    """The own model's answer, or the one before it with the reason why it stays."""
    if not model.better_than_median:
        return replace(before, note=_joined(model.note, before.note))
    lower, median, upper = row
    return replace(before, lower=lower, median=median, upper=upper, method="account", note=model.note)


# --- the account's median -------------------------------------------------------------------------------------------


def _medians(
    posts: Sequence[PostFacts], asked: Sequence[PostFacts], *, metric: str, model: Model
) -> list[EngagementForecast]:
    """The median of earlier posts, whatever the metric, as `predict_account` does it for others than likes."""
    blank = predict_account(
        [replace(one, followers=None) for one in posts], metric=metric, model=model, only=len(asked)
    )
    found = []
    for one, history in zip(blank, read_histories(posts, metric=metric), strict=False):
        if len(history) < MIN_HISTORY:
            found.append(replace(one, median=None, lower=None, upper=None, method="none"))
            continue
        lower, median, upper = spread_interval(history.counts, thresholds=model.spec.thresholds)
        note = f"median and spread of {len(history)} earlier posts with {metric}"
        found.append(replace(one, lower=lower, median=median, upper=upper, method="median", note=note))
    return found


# --- what is said of each -------------------------------------------------------------------------------------------


def _named(one: EngagementForecast) -> EngagementForecast:
    if one.method != "none" or one.median is None:
        return one
    return replace(one, method="accounts" if one.metric == MODEL_METRIC else "median")


def _percentiles(
    posts: Sequence[PostFacts], found: Sequence[EngagementForecast], counts: Float
) -> Iterator[EngagementForecast]:
    """Where each median stands among the account's earlier counts, equal ones half, 0..100."""
    times = np.array([math.inf if one.published_at is None else as_utc(one.published_at).timestamp() for one in posts])
    known = ~np.isnan(counts)
    for place, one in enumerate(found):
        earlier = known & ((times < times[place]) if np.isfinite(times[place]) else np.arange(len(posts)) != place)
        seen = counts[earlier]
        if one.median is None or len(seen) < MIN_HISTORY:
            yield one
            continue
        below = (seen < one.median).sum() + 0.5 * (seen == one.median).sum()
        yield replace(one, percentile=round(100 * float(below) / len(seen), 1))


def _explained(one: EngagementForecast, counts: Float, *, by_followers: bool) -> EngagementForecast:
    """With what a reader must know of the account's counts: too few, hidden ones, or all the same.

    by_followers: whether a forecast could be made from the account's followers alone.
    """
    seen = counts[~np.isnan(counts)]
    notes = [one.note]
    if one.median is None:
        followers = "the account's followers, or " if by_followers else ""
        notes.append(f"give {followers}more posts with {one.metric}")
        n_hidden = len(counts) - len(seen) - (one.actual is None)
        if n_hidden:
            notes.append(f"{n_hidden} other posts hide their {one.metric} or have none yet")
    if len(seen) > MIN_HISTORY and seen.min() == seen.max():
        notes.append(f"all {len(seen)} posts have {seen[0]:g} {one.metric}: check that these are counts")
    return replace(one, note=_joined(*notes))


def _joined(*notes: str) -> str:
    return "; ".join(dict.fromkeys(note for note in notes if note))
