"""Vectors and labels to one logistic regression per label, with probabilities and thresholds from held-out folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from postlens.tasks.products.evaluate import log_odds, pick_calibrated_threshold, prior_weights
from postlens.tasks.scoring import roc_auc
from postlens.types import FloatArray, IntArray

# Squared penalties tried for each label, for vectors scaled to about unit length. Stronger: less bound to the images.
PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2, 3e-2, 1e-1)
MAX_ITERATIONS = 100  # the held-out scores no longer change; fewer stop short of the smallest penalties
SPREAD = 0.05  # added to the standard deviations: features that hardly move do not become noise
LEAST_SLOPE = 0.05  # of the calibration, so that the order never turns

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Linear:
    """Standardisation and weights after the root: logits (N, K) = (root(x) - mean) / scale @ weight + bias."""

    mean: FloatArray  # (D,)
    scale: FloatArray  # (D,)
    weight: Float  # (D, K)
    bias: Float  # (K,)

    def logits(self, roots: FloatArray) -> Float:
        """(N, K) from `root` of vectors (N, D)."""
        return np.asarray(((roots - self.mean) / self.scale) @ self.weight + self.bias, np.float64)


@dataclass(frozen=True, slots=True)
class Scale:
    """What turns one label's logit into a probability and an answer."""

    penalty: int  # position in PENALTIES
    slope: float
    offset: float
    threshold: float

    def prob(self, logit: Float) -> Float:
        """(N,) calibrated probabilities."""
        return sigmoid(self.slope * logit + self.offset)


@dataclass(frozen=True, slots=True)
class Heads:
    """The finished heads, and what they answered for images that they had not seen."""

    linear: Linear
    scales: tuple[Scale, ...]  # by label
    probs: Float  # (N, K) out of fold, calibrated on the other folds; of rows held out by the finished heads
    thresholds: Float  # (N, K) that each probability is compared with

    def predict(self, roots: FloatArray) -> Float:
        """(N, K) probabilities by the finished heads."""
        logits = self.linear.logits(roots)
        return np.stack([scale.prob(logits[:, k]) for k, scale in enumerate(self.scales)], axis=1)


def root(vectors: FloatArray) -> FloatArray:
    """The square root with the sign kept: tames large activations (docs/log/products.md)."""
    return np.asarray(np.sign(vectors) * np.sqrt(np.abs(vectors)), np.float32)


def fit_heads(
    vectors: FloatArray, truth: FloatArray, folds: IntArray, *, labels: Sequence[str], priors: Mapping[str, float]
) -> Heads:
    """Heads over vectors (N, D) for truth (N, K) of 1, 0 or NaN; folds (N,) with -1 for rows that are only scored.

    Every image of a fold is answered by heads trained without the fold, with the penalty, calibration and threshold
    that the other folds ask for: the scores are of images that nothing was chosen on. The finished heads are trained
    on all folds. priors: share of images with a label in the wild; default: as in the images.
    """
    roots, seen = root(vectors), np.flatnonzero(folds >= 0)
    grid = held_out_logits(roots, truth, folds)
    wild = [priors.get(label, _share(truth[seen, k])) for k, label in enumerate(labels)]
    probs, thresholds = np.full(truth.shape, np.nan), np.full(truth.shape, np.nan)
    for fold in range(int(folds.max()) + 1):
        own, others = np.flatnonzero(folds == fold), np.flatnonzero((folds >= 0) & (folds != fold))
        for k, scale in enumerate(_scales(grid[:, others], truth[others], wild)):
            probs[own, k] = scale.prob(grid[scale.penalty, own, k])
            thresholds[own, k] = scale.threshold
    scales = _scales(grid[:, seen], truth[seen], wild)
    linear = fit(roots[seen], truth[seen], [PENALTIES[scale.penalty] for scale in scales])
    heads = Heads(linear, scales, probs, thresholds)
    rest = np.flatnonzero(folds < 0)
    if len(rest):
        probs[rest], thresholds[rest] = heads.predict(roots[rest]), [scale.threshold for scale in scales]
    return heads


def held_out_logits(roots: FloatArray, truth: FloatArray, folds: IntArray) -> Float:
    """(P, N, K) logits by penalty, of each row by heads that did not see its fold; NaN for rows in none."""
    n_labels, n_penalties = truth.shape[1], len(PENALTIES)
    out = np.full((n_penalties, *truth.shape), np.nan)
    for fold in range(int(folds.max()) + 1):
        train, test = np.flatnonzero((folds >= 0) & (folds != fold)), np.flatnonzero(folds == fold)
        model = fit(roots[train], np.tile(truth[train], n_penalties), [p for p in PENALTIES for _ in range(n_labels)])
        out[:, test] = model.logits(roots[test]).reshape(len(test), n_penalties, n_labels).transpose(1, 0, 2)
    return out


def fit(roots: FloatArray, truth: FloatArray, penalties: Sequence[float]) -> Linear:
    """One logistic regression per column of truth (N, K), each with its own squared penalty; NaN counts for nothing.

    Where there are fewer rows than dimensions the rows' own span is searched: the penalty makes the rest zero.
    """
    from scipy.optimize import minimize

    mean = roots.mean(axis=0)
    scale = (roots.std(axis=0) + SPREAD) * np.float32(np.sqrt(roots.shape[1]))
    x, basis = _spanned((roots - mean) / scale)
    known = ~np.isnan(truth)
    weights, target = (known / np.maximum(known.sum(axis=0), 1)).astype(np.float32), np.nan_to_num(truth)
    unit = 1 / np.sqrt(np.asarray(penalties, np.float32))  # solved in units of the penalty: better conditioned

    def loss(flat: Float) -> tuple[float, Float]:
        w = flat.reshape(-1, truth.shape[1]).astype(np.float32)
        z = x @ (w[:-1] * unit) + w[-1]
        rest = weights * (sigmoid(z) - target)
        value = float((weights * (np.logaddexp(0, z) - target * z)).sum() + 0.5 * (w[:-1] ** 2).sum())
        return value, np.concatenate([(x.T @ rest) * unit + w[:-1], rest.sum(0, keepdims=True)]).ravel().astype(float)

    start = np.zeros((x.shape[1] + 1) * truth.shape[1])
    w = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": MAX_ITERATIONS}).x
    w = w.reshape(-1, truth.shape[1])
    weight = w[:-1] * unit
    return Linear(mean, scale, weight=weight if basis is None else basis @ weight, bias=w[-1])


def sigmoid(z: NDArray[np.floating]) -> Float:
    """1 / (1 + exp(-z)) without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * z)))


def auc_error(auc: float, *, n_pos: int, n_neg: int) -> float:
    """Standard error of an AUC (Hanley and McNeil 1982)."""
    both_pos, both_neg = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (n_pos - 1) * (both_pos - auc**2) + (n_neg - 1) * (both_neg - auc**2)
    return float(np.sqrt(max(variance, 0) / (n_pos * n_neg)))


def _spanned(x: FloatArray) -> tuple[FloatArray, FloatArray | None]:
    """(N, N) coordinates and basis (D, N) of rows (N, D) where N is well below D, else the rows themselves."""
    if 2 * len(x) > x.shape[1]:
        return x, None
    _, _, basis = np.linalg.svd(x, full_matrices=False)
    return x @ basis.T, basis.T


def _share(truth: FloatArray) -> float:
    return float(np.nanmean(truth))


def _scales(grid: Float, truth: FloatArray, priors: Sequence[float]) -> tuple[Scale, ...]:
    """Penalty, calibration and threshold of each label from held-out logits (P, N, K)."""
    return tuple(_scale(grid[:, :, k], truth[:, k], prior) for k, prior in enumerate(priors))


def _scale(grid: Float, truth: FloatArray, prior: float) -> Scale:
    known = ~np.isnan(truth)
    logits, positive = grid[:, known], truth[known] > 0
    penalty = _penalty(logits, positive)
    share = float(positive.mean())
    slope, offset = fit_platt(logits[penalty], positive, prior=share)
    # Saerens et al. 2002. A fit weighted by the prior leaves classes that are parted without error where they are.
    offset += log_odds(prior) - log_odds(share)
    probs = sigmoid(slope * logits[penalty] + offset)
    return Scale(penalty, slope, offset, pick_calibrated_threshold(probs, positive, prior=prior))


def _penalty(logits: Float, positive: NDArray[np.bool_]) -> int:
    """The strongest whose AUC is within one standard error of the best (Breiman et al. 1984)."""
    auc = np.array([roc_auc(one, positive) for one in logits])
    error = auc_error(float(auc.max()), n_pos=int(positive.sum()), n_neg=int((~positive).sum()))
    return int(np.flatnonzero(auc >= auc.max() - error)[-1])


def fit_platt(logits: Float, positive: NDArray[np.bool_], *, prior: float) -> tuple[float, float]:
    """Slope and offset of Platt 1999, whose targets short of 0 and 1 keep few, well-parted images from certainty.

    prior: share of positives that the probabilities are made for.
    """
    n_pos, n_neg = int(positive.sum()), int((~positive).sum())
    target = np.where(positive, (n_pos + 1) / (n_pos + 2), 1 / (n_neg + 2))
    slopes, offset = fit_slopes(logits[:, None], target, prior_weights(positive, prior=prior))
    return float(slopes[0]), offset


def fit_slopes(logits: Float, target: Float, weights: Float) -> tuple[Float, float]:
    """Slopes (M,), at least LEAST_SLOPE, and offset of the weighted logistic regression of targets (N,) on (N, M)."""
    from scipy.optimize import minimize

    def loss(p: Float) -> tuple[float, Float]:
        z = logits @ p[:-1] + p[-1]
        rest = weights * (sigmoid(z) - target)
        return float((weights * (np.logaddexp(0, z) - target * z)).sum()), np.append(rest @ logits, rest.sum())

    n = logits.shape[1]
    start, bounds = np.append(np.full(n, 1 / n), 0.0), [*[(LEAST_SLOPE, None)] * n, (None, None)]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return np.asarray(found[:-1]), float(found[-1])
