"""What is known about the posts of one account, as records that check nothing but themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from postlens.types import FloatArray, MediaFile, ModelSpec

ENGAGEMENT_MODEL = "engagement"  # name in the zoo
# A count is final when the post is a week old, by choice: later, and fewer posts count; sooner, and some still grow.
FINAL_H = 168.0

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PostFacts:
    """What is known about one post of an account, for forecasting (one account at a time)."""

    post_id: str
    published_at: datetime | None
    counts: Mapping[str, float]  # metric to latest count; hidden ones left out
    followers: float | None
    caption: str | None
    media: MediaFile | None  # first media file that could be read
    measures: Mapping[str, float] | None  # vision.measures.measure_image
    observed_at: datetime | None = None  # when the counts were read: how long the post had time to gather them
    followees: float | None = None  # accounts that the account follows
    n_posts_of_account: float | None = None
    caption_length: int | None = None  # characters; where the caption itself is not at hand
    n_hashtags: int | None = None  # likewise
    n_tagged: int | None = None  # accounts tagged in the picture
    has_location: bool | None = None
    alt_text: str | None = None  # the platform's automatic description of the picture
    n_faces: int | None = None  # found in the picture; 0: none found
    largest_face: float | None = None  # share of the picture's area, 0..1; 0 without faces
    niche: str | None = None  # label predicted of the picture
    niche_of_account: str | None = None  # of the account, predicted or known
    valence: float | None = None  # of the scene, 1 (unpleasant) to 7 (pleasant)
    vector: FloatArray | None = None  # (D,) embedding of the shared encoder
    is_carousel: bool | None = None  # several pictures in one post
    place: int | None = None  # in the order of first sight, which stands for time where posts have no dates


@dataclass(frozen=True, slots=True)
class History:
    """Counts of one metric on the account's posts before a post, oldest first."""

    counts: Float  # (n,)
    ages_days: Float  # (n,) days before the post; NaN where a time is missing
    followers: float | None  # the post's own figure, else the latest earlier one
    timed: bool  # False: the post has no time, so all the account's other posts stand in for the earlier ones
    comments: Float = field(default_factory=lambda: np.zeros(0))  # (n,) NaN where hidden; empty: not looked up
    content: Mapping[str, float] = field(default_factory=dict)  # means of `content.DIFFERENCES` over the same posts
    n_young: int = 0  # further earlier posts, left out: counted before FINAL_H

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def median(self) -> float | None:
        """The account's own median, the baseline of a forecast; None without earlier posts."""
        return float(np.median(self.counts)) if len(self) else None


class Model(Protocol):
    """The opened model, as `vision.zoo.open_model` returns it."""

    @property
    def spec(self) -> ModelSpec:
        """Its card."""

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """`features` (N, F) float32 to `lower`, `median` and `upper` (N, 1), all log(1 + likes)."""
