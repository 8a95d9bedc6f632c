"""Attribute probabilities and truths to scores by label, and to thresholds for frequencies met in the wild."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from postlens.errors import NotEnoughDataError, ShapeError
from postlens.tasks.scoring import score_binary
from postlens.types import ATTRIBUTES

Float = NDArray[np.float64]
GAP_EDGE = 0.05  # of a gap between probabilities that a threshold keeps off, so that it does not sit on a sample
TINY = 1e-7  # float32 probabilities nearer to 0 or 1 have no log-odds worth shifting


def score_attributes(
    probs: ArrayLike,
    truth: ArrayLike,
    *,
    thresholds: Mapping[str, float],
    rng: np.random.Generator,
    groups: ArrayLike | None = None,
) -> dict[str, dict[str, Any]]:
    """Per label n, n_pos, auc, f1, precision and recall with intervals, as `scoring.score_binary` gives them.

    Its calibration error is left out: the probabilities are made for other label frequencies than collections have.
    probs (N, 6) and truth (N, 6) in the order of ATTRIBUTES, truth 0, 1 or NaN where unknown: such rows are left out
    of that label's scores. `groups` (N,) are drawn whole by the bootstrap. Raises `ShapeError` on unequal shapes.
    """
    p, t = np.asarray(probs, np.float64), np.asarray(truth, np.float64)
    if p.shape != t.shape or p.ndim != 2 or p.shape[1] != len(ATTRIBUTES):
        raise ShapeError(f"probs and truth must have shape (N, {len(ATTRIBUTES)}), got {p.shape} and {t.shape}")
    group = np.arange(len(p)) if groups is None else np.asarray(groups)
    known = ~np.isnan(t)
    tables = {}
    for k, label in enumerate(ATTRIBUTES):
        rows = known[:, k]
        table = score_binary(p[rows, k], t[rows, k] > 0, threshold=thresholds[label], rng=rng, groups=group[rows])
        tables[label] = {name: value for name, value in table.items() if not name.startswith("ece")}
    return tables


def prior_weights(positive: ArrayLike, *, prior: float) -> Float:
    """Weights (N,), summing to 1, under which a share `prior` of the rows is positive.

    The correction for label frequencies that differ between a collection and the wild while the classes look alike
    (Saerens et al. 2002, label shift). Raises `NotEnoughDataError` unless both classes occur.
    """
    truth = np.asarray(positive, bool)
    if truth.all() or not truth.any():
        raise NotEnoughDataError(f"expected positive and negative rows, got {truth.sum()} of {len(truth)} positive")
    return np.asarray(np.where(truth, prior / truth.sum(), (1 - prior) / (~truth).sum()), np.float64)


def pick_threshold(probs: ArrayLike, positive: ArrayLike, *, prior: float) -> float:
    """The threshold with the highest F1 when a share `prior` of the faces is positive.

    Halfway between neighbouring probabilities, so that it does not sit on a sample; the highest of equally good ones.
    Raises `NotEnoughDataError` unless both classes occur.
    """
    low, high, _ = _best_cut(probs, positive, prior=prior)
    return (low + high) / 2


def pick_calibrated_threshold(probs: ArrayLike, positive: ArrayLike, *, prior: float) -> float:
    """As `pick_threshold`, but within the gap where calibrated probabilities ask for it: near half of the best F1.

    That half is the best threshold for F1 (Lipton et al. 2014, arXiv:1402.1892). Where the images are parted without
    error, every place in the gap has the same F1 on them, and the rarer the label, the nearer to the positives this is.
    Raises `NotEnoughDataError` unless both classes occur.
    """
    low, high, f1 = _best_cut(probs, positive, prior=prior)
    edge = GAP_EDGE * (high - low)
    return float(np.clip(f1 / 2, low + edge, high - edge))


def shift_log_odds(probs: ArrayLike, by: float) -> Float:
    """Probabilities with this added to their log-odds: what another label frequency makes of them (Saerens 2002)."""
    p = np.clip(np.asarray(probs, np.float64), TINY, 1 - TINY)
    return np.asarray(1 / (1 + (1 - p) / p * np.exp(-by)), np.float64)


def log_odds(share: float) -> float:
    """ln(share / (1 - share)) of a share in (0, 1)."""
    return float(np.log(share / (1 - share)))


def _best_cut(probs: ArrayLike, positive: ArrayLike, *, prior: float) -> tuple[float, float, float]:
    """The neighbouring probabilities between which a threshold has the highest F1, and that F1."""
    p, truth = np.asarray(probs, np.float64), np.asarray(positive, bool)
    weights = prior_weights(truth, prior=prior)
    order = np.argsort(-p, kind="stable")
    hits, called = np.cumsum((weights * truth)[order]), np.cumsum(weights[order])
    ranked = p[order]
    ends = np.flatnonzero(np.diff(ranked, append=-1.0))  # a threshold cannot part equal probabilities
    scores = 2 * hits[ends] / (called[ends] + prior)
    best = ends[np.argmax(scores)]
    following = ranked[best + 1] if best + 1 < len(p) else 0.0
    return float(following), float(ranked[best]), float(scores.max())
