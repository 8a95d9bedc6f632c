"""What is said of one forecast beyond its figures: why, what would help, what similar posts got. Records only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from postlens.types import EngagementForecast

ChangeKind = Literal["caption", "hashtags", "weekday", "hour"]


@dataclass(frozen=True, slots=True)
class Reason:
    """What one group of features did to the forecast."""

    group: str  # key of `features.GROUPS`, or one of `reasons.UNKNOWN`, `REST` and `EARLY`
    text: str  # in words, without the figure: "caption length and hashtags"
    change: float  # 0.12: 12 % more than without knowing it


@dataclass(frozen=True, slots=True)
class SimilarPost:
    """An earlier post whose pictures look alike, and what it got."""

    post_id: str
    similarity: float  # cosine of the embeddings, at most 1
    count: float
    published_at: datetime | None


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that could be done otherwise, and what that goes along with."""

    kind: ChangeKind
    option: str  # "no hashtag", "Saturday"
    change: float | None  # 0.12: 12 % more; None: the data does not support a figure
    interval: tuple[float, float] | None = None  # where it rests on the account's own posts
    n_posts: int | None = None  # own posts of this option
    is_now: bool = False  # how the post is
    note: str = ""  # why there is no figure, or what it rests on


@dataclass(frozen=True, slots=True)
class Forecast:
    """A forecast with all that is said of it."""

    forecast: EngagementForecast
    creator_id: str
    reasons: tuple[Reason, ...] = ()  # strongest first, then the rest together; (): the answer is not of trees
    # The count that reasons start from: the model's guess from the account's earlier counts, their age and its
    # followers. Not its median, which is `forecast.baseline`. Start times (1 + change) of all reasons is the median.
    start: float | None = None
    start_text: str = ""  # what draws the start away from the account's median
    similar: tuple[SimilarPost, ...] = ()  # most alike first
    what_if: tuple[Change, ...] = ()
    fallback: str = ""  # what was asked for or would be better, and why it could not answer
    rank: int | None = None  # of several new photos of one account, 1: probably the most
    order_note: str = ""  # how sure the ranks are
    own_model: str = ""  # whether the account's own model beats its median, where it has posts enough
    files: tuple[str, ...] = ()  # where its media was read

    @property
    def post_id(self) -> str:
        """Of the forecast."""
        return self.forecast.post_id
