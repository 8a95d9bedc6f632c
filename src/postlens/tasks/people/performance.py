"""Appearances and the posts' figures to the performance of each person."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from postlens.tasks.people.intervals import Float, effective_number, mean_interval, weighted_mean
from postlens.tasks.people.lift import prior_posts, shrunk_lift
from postlens.tasks.people.screen import screen_shares, screen_time_s
from postlens.tasks.people.trend import trend
from postlens.types import Appearance, PeopleWeighting, PersonPerformance, Trend, order_metrics

# Below this a mean is told with the remark that it rests on few posts: its 95 % interval then holds the true mean in
# at most .81 of simulated campaigns, in .46 for 2 posts (docs/log/performance.md). Higher warns more often.
FEW_POSTS = 5
DAY_S = 86_400.0

Values = Mapping[str, Mapping[str, float | None]]  # post_id -> metric -> figure; None or absent: not known
Shown = Mapping[str, list[Appearance]]  # post_id of a person's posts -> the appearances that count for it


@dataclass(frozen=True, slots=True)
class Known:
    """What is known about the posts and media of a campaign."""

    figures: Values  # of all posts, also those without a person: their mean is what a lift is against
    duplicate_of: Mapping[str, str] = field(default_factory=dict)  # later post -> first post
    published_at: Mapping[str, datetime] = field(default_factory=dict)  # post_id -> time, where known
    durations_s: Mapping[str, float | None] = field(default_factory=dict)  # sha256 of each video -> length, if told

    def of(self, metric: str) -> dict[str, float]:
        """post_id -> the figure, of the posts that have it."""
        return {post: value for post, of in self.figures.items() if (value := of.get(metric)) is not None}


@dataclass(frozen=True, slots=True)
class _Metric:
    """What every person's row of one metric is measured against."""

    name: str
    figures: Mapping[str, float]
    mean: float  # of the campaign, copies left out; 0 where nothing is known
    prior: float  # posts
    seed: int


def performance(
    appearances: Iterable[Appearance],
    known: Known,
    *,
    metrics: Sequence[str] | None = None,
    weighting: PeopleWeighting = "post",
    rng: np.random.Generator,
) -> tuple[PersonPerformance, ...]:
    """One row per person and metric known for any of the person's posts, by person and then in the order of `metrics`.

    A copy counts as its first post, once, with the first's figures. `metrics`: by default all that are known. With
    `weighting` "screen_time" a mean and its interval weigh posts by the seconds that show the person, so that photos
    count for nothing; a person without any such seconds is weighed by post, and the row says so. The median is always
    of the posts. `rng` is drawn from once: a person's interval depends on that draw and the person's own posts only.
    A lift and a trend also depend on the campaign's mean of the metric, a lift on the spread of all persons' figures.
    """
    shown = by_person(appearances, known.duplicate_of)
    seed = int(rng.integers(2**32))
    names = order_metrics(name for of in known.figures.values() for name in of) if metrics is None else metrics
    measured = [_metric(name, shown, known=known, seed=seed) for name in names]
    rows = (
        _row(person, shown[person], metric, known=known, weighting=weighting)
        for person in sorted(shown)
        for metric in measured
    )
    return tuple(row for row in rows if row is not None)


def is_few(row: PersonPerformance) -> bool:
    """Whether a mean rests on too few posts for its interval to be relied on."""
    return row.n_effective < FEW_POSTS if row.weighting == "screen_time" else row.n_posts < FEW_POSTS


def _metric(name: str, shown: Mapping[str, Shown], *, known: Known, seed: int) -> _Metric:
    figures = known.of(name)
    firsts = [value for post, value in figures.items() if post not in known.duplicate_of]
    groups = [np.array([figures[post] for post in posts if post in figures]) for _, posts in sorted(shown.items())]
    mean = float(np.mean(firsts)) if firsts else 0.0
    return _Metric(name, figures, mean, prior_posts([group for group in groups if len(group)]), seed)


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
    person: str, shown: Shown, metric: _Metric, *, known: Known, weighting: PeopleWeighting
) -> PersonPerformance | None:
    """None where no figure of the person's posts is known."""
    own = {post: metric.figures[post] for post in sorted(shown) if post in metric.figures}
    if not own:
        return None
    values = np.array(list(own.values()), np.float64)
    weights, used = _weights([screen_time_s(shown[post]) for post in own], weighting)
    mean, n_effective = weighted_mean(values, weights), effective_number(weights)
    rng = np.random.default_rng([metric.seed, zlib.crc32(f"{person}\n{metric.name}".encode("utf-8", "surrogatepass"))])
    seen = [one for post in own for one in shown[post]]
    shares = screen_shares(seen, known.durations_s)
    best, worst = max(own, key=own.__getitem__), min(own, key=own.__getitem__)
    return PersonPerformance(
        person_id=person,
        metric=metric.name,
        n_posts=len(own),
        mean=mean,
        median=float(np.median(values)),
        interval=mean_interval(values, weights, rng=rng),
        screen_time_s=sum(screen_time_s(shown[post]) for post in own),
        best_post_id=best,
        worst_post_id=worst,
        lift=shrunk_lift(mean, n_posts=n_effective, campaign_mean=metric.mean, prior=metric.prior),
        n_videos=len({one.media for one in seen} & known.durations_s.keys()),
        screen_share=float(np.mean(list(shares.values()))) if shares else None,
        best=own[best],
        worst=own[worst],
        trend=_trend(own, metric, known.published_at),
        weighting=used,
        n_effective=n_effective,
    )


def _weights(seconds: Sequence[float], weighting: PeopleWeighting) -> tuple[Float, PeopleWeighting]:
    """Weights of posts with these seconds on screen, and by what they weigh."""
    if weighting == "screen_time" and any(seconds):
        return np.array(seconds, np.float64), "screen_time"
    return np.ones(len(seconds)), "post"


def _trend(own: Mapping[str, float], metric: _Metric, published_at: Mapping[str, datetime]) -> Trend | None:
    dated = [(published_at[post].timestamp() / DAY_S, value) for post, value in own.items() if post in published_at]
    days, values = np.array(dated, np.float64).reshape(-1, 2).T
    return trend(days, values, level=metric.mean)
