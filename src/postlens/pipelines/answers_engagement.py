"""Stored facts of one creator to forecasts of its posts, and to what is said of some of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

import numpy as np

from postlens.config import Settings
from postlens.pipelines.facts import CreatorFacts
from postlens.pipelines.ingest import CLOCK_SLACK
from postlens.tasks.engagement import ENGAGEMENT_MODEL, PostFacts
from postlens.tasks.engagement.account import AccountModel
from postlens.tasks.engagement.answer import Forecast
from postlens.tasks.engagement.choose import forecast_posts
from postlens.tasks.engagement.explain import Explainer
from postlens.tasks.engagement.features import FEATURES, feature_row
from postlens.tasks.engagement.history import is_young, known_count, read_histories
from postlens.tasks.engagement.model import load_engagement_model, load_ranker
from postlens.tasks.engagement.order import Order, order_posts
from postlens.tasks.engagement.own import OwnFits, own_model
from postlens.tasks.engagement.predict import MODEL_METRIC
from postlens.tasks.engagement.ranking import rank_images
from postlens.tasks.engagement.reasons import Account, find_reasons
from postlens.tasks.engagement.records import Float, History
from postlens.tasks.engagement.similar import similar_posts
from postlens.tasks.engagement.what_if import caption_changes, time_changes
from postlens.types import EngagementForecast, Faces, FloatArray, MediaFile, ModelSpec, NichePrediction, Post, as_utc
from postlens.vision.session import Session
from postlens.vision.zoo import open_model

SAME_PICTURE = 0.999  # cosine; copies that were saved anew stay above, other pictures of a scene below
# A picture whose longest side is shorter is ranked as the thumbnails of 42 px that the ranker also learned; higher:
# photos lose the weights made for them, lower: enlarged thumbnails get weights for photos.
THUMBNAIL_PX = 100
SMALL_PX = 160  # a picture whose longest side is shorter shows little; measures and embedding are weak then


@dataclass(frozen=True, slots=True)
class Readings:
    """What other tasks read in one creator's posts, by post_id."""

    niches: Mapping[str, NichePrediction]
    niche: NichePrediction | None  # of the creator
    valence: Mapping[str, float | None]  # of the scene


class Forecaster:
    """The model of many accounts, opened once; answers one creator at a time. For one thread."""

    def __init__(self, settings: Settings) -> None:
        """Raises `SettingsError` or `ModelError` for a model that cannot be used."""
        self.settings = settings
        self.model = _open_model(settings)
        self._fits = OwnFits()
        n_features = len(self.model.spec.labels or FEATURES)
        self._explainer = Explainer.read(self.model.metadata, n_features=n_features)
        self._ranker = load_ranker(settings.engagement_ranker)

    @property
    def specs(self) -> dict[str, ModelSpec]:
        """The cards of the models of a training that answer, each as `<setting>/<name>`."""
        models = {"engagement_model": self.model.spec, "engagement_ranker": self._ranker.spec}
        return {
            f"{setting}/{spec.name}": spec
            for setting, spec in models.items()
            if getattr(self.settings, setting) is not None
        }

    def forecast(self, rows: Sequence[PostFacts], *, only: int | None = None) -> tuple[EngagementForecast, ...]:
        """One forecast per post of one account, by the metric and method of the settings."""
        method, metric = self.settings.engagement_method, self.settings.metric
        return forecast_posts(rows, metric=metric, method=method, model=self.model, only=only, fits=self._fits)

    def explain(
        self, rows: Sequence[PostFacts], forecasts: Sequence[EngagementForecast], *, creator_id: str
    ) -> tuple[Forecast, ...]:
        """What is said of the first posts of `rows`, one for each of `forecasts`; the others are history."""
        own = own_model(rows, metric=self.settings.metric, fits=self._fits) if forecasts else None
        histories = islice(read_histories(rows, metric=self.settings.metric), len(forecasts))
        asked = zip(rows[: len(forecasts)], forecasts, histories, strict=True)
        found = [(post, self._explain(post, one, history, rows)) for post, one, history in asked]
        return tuple(
            replace(
                one,
                creator_id=creator_id,
                own_model=own_words(own),
                fallback=fallback_words(one, post, self.settings),
            )
            for post, one in found
        )

    def _explain(
        self, post: PostFacts, one: EngagementForecast, history: History, rows: Sequence[PostFacts]
    ) -> Forecast:
        before = earlier_posts(post, rows)
        by_trees = one.metric == MODEL_METRIC and one.method in ("accounts", "early")
        row = feature_row(post, history, names=self.model.spec.labels or FEATURES) if by_trees else None
        why: Account | None = None
        if row is not None and self._explainer is not None and not math.isnan(float(row[0])):
            why = find_reasons(row, self._explainer, self.model, median=one.median if one.method == "early" else None)
        return Forecast(
            forecast=one,
            creator_id="",
            reasons=why.reasons if why is not None else (),
            start=why.start if why is not None else None,
            start_text=why.start_text if why is not None else "",
            similar=similar_posts(post, before, metric=one.metric),
            what_if=(
                *(caption_changes(post, history, self.model) if row is not None else ()),
                *time_changes(post, before, metric=one.metric),
            ),
        )

    def order(self, posts: Sequence[PostFacts], forecasts: Sequence[EngagementForecast]) -> Order:
        """Places of new posts of one account by their forecasts, and by their pictures where these are the same."""
        if len(posts) < 2:
            return order_posts(forecasts, None, None)
        return order_posts(forecasts, _picture_scores(posts, self._ranker), self._ranker)


def fallback_words(one: Forecast, row: PostFacts, settings: Settings) -> str:
    """What of the answer is weaker than asked for, in words."""
    said = []
    wanted, method = settings.engagement_method, one.forecast.method
    if wanted not in ("auto", method) and method != "early":
        said.append(f"asked for {wanted}, answered by {method}")
    if row.media is not None and _longest_px(row) < SMALL_PX:
        size = f"{row.media.width_px} x {row.media.height_px}"
        said.append(f"the picture has {size} pixels only: what it shows counts for little, give a larger one")
    if one.similar and one.similar[0].similarity >= SAME_PICTURE:
        said.append(f"the account posted this picture, or a copy, before: it got {one.similar[0].count:g}")
    if row.media is None:
        said.append("no picture could be read")
    if is_young(row) and settings.metric in row.counts:
        said.append(f"the post's {settings.metric} were counted before it was a week old: not final")
    elif known_count(row, settings.metric) is None and row.counts:
        said.append(f"the post's {settings.metric} are hidden: not known, which is not 0")
    return "; ".join(said)


def own_words(own: AccountModel | None) -> str:
    """Whether the account's own model is better than its median, for people; "" without one."""
    if own is None:
        return ""
    seen = own.held_out
    gain = 1 - seen.mae_log / seen.mae_log_median if seen.mae_log_median else 0.0
    verdict = "better" if own.better_than_median else "no better"
    text = f"a model of its {own.n_posts} own posts is {verdict} than its median"
    if gain > 0:
        chance = "" if own.better_than_median else ", which may be chance"
        text += f" (errors {gain:.0%} smaller on {seen.n} later posts{chance})".replace("%", " %")
    return "; ".join(filter(None, (text, own.order_note)))


def _open_model(settings: Settings) -> Session:
    if settings.engagement_model is None:
        return open_model(ENGAGEMENT_MODEL)
    return load_engagement_model(settings.engagement_model).open()


def _picture_scores(posts: Sequence[PostFacts], ranker: Session) -> Float:
    """(N,) scores of the posts' pictures, NaN where there is none; thumbnails by weights learned from such."""
    vectors, measures = _vectors(posts), [one.measures for one in posts]
    seen = np.array([post.vector is not None for post in posts])
    small = np.array([_longest_px(post) < THUMBNAIL_PX for post in posts])
    scores = rank_images(vectors, measures, ranker)
    if small.any():
        scores = np.where(small, rank_images(vectors, measures, ranker, thumbnails=True), scores)
    return np.where(seen, scores, np.nan)


def _longest_px(row: PostFacts) -> float:
    """Of the picture; infinite where there is none."""
    return math.inf if row.media is None else max(row.media.width_px, row.media.height_px)


def _vectors(posts: Sequence[PostFacts]) -> FloatArray:
    known = next((one.vector for one in posts if one.vector is not None), np.zeros(0, np.float32))
    blank = np.full(len(known), np.nan, np.float32)
    return np.stack([blank if one.vector is None else one.vector for one in posts])


def earlier_posts(post: PostFacts, rows: Sequence[PostFacts]) -> list[PostFacts]:
    """Those published before the post; all others of a post without a time, as `history.read_histories` counts."""
    others = [one for one in rows if one.post_id != post.post_id]
    if post.published_at is None:
        return others
    at = as_utc(post.published_at)
    return [one for one in others if one.published_at is not None and as_utc(one.published_at) < at]


# --- facts ----------------------------------------------------------------------------------------------------------


def all_post_facts(facts: CreatorFacts, readings: Readings, *, now: datetime) -> list[PostFacts]:
    """What is known of each of the creator's posts, in their order."""
    return [_of_the_past(post_facts(post, facts, readings), now) for post in facts.posts]


def _of_the_past(row: PostFacts, now: datetime) -> PostFacts:
    """A counted post that would be published after `now` has no date that can be used, by the rule of `ingest`.

    A store can hold one: a post that was planned when it was first read, or read by a clock that was ahead.
    """
    if row.published_at is None or not row.counts or as_utc(row.published_at) <= now + CLOCK_SLACK:
        return row
    return replace(row, published_at=None)


def post_facts(post: Post, facts: CreatorFacts, readings: Readings) -> PostFacts:
    """What is known of one post; of several pictures the first that could be read is looked at."""
    snapshot = facts.snapshots.get(post.post_id)
    first = next((facts.media[sha256] for sha256 in post.media if sha256 in facts.media), None)
    niche = readings.niches.get(post.post_id)
    n_faces, largest = _faces(first, facts)
    return PostFacts(
        post_id=post.post_id,
        published_at=post.published_at,
        counts=snapshot.values if snapshot else {},
        followers=snapshot.followers if snapshot else None,
        observed_at=snapshot.observed_at if snapshot else None,
        followees=snapshot.followees if snapshot else None,
        n_posts_of_account=snapshot.n_posts if snapshot else None,
        caption=post.caption,
        media=first,
        measures=facts.measures.get(first.sha256) if first else None,
        n_tagged=post.n_tagged,
        has_location=post.has_location,
        alt_text=post.alt_text,
        n_faces=n_faces,
        largest_face=largest,
        niche=niche.label if niche else None,
        niche_of_account=readings.niche.label if readings.niche else None,
        valence=readings.valence.get(post.post_id),
        vector=_vector(first, facts),
        is_carousel=len(post.media) > 1 if post.media else None,
        place=facts.seen.get(post.post_id),
    )


def _vector(media: MediaFile | None, facts: CreatorFacts) -> FloatArray | None:
    """Mean over the file's frames."""
    if media is None or media.sha256 not in facts.embeddings or not len(facts.embeddings[media.sha256][0]):
        return None
    return np.asarray(facts.embeddings[media.sha256][0].vectors.mean(axis=0), np.float32)


def _faces(media: MediaFile | None, facts: CreatorFacts) -> tuple[int | None, float | None]:
    """Most faces in one frame, and the largest as a share of the area; None where none was looked for."""
    if media is None or media.sha256 not in facts.embeddings:
        return None, None
    faces = facts.faces.get(media.sha256, Faces.none())
    if not len(faces):
        return 0, 0.0
    size = (faces.xyxy_px[:, 2:] - faces.xyxy_px[:, :2]).astype(np.float64)
    largest = float(size.prod(axis=1).max()) / (media.width_px * media.height_px)
    return int(np.unique(faces.frame, return_counts=True)[1].max()), min(1.0, max(0.0, largest))
