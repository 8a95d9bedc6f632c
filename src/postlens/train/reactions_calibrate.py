"""Validation logits of several emotions to a temperature, and to a threshold for each emotion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from postlens.tasks.reactions.predict import DEFAULT_THRESHOLD
from postlens.train.calibrate import TEMPERATURES

# Tried as thresholds. Below .05 an emotion would be named for nearly every image, above .9 for hardly any.
THRESHOLDS = np.round(np.arange(0.05, 0.901, 0.05), 2)
# An emotion with fewer positive validation images keeps the default: the best threshold of five is an accident.
MIN_POSITIVE = 5

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class EmotionCalibration:
    """What turns a net's logits into emotions."""

    temperature: float
    thresholds: Mapping[str, float]  # by emotion
    n: int  # images that it rests on

    def probs(self, logits: ArrayLike) -> Float:
        """(N, K) float64: each emotion's own probability; they need not sum to 1."""
        from scipy.special import expit

        return np.asarray(expit(np.asarray(logits, np.float64) / self.temperature))


def calibrate_emotions(logits: ArrayLike, truth: ArrayLike, *, labels: Sequence[str]) -> EmotionCalibration:
    """One temperature for all emotions (Guo et al. 2017, arXiv:1706.04599), and by emotion the threshold of best F1.

    logits, truth (N, K): truth is NaN where not known. Of thresholds that are alike the one nearest to the default is
    taken, as for emotions with fewer than `MIN_POSITIVE` images.
    """
    z, t = np.asarray(logits, np.float64), np.asarray(truth, np.float64)
    temperature = fit_temperature(z, t)
    plain = EmotionCalibration(temperature, {}, len(z))
    probs = plain.probs(z)
    return replace(plain, thresholds={name: choose_threshold(probs[:, k], t[:, k]) for k, name in enumerate(labels)})


def fit_temperature(logits: Float, truth: Float) -> float:
    """The divisor of the logits with the lowest log loss over all that is known; within `TEMPERATURES`.

    1 where nothing is known.
    """
    from scipy.optimize import minimize_scalar

    known = ~np.isnan(truth)
    if not known.any():
        return 1.0
    z, t = logits[known], truth[known]

    def loss(log_temperature: float) -> float:
        scaled = z / np.exp(log_temperature)
        return float((np.logaddexp(0, scaled) - t * scaled).mean())

    low, high = np.log(TEMPERATURES)
    return float(np.exp(minimize_scalar(loss, bounds=(low, high), method="bounded").x))


def choose_threshold(probs: Float, truth: Float) -> float:
    """Of `THRESHOLDS` the one with the best F1, of equals the nearest to the default."""
    known = ~np.isnan(truth)
    p, t = probs[known], truth[known] > 0
    if t.sum() < MIN_POSITIVE:
        return DEFAULT_THRESHOLD
    named = p[:, None] >= THRESHOLDS
    f1 = 2 * (named & t[:, None]).sum(axis=0) / (named.sum(axis=0) + t.sum())
    best = np.flatnonzero(f1 >= f1.max() - 1e-9)
    return float(THRESHOLDS[best[np.abs(THRESHOLDS[best] - DEFAULT_THRESHOLD).argmin()]])
