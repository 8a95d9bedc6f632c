"""Emotion probabilities and labels to scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from postlens.errors import ShapeError
from postlens.tasks.scoring import (
    bootstrap_interval,
    expected_calibration_error,
    plain_interval,
    plain_number,
    score_classes,
)
from postlens.types import EMOTIONS

SCORABLE_N = 25  # rows with an emotion: below, its F1 says more about these rows than about the emotion
DRAWS = 500  # of the bootstrap: the ends of an interval then rest on 12 draws each


def score_emotions(
    probs: ArrayLike, truth: Sequence[str], *, rng: np.random.Generator, groups: ArrayLike | None = None
) -> dict[str, Any]:
    """n, accuracy, macro_f1, ece and per_class with 95 % intervals, as `scoring.score_classes`.

    probs (N, 8) in the order of EMOTIONS; truth: N labels out of EMOTIONS; groups (N,): what the bootstrap draws whole.
    """
    return score_classes(probs, emotion_indices(truth), labels=EMOTIONS, rng=rng, groups=groups)


def score_reactions(
    probs: ArrayLike,
    truth: ArrayLike,
    *,
    rng: np.random.Generator,
    thresholds: ArrayLike | None = None,
    groups: ArrayLike | None = None,
) -> dict[str, Any]:
    """Scores of several emotions for each row, with 95 % intervals under `<name>_ci`.

    macro_f1 is the mean over the emotions with at least SCORABLE_N rows, which `scorable` names, micro_f1 of all
    emotions' decisions together, map the mean average precision over the scorable ones; ece the mean over all emotions
    of the expected calibration error of each one's probability. per_emotion has n (rows with it), precision, recall,
    f1, average_precision and ece of each, `None` where it cannot be computed.

    Args:
        probs: (N, 8) in the order of EMOTIONS.
        truth: (N, 8), 0 or 1.
        rng: of the bootstrap.
        thresholds: (8,) or (N, 8): an emotion is detected from its own on, and the most probable one where none is;
            default: the most probable one alone.
        groups: (N,): what the bootstrap draws whole.

    Raises:
        ShapeError: other shapes.
    """
    p, t = np.asarray(probs, np.float64), np.asarray(truth, np.float64) > 0
    if p.shape != t.shape or p.ndim != 2 or p.shape[1] != len(EMOTIONS):
        raise ShapeError(f"probs and truth must have shape (N, {len(EMOTIONS)}), got {p.shape} and {t.shape}")
    found = detect(p, np.full(len(EMOTIONS), np.inf) if thresholds is None else np.asarray(thresholds, np.float64))
    scorable = np.flatnonzero(t.sum(axis=0) >= SCORABLE_N)
    scores: dict[str, Callable[..., float]] = {
        "macro_f1": lambda p, f, t: _mean(f_scores(f, t)[scorable]),
        "micro_f1": lambda p, f, t: float(f_scores(f.reshape(-1, 1), t.reshape(-1, 1))[0]),
        "map": lambda p, f, t: _mean(np.array([average_precision(p[:, k], t[:, k]) for k in scorable])),
        "ece": lambda p, f, t: _mean(np.array([expected_calibration_error(*c) for c in zip(p.T, t.T, strict=True)])),
    }
    table: dict[str, Any] = {"n": len(p), "scorable": [EMOTIONS[k] for k in scorable]}
    for name, score in scores.items():
        table[name] = plain_number(score(p, found, t))
        table[f"{name}_ci"] = plain_interval(bootstrap_interval(score, p, found, t, groups=groups, n=DRAWS, rng=rng))
    return table | {"per_emotion": {name: _emotion(p[:, k], found[:, k], t[:, k]) for k, name in enumerate(EMOTIONS)}}


def detect(probs: NDArray[np.float64], thresholds: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(N, 8): at or above the threshold, and the most probable emotion of a row in which none is."""
    found = probs >= thresholds
    rows = np.flatnonzero(~found.any(axis=1))
    found[rows, probs[rows].argmax(axis=1)] = True
    return found


def f_scores(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(K,) F1 of each column; NaN where a column has neither truth nor detection."""
    total = (found.sum(axis=0) + truth.sum(axis=0)).astype(np.float64)
    hits = 2.0 * (found & truth).sum(axis=0)
    return np.asarray(np.divide(hits, total, out=np.full(len(total), np.nan), where=total > 0))


def average_precision(scores: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """Mean of the precision at each true row, by falling score; NaN without one."""
    hits = truth[np.argsort(-scores, kind="stable")]
    return _mean((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits])


def _emotion(p: NDArray[np.float64], found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> dict[str, Any]:
    hits, n = float((found & truth).sum()), int(truth.sum())
    values = {
        "precision": hits / found.sum() if found.any() else float("nan"),
        "recall": hits / n if n else float("nan"),
        "f1": float(f_scores(found[:, None], truth[:, None])[0]) if n else float("nan"),
        "average_precision": average_precision(p, truth),
        "ece": expected_calibration_error(p, truth),
    }
    return {"n": n} | {name: plain_number(value) for name, value in values.items()}


def _mean(values: NDArray[np.float64]) -> float:
    """Without the NaN; NaN when nothing is left."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


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
