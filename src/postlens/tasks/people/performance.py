"""Appearances and the posts' figures to the performance of each person."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from postlens.types import METRICS, Appearance, PersonPerformance

N_RESAMPLES = 1000  # a 95 % interval then rests on 25 draws at each end; more is slower and no wider
LEVEL = 95.0  # percent
# Posts of average performance that every person is given on top of their own. Higher trusts small counts less; at 4,
# half of the lift of a person with 4 posts counts. A convention, not fitted: campaigns differ too much.
PRIOR_POSTS = 4.0

Values = Mapping[str, Mapping[str, float | None]]  # post_id -> metric -> figure; None or absent: not known


def performance(
    appearances: Iterable[Appearance],
    *,
    posts: Values,
    duplicate_of: Mapping[str, str] | None = None,
    metrics: Sequence[str] = METRICS,
    rng: np.random.Generator,
) -> tuple[PersonPerformance, ...]:
    """One row per person and metric known for any of the person's posts, by person and then in the order of `metrics`.

    `posts` are all posts of the campaign, also those without a person: their mean is what a lift is against. A copy
    (`duplicate_of`: later post to first post) counts as its first post, once, with the first's figures. Posts without
    a figure for the metric are skipped. The interval is a percentile bootstrap over posts (Efron 1979), `None` below
    two posts. `rng` is drawn from once: a person's interval depends on that draw and the person's own figures only.
    """
    first = duplicate_of or {}
    shown = by_person(appearances, first)
    seed = int(rng.integers(2**32))
    figures = {metric: _figures(posts, metric) for metric in metrics}
    means = {metric: _mean_of_firsts(figures[metric], first) for metric in metrics}
    rows = (
        _row((person, metric), shown[person], figures=figures[metric], campaign_mean=means[metric], seed=seed)
        for person in sorted(shown)
        for metric in metrics
    )
    return tuple(row for row in rows if row is not None)


def _figures(posts: Values, metric: str) -> dict[str, float]:
    return {post: value for post, of in posts.items() if (value := of.get(metric)) is not None}


def _mean_of_firsts(figures: Mapping[str, float], first: Mapping[str, str]) -> float:
    """The campaign's mean, copies left out; 0 where nothing is known."""
    values = [value for post, value in figures.items() if post not in first]
    return float(np.mean(values)) if values else 0.0


def by_person(appearances: Iterable[Appearance], first: Mapping[str, str]) -> dict[str, dict[str, list[Appearance]]]:
    """person_id -> post_id of the first of a post's copies -> the appearances that count for it.

    Those in the first itself; of a person who is found in copies only, those in one copy (the smallest post_id).
    `first`: copies to their first.
    """
    found: dict[str, dict[str, dict[str, list[Appearance]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    for one in appearances:
        original = first.get(one.post_id, one.post_id)
        found[one.person_id][original][one.post_id].append(one)
    return {
        person: {original: copies.get(original) or copies[min(copies)] for original, copies in originals.items()}
        for person, originals in found.items()
    }


def _row(
    key: tuple[str, str],
    shown: Mapping[str, list[Appearance]],
    *,
    figures: Mapping[str, float],
    campaign_mean: float,
    seed: int,
) -> PersonPerformance | None:
    """The row of (person, metric); None where no figure of the person's posts is known."""
    person, metric = key
    own = {post: figures[post] for post in sorted(shown) if post in figures}
    if not own:
        return None
    values = np.array(list(own.values()), np.float64)
    return PersonPerformance(
        person_id=person,
        metric=metric,
        n_posts=len(values),
        mean=float(values.mean()),
        median=float(np.median(values)),
        interval=mean_interval(values, rng=np.random.default_rng([seed, zlib.crc32(f"{person}\n{metric}".encode())])),
        screen_time_s=sum(screen_time_s(shown[post]) for post in own),
        best_post_id=max(own, key=own.__getitem__),
        worst_post_id=min(own, key=own.__getitem__),
        lift=shrunk_lift(values, campaign_mean=campaign_mean),
    )


def mean_interval(values: NDArray[np.float64], *, rng: np.random.Generator) -> tuple[float, float] | None:
    """95 % percentile bootstrap interval of the mean of values (N,); `None` below two of them."""
    if len(values) < 2:
        return None
    means = values[rng.integers(len(values), size=(N_RESAMPLES, len(values)))].mean(axis=1)
    low, high = np.percentile(means, [50 - LEVEL / 2, 50 + LEVEL / 2])
    return float(low), float(high)


def shrunk_lift(values: NDArray[np.float64], *, campaign_mean: float) -> float | None:
    """Mean / campaign mean - 1, with `PRIOR_POSTS` posts of the campaign's mean added; `None` for a mean of 0.

    Shrinkage towards the common mean, as Efron and Morris 1977 motivate it, with a fixed prior weight.
    """
    if campaign_mean <= 0:
        return None
    weight = len(values) / (len(values) + PRIOR_POSTS)
    return weight * (float(values.mean()) / campaign_mean - 1)


def screen_time_s(appearances: Iterable[Appearance]) -> float:
    """Seconds in which a person is on screen: overlapping appearances in one media file count once."""
    total = 0.0
    reached: dict[str, float] = {}  # media -> end of what is counted
    for one in sorted(appearances, key=lambda one: (one.media, one.start_s, one.end_s)):
        start = max(one.start_s, reached.get(one.media, one.start_s))
        total += max(0.0, one.end_s - start)
        reached[one.media] = max(one.end_s, start)
    return total
