"""One account's own photos and counts to a model of that account, which says whether it beats the account's median.

Ridge regression (Hoerl and Kennard 1970) of log(1 + count), as distance from the account's level, on principal
components of the photos' embeddings, image measures and caption features. The level is the median of the latest
LEVEL_POSTS earlier posts, so that growth of the account is not taken for an effect of its pictures. Errors are those
of forecasts of later posts from earlier ones, with the penalty chosen on the earlier ones alone; an infinite penalty,
which gives the level itself, is among the choices.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from postlens.errors import ShapeError
from postlens.tasks.engagement.account_rows import MIN_STEP, AccountRows, Space, learn_space, read_rows
from postlens.tasks.engagement.records import Float

MIN_POSTS = 30  # fewer leave under 18 later posts to measure an error on
MAX_POSTS = 500  # the latest; older ones say little about the account of today and cost time
LEVEL_POSTS = 50  # a median of 50 adds 1.5 % to the error of steady accounts; fewer follow growth faster
N_BLOCKS = 5  # of later posts that are forecast in turn; without an order, parts of all posts
FIRST_SHARE = 0.4  # of the posts, only ever trained on; .34 and .5 found about as many effects on drawn accounts
PENALTIES = (math.inf, 1000.0, 300.0, 100.0, 30.0, 10.0)
COVERAGE = 0.9
T90 = 1.74  # Student's t at .95 with 17 degrees of freedom, the fewest there are; cautious for larger accounts

__all__ = ["AccountModel", "AccountRows", "HeldOut", "fit_account", "forecast_account", "read_rows"]

Rows = NDArray[np.intp]
Earlier = Literal["dates", "places", "lot"]  # what tells the earlier posts from the later ones
WITHOUT_DATES: Mapping[Earlier, str] = {
    "dates": "",
    "places": "posts have no dates, so the order in which they were read stands for time",
    "lot": "posts have no dates and no order, so posts drawn by lot stand for later ones",
}
LOT_SEED = 0


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Errors on the account's later posts, forecast from its earlier ones; |difference| of log(1 + count).

    Without dates and order: on all posts, each forecast from others.
    """

    n: int  # posts forecast
    mae_log: float  # of the model
    mae_log_median: float  # of the account's median of earlier posts
    gain: float  # mae_log_median - mae_log; above 0: the model is nearer
    gain_ci: tuple[float, float]  # 90 % interval of the gain (Diebold and Mariano 1995, Harvey et al. 1997)


@dataclass(frozen=True, slots=True)
class AccountModel:
    """A fitted account; `forecast_account` applies it."""

    n_posts: int  # posts it was fitted on
    earlier: Earlier
    level: float  # log(1 + count): the account's median of its latest posts
    half_width: float  # of the 90 % interval, in log(1 + count)
    penalty: float  # math.inf: the forecast is the level
    held_out: HeldOut
    space: Space
    weights: Float  # (K + E,)

    @property
    def better_than_median(self) -> bool:
        """Whether the held-out errors are below those of the account's median by more than chance explains.

        Chance alone passes in at most 5 % of accounts; effects of a few percent of the error need hundreds of posts.
        """
        return self.held_out.gain_ci[0] > 0

    @property
    def timed(self) -> bool:
        """Whether the posts have dates."""
        return self.earlier == "dates"

    @property
    def order_note(self) -> str:
        """What stands for time, for people; "" where posts have dates."""
        return WITHOUT_DATES[self.earlier]

    @property
    def note(self) -> str:
        """One sentence for people: what it was fitted on, and whether it is better than the account's median."""
        verdict = "better than your median" if self.better_than_median else "no better than your median"
        seen = self.held_out
        errors = f"error {seen.mae_log:.3f} against {seen.mae_log_median:.3f} on {seen.n} later posts"
        text = f"model of {self.n_posts} own posts: {verdict} ({errors}, log scale)"
        return "; ".join(filter(None, (text, self.order_note)))


# --- forecasting ----------------------------------------------------------------------------------------------------


def forecast_account(model: AccountModel, rows: AccountRows) -> Float:
    """(N, 3) log(1 + count): lower, median, upper of a 90 % interval, never out of order or below 0."""
    middle = model.level + model.space.design(rows) @ model.weights
    found = np.stack([middle - model.half_width, middle, middle + model.half_width], axis=1)
    return np.asarray(np.maximum(found, 0.0))


# --- fitting --------------------------------------------------------------------------------------------------------


def fit_account(
    rows: AccountRows, counts: Float, *, times_s: Float | None = None, places: Float | None = None
) -> AccountModel | None:
    """Fit one account; None with fewer than MIN_POSTS usable posts. The order of the rows does not matter.

    counts: (N,), NaN or negative where hidden, which are left out. times_s: (N,) seconds. places: (N,) numbers that
    rise with time, which stand for it where fewer than MIN_POSTS times are known; NaN: not known. Where a post lacks
    its place too, parts of the posts drawn by lot stand for the later ones (`earlier`).
    Raises `ShapeError` on unequal lengths.
    """
    order, earlier = _order(rows, np.asarray(counts, np.float64), times_s, places)
    if len(order) < MIN_POSTS:
        return None
    order = order[-MAX_POSTS:]
    own, y = rows.take(order), np.log1p(np.asarray(counts, np.float64)[order])
    model_error, level_error = _held_out_errors(own, y, earlier)
    space = learn_space(own)
    x, target = space.design(own), y - _levels(y, earlier)
    penalty = _choose_penalty(x, y, earlier)
    return AccountModel(
        n_posts=len(y),
        earlier=earlier,
        level=_level(y, earlier),
        half_width=_half_width(model_error),
        penalty=penalty,
        held_out=_compare(np.abs(model_error), np.abs(level_error)),
        space=space,
        weights=_ridge(x, target, penalty),
    )


def _order(rows: AccountRows, counts: Float, times_s: Float | None, places: Float | None) -> tuple[Rows, Earlier]:
    """Usable rows from the earliest to the latest, and what tells that; content breaks ties."""
    times, given = (np.full(len(rows), np.nan) if one is None else np.asarray(one, float) for one in (times_s, places))
    shapes = (counts.shape, times.shape, given.shape)
    if set(shapes) != {(len(rows),)}:
        raise ShapeError(f"counts, times_s and places must have shape ({len(rows)},), got {shapes}")
    usable = np.isfinite(counts) & (counts >= 0)
    dated = usable & np.isfinite(times)
    content = np.nan_to_num(np.hstack([rows.vectors.astype(np.float64), rows.extras])).sum(1)
    if dated.sum() >= MIN_POSTS:
        found = np.lexsort((content, counts, times))
        return found[dated[found]], "dates"
    if np.isfinite(given[usable]).all():
        found = np.lexsort((content, counts, given))
        return found[usable[found]], "places"
    found = np.lexsort((counts, content))
    return np.random.default_rng(LOT_SEED).permutation(found[usable[found]]), "lot"


def _level(y: Float, earlier: Earlier) -> float:
    return float(np.median(y[-LEVEL_POSTS:] if earlier == "dates" else y))


def _levels(y: Float, earlier: Earlier) -> Float:
    """(n,) the level before each post; the first posts share that of the first ten."""
    if earlier != "dates":
        return np.full(len(y), np.median(y))
    first = 10
    rest = [_level(y[:i], earlier) for i in range(first, len(y))]
    return np.array([float(np.median(y[:first]))] * min(first, len(y)) + rest)


def _splits(n: int, earlier: Earlier) -> list[tuple[Rows, Rows]]:
    """(posts to learn from, posts to forecast): blocks from all before them; by lot, parts from all others."""
    rows = np.arange(n)
    if earlier == "lot":
        return [(rows[rows % N_BLOCKS != part], rows[part::N_BLOCKS]) for part in range(N_BLOCKS)]
    edges = np.linspace(int(n * FIRST_SHARE), n, N_BLOCKS + 1).astype(int).tolist()
    return [(rows[:start], rows[start:stop]) for start, stop in pairwise(edges) if stop > start]


def _held_out_errors(rows: AccountRows, y: Float, earlier: Earlier) -> tuple[Float, Float]:
    """(m,) errors of model and of level; principal components, scales and penalty from the posts learned from alone."""
    model, level = [], []
    for past, later in _splits(len(y), earlier):
        known = rows.take(past)
        space = learn_space(known)
        x, target = space.design(known), y[past] - _levels(y[past], earlier)
        weights = _ridge(x, target, _choose_penalty(x, y[past], earlier))
        left = y[later] - _level(y[past], earlier)
        level.append(left)
        model.append(left - space.design(rows.take(later)) @ weights)
    return np.concatenate(model), np.concatenate(level)


def _ridge(x: Float, target: Float, penalty: float) -> Float:
    if math.isinf(penalty):
        return np.zeros(x.shape[1])
    return np.asarray(np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ target))


def _choose_penalty(x: Float, y: Float, earlier: Earlier) -> float:
    """The penalty with the lowest error on later posts; of equals the largest."""
    target = y - _levels(y, earlier)
    sums = np.zeros(len(PENALTIES))
    for past, later in _splits(len(y), earlier):
        left = y[later] - _level(y[past], earlier)
        sums += [np.abs(left - x[later] @ _ridge(x[past], target[past], p)).sum() for p in PENALTIES]
    return PENALTIES[int(np.argmin(np.where(sums > sums.min() + MIN_STEP, np.inf, 0.0)))]


def _half_width(errors: Float) -> float:
    """Conformal half width (Lei et al. 2018): the ceil(0.9 (m + 1))-th smallest absolute error, at most the largest."""
    place = min(math.ceil(COVERAGE * (len(errors) + 1)), len(errors))
    return float(np.sort(np.abs(errors))[place - 1])


def _compare(model: Float, level: Float) -> HeldOut:
    gain = level - model
    half = _half_interval(gain)
    mean = float(gain.mean())
    return HeldOut(len(gain), float(model.mean()), float(level.mean()), mean, (mean - half, mean + half))


def _half_interval(gain: Float) -> float:
    """Half a 90 % interval of the mean: its variance with the correlation of neighbours (Bartlett weights)."""
    n = len(gain)
    left, lags = gain - gain.mean(), int(n ** (1 / 3))
    variance = float(left @ left) + 2 * sum(
        (1 - lag / (lags + 1)) * float(left[lag:] @ left[:-lag]) for lag in range(1, lags + 1)
    )
    return T90 * math.sqrt(max(variance, float(left @ left))) / n * math.sqrt(n / (n - 1))
