"""Posts to rows of features with all, and with less or more known; used by recipes/engagement.py."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engagement_data import Posts
from postlens.tasks.engagement import PostFacts
from postlens.tasks.engagement.content import NICHES
from postlens.tasks.engagement.features import FEATURES
from postlens.train.engagement_rows import COPY_WEIGHT, Table, Views, build_table, columns_of, join, without
from postlens.train.engagement_rows import build_views as build_first_views

# Known of one collection only, or of none: that they are known at all would tell the collection, and a small account
# with a caption would be taken for a large one of 2017. They gained nothing there either (docs/log/engagement.md).
UNUSED = (*columns_of(["caption_text", "faces", "niche", "valence"]), FEATURES.index("is_carousel"))
WRONG_NICHES = 0.3  # of the accounts in the view of niches that are not all right
AGE = ("horizon",)
Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shown:
    """Views of the same posts: row i is the same post in all but `no_followers`."""

    whole: Table  # as a collection of posts is served: the niche of the account is not told
    cold: Table  # no counts of the account
    plain: Table  # as a table of one's own posts is served: see as_in_a_table
    no_followers: Table  # only rows with enough earlier posts
    told: Table  # the niche of the account known
    told_cold: Table  # likewise, without counts of the account
    told_partly_wrong: Table  # the niche of WRONG_NICHES of the accounts drawn by lot
    ageless: Table  # as a draft is served: how long the post will have been out when it is counted is not known
    ageless_cold: Table  # likewise, without counts of the account

    def training(self, accounts: NDArray[np.bool_], *, rng: np.random.Generator) -> Table:
        """Rows of the accounts marked true: as served, with less known, and copies that know the niche."""
        views = Views(self.whole, self.cold, self.plain, self.no_followers)
        told = join([self.told, self.told_cold.take(self.whole.n_earlier > 0)])
        told = told.take(accounts[told.account.astype(int)])
        told = told.take(told.x[:, columns_of(["account_niche"])[0]] >= 0)
        joined = join([views.training(accounts, rng=rng), replace(told, weight=told.weight * COPY_WEIGHT)])
        joined.x[:, UNUSED] = 0.0
        return joined


def build_shown(posts: Posts) -> Shown:
    """All views of both collections; 40,000 posts take half a minute."""
    views = build_first_views(posts.accounts)
    plain = build_table(posts.accounts, change=as_in_a_table)
    labels = np.array([posts.niches.get(post.post_id, "") for post in posts.shown])
    known = np.concatenate([labels, np.full(len(views.whole) - len(labels), "")])
    wrong = np.random.default_rng(0).random(int(views.whole.account.max()) + 1) < WRONG_NICHES
    drawn = np.random.default_rng(1).choice(NICHES, len(wrong))
    rows = views.whole.account.astype(int)
    partly = np.where(wrong[rows] & (known != ""), drawn[rows], known)
    return Shown(
        whole=views.whole,
        cold=views.cold,
        plain=plain,
        no_followers=views.no_followers,
        told=with_niche(views.whole, known),
        told_cold=with_niche(views.cold, known),
        told_partly_wrong=with_niche(views.whole, partly),
        ageless=without(views.whole, AGE),
        ageless_cold=without(views.cold, AGE),
    )


def as_in_a_table(post: PostFacts) -> PostFacts:
    """What a spreadsheet of one's own posts holds of it."""
    return replace(
        post,
        followees=None,
        n_posts_of_account=None,
        observed_at=None,
        n_tagged=None,
        has_location=None,
        is_carousel=None,
        alt_text=None,
    )


def with_niche(table: Table, labels: NDArray[Any]) -> Table:
    """The rows with a label (N,) of the account's niche; an empty one is not known."""
    x = table.x.copy()
    one_hot = (labels[:, None] == np.array(NICHES)).astype(np.float32)
    one_hot[labels == ""] = np.nan
    x[:, columns_of(["account_niche"])] = one_hot
    return replace(table, x=x)
