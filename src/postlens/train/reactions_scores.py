"""Probabilities of emotions and what is known of them to the scores of a training, by the scorer of all reactions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from postlens.tasks.reactions.evaluate import f_scores, known_rows, score_reactions
from postlens.tasks.scoring import average_precision


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

    As `score_reactions`, but an emotion is named from its threshold on alone, and one positive image makes it count.

    Args:
        probs: (N, K) in the order of labels.
        truth: (N, K) 1, 0, or NaN where not known.
        thresholds: from which probability on an emotion counts as named.
        groups: (N,) what the bootstrap draws whole.
    """
    t, limits = np.asarray(truth, np.float64), [thresholds[name] for name in labels]
    table = score_reactions(
        probs, t, labels=labels, thresholds=limits, groups=_numbers(groups), rng=rng, min_positive=1, stand_in=False
    )
    per_emotion, n_known = table.pop("per_emotion"), (~np.isnan(t)).sum(axis=0)
    table["per_class"] = {
        name: {**per_emotion[name], "n": int(n), "n_positive": per_emotion[name]["n"], "threshold": round(limit, 4)}
        for name, n, limit in zip(labels, n_known, limits, strict=True)
    }
    return table


def epoch_scores(logits: NDArray[Any], truth: NDArray[Any], labels: Sequence[str]) -> dict[str, float]:
    """Of the validation images of an epoch: micro-F1 at .5, mAP, and by emotion the average precision; 0 for none."""
    columns = zip(labels, np.asarray(logits, np.float64).T, truth.T, strict=True)
    precisions = {name: average_precision(*known_rows(z, t)) for name, z, t in columns}
    known = [value for value in precisions.values() if not np.isnan(value)]
    return {
        "val_micro_f1": float(np.nan_to_num(f_scores((logits > 0).reshape(-1, 1), truth.reshape(-1, 1))[0])),
        "val_map": float(np.mean(known)) if known else 0.0,
        **{f"val_ap_{name}": float(np.nan_to_num(value)) for name, value in precisions.items()},
    }


def _numbers(groups: Sequence[str]) -> NDArray[np.int64]:
    return np.asarray(np.unique(np.asarray(groups, dtype=object), return_inverse=True)[1], np.int64)
