"""The answers of a whole campaign, as records that the exports and the report read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from postlens.tasks.engagement.answer import Forecast
from postlens.types import (
    Appearance,
    Creator,
    EngagementSnapshot,
    Failure,
    ItemShare,
    NichePrediction,
    PersonPerformance,
    PostAnalysis,
    Recommendation,
    order_metrics,
)


@dataclass(frozen=True, slots=True)
class CreatorAnswer:
    """What a creator is about and what to offer."""

    creator: Creator
    n_posts: int
    n_images: int
    n_videos: int
    niche: NichePrediction | None  # None: no media could be read
    recommendation: Recommendation | None
    followers: float | None  # latest known
    medians: Mapping[str, float]  # metric to median over the creator's posts that have it


@dataclass(frozen=True, slots=True)
class PersonAnswer:
    """Who appears where, and how those posts perform."""

    person_id: str
    name: str | None
    n_posts: int
    n_videos: int
    screen_time_s: float
    appearances: tuple[Appearance, ...]  # those that count: of copies of a post only one's
    performance: tuple[PersonPerformance, ...]  # one per metric that is known
    thumbnail: bytes | None  # JPEG of the best face
    screen_share: float | None = None  # mean over the videos of screen time / duration; None: no video


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A post whose media was published before."""

    post_id: str
    first_post_id: str
    reason: str
    score: float


@dataclass(frozen=True, slots=True)
class OfferPictures:
    """Small JPEGs that explain offers, of those subjects that outputs show with pictures."""

    products: Mapping[str, bytes] = field(default_factory=dict)  # by product_id
    heads: Mapping[tuple[str, int], bytes] = field(default_factory=dict)  # by sha256 and running number of the face

    def head(self, item: ItemShare) -> bytes | None:
        """The face that shows the item best."""
        return self.heads.get((item.media, item.face)) if item.media and item.face is not None else None


@dataclass(frozen=True, slots=True)
class Campaign:
    """All answers about all posts of a store."""

    creators: tuple[CreatorAnswer, ...]
    posts: tuple[PostAnalysis, ...]
    snapshots: Mapping[str, EngagementSnapshot]  # latest by post_id
    locations: Mapping[tuple[str, str], str]  # post and sha256 to where the file was read
    people: tuple[PersonAnswer, ...]
    duplicates: tuple[Duplicate, ...]
    failures: tuple[Failure, ...]
    n_waiting_faces: int  # seen too seldom to be called a person
    created_at: datetime
    notes: tuple[str, ...] = ()  # from the source, e.g. that figures are invented
    models: Mapping[str, str] = field(default_factory=dict)  # name to version and fingerprint
    n_suggestions: int | None = None  # merges and splits of persons that a user might want; None: not asked
    offer_pictures: OfferPictures = field(default_factory=OfferPictures)
    policy: Literal["matching", "missing"] = "matching"  # of offers
    audience: tuple[str, ...] = ()  # for whom products may be offered; (): everybody
    product_order: Literal["similar", "rotate", "listed"] = "listed"  # of several products that fit
    reaction_policy: Literal["strict", "union"] = "strict"  # of emoji

    forecasts: Mapping[str, Forecast] = field(default_factory=dict)  # by post_id, of the posts whose reasons are told

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of all figures that any post has, those of METRICS first."""
        return order_metrics(name for snapshot in self.snapshots.values() for name in snapshot.values)
