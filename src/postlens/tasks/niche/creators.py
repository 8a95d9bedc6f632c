"""A creator's posts, each with its label probabilities, to the creator's own niche and the posts that decide it.

An account posts about its niche only in a share of its posts (about one in five in the Instagram influencer data);
the rest is background: everyday life and whatever else. So each niche c is tried as the explanation of the whole bag
of posts: with an on-topic share s, post i is seen with likelihood

    s * r[i, c] + (1 - s) * sum_k background[k] * r[i, k]        r[i, c] = p(c | post i) / prior[c]

a two-part mixture (McLachlan and Peel, Finite Mixture Models, 2000). The background of a niche is without that niche:
a post about it is on topic, wherever it came from. Neither the share nor how much of the background is "other" is
known: both are summed out over a grid. A sure on-topic post speaks for its niche far more than an unsure
one, and "other" must be more frequent than a background explains before it is the answer. The attention of a post is
its posterior chance of being an on-topic post of the answer: the mixture's responsibility.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from postlens.errors import ShapeError
from postlens.types import NICHES

Float = NDArray[np.float64]
_TINY = 1e-12  # keeps the logarithm finite where a post's probability is exactly 0


@dataclass(frozen=True, slots=True)
class CreatorModel:
    """What is assumed about accounts; the defaults were compared in docs/log/niche.md."""

    # On-topic shares, equally likely beforehand. A smaller smallest share finds thinner niches, and calls more
    # accounts of nothing in particular by a niche that came up by chance.
    shares: tuple[float, ...] = (0.2, 0.5, 0.95)
    # How often an off-topic post is "other", equally likely beforehand; the remaining labels share the rest evenly.
    # Larger values find more niches among everyday posts, and fewer accounts that are "other" altogether.
    other_shares: tuple[float, ...] = (1 / 9, 0.3, 0.5)
    # Posts of an account are alike, so n posts are not n independent witnesses: evidence grows only as if there were
    # n / (1 + n / n_independent) of them. Higher gives surer answers on large accounts, and thin niches more weight.
    n_independent: float = 200.0

    def __post_init__(self) -> None:
        for name, values in (("shares", self.shares), ("other_shares", self.other_shares)):
            if not values or not all(0 < value < 1 for value in values):
                raise ShapeError(f"{name} must be numbers in (0, 1), got {values}")
        if not self.n_independent > 0:
            raise ShapeError(f"n_independent must be above 0, got {self.n_independent}")

    def backgrounds(self) -> list[Float]:
        """Label shares (9,) of posts that are not about a niche, in the order of NICHES, for each of `other_shares`."""
        is_other = np.array([label == "other" for label in NICHES])
        return [np.where(is_other, share, (1 - share) / (len(NICHES) - 1)) for share in self.other_shares]


def pool_posts(probs: ArrayLike, model: CreatorModel) -> tuple[Float, Float]:
    """Creator's probabilities (9,) and each post's weight (N,), summing to 1, for post probabilities (N, 9), N >= 1.

    The post probabilities must be calibrated under even label priors. Raises `ShapeError` for any other array.
    """
    p = np.asarray(probs, np.float64)
    if p.ndim != 2 or p.shape[1] != len(NICHES) or not len(p):
        raise ShapeError(f"probs must have shape (N >= 1, {len(NICHES)}), got {p.shape}")
    grid = [(share, _off_topic(p, shares)) for share, shares in itertools.product(model.shares, model.backgrounds())]
    evidence = np.stack([_log_likelihood(p, share, off_topic) for share, off_topic in grid])
    joint = _softmax(evidence / (1 + len(p) / model.n_independent))
    answer = int(joint.sum(0).argmax())
    on_topic = np.stack([_responsibility(p[:, answer], share, off_topic[:, answer]) for share, off_topic in grid])
    weights = joint[:, answer] @ on_topic
    return joint.sum(0), weights / weights.sum()


def _off_topic(p: Float, background: Float) -> Float:
    """(N, 9) likelihood of each post as an off-topic one of a creator of each niche: the background without it."""
    return np.asarray((p @ background)[:, None] - p * background) / (1 - background)


def _log_likelihood(p: Float, share: float, off_topic: Float) -> Float:
    """(9,) log likelihood of all posts under each niche."""
    return np.asarray(np.log(np.maximum(share * p + (1 - share) * off_topic, _TINY)).sum(0))


def _responsibility(p: Float, share: float, off_topic: Float) -> Float:
    """(N,) chance that each post is on topic."""
    part = share * p + _TINY
    return np.asarray(part / (part + (1 - share) * np.maximum(off_topic, 0)))


def _softmax(x: Float) -> Float:
    e = np.exp(x - x.max())
    return np.asarray(e / e.sum())
