"""An account's posts to the model's input: one row of numbers per post, NaN where something is not known.

Training and serving come through here. The first column, the anchor, is a first guess of log(1 + likes) that the trees
only correct: trees cannot extrapolate, the anchor can, to accounts smaller or larger than any that were trained on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from postlens.tasks.engagement.anchor import LINE_INTERCEPT, LINE_SLOPE, anchor, followers_line
from postlens.tasks.engagement.content import (
    ALT_WORDS,
    DIFFERENCES,
    MEASURES,
    NICHES,
    Numbers,
    content_numbers,
    log_or_nan,
)
from postlens.tasks.engagement.records import Float, History, PostFacts
from postlens.types import FloatArray

__all__ = ["FEATURES", "GROUPS", "LINE_INTERCEPT", "LINE_SLOPE", "MEASURES", "feature_numbers", "feature_row"]

N_RECENT = 5  # posts in the recent median
HALF_LIFE_POSTS = 3.0  # of the recency-weighted mean: the post before the last three counts half as much as the last

GROUPS: dict[str, tuple[str, ...]] = {  # what is absent together, is dropped together in training
    "anchor": ("anchor",),
    "followers": ("log_followers",),
    "account": ("log_followees", "log_posts_of_account", "followees_per_follower", "posts_per_follower"),
    "history": (
        *("n_earlier", "above_line", "above_anchor", "spread", "recent", "last", "days_since_last"),
        *("weighted", "mean", "posts_per_day", "comments_per_like"),
    ),
    "differences": tuple(f"more_{name}" for name in DIFFERENCES),
    "horizon": ("age_days",),  # of posts without history alone
    "caption": ("log_caption_length", "n_hashtags"),
    "caption_text": ("n_mentions", "n_emoji", "foreign_letters", "n_questions", "n_exclamations"),
    "tags": ("n_tagged", "has_location", "is_carousel"),
    "shape": ("aspect",),
    "alt": ("n_people", "n_alt_words", *(f"alt_{word}" for word in ALT_WORDS)),
    "measures": MEASURES,
    "faces": ("n_faces", "largest_face"),
    "niche": tuple(f"niche_{name}" for name in NICHES),
    "account_niche": tuple(f"account_niche_{name}" for name in NICHES),
    "valence": ("valence",),
}
FEATURES = tuple(name for names in GROUPS.values() for name in names)


def feature_row(post: PostFacts, history: History, *, names: Sequence[str] = FEATURES) -> FloatArray:
    """(len(names),) float32 in the order of `names`: the labels on the card of the model that reads the row.

    `history` is that of likes before the post. NaN: not known, or a name that is no feature. The anchor is NaN without
    followers and earlier posts: nothing can be forecast then.
    """
    found = feature_numbers(post, history)
    return np.array([found.get(name, math.nan) for name in names], np.float32)


def feature_numbers(post: PostFacts, history: History) -> Numbers:
    """The features that are known, by name."""
    content = content_numbers(post)
    if len(history):  # the account's own counts tell its level; a common age of all posts must not move it
        del content["age_days"]
    more = {f"more_{name}": content[name] - mean for name, mean in history.content.items() if name in content}
    return _account(post, history) | _history(history) | content | more


def _account(post: PostFacts, history: History) -> Numbers:
    followers, followees = log_or_nan(history.followers), log_or_nan(post.followees)
    n_posts = log_or_nan(post.n_posts_of_account)
    return {
        "log_followers": followers,
        "log_followees": followees,
        "log_posts_of_account": n_posts,
        "followees_per_follower": followees - followers,
        "posts_per_follower": n_posts - followers,
    }


def _history(history: History) -> Numbers:
    """Counts on the log scale, relative to each other, so that they mean the same for every size of account."""
    guess = anchor(history)
    if not len(history):
        return {"anchor": guess, "n_earlier": 0.0}
    logs = np.log1p(history.counts)
    middle = float(np.median(logs))
    found = {
        "n_earlier": math.log1p(len(logs)),
        "anchor": guess,
        "above_line": middle - followers_line(history.followers),
        "above_anchor": middle - guess,
        "mean": float(logs.mean()) - middle,
        "comments_per_like": _comments_per_like(logs, history.comments),
    }
    if len(logs) > 1:
        found["spread"] = float(logs.std(ddof=1))
    return found | (_timed(logs, history.ages_days, middle=middle) if history.timed else {})


def _timed(logs: Float, ages_days: Float, *, middle: float) -> Numbers:
    """What the order and the times of the earlier posts say; logs (n,), oldest first."""
    weights = 0.5 ** (np.arange(len(logs))[::-1] / HALF_LIFE_POSTS)
    return {
        "recent": float(np.median(logs[-N_RECENT:])) - middle,
        "last": float(logs[-1]) - middle,
        "weighted": float(weights @ logs / weights.sum()) - middle,
        "days_since_last": float(ages_days[-1]),
        "posts_per_day": math.log(len(logs) / (float(ages_days[0]) + 1.0)),
    }


def _comments_per_like(logs: Float, comments: Float) -> float:
    """Mean of log(1 + comments) - log(1 + likes) over the earlier posts with both; NaN without any."""
    known = ~np.isnan(comments)
    return float((np.log1p(comments[known]) - logs[known]).mean()) if known.any() else math.nan
