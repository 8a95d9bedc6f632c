"""One account's own photos and counts to a model of that account, which says whether it beats the account's median.

Ridge regression (Hoerl and Kennard 1970) of log(1 + count), as distance from the account's level, on principal
components of the photos' embeddings, image measures and caption features. The level is the median of the latest
LEVEL_POSTS earlier posts, so that growth of the account is not taken for an effect of its pictures. Errors are those
of forecasts of later posts from earlier ones, with the penalty chosen on the earlier ones alone; an infinite penalty,
which gives the level itself, is among the choices.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from postlens.errors import ShapeError
from postlens.tasks.engagement.account_rows import MIN_STEP, AccountRows, Space, learn_space, read_rows
from postlens.tasks.engagement.records import Float

MIN_POSTS = 30  # fewer leave under 18 later posts to measure an error on
MAX_POSTS = 500  # the latest; older ones say little about the account of today and cost time
LEVEL_POSTS = 50  # a median of 50 adds 1.5 % to the error of steady accounts; fewer follow growth faster
N_BLOCKS = 5  # of later posts that are forecast in turn
FIRST_SHARE = 0.4  # of the posts, only ever trained on; .34 and .5 found about as many effects on drawn accounts
PENALTIES = (math.inf, 1000.0, 300.0, 100.0, 30.0, 10.0)
COVERAGE = 0.9
T90 = 1.74  # Student's t at .95 with 17 degrees of freedom, the fewest there are; cautious for larger accounts

__all__ = ["AccountModel", "AccountRows", "HeldOut", "fit_account", "forecast_account", "read_rows"]

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Errors on the account's later posts, forecast from its earlier ones; |difference| of log(1 + count)."""

    n: int  # posts forecast
    mae_log: float  # of the model
    mae_log_median: float  # of the account's median of earlier posts
    gain: float  # mae_log_median - mae_log; above 0: the model is nearer
    gain_ci: tuple[float, float]  # 90 % interval of the gain (Diebold and Mariano 1995, Harvey et al. 1997)


@dataclass(frozen=True, slots=True)
class AccountModel:
    """A fitted account; `forecast_account` applies it."""

    n_posts: int  # posts it was fitted on
    timed: bool  # False: times were missing, so that "earlier" means the given order
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
    def note(self) -> str:
        """One sentence for people: what it was fitted on, and whether it is better than the account's median."""
        order = "" if self.timed else "; posts have no dates, so the given order stands for time"
        verdict = "better than your median" if self.better_than_median else "no better than your median"
        seen = self.held_out
        errors = f"error {seen.mae_log:.3f} against {seen.mae_log_median:.3f} on {seen.n} later posts"
        return f"model of {self.n_posts} own posts: {verdict} ({errors}, log scale){order}"


# --- forecasting ----------------------------------------------------------------------------------------------------


def forecast_account(model: AccountModel, rows: AccountRows) -> Float:
    """(N, 3) log(1 + count): lower, median, upper of a 90 % interval, never out of order or below 0."""
    middle = model.level + model.space.design(rows) @ model.weights
    found = np.stack([middle - model.half_width, middle, middle + model.half_width], axis=1)
    return np.asarray(np.maximum(found, 0.0))


# --- fitting --------------------------------------------------------------------------------------------------------


def fit_account(rows: AccountRows, counts: Float, *, times_s: Float | None = None) -> AccountModel | None:
    """Fit one account; None with fewer than MIN_POSTS usable posts.

    counts: (N,), NaN or negative where hidden, which are left out. times_s: (N,) seconds; the order of rows does not
    matter then. Without times, or with fewer than MIN_POSTS of them, the given order stands for time (`timed` False).
    Raises `ShapeError` on unequal lengths.
    """
    order, timed = _order(rows, np.asarray(counts, np.float64), times_s)
    if len(order) < MIN_POSTS:
        return None
    order = order[-MAX_POSTS:]
    own, y = rows.take(order), np.log1p(np.asarray(counts, np.float64)[order])
    model_error, level_error = _held_out_errors(own, y, timed=timed)
    space = learn_space(own)
    x, target = space.design(own), y - _levels(y, timed=timed)
    penalty = _choose_penalty(x, y, timed=timed)
    return AccountModel(
        n_posts=len(y),
        timed=timed,
        level=_level(y, timed=timed),
        half_width=_half_width(model_error),
        penalty=penalty,
        held_out=_compare(np.abs(model_error), np.abs(level_error)),
        space=space,
        weights=_ridge(x, target, penalty),
    )


def _order(rows: AccountRows, counts: Float, times_s: Float | None) -> tuple[Rows, bool]:
    """Usable rows from the earliest to the latest, and whether by time; content breaks ties."""
    times = np.full(len(rows), np.nan) if times_s is None else np.asarray(times_s, np.float64)
    if counts.shape != (len(rows),) or times.shape != (len(rows),):
        raise ShapeError(f"counts and times_s must have shape ({len(rows)},), got {counts.shape} and {times.shape}")
    usable = np.isfinite(counts) & (counts >= 0)
    dated = usable & np.isfinite(times)
    if dated.sum() < MIN_POSTS:
        return np.flatnonzero(usable), False
    content = np.nan_to_num(np.hstack([rows.vectors.astype(np.float64), rows.extras])).sum(1)
    found = np.lexsort((content, counts, times))
    return found[dated[found]], True


def _level(y: Float, *, timed: bool) -> float:
    return float(np.median(y[-LEVEL_POSTS:] if timed else y))


def _levels(y: Float, *, timed: bool) -> Float:
    """(n,) the level before each post; the first posts share that of the first ten."""
    if not timed:
        return np.full(len(y), np.median(y))
    first = 10
    rest = [_level(y[:i], timed=True) for i in range(first, len(y))]
    return np.array([float(np.median(y[:first]))] * min(first, len(y)) + rest)


def _blocks(n: int) -> list[tuple[int, int]]:
    """(start, stop) of the posts forecast in turn from all before them."""
    edges = np.linspace(int(n * FIRST_SHARE), n, N_BLOCKS + 1).astype(int).tolist()
    return [(start, stop) for start, stop in pairwise(edges) if stop > start]


def _held_out_errors(rows: AccountRows, y: Float, *, timed: bool) -> tuple[Float, Float]:
    """(m,) errors of model and of level; principal components, scales and penalty from the earlier posts alone."""
    model, level = [], []
    for start, stop in _blocks(len(y)):
        past, later = rows.take(np.arange(start)), rows.take(np.arange(start, stop))
        space = learn_space(past)
        x, target = space.design(past), y[:start] - _levels(y[:start], timed=timed)
        weights = _ridge(x, target, _choose_penalty(x, y[:start], timed=timed))
        left = y[start:stop] - _level(y[:start], timed=timed)
        level.append(left)
        model.append(left - space.design(later) @ weights)
    return np.concatenate(model), np.concatenate(level)


def _ridge(x: Float, target: Float, penalty: float) -> Float:
    if math.isinf(penalty):
        return np.zeros(x.shape[1])
    return np.asarray(np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ target))


def _choose_penalty(x: Float, y: Float, *, timed: bool) -> float:
    """The penalty with the lowest error on later posts; of equals the largest."""
    target = y - _levels(y, timed=timed)
    sums = np.zeros(len(PENALTIES))
    for start, stop in _blocks(len(y)):
        left = y[start:stop] - _level(y[:start], timed=timed)
        sums += [np.abs(left - x[start:stop] @ _ridge(x[:start], target[:start], p)).sum() for p in PENALTIES]
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
