"""Rows of features to three boosted quantile models, and their forecasts for accounts that they were not trained on."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import Field, dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from postlens.tasks.engagement.evaluate import Outcomes
from postlens.train.engagement_margins import least_half, margin_band, margins, widened
from postlens.train.engagement_rows import Table

if TYPE_CHECKING:
    import lightgbm

QUANTILES = {"lower": 0.05, "median": 0.5, "upper": 0.95}
N_FOLDS = 5
# Of the bounds: smaller trees that choose among more features have the smaller quantile loss there.
BOUND: Mapping[str, Any] = {"objective": "quantile", "num_leaves": 12, "feature_fraction": 0.6}
# Huber's loss in the middle: absolute errors are smaller than those of the quantile loss, whose gradient does not tell
# large errors from small ones; beyond an error of 1 it is the absolute error.
OBJECTIVES: Mapping[str, Mapping[str, Any]] = {
    **{name: {**BOUND, "alpha": QUANTILES[name]} for name in ("lower", "upper")},
    "median": {"objective": "huber", "alpha": 1.0},
}
SETTINGS: Mapping[str, Any] = {  # chosen on accounts of four of five folds, the fifth untouched: docs/log/engagement.md
    "learning_rate": 0.06,
    "num_leaves": 24,
    "min_data_in_leaf": 40,
    "feature_fraction": 0.3,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 0,
    "verbose": -1,
}
Float = NDArray[np.float64]
Boosters = Mapping[str, "lightgbm.Booster"]


@dataclass(frozen=True, slots=True)
class Boosting:
    """How the trees are grown. More rounds: nearer to the training posts, larger files, longer."""

    rounds: Mapping[str, int] = field(default_factory=lambda: {"lower": 200, "median": 250, "upper": 200})
    settings: Mapping[str, Any] = field(default_factory=lambda: SETTINGS)
    workers: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))  # boosters grown at a time, a core each


def fit(table: Table, boosting: Boosting, *, hidden: Sequence[int] = ()) -> dict[str, lightgbm.Booster]:
    """A booster for each quantile (pinball loss) of what the anchor leaves over; `hidden` columns are never used.

    Each booster has one thread. LightGBM's own threads wait for each other at every node: with two of them on two cores
    that others used too, five folds of 2,424 posts took 366 s instead of 9 s (docs/log/engagement_cnn.md).
    """
    with ThreadPoolExecutor(max(1, boosting.workers)) as pool:
        grown = pool.map(lambda name: _grow(table, name, boosting, hidden), boosting.rounds)
        return dict(zip(boosting.rounds, grown, strict=True))


def _grow(table: Table, name: str, boosting: Boosting, hidden: Sequence[int]) -> lightgbm.Booster:
    import lightgbm

    x = table.x.copy() if len(hidden) else table.x
    x[:, list(hidden)] = 0.0
    fixed = {**boosting.settings, **OBJECTIVES[name], "num_threads": 1}
    data = lightgbm.Dataset(x, table.y - table.x[:, 0], weight=table.weight, params=fixed)
    return lightgbm.train(fixed, data, boosting.rounds[name])


def predict(booster: lightgbm.Booster, x: NDArray[np.float32], *, hidden: Sequence[int] = ()) -> Float:
    """(N,) log(1 + likes); NaN without an anchor."""
    shown = x.astype(np.float64)
    shown[:, list(hidden)] = 0.0
    if not len(shown):
        return np.zeros(0)
    return np.asarray(booster.predict(shown, num_threads=1) + x[:, 0].astype(np.float64))


def account_folds(n_accounts: int, *, n_folds: int = N_FOLDS) -> NDArray[np.int64]:
    """(A,) fold of every account."""
    return np.random.default_rng(0).permutation(n_accounts) % n_folds


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Forecasts (N, 3) for each view, from models that its accounts were not trained on."""

    raw: Mapping[str, Float]  # as the trees give them
    bounds: Mapping[str, Float]  # widened by margins of the other folds


class Shows(Protocol):
    """Tables of the same posts as fields, one of them `whole`; `engagement_rows.Views` is one."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def whole(self) -> Table:
        """With all that is known, as served."""

    def training(self, accounts: NDArray[np.bool_], *, rng: np.random.Generator) -> Table:
        """The rows to learn from of the accounts marked true."""


def cross_validate(views: Shows, folds: NDArray[np.int64], boosting: Boosting) -> HeldOut:
    """Train on the other folds, forecast each fold in every view; margins from the other folds' whole view."""
    shown: dict[str, Table] = {f.name: getattr(views, f.name) for f in fields(views)}
    fold_of = {name: folds[table.account.astype(int)] for name, table in shown.items()}
    raw = {name: np.full((len(table), 3), np.nan) for name, table in shown.items()}
    for k in range(int(folds.max()) + 1):
        boosters = fit(views.training(folds != k, rng=np.random.default_rng(k)), boosting)
        for view, table in shown.items():
            rows = np.flatnonzero(fold_of[view] == k)
            for column, name in enumerate(QUANTILES):
                raw[view][rows, column] = predict(boosters[name], table.x[rows])
    return HeldOut(raw, with_margins(shown, fold_of, raw))


def with_margins(
    shown: Mapping[str, Table], fold_of: Mapping[str, NDArray[np.int64]], raw: Mapping[str, Float]
) -> dict[str, Float]:
    """The forecasts (N, 3) of each view, widened by margins of the folds that the rows are not in."""
    whole, fold = shown["whole"], fold_of["whole"]
    band, bounds = margin_band(whole.x), {}
    for view, table in shown.items():
        by = np.zeros(len(table))
        for k in range(int(fold.max()) + 1):
            rest, rows = fold != k, fold_of[view] == k
            by[rows] = margins(raw["whole"][rest], whole.y[rest], band[rest])[margin_band(table.x[rows])]
        bounds[view] = widened(raw[view], by, least_half(table.x))
    return bounds


def outcomes_of(table: Table, bounds: Float, blind: Float) -> Outcomes:
    """Columns to score."""
    lower, median, upper = bounds.T
    return Outcomes(table.y, lower, median, upper, blind, table.baseline, table.followers, table.account)
