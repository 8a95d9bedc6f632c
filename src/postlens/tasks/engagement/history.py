"""The posts of one account to what was known before each of them.

A count of a later post, or of the post itself, never enters: that is what a forecast would be blind to.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from postlens.tasks.engagement.content import DAY_S, DIFFERENCES, age_days, compared_numbers
from postlens.tasks.engagement.records import FINAL_H, Float, History, PostFacts
from postlens.types import as_utc

FINAL_DAYS = FINAL_H / 24
MOST_COMPARED = 100  # latest posts that a post's content is compared with; more take time and move a mean little
SECOND_METRIC = "comments"  # said beside the first one of the earlier posts


def known_count(post: PostFacts, metric: str) -> float | None:
    """The post's final count of a metric.

    None where hidden, where it is no count (negative, NaN, infinite), and where it was read before the post was FINAL_H
    old: it still grows. A post that does not say when it was counted is taken to be done.
    """
    return None if is_young(post) else _number(post.counts.get(metric))


def is_young(post: PostFacts) -> bool:
    """Whether the counts were read before they were final."""
    days = age_days(post)
    return days is not None and days < FINAL_DAYS


def read_histories(posts: Sequence[PostFacts], *, metric: str) -> Iterator[History]:
    """One history per post, in the given order, which does not matter otherwise.

    Earlier means a strictly earlier `published_at`: posts of the same second do not know each other. A post without a
    time takes all the account's other posts; a post with a time leaves out those without. Of several records of one
    post_id the earliest counts once. Counts that are not final are left out (`known_count`). Lazy, because the
    histories of one account overlap: n posts hold n^2 / 2 counts.
    """
    known = _unique(posts)
    index = {post.post_id: row for row, post in enumerate(known)}
    times = np.array([_time_s(post) for post in known], np.float64)
    counts = np.array([_or_nan(known_count(post, metric)) for post in known], np.float64)
    comments = np.array([_or_nan(known_count(post, SECOND_METRIC)) for post in known], np.float64)
    young = np.array([is_young(post) and _number(post.counts.get(metric)) is not None for post in known], np.bool_)
    followers = np.array([_or_nan(_number(post.followers)) for post in known], np.float64)
    content = _Content(known)
    for post in posts:
        at = _time_s(post)
        rows = np.arange(len(known) if math.isnan(at) else np.searchsorted(times, at, side="left"))
        rows = rows[rows != index[post.post_id]]
        seen = rows[~np.isnan(counts[rows])]
        yield History(
            counts=counts[seen],
            ages_days=(at - times[seen]) / DAY_S,
            followers=_followers(post, followers[rows]),
            timed=not math.isnan(at),
            comments=comments[seen],
            content=content.means(seen[-MOST_COMPARED:]),
            n_young=int(young[rows].sum()),
        )


class _Content:
    """The numbers of `content.DIFFERENCES` of posts, each read once it is asked for."""

    def __init__(self, posts: Sequence[PostFacts]) -> None:
        self._posts = posts
        self._rows = np.full((len(posts), len(DIFFERENCES)), np.nan)
        self._read = np.zeros(len(posts), np.bool_)

    def means(self, places: NDArray[np.int64]) -> dict[str, float]:
        """Over the posts at these places, by name, without those that no post knows."""
        for place in places[~self._read[places]].tolist():
            self._rows[place] = compared_numbers(self._posts[place])
            self._read[place] = True
        rows = self._rows[places]
        known = ~np.isnan(rows)
        totals, n_known = np.where(known, rows, 0.0).sum(axis=0).tolist(), known.sum(axis=0).tolist()
        return {name: total / n for name, total, n in zip(DIFFERENCES, totals, n_known, strict=True) if n}


def _followers(post: PostFacts, others: Float) -> float | None:
    own = _number(post.followers)
    known = others[~np.isnan(others)]
    if own is not None or not len(known):
        return own
    return float(known[-1] if post.published_at is not None else np.median(known))


def _unique(posts: Sequence[PostFacts]) -> list[PostFacts]:
    """By time, those without one last; the first record of each post_id."""
    found: dict[str, PostFacts] = {}
    for post in sorted(posts, key=_key):
        found.setdefault(post.post_id, post)
    return list(found.values())


def _key(post: PostFacts) -> tuple[bool, float, str, str]:
    """By time, those without one last; then by id and content, so that no order of the input shows."""
    at = _time_s(post)
    return math.isnan(at), 0.0 if math.isnan(at) else at, post.post_id, repr(sorted(post.counts.items()))


def _time_s(post: PostFacts) -> float:
    return math.nan if post.published_at is None else as_utc(post.published_at).timestamp()


def _number(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) and value >= 0 else None


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
