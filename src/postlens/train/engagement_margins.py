"""Quantile forecasts of accounts held out to margins that make the interval cover nine of ten, by size of account.

Conformalised quantile regression (Romano et al. 2019, arXiv:1905.03222), with margins across folds (Barber et al. 2021,
arXiv:1905.02928).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from postlens.tasks.engagement.evaluate import SIZES
from postlens.tasks.engagement.features import FEATURES
from postlens.tasks.engagement.predict import COVERAGE, MIN_HISTORY
from postlens.train.engagement_trees import split, step_tree

# Of log(1 + followers) between bands; below 1k and 1k-10k share one, since the collection has nobody below 1k.
BAND_EDGES = tuple(float(np.log1p(edge)) for edge in list(SIZES.values())[2:])
N_SIZES = len(BAND_EDGES) + 1
N_BANDS = 2 * N_SIZES + 1  # sizes without earlier posts, sizes with 1 to 4, and one for MIN_HISTORY posts or more
MIN_BAND = 100  # rows of a band with a margin of its own; of fewer the 90 % quantile is uncertain by 5 % and more
SOME_EDGE = float(np.log1p(0.5))  # of n_earlier
WARM_EDGE = float(np.log1p(MIN_HISTORY - 0.5))  # of n_earlier
FOLLOWERS, N_EARLIER = FEATURES.index("log_followers"), FEATURES.index("n_earlier")
Float = NDArray[np.float64]


def margin_band(x: NDArray[np.float32]) -> NDArray[np.int64]:
    """(N,) band of a row's margin: by followers without and with a few earlier posts, one for MIN_HISTORY or more."""
    followers = np.nan_to_num(x[:, FOLLOWERS], nan=np.inf)
    size, n_earlier = np.searchsorted(BAND_EDGES, followers, side="left"), x[:, N_EARLIER]
    return np.where(n_earlier > WARM_EDGE, N_BANDS - 1, np.where(n_earlier > SOME_EDGE, size + N_SIZES, size))


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
    none, some = (step_tree(FOLLOWERS, BAND_EDGES, part.tolist()) for part in (values[:N_SIZES], values[N_SIZES:-1]))
    return split(N_EARLIER, WARM_EDGE, split(N_EARLIER, SOME_EDGE, none, some), {"leaf_value": float(values[-1])})


def widened(bounds: Float, by: Float) -> Float:
    """Bounds (N, 3) with margins (N,) applied, never out of order or below 0, as `run_model` returns them."""
    lower, middle, upper = bounds.T
    rows = np.stack([np.minimum(lower - by, middle), middle, np.maximum(upper + by, middle)], axis=1)
    return np.asarray(np.maximum(rows, 0.0))
