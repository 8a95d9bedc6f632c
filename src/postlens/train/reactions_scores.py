"""Probabilities of emotions and what is known of them to scores: F1 in three means, by emotion, mAP, calibration error.

Of each emotion only the images count of which it is known. Intervals: 95 % bootstrap of whole groups (`scoring`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from postlens.tasks.scoring import bootstrap_interval, expected_calibration_error, plain_interval, plain_number

# Resamples of the intervals: 200 leave the ends of an interval within about a tenth of its width, and cost 0.1 s for
# 1,000 images; the means over emotions are computed anew for each.
N_RESAMPLES = 200

Float = NDArray[np.float64]


def score_emotions(
    probs: ArrayLike,
    truth: ArrayLike,
    *,
    labels: Sequence[str],
    thresholds: Mapping[str, float],
    groups: Sequence[str],
    rng: np.random.Generator,
) -> dict[str, Any]:
    """JSON-ready table: n, macro_f1, micro_f1, weighted_f1, map, ece, each with `<name>_ci`, and per_class.

    Args:
        probs: (N, K) in the order of labels.
        truth: (N, K) 1, 0, or NaN where not known.
        thresholds: from which probability on an emotion counts as named.
        groups: (N,) what the bootstrap draws whole.

    An emotion without a positive image has no F1 and does not count in the macro mean. weighted_f1: emotions weigh by
    their positive images. Undefined scores are None.
    """
    p, t = np.asarray(probs, np.float64), np.asarray(truth, np.float64)
    limits = np.array([thresholds[name] for name in labels])
    columns = np.concatenate([p, t], axis=1)

    def scores(rows: Float) -> dict[str, float]:
        return _means(rows[:, : len(labels)], rows[:, len(labels) :], limits)

    table: dict[str, Any] = {"n": len(p)}
    for name, value in scores(columns).items():
        table[name] = plain_number(value)
        drawn = bootstrap_interval(
            lambda rows, name=name: scores(rows)[name], columns, groups=_numbers(groups), n=N_RESAMPLES, rng=rng
        )
        table[f"{name}_ci"] = plain_interval(drawn)
    table["per_class"] = {name: _one(p[:, k], t[:, k], limits[k]) for k, name in enumerate(labels)}
    return table


def average_precision(scores: ArrayLike, positive: ArrayLike) -> float:
    """Area under precision over recall, as steps: the mean precision at each positive; NaN without one.

    Equal scores are one step, so that their order does not matter.
    """
    s, truth = np.asarray(scores, np.float64), np.asarray(positive, bool)
    if not truth.any():
        return float("nan")
    order = np.argsort(-s, kind="stable")
    ends = np.flatnonzero(np.diff(s[order], append=-np.inf))
    hits = np.cumsum(truth[order])[ends]
    gained = np.diff(hits, prepend=0)
    return float((gained * hits / (ends + 1)).sum() / truth.sum())


def epoch_scores(logits: NDArray[Any], truth: NDArray[Any], labels: Sequence[str]) -> dict[str, float]:
    """Of the validation images of an epoch: micro-F1 at .5, mAP, and by emotion the average precision; 0 for none."""
    columns = [_known(np.asarray(logits[:, k], np.float64), truth[:, k]) for k in range(len(labels))]
    precisions = {name: average_precision(s, t) for name, (s, t) in zip(labels, columns, strict=True)}
    hits, said, there = (sum(c) for c in zip(*(_counts(s > 0, t) for s, t in columns), strict=True))
    known = [value for value in precisions.values() if not np.isnan(value)]
    return {
        "val_micro_f1": 2 * hits / max(said + there, 1),
        "val_map": float(np.mean(known)) if known else 0.0,
        **{f"val_ap_{name}": float(np.nan_to_num(value)) for name, value in precisions.items()},
    }


def _means(probs: Float, truth: Float, limits: Float) -> dict[str, float]:
    columns = [_known(probs[:, k], truth[:, k]) for k in range(probs.shape[1])]
    counts = np.array([_counts(p >= limit, t) for (p, t), limit in zip(columns, limits, strict=True)], np.float64)
    hits, said, there = counts.T
    f1 = 2 * hits / np.maximum(said + there, 1)
    scored = there > 0
    with_any = np.concatenate([p for p, _ in columns]), np.concatenate([t for _, t in columns])
    return {
        "macro_f1": float(f1[scored].mean()) if scored.any() else float("nan"),
        "micro_f1": float(2 * hits.sum() / max((said + there).sum(), 1)),
        "weighted_f1": float((f1 * there).sum() / there.sum()) if there.any() else float("nan"),
        "map": _mean([average_precision(p, t) for p, t in columns]),
        "ece": expected_calibration_error(*with_any),
    }


def _one(probs: Float, truth: Float, limit: float) -> dict[str, Any]:
    p, t = _known(probs, truth)
    hits, said, there = _counts(p >= limit, t)
    return {
        "n": len(t),
        "n_positive": there,
        "precision": plain_number(hits / said if said else float("nan")),
        "recall": plain_number(hits / there if there else float("nan")),
        "f1": plain_number(2 * hits / (said + there) if there else float("nan")),
        "average_precision": plain_number(average_precision(p, t)),
        "ece": plain_number(expected_calibration_error(p, t)),
        "threshold": round(float(limit), 4),
    }


def _known(values: Float, truth: NDArray[Any]) -> tuple[Float, NDArray[np.bool_]]:
    """Values and truth of the images of which it is known."""
    known = ~np.isnan(truth)
    return values[known], truth[known] > 0


def _counts(named: NDArray[np.bool_], truth: NDArray[np.bool_]) -> tuple[int, int, int]:
    """Named rightly, named, there."""
    return int((named & truth).sum()), int(named.sum()), int(truth.sum())


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def _numbers(groups: Sequence[str]) -> NDArray[np.int64]:
    return np.asarray(np.unique(np.asarray(groups, dtype=object), return_inverse=True)[1], np.int64)
