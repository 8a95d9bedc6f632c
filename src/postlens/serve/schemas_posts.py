"""What posts, their media and faces, and creators look like on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Self

import numpy as np
from pydantic import Field

from postlens.pipelines.campaign import CreatorAnswer
from postlens.serve.names import shown_name
from postlens.serve.schemas import FailureOut, Schema, rounded, shares
from postlens.serve.schemas_answers import Forecast, Niche, Offer, Reaction
from postlens.types import (
    ATTRIBUTES,
    EMOTIONS,
    Appearance,
    EngagementSnapshot,
    Faces,
    MediaFile,
    PostAnalysis,
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


def _row(names: Sequence[str], values: np.ndarray | None, row: int) -> dict[str, float] | None:
    """Named values of a row; `None` where they were not read."""
    if values is None or not np.isfinite(values[row]).all():
        return None
    return shares(dict(zip(names, values[row].tolist(), strict=True)))
