"""What answers about posts, creators and media look like on the wire, made from the records of `types.py`.

Each model has `of`, which names what of the record is told. Identity vectors, pictures and places on the server are
never told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, Self, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from postlens.pipelines.campaign import CreatorAnswer
from postlens.serve.names import shown_name
from postlens.types import (
    ATTRIBUTES,
    EMOTIONS,
    Appearance,
    EngagementForecast,
    EngagementSnapshot,
    Faces,
    Failure,
    MediaFile,
    NichePrediction,
    PostAnalysis,
    Product,
    ReactionForecast,
    Recommendation,
)

T = TypeVar("T")
MOST_DECIDING = 10  # posts that are told to have decided a creator's niche


class Schema(BaseModel):
    """Base of all answers. Halves of characters, which names of files and captions may hold, become `?`: no JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _whole_characters(cls, values: Any) -> Any:
        return {name: _whole(value) for name, value in values.items()} if isinstance(values, dict) else values


class Page(Schema, Generic[T]):
    """A part of a list."""

    items: list[T]
    total: int = Field(description="Rows that fit the filters, on all pages.")
    next_cursor: str | None = Field(None, description="For the next page; null on the last.")


class ProblemOut(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = Field(description="urn:postlens:problem: and the code.")
    title: str
    status: int
    code: str = Field(description="Stays the same from version to version; see docs/serving.md.")
    detail: str


class Health(Schema):
    """The state of the server."""

    status: str
    version: str


class FailureOut(Schema):
    """One thing that could not be done."""

    subject: str
    stage: str
    error: str
    message: str

    @classmethod
    def of(cls, failure: Failure) -> Self:
        """With the file's own name in place of where it lies."""
        subject = shown_name(failure.subject)
        message = failure.message.replace(failure.subject, subject)
        return cls(subject=subject, stage=failure.stage, error=failure.error, message=message)


# --- one post ---------------------------------------------------------------------------------------------------------


class Reaction(Schema):
    """Which emotions an image conveys, and which emoji fit."""

    emotions: list[str] = Field(description="Those above their thresholds, the most probable first.")
    allowed: list[str]
    blocked: list[str]
    low_confidence: bool = Field(description="No emotion is above its threshold: the most probable one stands in.")
    reader: str
    decided_by: str
    n_faces: int
    valence: float | None = Field(description="1 (unpleasant) to 7 (pleasant).")
    arousal: float | None = Field(description="1 (calm) to 7 (excited).")
    scores: dict[str, float] | None = Field(None, description="Calibrated probabilities by emotion, if asked for.")
    thresholds: dict[str, float] | None = Field(None, description="By emotion, if scores were asked for.")

    @classmethod
    def of(cls, one: ReactionForecast, *, scores: bool = True) -> Self:
        """With or without the scores."""
        return cls(
            emotions=list(one.emotions),
            allowed=list(one.allowed),
            blocked=list(one.blocked),
            low_confidence=one.low_confidence,
            reader=one.reader,
            decided_by=one.decided_by,
            n_faces=one.n_faces,
            valence=rounded(one.valence, 2),
            arousal=rounded(one.arousal, 2),
            scores=shares(one.probs) if scores else None,
            thresholds=shares(one.thresholds) if scores else None,
        )


class Emojis(Schema):
    """The emoji that may and may not stand under an image."""

    emotions: list[str]
    allowed: list[str]
    blocked: list[str]
    low_confidence: bool

    @classmethod
    def of(cls, one: ReactionForecast) -> Self:
        """Those of a reaction."""
        return cls(
            emotions=list(one.emotions),
            allowed=list(one.allowed),
            blocked=list(one.blocked),
            low_confidence=one.low_confidence,
        )


class Deciding(Schema):
    """A post that decided, and how much."""

    post_id: str
    weight: float


class Niche(Schema):
    """What a post or a creator is about."""

    label: str
    confidence: float
    low_confidence: bool
    probs: dict[str, float]
    n_posts: int | None
    deciding: list[Deciding]

    @classmethod
    def of(cls, one: NichePrediction) -> Self:
        """With the posts that decided most."""
        return cls(
            label=one.label,
            confidence=round(one.confidence, 4),
            low_confidence=one.low_confidence,
            probs=shares(one.probs),
            n_posts=one.n_posts,
            deciding=[Deciding(post_id=key, weight=round(w, 4)) for key, w in one.attention[:MOST_DECIDING]],
        )


class ProductOut(Schema):
    """A product of the catalog."""

    product_id: str
    title: str
    labels: list[str]
    url: str | None
    price: float | None
    currency: str | None

    @classmethod
    def of(cls, one: Product) -> Self:
        """Without its image, which may be a place on the server."""
        return cls(
            product_id=one.product_id,
            title=one.title,
            labels=list(one.labels),
            url=one.url,
            price=one.price,
            currency=one.currency,
        )


class Offer(Schema):
    """The one product to show for a subject, and why."""

    subject_id: str
    product: ProductOut | None = Field(description="Null when nothing was detected that a product is for.")
    label: str | None
    attribute: str | None
    score: float
    share: float
    n_images: int
    reason: str
    deciding_media: str | None = Field(description="sha256 of the image that decided.")
    policy: str
    n_fitting: int
    others: list[ProductOut] = Field(description="Further products that fit, the best first.")

    @classmethod
    def of(cls, one: Recommendation) -> Self:
        """With the products that fit, too."""
        return cls(
            subject_id=one.subject_id,
            product=None if one.product is None else ProductOut.of(one.product),
            label=one.label,
            attribute=one.attribute,
            score=round(one.score, 4),
            share=round(one.share, 4),
            n_images=one.n_images,
            reason=one.reason,
            deciding_media=one.deciding_media,
            policy=one.policy,
            n_fitting=one.n_fitting,
            others=[ProductOut.of(other.product) for other in one.products[1:]],
        )


class Forecast(Schema):
    """Expected count of one metric for a post."""

    post_id: str
    metric: str
    median: float | None
    lower: float | None
    upper: float | None
    coverage: float
    baseline: float | None
    n_history: int
    actual: float | None
    method: str
    percentile: float | None
    note: str

    @classmethod
    def of(cls, one: EngagementForecast) -> Self:
        """Counts rounded to a tenth."""
        return cls(
            post_id=one.post_id,
            metric=one.metric,
            median=rounded(one.median, 1),
            lower=rounded(one.lower, 1),
            upper=rounded(one.upper, 1),
            coverage=one.coverage,
            baseline=rounded(one.baseline, 1),
            n_history=one.n_history,
            actual=one.actual,
            method=one.method,
            percentile=rounded(one.percentile, 1),
            note=one.note,
        )


class Face(Schema):
    """One face of an image or frame, in pixels of the original."""

    box_px: list[float] = Field(description="Left, top, right, bottom.")
    pts_s: float
    score: float
    quality: float
    expression: dict[str, float] | None
    attributes: dict[str, float] | None

    @classmethod
    def all_of(cls, faces: Faces) -> list[Self]:
        """Each face of a batch."""
        return [
            cls(
                box_px=[round(value, 1) for value in faces.xyxy_px[i].tolist()],
                pts_s=round(float(faces.pts_s[i]), 3),
                score=round(float(faces.score[i]), 4),
                quality=round(float(faces.quality[i]), 4),
                expression=_row(EMOTIONS, faces.expression, i),
                attributes=_row(ATTRIBUTES, faces.attributes, i),
            )
            for i in range(len(faces))
        ]


class Media(Schema):
    """One media file of a post."""

    sha256: str
    kind: str
    name: str
    width_px: int
    height_px: int
    duration_s: float | None
    partial: str | None = Field(description="Why only a part could be decoded.")
    faces: list[Face]

    @classmethod
    def of(cls, media: MediaFile, faces: Faces) -> Self:
        """With its faces."""
        return cls(
            sha256=media.sha256,
            kind=media.kind,
            name=shown_name(media.path) if media.path else media.sha256[:12],
            width_px=media.width_px,
            height_px=media.height_px,
            duration_s=rounded(media.duration_s, 3),
            partial=media.partial,
            faces=Face.all_of(faces),
        )


class Shown(Schema):
    """A person in a post."""

    person_id: str
    post_id: str
    media: str
    start_s: float
    end_s: float
    similarity: float

    @classmethod
    def of(cls, one: Appearance) -> Self:
        """When and how sure."""
        return cls(
            person_id=one.person_id,
            post_id=one.post_id,
            media=one.media,
            start_s=round(one.start_s, 3),
            end_s=round(one.end_s, 3),
            similarity=round(one.similarity, 4),
        )


class PostOut(Schema):
    """All five answers about a post."""

    post_id: str
    creator_id: str
    platform: str
    published_at: datetime | None
    caption: str | None
    figures: dict[str, float] = Field(description="Latest known counts by metric.")
    media: list[Media]
    niche: Niche | None
    people: list[Shown]
    recommendation: Offer | None
    forecast: Forecast | None
    reaction: Reaction | None
    failures: list[FailureOut]

    @classmethod
    def of(cls, one: PostAnalysis, snapshot: EngagementSnapshot | None = None) -> Self:
        """With its latest figures."""
        return cls(
            post_id=one.post.post_id,
            creator_id=one.creator.creator_id,
            platform=one.post.platform,
            published_at=one.post.published_at,
            caption=one.post.caption,
            figures=snapshot.values if snapshot else {},
            media=[Media.of(media, faces) for media, faces in zip(one.media, one.faces, strict=True)],
            niche=None if one.niche is None else Niche.of(one.niche),
            people=[Shown.of(seen) for seen in one.appearances],
            recommendation=None if one.recommendation is None else Offer.of(one.recommendation),
            forecast=None if one.forecast is None else Forecast.of(one.forecast),
            reaction=None if one.reaction is None else Reaction.of(one.reaction),
            failures=[FailureOut.of(failure) for failure in one.failures],
        )


# --- creators ---------------------------------------------------------------------------------------------------------


class CreatorOut(Schema):
    """What a creator is about, how its posts do, and what to offer."""

    creator_id: str
    platform: str
    handle: str
    display_name: str | None
    n_posts: int
    n_images: int
    n_videos: int
    followers: float | None
    medians: dict[str, float] = Field(description="Of each metric, over the posts that have it.")
    niche: Niche | None
    recommendation: Offer | None

    @classmethod
    def of(cls, one: CreatorAnswer) -> Self:
        """All that is known of it as a whole."""
        return cls(
            creator_id=one.creator.creator_id,
            platform=one.creator.platform,
            handle=one.creator.handle,
            display_name=one.creator.display_name,
            n_posts=one.n_posts,
            n_images=one.n_images,
            n_videos=one.n_videos,
            followers=one.followers,
            medians=dict(one.medians),
            niche=None if one.niche is None else Niche.of(one.niche),
            recommendation=None if one.recommendation is None else Offer.of(one.recommendation),
        )


def _whole(value: Any) -> Any:
    """A text, or texts in a list, that can be written as UTF-8."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
    return [_whole(one) for one in value] if isinstance(value, list) else value


def rounded(value: float | None, digits: int) -> float | None:
    """The value with so many digits; `None` stays."""
    return None if value is None else round(float(value), digits)


def shares(values: Mapping[str, float]) -> dict[str, float]:
    """Probabilities with four digits."""
    return {name: round(float(value), 4) for name, value in values.items()}


def _row(names: Sequence[str], values: np.ndarray | None, row: int) -> dict[str, float] | None:
    """Named values of a row; `None` where they were not read."""
    if values is None or not np.isfinite(values[row]).all():
        return None
    return shares(dict(zip(names, values[row].tolist(), strict=True)))
