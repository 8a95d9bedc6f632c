"""Niche predictions and true labels to scores; labelled photos to made-up creators for testing the pooling."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from postlens.errors import ShapeError
from postlens.tasks.niche.creators import CreatorModel, pool_posts
from postlens.tasks.scoring import score_classes
from postlens.types import NICHES, NichePrediction

Float = NDArray[np.float64]
Int = NDArray[np.int64]


def score_posts(
    predictions: Sequence[NichePrediction],
    truth: Sequence[str],
    *,
    rng: np.random.Generator,
    groups: ArrayLike | None = None,
) -> dict[str, Any]:
    """n, accuracy, macro_f1, ece and per_class of the answers, thresholds applied, as `scoring.score_classes`.

    truth: a label out of NICHES for each prediction; groups: its source, for the intervals.
    """
    probs = np.array([[p.probs[label] for label in NICHES] for p in predictions]).reshape(-1, len(NICHES))
    answers, true = label_indices([p.label for p in predictions]), label_indices(truth)
    return score_classes(probs, true, labels=NICHES, answers=answers, groups=groups, rng=rng)


def label_indices(labels: Sequence[str]) -> Int:
    """(N,) positions in NICHES. Raises `ShapeError` for a label that is none of them."""
    unknown = sorted(set(labels) - set(NICHES))
    if unknown:
        raise ShapeError(f"expected labels out of {', '.join(NICHES)}, got {unknown}")
    return np.array([NICHES.index(label) for label in labels], np.int64)


@dataclass(frozen=True, slots=True)
class BagPlan:
    """What a made-up creator posts."""

    n_posts: int
    share: float  # of posts on the creator's niche; at least one post is
    other: float  # share of "other" among the off-topic posts, where the creator's niche is not "other"


def draw_bag(
    plan: BagPlan, niche: int, *, truth: Int, groups: NDArray[Any], rng: np.random.Generator, sources: float = 0.5
) -> Int:
    """Photo numbers (n_posts,) of a creator of the niche; each label's photos come from a random half of its sources.

    Sources are drawn afresh for every bag, so that the spread between bags also shows the spread between sources.
    Photos repeat only where the drawn sources have too few. `sources`: another share than half, in (0, 1].
    """
    n_on = max(1, round(plan.share * plan.n_posts))
    others = np.array([0.0 if k == niche else 1.0 for k in range(len(NICHES))])
    at = NICHES.index("other")
    others[at] = plan.other / (1 - plan.other) * (others.sum() - others[at]) if niche != at else 0.0
    counts = rng.multinomial(plan.n_posts - n_on, others / others.sum())
    counts[niche] += n_on
    return np.concatenate([_draw(truth == k, int(n), groups, rng, sources) for k, n in enumerate(counts) if n])


def _draw(rows: NDArray[np.bool_], n: int, groups: NDArray[Any], rng: np.random.Generator, share: float) -> Int:
    sources = np.unique(groups[rows])
    chosen = rng.choice(sources, size=math.ceil(share * len(sources)), replace=False)
    pool = np.flatnonzero(rows & np.isin(groups, chosen))
    return np.asarray(rng.choice(pool, size=n, replace=n > len(pool)), np.int64)


def pool_by_mixture(probs: Float, model: CreatorModel | None = None) -> Float:
    """Creator's probabilities (9,) as shipped, from post probabilities (N, 9)."""
    return pool_posts(probs, model or CreatorModel())[0]


def pool_by_mean(probs: Float) -> Float:
    """Baseline: the mean of the posts' probabilities."""
    return np.asarray(probs.mean(0))


def pool_by_majority(probs: Float) -> Float:
    """Baseline: the share of posts whose most probable label it is; ties go by mean probability."""
    votes = np.bincount(probs.argmax(1), minlength=probs.shape[1]) + 1e-6 * probs.mean(0)
    return np.asarray(votes / votes.sum())


def pool_by_confidence(probs: Float) -> Float:
    """Baseline: posts weighted by 1 - entropy / log K and by their chance of not being "other"."""
    entropy = -(probs * np.log(probs + 1e-12)).sum(1) / np.log(probs.shape[1])
    weight = (1 - entropy) * (1 - probs[:, NICHES.index("other")]) + 1e-6
    return np.asarray(weight @ probs / weight.sum())


POOLINGS: Mapping[str, Any] = {
    "mixture": pool_by_mixture,
    "mean": pool_by_mean,
    "majority": pool_by_majority,
    "confidence": pool_by_confidence,
}
