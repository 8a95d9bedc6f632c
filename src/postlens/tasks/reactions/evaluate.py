"""Emotion probabilities and labels to scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from postlens.errors import ShapeError
from postlens.tasks.scoring import bootstrap_interval, plain_interval, plain_number, score_classes
from postlens.types import EMOTIONS


def score_emotions(
    probs: ArrayLike, truth: Sequence[str], *, rng: np.random.Generator, groups: ArrayLike | None = None
) -> dict[str, Any]:
    """n, accuracy, macro_f1, ece and per_class with 95 % intervals, as `scoring.score_classes`.

    probs (N, 8) in the order of EMOTIONS; truth: N labels out of EMOTIONS; groups (N,): what the bootstrap draws whole.
    """
    return score_classes(probs, emotion_indices(truth), labels=EMOTIONS, rng=rng, groups=groups)


def score_ratings(
    predicted: ArrayLike, rated: ArrayLike, *, rng: np.random.Generator, groups: ArrayLike | None = None
) -> dict[str, Any]:
    """valence_r and arousal_r, Pearson's correlations, with 95 % intervals.

    predicted, rated: (N, 2) valence and arousal; NaN where unknown: such rows are left out. `None` below three rows.
    """
    p, t = np.asarray(predicted, np.float64).reshape(-1, 2), np.asarray(rated, np.float64).reshape(-1, 2)
    known = ~np.isnan(p).any(axis=1) & ~np.isnan(t).any(axis=1)
    group = np.arange(len(p)) if groups is None else np.asarray(groups)
    out: dict[str, Any] = {}
    for column, name in enumerate(("valence_r", "arousal_r")):
        x, y = p[known, column], t[known, column]
        out[name] = plain_number(correlation(x, y))
        out[f"{name}_ci"] = plain_interval(bootstrap_interval(correlation, x, y, groups=group[known], rng=rng))
    return out


def correlation(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Pearson's r; NaN below three rows or without variance."""
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])


def emotion_indices(labels: Sequence[str]) -> NDArray[np.int64]:
    """(N,) positions in EMOTIONS. Raises `ShapeError` for a label that is none of them."""
    if unknown := sorted(set(labels) - set(EMOTIONS)):
        raise ShapeError(f"expected labels out of {', '.join(EMOTIONS)}, got {unknown}")
    return np.array([EMOTIONS.index(label) for label in labels], np.int64)
