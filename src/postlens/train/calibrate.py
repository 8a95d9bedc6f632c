"""Validation logits to a temperature and to the probability below which the answer is `other`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from postlens.errors import ShapeError
from postlens.tasks.niche.predict import OTHER, THRESHOLD
from postlens.types import NICHES

# Few validation images that are all right have no best temperature: the log loss falls towards 0 without end. A wider
# range trusts such a set more. Nets trained with label smoothing or mixup lie near 0.5, others between 1 and 3 (Guo).
TEMPERATURES = (0.2, 20.0)
# Tried as thresholds. Beyond 0.5 an answer that is more likely than all others together would be refused.
THRESHOLDS = np.arange(0.0, 0.51, 0.02)
# Macro-F1 is flat below the best threshold: of all that cost at most this much, the highest is taken, so that most of
# what fits no niche becomes other. Higher turns more images into other: fewer wrong niches, more missed ones.
THRESHOLD_COST = 0.002

Float = NDArray[np.float64]
Int = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Calibration:
    """What turns a net's logits into answers."""

    temperature: float = 1.0
    thresholds: Mapping[str, float] = field(default_factory=dict)  # `other_below`, where the classes are the niches
    n: int = 0  # images that it rests on; 0: nothing was held out, probabilities are as the net gives them

    def probs(self, logits: ArrayLike) -> Float:
        """(N, K) probabilities, float64."""
        return softmax(np.asarray(logits, np.float64) / self.temperature)

    def answers(self, probs: ArrayLike) -> Int:
        """(N,) class numbers, `other` where no class is sure enough."""
        return _answers(np.asarray(probs), self.thresholds.get(THRESHOLD, 0.0))


def calibrate(logits: ArrayLike, truth: ArrayLike, *, classes: Sequence[str]) -> Calibration:
    """The temperature, and the threshold if the classes are the nine niches, from validation images.

    logits (N, K) in the order of `classes`, truth (N,) class numbers. Without images nothing is changed: temperature 1,
    threshold 0. Raises `ShapeError` for other shapes.
    """
    z, t = _checked(logits, truth, n_classes=len(classes))
    niches = tuple(classes) == NICHES
    if not len(t):
        return Calibration(thresholds={THRESHOLD: 0.0} if niches else {})
    temperature = fit_temperature(z, t)
    limit = {THRESHOLD: choose_threshold(softmax(z / temperature), t)} if niches else {}
    return Calibration(temperature=temperature, thresholds=limit, n=len(t))


def fit_temperature(logits: ArrayLike, truth: ArrayLike) -> float:
    """The divisor of the logits (N, K) with the lowest log loss (Guo et al. 2017, arXiv:1706.04599), N >= 1."""
    from scipy.optimize import minimize_scalar

    z, t = np.asarray(logits, np.float64), np.asarray(truth, np.int64)

    def loss(log_temperature: float) -> float:
        scaled = z / np.exp(log_temperature)
        top = scaled.max(1)
        return float((np.log(np.exp(scaled - top[:, None]).sum(1)) + top - scaled[np.arange(len(t)), t]).mean())

    low, high = np.log(TEMPERATURES)
    return float(np.exp(minimize_scalar(loss, bounds=(low, high), method="bounded").x))


def choose_threshold(probs: ArrayLike, truth: ArrayLike) -> float:
    """The highest of `THRESHOLDS` whose macro-F1 is within `THRESHOLD_COST` of the best; columns are `NICHES`."""
    p, t = np.asarray(probs, np.float64), np.asarray(truth, np.int64)
    scores = np.array([_macro_f1(_answers(p, limit), t) for limit in THRESHOLDS])
    return float(round(THRESHOLDS[scores >= scores.max() - THRESHOLD_COST].max(), 2))


def softmax(logits: Float) -> Float:
    """Rows to probabilities."""
    e = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(e / e.sum(1, keepdims=True))


def _answers(probs: Float, threshold: float) -> Int:
    if not threshold:
        return np.asarray(probs.argmax(1), np.int64)
    return np.where(probs.max(1) < threshold, NICHES.index(OTHER), probs.argmax(1)).astype(np.int64)


def _macro_f1(answers: Int, truth: Int) -> float:
    """Mean F1 over the niches that occur in truth."""
    k = len(NICHES)
    table = np.bincount(truth * k + answers, minlength=k * k).reshape(k, k)
    true = table.sum(1)
    f1 = 2 * np.diag(table) / np.maximum(true + table.sum(0), 1)
    return float(f1[true > 0].mean())


def _checked(logits: ArrayLike, truth: ArrayLike, *, n_classes: int) -> tuple[Float, Int]:
    z, t = np.asarray(logits, np.float64), np.asarray(truth, np.int64)
    if z.ndim != 2 or z.shape[1] != n_classes or t.shape != (len(z),):
        raise ShapeError(
            f"logits must have shape (N, {n_classes}), in the order of classes, and truth (N,), "
            f"got {z.shape} and {t.shape}"
        )
    return z, t
