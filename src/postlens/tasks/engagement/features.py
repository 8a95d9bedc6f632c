"""An account's posts to the model's input: one row of numbers per post, NaN where something is not known.

Training and serving come through here. The first column, the anchor, is a first guess of log(1 + likes) that the trees
only correct: trees cannot extrapolate, the anchor can, to accounts smaller or larger than any that were trained on.
"""

from __future__ import annotations

import math
import re
from datetime import datetime

import numpy as np

from postlens.tasks.engagement.history import DAY_S
from postlens.tasks.engagement.records import History, PostFacts
from postlens.types import FloatArray, as_utc

# Least squares of log(1 + likes) on log(1 + followers) over 26,837 posts (recipes/engagement.py, row "line"); the 2017
# posts of large accounts, fitted alone, agree within 0.05 at their median of 376,245 followers.
LINE_INTERCEPT, LINE_SLOPE = -2.408, 0.878
# How many posts the line is worth: variance within accounts / variance between them around the line, 0.32 / 0.63 on
# the same posts. Higher trusts the followers longer, lower the account's own first posts.
LINE_WORTH_POSTS = 0.5
N_RECENT = 5  # posts in the recent median
MEASURES = ("brightness", "contrast", "saturation", "colourfulness", "symmetry")  # sharpness depends on the pixel size
ALT_WORDS = ("person", "people", "closeup", "outdoor", "indoor", "standing", "food", "text", "child", "dog")
ALT_NO_WORDS = "no photo description"  # what the platform writes when it recognised nothing
_HASHTAG = re.compile(r"#\w+")
_PEOPLE = re.compile(r"(\d+) (?:person|people)")

GROUPS: dict[str, tuple[str, ...]] = {  # what is absent together, is dropped together in training
    "anchor": ("anchor",),
    "followers": ("log_followers",),
    "account": ("log_followees", "log_posts_of_account"),
    "history": ("n_earlier", "above_line", "spread", "recent", "last", "days_since_last"),
    "horizon": ("age_days",),
    "caption": ("log_caption_length", "n_hashtags"),
    "tags": ("n_tagged", "has_location"),
    "shape": ("aspect",),
    "alt": ("n_people", *(f"alt_{word}" for word in ALT_WORDS)),
    "measures": MEASURES,
}
FEATURES = tuple(name for names in GROUPS.values() for name in names)


def feature_row(post: PostFacts, history: History) -> FloatArray:
    """(F,) float32 in the order of FEATURES; `history` is that of likes before the post.

    The anchor is NaN without followers and earlier posts: nothing can be forecast then.
    """
    found = _row(post, history)
    return np.array([found.get(name, math.nan) for name in FEATURES], np.float32)


def _row(post: PostFacts, history: History) -> dict[str, float]:
    return (
        _account(post, history)
        | _history(history)
        | _horizon(post.published_at, post.observed_at)
        | _caption(post)
        | _picture(post)
        | _alt(post.alt_text)
    )


def _account(post: PostFacts, history: History) -> dict[str, float]:
    return {
        "log_followers": _log(history.followers),
        "log_followees": _log(post.followees),
        "log_posts_of_account": _log(post.n_posts_of_account),
    }


def _history(history: History) -> dict[str, float]:
    """Counts on the log scale, relative to each other, so that they mean the same for every size of account."""
    line = LINE_INTERCEPT + LINE_SLOPE * _log(history.followers)
    if not len(history):
        return {"anchor": line, "n_earlier": 0.0}
    logs = np.log1p(history.counts)
    middle = float(np.median(logs))
    found = {
        "n_earlier": math.log1p(len(logs)),
        "anchor": _shrunk(middle, line, n=len(logs)),
        "above_line": middle - line,
    }
    if len(logs) > 1:
        found["spread"] = float(logs.std(ddof=1))
    if history.timed:
        found["recent"] = float(np.median(logs[-N_RECENT:])) - middle
        found["last"] = float(logs[-1]) - middle
        found["days_since_last"] = float(history.ages_days[-1])
    return found


def _shrunk(middle: float, line: float, *, n: int) -> float:
    """The account's median drawn towards what its followers suggest; the median alone without followers."""
    return middle if math.isnan(line) else (n * middle + LINE_WORTH_POSTS * line) / (n + LINE_WORTH_POSTS)


def _horizon(published_at: datetime | None, observed_at: datetime | None) -> dict[str, float]:
    """How long the post had been out when it was counted; a date in the future says nothing about that."""
    if published_at is None or observed_at is None or as_utc(observed_at) < as_utc(published_at):
        return {}
    return {"age_days": (as_utc(observed_at) - as_utc(published_at)).total_seconds() / DAY_S}


def _caption(post: PostFacts) -> dict[str, float]:
    n_characters, n_hashtags = post.caption_length, post.n_hashtags
    if post.caption is not None:
        n_characters, n_hashtags = len(post.caption), len(_HASHTAG.findall(post.caption))
    return {"log_caption_length": _log(n_characters), "n_hashtags": _plain(n_hashtags)}


def _picture(post: PostFacts) -> dict[str, float]:
    measures = post.measures or {}
    found = {name: float(measures[name]) for name in MEASURES if name in measures}
    found |= {"n_tagged": _plain(post.n_tagged), "has_location": _plain(post.has_location)}
    if post.media is not None:
        found["aspect"] = post.media.width_px / post.media.height_px
    return found


def _alt(text: str | None) -> dict[str, float]:
    """Words of the automatic description; all zero where it recognised nothing, absent where there is none."""
    if text is None:
        return {}
    lower = text.lower()
    words = frozenset(re.findall(r"[a-z]+", lower.split(":", 1)[-1])) if ALT_NO_WORDS not in lower else frozenset()
    counted = _PEOPLE.search(lower)
    n_people = float(counted[1]) if counted else float("people" in words)
    return {"n_people": n_people} | {f"alt_{word}": float(word in words) for word in ALT_WORDS}


def _log(value: float | None) -> float:
    return math.nan if value is None else math.log1p(max(value, 0.0))


def _plain(value: float | None) -> float:
    return math.nan if value is None else float(value)
