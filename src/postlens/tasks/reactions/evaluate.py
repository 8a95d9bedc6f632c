"""Emotion probabilities and labels to scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from postlens.errors import ShapeError
from postlens.tasks.scoring import (
    average_precision,
    bootstrap_interval,
    expected_calibration_error,
    plain_interval,
    plain_number,
    score_classes,
)
from postlens.types import EMOTIONS

SCORABLE_N = 25  # rows with an emotion: below, its F1 says more about these rows than about the emotion
DRAWS = 500  # of the bootstrap: the ends of an interval then rest on 12 draws each

Float = NDArray[np.float64]


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
    labels: Sequence[str] = EMOTIONS,
    thresholds: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    min_positive: int = SCORABLE_N,
    stand_in: bool = True,
) -> dict[str, Any]:
    """Scores of several emotions for each row, with 95 % intervals under `<name>_ci`.

    Of each emotion only the rows count of which it is known. macro_f1 is the mean over the emotions with at least
    `min_positive` rows, which `scorable` names, weighted_f1 theirs weighted by these rows, micro_f1 of all emotions'
    decisions together, map the mean average precision over the scorable ones; ece the mean over all emotions of the
    expected calibration error of each one's probability. per_emotion has n (rows with it), precision, recall, f1,
    average_precision and ece of each, `None` where it cannot be computed.

    Args:
        probs: (N, K) in the order of labels.
        truth: (N, K), 0, 1 or NaN where not known.
        rng: of the bootstrap.
        labels: K emotions.
        thresholds: (K,) or (N, K): an emotion is detected from its own on; default: the most probable one alone.
        groups: (N,): what the bootstrap draws whole.
        min_positive: rows below which an emotion is not scorable.
        stand_in: the most probable emotion is detected where none reaches its threshold.

    Raises:
        ShapeError: other shapes.
    """
    p, t = np.asarray(probs, np.float64), np.asarray(truth, np.float64)
    if p.shape != t.shape or p.ndim != 2 or p.shape[1] != len(labels):
        raise ShapeError(f"probs and truth must have shape (N, {len(labels)}), got {p.shape} and {t.shape}")
    limits = np.full(len(labels), np.inf) if thresholds is None else np.asarray(thresholds, np.float64)
    found = detect(p, limits) if stand_in else p >= limits
    scorable = np.flatnonzero((t > 0).sum(axis=0) >= max(min_positive, 1))
    table: dict[str, Any] = {"n": len(p), "scorable": [labels[k] for k in scorable.tolist()]}
    for name, score in _scores(scorable).items():
        table[name] = plain_number(score(p, found, t))
        interval = bootstrap_interval(score, p, found, t, groups=groups, n=DRAWS, rng=rng, basic=name == "ece")
        table[f"{name}_ci"] = plain_interval(interval)
    return table | {"per_emotion": {name: _emotion(p[:, k], found[:, k], t[:, k]) for k, name in enumerate(labels)}}


def _scores(scorable: NDArray[np.int64]) -> dict[str, Callable[..., float]]:
    """The scores of probabilities, detections and truth (N, K) each."""
    return {
        "macro_f1": lambda p, f, t: _mean(f_scores(f, t)[scorable]),
        "micro_f1": lambda p, f, t: float(f_scores(f.reshape(-1, 1), t.reshape(-1, 1))[0]),
        "weighted_f1": lambda p, f, t: _mean(f_scores(f, t)[scorable], (t > 0).sum(axis=0)[scorable]),
        "map": lambda p, f, t: _mean(_by_column(average_precision, p, t)[scorable]),
        "ece": lambda p, f, t: _mean(_by_column(expected_calibration_error, p, t)),
    }


def _by_column(score: Callable[..., float], probs: Float, truth: Float) -> Float:
    """(K,) score of each emotion's rows of which it is known."""
    return np.array([score(*known_rows(*column)) for column in zip(probs.T, truth.T, strict=True)])


def known_rows(values: NDArray[Any], truth: ArrayLike) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Values and truth of the rows (N,) whose truth is not NaN."""
    t = np.asarray(truth, np.float64)
    known = ~np.isnan(t)
    return values[known], t[known] > 0


def detect(probs: Float, thresholds: Float) -> NDArray[np.bool_]:
    """(N, 8): at or above the threshold, and the most probable emotion of a row in which none is."""
    found = probs >= thresholds
    rows = np.flatnonzero(~found.any(axis=1))
    found[rows, probs[rows].argmax(axis=1)] = True
    return found


def f_scores(found: NDArray[np.bool_], truth: ArrayLike) -> Float:
    """(K,) F1 of each column, rows of unknown (NaN) truth left out; NaN where neither truth nor detection is left."""
    t = np.asarray(truth, np.float64)
    total = ((found & ~np.isnan(t)).sum(axis=0) + (t > 0).sum(axis=0)).astype(np.float64)
    hits = 2.0 * (found & (t > 0)).sum(axis=0)
    return np.asarray(np.divide(hits, total, out=np.full(len(total), np.nan), where=total > 0))


def are_precise(
    found: NDArray[np.bool_], truth: NDArray[np.bool_], *, sources: ArrayLike, least: float
) -> NDArray[np.bool_]:
    """(T,) whether each of T ways to detect an emotion has the precision `least` wherever that can be told.

    found (N, T), truth (N,), sources (N,): the precision counts of all rows, and of each source with SCORABLE_N true
    rows; a way that detects nothing there is precise.
    """
    source = np.asarray(sources)
    parts = [np.ones(len(truth), bool), *(source == name for name in np.unique(source))]
    parts = [own for i, own in enumerate(parts) if i == 0 or truth[own].sum() >= SCORABLE_N]
    hits, called = (np.array([way[own].sum(axis=0) for own in parts]) for way in (found & truth[:, None], found))
    return np.asarray((hits >= least * called).all(axis=0))


def _emotion(p: Float, found: NDArray[np.bool_], truth: Float) -> dict[str, Any]:
    called, there = known_rows(found, truth)
    hits, n = float((called & there).sum()), int(there.sum())
    values = {
        "precision": hits / called.sum() if called.any() else float("nan"),
        "recall": hits / n if n else float("nan"),
        "f1": float(f_scores(called[:, None], there[:, None])[0]) if n else float("nan"),
        "average_precision": average_precision(*known_rows(p, truth)),
        "ece": expected_calibration_error(*known_rows(p, truth)),
    }
    return {"n": n} | {name: plain_number(value) for name, value in values.items()}


def _mean(values: Float, weights: ArrayLike | None = None) -> float:
    """Without the NaN; NaN when nothing is left."""
    known = ~np.isnan(values)
    share = np.ones(len(values)) if weights is None else np.asarray(weights, np.float64)
    total = share[known].sum()
    return float((values[known] * share[known]).sum() / total) if total > 0 else float("nan")


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
