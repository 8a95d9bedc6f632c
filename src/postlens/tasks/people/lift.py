"""A person's mean to its lift over the campaign's, drawn towards none as far as chance explains it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

# Posts of average performance that every person is given on top of their own. More trusts small counts less; at 4,
# half of the lift of a person with 4 posts counts. Used where the campaign is too small to tell, see `prior_posts`.
PRIOR_POSTS = 4.0
MIN_PERSONS = 2  # with two posts or more, from which on the campaign is asked; simulated, see docs/log/performance.md
LEAST_PRIOR, MOST_PRIOR = 0.5, 50.0  # what the campaign may answer: it is an estimate itself


def shrunk_lift(mean: float, *, n_posts: float, campaign_mean: float, prior: float = PRIOR_POSTS) -> float | None:
    """Mean / campaign mean - 1, with `prior` posts of the campaign's mean added; `None` for a mean of 0 or less.

    Shrinkage towards the common mean (Efron and Morris 1977).
    """
    if campaign_mean <= 0:
        return None
    return n_posts / (n_posts + prior) * (mean / campaign_mean - 1)


def prior_posts(groups: Sequence[Float]) -> float:
    """How many posts of average performance to add to a person's own: variance within / between persons.

    `groups` are the figures of each person's posts. Empirical Bayes: the variances are those of the one-way analysis of
    variance with unequal groups (Searle, Casella and McCulloch 1992, section 3.6), of log(1 + figure), since counts
    vary by factors. `PRIOR_POSTS` where fewer than `MIN_PERSONS` persons have two posts. A post that shows two
    persons counts for both, as if there were two.
    """
    if sum(len(group) > 1 for group in groups) < MIN_PERSONS:
        return PRIOR_POSTS
    within, between = variances([np.sign(group) * np.log1p(np.abs(group)) for group in groups])
    if within <= 0 and between <= 0:
        return PRIOR_POSTS
    return float(np.clip(within / between if between > 0 else MOST_PRIOR, LEAST_PRIOR, MOST_PRIOR))


def variances(groups: Sequence[Float]) -> tuple[float, float]:
    """Estimated variance within groups and between their means; the latter may come out as 0."""
    sizes = np.array([len(group) for group in groups], np.float64)
    means = np.array([group.mean() for group in groups])
    n, k = sizes.sum(), len(groups)
    mean = (sizes * means).sum() / n
    within = sum(((group - group.mean()) ** 2).sum() for group in groups) / (n - k)
    between = (sizes * (means - mean) ** 2).sum() / (k - 1)
    typical_size = (n - (sizes**2).sum() / n) / (k - 1)
    return float(within), max(0.0, float((between - within) / typical_size))
