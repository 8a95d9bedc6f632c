"""One account's posts to models of its own, each fitted once and on what was known before the posts that it answers."""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from postlens.tasks.engagement.account import MAX_POSTS, MIN_POSTS, AccountModel, AccountRows, fit_account, read_rows
from postlens.tasks.engagement.history import known_count
from postlens.tasks.engagement.records import Float, PostFacts
from postlens.types import as_utc

N_FOLDS = 10  # parts of an account's past that are forecast in turn by a model of what was before; more: slower
N_KEPT = 4  # models of the accounts asked for last; each holds its space, about 0.2 MB
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class OwnModel:
    """The account's own model, and the posts that it may answer."""

    model: AccountModel
    targets: Mask  # (N,)


class OwnFits:
    """Fits models, and keeps the latest by what they were fitted on: an answer and its note share one."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, AccountModel | None] = OrderedDict()

    def fit(self, posts: Sequence[PostFacts], counts: Float) -> AccountModel | None:
        """The model of posts with counts (N,); None where too few, or too few pictures: then the median is all."""
        if len(posts) < MIN_POSTS or sum(one.vector is not None for one in posts) < MIN_POSTS:
            return None
        order = sorted(range(len(posts)), key=lambda row: (_time_s(posts[row]), posts[row].post_id))
        if all(one.published_at is not None for one in posts):
            order = order[-MAX_POSTS:]
        chosen = [posts[row] for row in order]
        times = np.array([_time_s(one) for one in chosen])
        times[np.isinf(times)] = np.nan
        places = np.array([math.nan if one.place is None else one.place for one in chosen])
        return self._fit(read_rows(chosen), counts[order], times, places)

    def _fit(self, rows: AccountRows, counts: Float, times: Float, places: Float) -> AccountModel | None:
        key = hashlib.blake2b(digest_size=16)
        for column in (rows.vectors, rows.extras, counts, times, places):
            key.update(np.ascontiguousarray(column).data)
        if key.digest() not in self._kept:
            self._kept[key.digest()] = fit_account(rows, counts, times_s=times, places=places)
            while len(self._kept) > N_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key.digest())
        return self._kept[key.digest()]


def own_model(posts: Sequence[PostFacts], *, metric: str, fits: OwnFits | None = None) -> AccountModel | None:
    """The account's own model of all its counted posts; None where these are too few, or have no pictures."""
    counts = read_counts(posts, metric)
    return _of(posts, counts, ~np.isnan(counts), fits or OwnFits())


def own_models(posts: Sequence[PostFacts], counts: Float, wanted: Mask, fits: OwnFits) -> Iterator[OwnModel]:
    """Models of what was known before the wanted posts.

    Posts without a count that are later than all counted ones share one, of all that is counted; those in between share
    another. Counted posts are forecast part by part: with times each from the earlier ones, without from the others.
    """
    known = ~np.isnan(counts)
    times = np.array([math.nan if one.published_at is None else as_utc(one.published_at).timestamp() for one in posts])
    for targets, others in _parts(known, wanted, times):
        model = _of(posts, counts, others, fits) if targets.any() else None
        if model is not None:
            yield OwnModel(model, targets)


def read_counts(posts: Sequence[PostFacts], metric: str) -> Float:
    """(N,) counts of the metric, NaN where not known."""
    return np.array([math.nan if (n := known_count(one, metric)) is None else n for one in posts], np.float64)


def _of(posts: Sequence[PostFacts], counts: Float, rows: Mask, fits: OwnFits) -> AccountModel | None:
    return fits.fit([posts[place] for place in np.flatnonzero(rows).tolist()], counts[rows])


def _parts(known: Mask, wanted: Mask, times: Float) -> Iterator[tuple[Mask, Mask]]:
    """(posts to forecast, posts to learn from)."""
    last = times[known & np.isfinite(times)].max(initial=-math.inf)
    new, between = wanted & ~known & ~(times <= last), wanted & ~known & (times <= last)
    yield new, known
    if between.any():
        yield between, known & (times < times[between].min())
    dated = wanted & known & np.isfinite(times)
    for part in np.array_split(np.flatnonzero(dated)[np.argsort(times[dated], kind="stable")], N_FOLDS):
        if len(part):
            yield _mask(part, len(known)), known & (times < times[part[0]])
    undated = np.flatnonzero(wanted & known & ~np.isfinite(times))
    for fold in range(N_FOLDS):
        part = undated[fold::N_FOLDS]
        yield _mask(part, len(known)), known & ~_mask(part, len(known))


def _mask(rows: NDArray[np.intp], n: int) -> Mask:
    found = np.zeros(n, bool)
    found[rows] = True
    return found


def _time_s(post: PostFacts) -> float:
    """Seconds; posts without a time are last."""
    return math.inf if post.published_at is None else as_utc(post.published_at).timestamp()
