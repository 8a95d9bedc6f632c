"""What the answers about a post or a creator look like on the wire, made from the records of `types.py`."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from postlens.serve.schemas import Schema, rounded, shares
from postlens.types import EngagementForecast, NichePrediction, Product, ReactionForecast, Recommendation

MOST_DECIDING = 10  # posts that are told to have decided a creator's niche


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
