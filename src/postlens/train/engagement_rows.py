"""Accounts of posts to rows of features with what the posts got, whole and with less known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from postlens.tasks.engagement import PostFacts
from postlens.tasks.engagement.features import FEATURES, GROUPS, feature_row
from postlens.tasks.engagement.history import known_count, read_histories

MIN_WITHOUT_FOLLOWERS = 3  # earlier posts of the rows that are also shown without followers
ALWAYS_KNOWN = ("anchor", "followers", "history")  # groups that no copy hides by chance
NOT_IN_TABLES = ("account", "horizon", "tags", "alt")  # groups that a table of one's own posts does not hold
DROP_PROB = 0.3  # of each other group of a masked copy: forecasts of tables have no account, tags and descriptions
COPY_WEIGHT = 0.5  # of a row shown a second time with less known
Float = NDArray[np.float64]
Accounts = Mapping[str, Sequence[PostFacts]]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of features with what the posts got, as log(1 + likes)."""

    x: NDArray[np.float32]  # (N, F)
    y: Float  # (N,)
    n_earlier: Float  # (N,)
    baseline: Float  # (N,) the account's median of earlier posts; NaN without any
    followers: Float  # (N,)
    account: Float  # (N,) number
    weight: Float  # (N,)

    def __len__(self) -> int:
        return len(self.y)

    def take(self, rows: NDArray[Any]) -> Table:
        """The rows of a mask or an index array."""
        return Table(*(getattr(self, f.name)[rows] for f in fields(self)))

    @property
    def usable(self) -> Table:
        """The rows with an anchor: nothing can be forecast without."""
        return self.take(~np.isnan(self.x[:, 0]))


def join(tables: Iterable[Table]) -> Table:
    """One table after the other."""
    parts = list(tables)
    return Table(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Table)))


def build_table(accounts: Accounts, *, change: Callable[[PostFacts], PostFacts] | None = None) -> Table:
    """One row per post with likes, in the order of the accounts; `change` hides facts before features are made."""
    rows: list[tuple[float, ...]] = []
    x = []
    for number, posts in enumerate(accounts.values()):
        seen = [change(post) for post in posts] if change else list(posts)
        for post, other, history in zip(posts, seen, read_histories(seen, metric="likes"), strict=True):
            likes = known_count(post, "likes")
            if likes is None:
                continue
            middle = np.nan if history.median is None else np.log1p(history.median)
            followers = np.nan if post.followers is None else post.followers
            x.append(feature_row(other, history))
            rows.append((float(np.log1p(likes)), float(len(history)), float(middle), followers, number, 1.0))
    columns = np.array(rows, np.float64).reshape(len(rows), 6).T
    return Table(np.array(x, np.float32).reshape(len(rows), len(FEATURES)), *columns)


@dataclass(frozen=True, slots=True)
class Views:
    """The same posts with all, and with less known; row i of `whole`, `cold` and `plain` are the same post."""

    whole: Table
    cold: Table  # no counts of the account
    plain: Table  # what a table of one's own posts holds: no followees, age, tags, description of the picture
    no_followers: Table  # only rows with enough earlier posts

    def training(self, accounts: NDArray[np.bool_], *, rng: np.random.Generator, copies: bool = True) -> Table:
        """The rows of the accounts marked true that have an anchor; with `copies` also those that show less."""
        own = [part.take(accounts[part.account.astype(int)]) for part in (self.whole, self.cold, self.no_followers)]
        whole, cold, no_followers = own
        if not copies:
            return whole.usable
        extra = join([cold.take(whole.n_earlier > 0), no_followers])
        parts = [whole, replace(extra, weight=np.full(len(extra), COPY_WEIGHT))]
        return join([*parts, masked(join(parts), rng=rng)]).usable


def build_views(accounts: Accounts) -> Views:
    """Features of every post as served, without counts, and without what is known of the account."""
    whole = build_table(accounts)
    cold = build_table(accounts, change=lambda post: replace(post, counts={}))
    blank = build_table(
        accounts, change=lambda post: replace(post, followers=None, followees=None, n_posts_of_account=None)
    )
    return Views(whole, cold, without(whole, NOT_IN_TABLES), blank.take(blank.n_earlier >= MIN_WITHOUT_FOLLOWERS))


def masked(table: Table, *, rng: np.random.Generator) -> Table:
    """A copy in which each group of features but those always known is absent with DROP_PROB."""
    x = table.x.copy()
    for group in GROUPS:
        if group not in ALWAYS_KNOWN:
            hidden = rng.random(len(x)) < DROP_PROB
            x[np.flatnonzero(hidden)[:, None], with_differences([group])] = np.nan
    return replace(table, x=x, weight=table.weight * COPY_WEIGHT)


def without(table: Table, groups: Iterable[str]) -> Table:
    """The rows as if nothing of the groups were known of any post."""
    x = table.x.copy()
    x[:, with_differences(groups)] = np.nan
    return replace(table, x=x)


def with_differences(groups: Iterable[str]) -> list[int]:
    """Places of the groups' features, and of how far these are from the account's earlier posts."""
    names = [name for group in groups for name in GROUPS[group]]
    return [FEATURES.index(name) for one in names for name in (one, f"more_{one}") if name in FEATURES]


def columns_of(groups: Iterable[str]) -> list[int]:
    """Places of the groups' features."""
    return [FEATURES.index(name) for group in groups for name in GROUPS[group]]
