"""Posts to rows of features with all, and with less or more known; used by recipes/engagement.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engagement_data import Posts
from postlens.tasks.engagement import PostFacts
from postlens.tasks.engagement.content import NICHES
from postlens.tasks.engagement.features import FEATURES
from postlens.train.engagement_fit import Boosting, fit, predict
from postlens.train.engagement_margins import margin_band, margins, widened
from postlens.train.engagement_rows import COPY_WEIGHT, Table, Views, build_table, columns_of, join
from postlens.train.engagement_rows import build_views as build_first_views

# Known of one collection only, or of none: that they are known at all would tell the collection, and a small account
# with a caption would be taken for a large one of 2017. They gained nothing there either (docs/log/engagement.md).
UNUSED = (*columns_of(["caption_text", "faces", "niche", "valence"]), FEATURES.index("is_carousel"))
WRONG_NICHES = 0.3  # of the accounts in the view of niches that are not all right
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

    def training(self, accounts: NDArray[np.bool_], *, rng: np.random.Generator) -> Table:
        """Rows of the accounts marked true: as served, with less known, and copies that know the niche."""
        views = Views(self.whole, self.cold, self.plain, self.no_followers)
        told = join([self.told, self.told_cold.take(self.whole.n_earlier > 0)])
        told = told.take(accounts[told.account.astype(int)])
        told = told.take(told.x[:, columns_of(["account_niche"])[0]] >= 0)
        joined = join([views.training(accounts, rng=rng), replace(told, weight=told.weight * COPY_WEIGHT)])
        joined.x[:, UNUSED] = 0.0
        return joined


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Forecasts (N, 3) for each view, from models that its accounts were not trained on."""

    raw: Mapping[str, Float]  # as the trees give them
    bounds: Mapping[str, Float]  # widened by margins of the other folds


def build_shown(posts: Posts) -> Shown:
    """All views of both collections; 40,000 posts take half a minute."""
    views = build_first_views(posts.accounts)
    plain = build_table(posts.accounts, change=as_in_a_table)
    labels = np.array([posts.niches.get(post.post_id, "") for account in posts.small.values() for post in account])
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


def cross_validate(shown: Shown, folds: NDArray[np.int64], boosting: Boosting) -> HeldOut:
    """Train on the other folds, forecast each fold in every view; margins from the other folds' whole view."""
    views = {f.name: getattr(shown, f.name) for f in fields(Shown)}
    fold_of = {name: folds[table.account.astype(int)] for name, table in views.items()}
    raw = {name: np.full((len(table), 3), np.nan) for name, table in views.items()}
    for k in range(folds.max() + 1):
        boosters = fit(shown.training(folds != k, rng=np.random.default_rng(k)), boosting)
        for view, table in views.items():
            rows = np.flatnonzero(fold_of[view] == k)
            raw[view][rows] = np.stack([predict(one, table.x[rows]) for one in boosters.values()], axis=1)
    return HeldOut(raw, {view: _widened(shown, raw, fold_of, view=view) for view in views})


def _widened(shown: Shown, raw: Mapping[str, Float], fold_of: Mapping[str, NDArray[np.int64]], *, view: str) -> Float:
    """Margins of the folds that the rows are not in: those that were measured on nobody of theirs."""
    table, band = getattr(shown, view), margin_band(shown.whole.x)
    by = np.zeros(len(table))
    for k in range(fold_of["whole"].max() + 1):
        rest, rows = fold_of["whole"] != k, fold_of[view] == k
        by[rows] = margins(raw["whole"][rest], shown.whole.y[rest], band[rest])[margin_band(table.x[rows])]
    return widened(raw[view], by)
