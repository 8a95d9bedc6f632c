"""Labelled photos as columns to the two heads of the scene, nested; imported by recipes/scene_emotion.py, reactions.py.

Both heads are linear in the square root of the embedding and in two numbers that average, over the classes the encoder
takes the photo for, how pleasant and exciting their names sound (scene_prior.toml). All four views of a photo are rows
of the training; photos labelled by eye weigh less than OASIS's, which many people rated.
"""

from __future__ import annotations

import tomllib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from export_head import ClassMeans
from postlens.tasks.reactions.features import RATINGS
from postlens.types import EMOTIONS, ModelSpec
from postlens.vision.zoo import WEIGHTS
from scene_photos import Photos

PRIOR = Path(__file__).with_name("scene_prior.toml")
K = len(EMOTIONS)
N_OUTER, N_INNER = 10, 5
SET_WEIGHTS = {"oasis": 1.0, "niche": 0.5}  # 0.3 to 1 differ by less than .02 in any correlation
PRIOR_GAIN = 16.0  # of the two class means beside an embedding's number; 5 to 40 differ by less than .005
RIDGE_PENALTIES = (0.5, 1.0, 2.0)
INVERSE_PENALTIES = (0.3, 1.0, 3.0)  # C of the logistic regressions
N_BASIS = 200  # directions of the training rows that the logistic regressions see; the rest hold 10 % of the spread
SHARES = (0.02, 0.98)  # of the rating scale: keeps logits of the highest and lowest ratings finite
PSEUDO_COUNT = 2.0  # of labels added to an emotion's offset in calibration: one photo of five labels is not a rate
Float = NDArray[np.float64]
Int = NDArray[np.int64]


@dataclass(frozen=True)
class Linear:
    """Mean and scale of the widened embeddings, weights (D + 2, K) and bias (K,)."""

    mean: Float
    scale: Float
    weight: Float
    bias: Float

    def logits(self, wide: Float) -> Float:
        """(..., K) from widened embeddings (..., D + 2)."""
        return np.asarray(((wide - self.mean) / self.scale) @ self.weight + self.bias)


@dataclass(frozen=True)
class Scene:
    """Logits of eight emotions and of the shares of the two rating scales, in one row of ten."""

    emotions: Linear
    affect: Linear

    def rows(self, wide: Float) -> Float:
        """(..., 10)."""
        return np.concatenate([self.emotions.logits(wide), self.affect.logits(wide)], axis=-1)


def class_means(spec: ModelSpec) -> ClassMeans:
    """The encoder's own last layer, from its ONNX file, with the pleasantness and excitement of its classes."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(WEIGHTS / spec.file).graph
    values = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    dense = next(node for node in reversed(graph.node) if node.op_type == "Gemm")
    w, b = values[dense.input[1]], values[dense.input[2]]
    w = w if w.shape[0] == spec.dim else w.T
    return ClassMeans.of(w, b, read_prior(w.shape[1]))


def read_prior(n_classes: int) -> Float:
    """(C, 2) valence and arousal of the encoder's classes."""
    table = tomllib.loads(PRIOR.read_text(encoding="utf-8"))
    values = np.tile(np.array(table["others"], np.float64), (n_classes, 1))
    for group in table["groups"]:
        for first, last in group["classes"]:
            values[first : last + 1] = group["valence"], group["arousal"]
    return values


def widen(views: Float, classes: ClassMeans) -> Float:
    """Embeddings (..., D) to their square roots with the two class means (..., D + 2)."""
    flat = views.reshape(-1, views.shape[-1]).astype(np.float64)
    wide = np.concatenate([np.sqrt(np.maximum(flat, 0)), classes.run(flat)], axis=1)
    return wide.reshape(*views.shape[:-1], -1)


# --- one pair of heads ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rows:
    """Standardised training rows, a row for each view, and what belongs to them."""

    mean: Float
    scale: Float
    z: Float  # (R, D + 2)
    weight: Float  # (R,)
    by_eye: Float  # (R,) 1 or 0
    basis: Float  # (D + 2, N_BASIS)

    @classmethod
    def of(cls, wide: Float, photos: Photos) -> Rows:
        """From widened views (N, V, D + 2)."""
        n_views, width = wide.shape[1:]
        flat = wide.reshape(-1, width)
        mean, scale = wide[:, 0].mean(axis=0), (wide[:, 0].std(axis=0) + 1e-3) * np.sqrt(width)
        scale[-2:] /= PRIOR_GAIN
        z = (flat - mean) / scale
        weight = np.repeat(set_weights(photos), n_views) / n_views
        gram = (z * weight[:, None]).T @ z
        basis = eigh(gram, subset_by_index=(width - N_BASIS, width - 1))[1]
        return cls(mean, scale, z, weight, np.repeat(photos.set_name == "niche", n_views).astype(float), basis)


def fit_affect(rows: Rows, rated: Float, penalties: tuple[float, ...]) -> list[Linear]:
    """A ridge regression of the ratings' logits for each penalty; raters by eye have an offset of their own."""
    low, high = RATINGS
    share = np.clip((rated - low) / (high - low), *SHARES)
    target = np.repeat(np.log(share / (1 - share)), len(rows.z) // len(rated), axis=0)
    x = np.column_stack([rows.z, np.ones(len(rows.z)), rows.by_eye])
    gram, right = (x * rows.weight[:, None]).T @ x, (x * rows.weight[:, None]).T @ target
    free = np.r_[np.ones(rows.z.shape[1]), 1e-6, 1e-6]
    found = [np.linalg.solve(gram + np.diag(penalty * free), right) for penalty in penalties]
    return [Linear(rows.mean, rows.scale, w[:-2], w[-2]) for w in found]


def fit_emotions(rows: Rows, labels: Float, penalties: tuple[float, ...]) -> list[Linear]:
    """Logistic regressions for each penalty, one for each emotion, its photos weighing as much as all others."""
    z, truth = rows.z @ rows.basis, np.repeat(labels, len(rows.z) // len(labels), axis=0)
    return [_fit_labels(rows, z, truth, c) for c in penalties]


def _fit_labels(rows: Rows, z: Float, truth: Float, c: float) -> Linear:
    weight, bias = np.zeros((z.shape[1], K)), np.full(K, np.nan)
    for k in range(K):
        t, w = truth[:, k] > 0, rows.weight
        if not t.any():
            bias[k] = -6.0
            continue
        balanced = w * np.where(t, 0.5 / w[t].sum(), 0.5 / w[~t].sum()) * w.sum()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # 200 steps are enough for a held-out score
            model = LogisticRegression(C=c, max_iter=200).fit(z, t, sample_weight=balanced)
        weight[:, k], bias[k] = model.coef_[0], model.intercept_[0]
    return Linear(rows.mean, rows.scale, rows.basis @ weight, bias)


def set_weights(photos: Photos) -> Float:
    """(N,)."""
    return np.array([SET_WEIGHTS[name] for name in photos.set_name])


# --- calibration ----------------------------------------------------------------------------------------------------


def fit_calibration(logits: Float, labels: Float, weight: Float) -> tuple[float, Float]:
    """(slope, offsets (K,)) of least binary cross-entropy: one slope, since few emotions have photos enough for one."""
    w = (weight / weight.sum())[:, None]
    rate = (labels * w).sum(axis=0)
    pull = PSEUDO_COUNT / len(labels)

    def loss(p: Float) -> tuple[float, Float]:
        x = p[0] * logits + p[1:]
        probs = 1 / (1 + np.exp(-x))
        value = (w * (np.logaddexp(0, x) - labels * x)).sum() + pull * ((p[1:] - start[1:]) ** 2).sum()
        rest = w * (probs - labels)
        return float(value), np.r_[(rest * logits).sum(), rest.sum(axis=0) + 2 * pull * (p[1:] - start[1:])]

    start = np.r_[0.5, np.log(np.maximum(rate, 1e-3) / (1 - rate))]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0.02, None), *[(None, None)] * K]).x
    return float(found[0]), found[1:]


def calibrated(model: Linear, slope: float, offsets: Float) -> Linear:
    """The head with its calibration folded in."""
    return replace(model, weight=model.weight * slope, bias=model.bias * slope + offsets)


# --- nested ---------------------------------------------------------------------------------------------------------


def folds(group: NDArray[np.str_], n: int, *, seed: int) -> Iterator[tuple[Int, Int]]:
    """(train, test) rows of n folds that keep groups whole."""
    names, index = np.unique(group, return_inverse=True)
    fold = np.random.default_rng(seed).permutation(np.arange(len(names)) % n)[index]
    for number in range(n):
        yield np.flatnonzero(fold != number), np.flatnonzero(fold == number)


def train_scene(wide: Float, photos: Photos) -> tuple[Scene, Float]:
    """Both heads with penalties and calibration from inner folds, and the (N, 10) rows that these folds held out."""
    grid = [RIDGE_PENALTIES, INVERSE_PENALTIES]
    affect, emotions = (np.zeros((len(penalties), len(photos), k)) for penalties, k in zip(grid, (2, K), strict=True))
    for train, test in folds(photos.group, N_INNER, seed=1):
        rows, own = Rows.of(wide[train], photos[train]), wide[test, 0]
        affect[:, test] = [m.logits(own) for m in fit_affect(rows, photos.rated[train], RIDGE_PENALTIES)]
        emotions[:, test] = [m.logits(own) for m in fit_emotions(rows, photos.labels[train], INVERSE_PENALTIES)]
    weight = set_weights(photos)
    scales = [fit_calibration(z, photos.labels, weight) for z in emotions]
    losses = [_entropy(s * z + b, photos.labels, weight) for z, (s, b) in zip(emotions, scales, strict=True)]
    best, best_ridge = int(np.argmin(losses)), int(np.argmin([_error(z, photos) for z in affect]))
    rows, (slope, offsets) = Rows.of(wide, photos), scales[best]
    heads = fit_emotions(rows, photos.labels, INVERSE_PENALTIES[best : best + 1])
    ratings = fit_affect(rows, photos.rated, RIDGE_PENALTIES[best_ridge : best_ridge + 1])
    scene = Scene(calibrated(heads[0], slope, offsets), ratings[0])
    return scene, np.concatenate([slope * emotions[best] + offsets, affect[best_ridge]], axis=1)


def nested(wide: Float, photos: Photos) -> tuple[Float, Float]:
    """Rows (N_OUTER, N, 10) and, of the outer folds' photos in the mean of their views, (N, 10).

    In layer f the photos of fold f were read by heads that saw none of their themes and sources; the others by heads of
    inner folds: what a model on top of the heads may be trained on, before it is scored on fold f.
    """
    out, averaged = np.zeros((N_OUTER, len(photos), K + 2)), np.zeros((len(photos), K + 2))
    for fold, (train, test) in enumerate(folds(photos.group, N_OUTER, seed=0)):
        scene, out[fold, train] = train_scene(wide[train], photos[train])
        out[fold, test] = scene.rows(wide[test, 0])
        averaged[test] = scene.rows(wide[test, -1])
        print(f"fold {fold + 1} of {N_OUTER}", flush=True)
    return out, averaged


def held_out(layers: Float, photos: Photos) -> Float:
    """(N, 10): of each photo the row that its outer fold brought."""
    rows = np.zeros(layers.shape[1:])
    for fold, (_, test) in enumerate(folds(photos.group, N_OUTER, seed=0)):
        rows[test] = layers[fold, test]
    return rows


def _entropy(logits: Float, labels: Float, weight: Float) -> float:
    return float((weight[:, None] * (np.logaddexp(0, logits) - labels * logits)).sum() / weight.sum())


def _error(logits: Float, photos: Photos) -> float:
    """Of the ratings of OASIS alone: those by eye have another zero."""
    own = photos.set_name == "oasis"
    return float(((to_ratings(logits) - photos.rated)[own] ** 2).mean())


def to_ratings(logits: Float) -> Float:
    """Logits of shares to the raters' scale."""
    return np.asarray(RATINGS[0] + (RATINGS[1] - RATINGS[0]) / (1 + np.exp(-logits)))
