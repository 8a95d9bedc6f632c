"""Quantile forecasts of accounts held out to margins that make the interval cover nine of ten.

Conformalised quantile regression (Romano et al. 2019, arXiv:1905.03222), with margins across folds (Barber et al. 2021,
arXiv:1905.02928): by size of account, and by the scatter of the earlier posts where there are MIN_HISTORY or more, as
locally weighted conformal prediction scales them (Lei et al. 2018, arXiv:1604.04173). These posts are of one collection
of large accounts. So that accounts unlike them are covered too, the interval there is never narrower than that of the
next of n normal values (Student's t), whatever the margins are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from postlens.tasks.engagement.evaluate import SIZES
from postlens.tasks.engagement.features import FEATURES
from postlens.tasks.engagement.predict import COVERAGE, MIN_HISTORY
from postlens.train.engagement_trees import float32_below, split, step_tree

# Of log(1 + followers) between bands; below 1k and 1k-10k share one, since the collection has nobody below 1k.
BAND_EDGES = tuple(float(np.log1p(edge)) for edge in list(SIZES.values())[2:])
N_SIZES = len(BAND_EDGES) + 1
# Of the standard deviation of log counts, where there are MIN_HISTORY posts: fifths of the posts of 2017, to 0.05.
SPREAD_EDGES = (0.2, 0.25, 0.3, 0.45)
N_SPREADS = len(SPREAD_EDGES) + 1
N_BANDS = 2 * N_SIZES + N_SPREADS  # sizes without earlier posts, sizes with 1 to 4, and spreads with MIN_HISTORY
MIN_BAND = 100  # rows of a band with a margin of its own; of fewer the 90 % quantile is uncertain by 5 % and more
SOME_EDGE = float(np.log1p(0.5))  # of n_earlier
WARM_EDGE = float(np.log1p(MIN_HISTORY - 0.5))  # of n_earlier
# The least width is a tree: one value from each of these numbers of posts on, and for each step of the spread.
LEAST_FROM = (5, 6, 7, 8, 10, 12, 15, 20, 30)
LEAST_STEP, LEAST_STEPS = 0.05, 30  # finer than any interval is told; of 1.5 and more the interval is a factor of 14
FOLLOWERS, N_EARLIER, SPREAD = (FEATURES.index(name) for name in ("log_followers", "n_earlier", "spread"))
Float = NDArray[np.float64]


def margin_band(x: NDArray[np.float32]) -> NDArray[np.int64]:
    """(N,) band of a row's margin: by followers without and with a few earlier posts, by spread of MIN_HISTORY."""
    size, spread = (_step(x[:, FOLLOWERS], BAND_EDGES), _step(x[:, SPREAD], SPREAD_EDGES) + 2 * N_SIZES)
    n_earlier = x[:, N_EARLIER]
    return np.where(n_earlier > WARM_EDGE, spread, np.where(n_earlier > SOME_EDGE, size + N_SIZES, size))


def least_half(x: NDArray[np.float32]) -> Float:
    """(N,) how far both ends are from the median at least; 0 with fewer than MIN_HISTORY earlier posts."""
    values, n_earlier = _least_values(), x[:, N_EARLIER]
    posts = np.maximum(_step(n_earlier, _least_edges()), 0)
    found = values[posts, _step(x[:, SPREAD], _spread_steps())]
    return np.where(n_earlier > WARM_EDGE, found, 0.0)


def least_tree() -> dict[str, Any]:
    """`least_half` as a tree over the features."""
    by_posts = [step_tree(SPREAD, _spread_steps(), row.tolist()) for row in _least_values()]
    tree = by_posts[-1]
    for edge, lower in zip(_least_edges()[::-1], by_posts[-2::-1], strict=True):
        tree = split(N_EARLIER, edge, lower, tree)
    return split(N_EARLIER, WARM_EDGE, {"leaf_value": 0.0}, tree)


def _least_values() -> Float:
    """(posts, steps of the spread): t times the spread times sqrt(1 + 1 / n), at the middle of the step."""
    from scipy.special import stdtrit

    n = np.array(LEAST_FROM, np.float64)[:, None]
    middle = (np.arange(LEAST_STEPS) + 0.5) * LEAST_STEP
    return np.asarray(stdtrit(n - 1, (1 + COVERAGE) / 2) * np.sqrt(1 + 1 / n) * middle)


def _least_edges() -> tuple[float, ...]:
    return tuple(float(np.log1p(n - 0.5)) for n in LEAST_FROM[1:])


def _spread_steps() -> tuple[float, ...]:
    return tuple(float32_below(LEAST_STEP * i) for i in range(1, LEAST_STEPS))


def _step(values: NDArray[np.float32], edges: tuple[float, ...]) -> NDArray[np.int64]:
    """Place among the edges, as `step_tree` finds it: values on an edge below it, NaN last."""
    return np.searchsorted(edges, np.nan_to_num(values, nan=np.inf), side="left")


def margins(bounds: Float, y: Float, band: NDArray[np.int64]) -> Float:
    """(N_BANDS,) by how much both ends must move out (or in) so that nine of ten counts lie inside.

    bounds: (N, 3); rows without a forecast are left out. A band of fewer than MIN_BAND rows has the margin of all rows.
    """
    excess = np.maximum(bounds[:, 0] - y, y - bounds[:, 2])
    known = ~np.isnan(excess)
    found = [excess[known & (band == i)] for i in range(N_BANDS)]
    return np.array([_quantile(own if len(own) >= MIN_BAND else excess[known]) for own in found])


def _quantile(excess: Float) -> float:
    n = len(excess)
    return float(np.quantile(excess, min(1.0, COVERAGE * (n + 1) / n))) if n else 0.0


def margin_tree(values: Float) -> dict[str, Any]:
    """The margins as a tree over the features."""
    none, some = (step_tree(FOLLOWERS, BAND_EDGES, part.tolist()) for part in np.split(values[: 2 * N_SIZES], 2))
    warm = step_tree(SPREAD, SPREAD_EDGES, values[2 * N_SIZES :].tolist())
    return split(N_EARLIER, WARM_EDGE, split(N_EARLIER, SOME_EDGE, none, some), warm)


def widened(bounds: Float, by: Float, least: Float) -> Float:
    """Bounds (N, 3) with margins (N,) applied, `least` (N,) from the median or more, never below 0, as served."""
    lower, middle, upper = bounds.T
    rows = np.stack([np.minimum(lower - by, middle - least), middle, np.maximum(upper + by, middle + least)], axis=1)
    return np.asarray(np.maximum(rows, 0.0))
