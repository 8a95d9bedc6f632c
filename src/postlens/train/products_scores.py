"""Out-of-fold probabilities to scores of each label, curves, and the images most wrongly answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from postlens.tasks.scoring import (
    average_precision,
    bootstrap_interval,
    plain_interval,
    plain_number,
    score_binary,
    widened,
)
from postlens.train.products_fit import Float
from postlens.types import FloatArray, IntArray

SHARES = ("auc", "ap", "f1", "precision", "recall")  # scores whose best value is 1


class Answered(Protocol):
    """What a model answered for images that it was not trained on."""

    @property
    def probs(self) -> Float:
        """(N, K) probabilities."""

    @property
    def thresholds(self) -> Float:
        """(N, K) that each probability is compared with."""


@dataclass(frozen=True, slots=True)
class LabelScores:
    """One label on images that its head was not trained on."""

    label: str
    rows: IntArray  # (M,) of the images whose truth is known
    positive: NDArray[np.bool_]  # (M,)
    probs: Float  # (M,)
    called: NDArray[np.bool_]  # (M,) at the thresholds that the other folds gave
    table: dict[str, Any]  # n, n_pos, auc, ap, f1, precision, recall, ece with intervals

    @property
    def confusion(self) -> tuple[int, int, int, int]:
        """Right calls, false alarms, misses, right refusals."""
        hits, called, real = int((self.called & self.positive).sum()), int(self.called.sum()), int(self.positive.sum())
        return hits, called - hits, real - hits, len(self.positive) - called - real + hits

    def mistakes(self, n: int) -> tuple[IntArray, IntArray]:
        """Rows of the clearest false alarms and of the clearest misses, at most n each."""
        order = np.argsort(-self.probs, kind="stable")
        wrong = self.called != self.positive
        alarms = order[wrong[order] & self.called[order]][:n]
        misses = order[::-1][wrong[order[::-1]] & self.positive[order[::-1]]][:n]
        return self.rows[alarms], self.rows[misses]


def score_heads(
    heads: Answered,
    truth: FloatArray,
    groups: IntArray,
    rows: IntArray,
    *,
    labels: Sequence[str],
    rng: np.random.Generator,
) -> tuple[LabelScores, ...]:
    """The scores of each label on these rows, where its truth is known; intervals by group."""
    found = []
    for k, label in enumerate(labels):
        own = rows[~np.isnan(truth[rows, k])]
        positive, probs = truth[own, k] > 0, heads.probs[own, k]
        margins = probs - heads.thresholds[own, k]  # each fold has a threshold of its own
        called = margins >= 0
        table = _table(probs, margins, positive, groups[own], rng)
        found.append(LabelScores(label, own, positive, probs, called, table))
    return tuple(found)


def _table(
    probs: Float, margins: Float, positive: NDArray[np.bool_], groups: IntArray, rng: np.random.Generator
) -> dict[str, Any]:
    """auc and ece of the probabilities, f1, precision and recall of what is called.

    Where all groups are answered alike, intervals are `scoring.widened` on the groups with or without the label.
    """
    table = score_binary(probs, positive, threshold=0.5, rng=rng, groups=groups)
    called = score_binary(margins, positive, threshold=0.0, rng=rng, groups=groups)
    table |= {name: called[name] for score in ("f1", "precision", "recall") for name in (score, f"{score}_ci")}
    interval = bootstrap_interval(average_precision, probs, positive, groups=groups, rng=rng)
    table |= {"ap": plain_number(average_precision(probs, positive)), "ap_ci": plain_interval(interval)}
    n = min(len(np.unique(groups[positive])), len(np.unique(groups[~positive])))
    return table | {f"{name}_ci": widened(table[f"{name}_ci"], table[name], n=n) for name in SHARES}


def precision_recall(scores: ArrayLike, positive: ArrayLike) -> tuple[Float, Float]:
    """Recall and precision (T,) at every threshold, the highest first; (0,) without positives."""
    hits, alarms, n_pos, _ = _counts(scores, positive)
    if not n_pos:
        return np.zeros(0), np.zeros(0)
    return hits / n_pos, hits / (hits + alarms)


def roc_curve(scores: ArrayLike, positive: ArrayLike) -> tuple[Float, Float]:
    """False and true positive rate (T + 1,) from (0, 0) to (1, 1)."""
    hits, alarms, n_pos, n_neg = _counts(scores, positive)
    rates = [np.concatenate([[0.0], counts / max(n, 1)]) for counts, n in ((alarms, n_neg), (hits, n_pos))]
    return rates[0], rates[1]


def _counts(scores: ArrayLike, positive: ArrayLike) -> tuple[Float, Float, int, int]:
    """Positives and negatives at or above each threshold (T,), and how many there are."""
    s, truth = np.asarray(scores, np.float64), np.asarray(positive, bool)
    order = np.argsort(-s, kind="stable")
    ends = np.flatnonzero(np.diff(s[order], append=-np.inf))  # a threshold cannot part equal scores
    hits = np.cumsum(truth[order])[ends].astype(np.float64)
    return hits, ends + 1 - hits, int(truth.sum()), int((~truth).sum())
