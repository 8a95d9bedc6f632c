"""Stored facts to answers: heads and rules over features; nothing here looks at media again."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from datetime import UTC, datetime
from statistics import median

from sqlalchemy import Connection

from postlens.config import Settings
from postlens.pipelines.answers_engagement import Forecaster, Readings, all_post_facts
from postlens.pipelines.answers_niche import attention_measures, frame_vectors, searched_faces
from postlens.pipelines.answers_products import Recommender
from postlens.pipelines.answers_reactions import Reactor
from postlens.pipelines.campaign import CreatorAnswer
from postlens.pipelines.catalog import load_products
from postlens.pipelines.facts import CreatorFacts, read_creator_facts
from postlens.tasks.engagement import PostFacts
from postlens.tasks.engagement.answer import Forecast
from postlens.tasks.niche.attention import attend_posts
from postlens.tasks.niche.features import face_features, post_embeddings
from postlens.tasks.niche.model import load_niche_model
from postlens.tasks.niche.predict import predict_creator, predict_posts
from postlens.tasks.products.readings import ImageReading
from postlens.tasks.reactions.emoji import EmojiTable, load_table
from postlens.types import (
    Appearance,
    Creator,
    Embeddings,
    Faces,
    Failure,
    MediaFile,
    ModelSpec,
    NichePrediction,
    Post,
    PostAnalysis,
    Product,
    ReactionForecast,
    order_metrics,
)
from postlens.vision.encoder import ENCODER
from postlens.vision.zoo import list_models, load_spec

EXPLAINED_POSTS = 3  # of each creator, the newest; each costs a few milliseconds and a card of the report


class Answerer:
    """Heads, catalog and emoji table, opened once; answers one creator at a time. For one thread."""

    def __init__(self, settings: Settings) -> None:
        """Raises `SettingsError` for a catalog, an emoji table or a model that cannot be used, `ModelError`."""
        self.settings = settings
        self.encoder_fingerprint = load_spec(ENCODER).fingerprint
        self.niche_model = load_niche_model(settings.niche_model)
        self._niche = self.niche_model.open_head()
        self._niche_faces = self.niche_model.open_faces()
        self._creator_model = self.niche_model.open_creator()
        self.forecaster = Forecaster(settings)
        self.recommender = Recommender(settings)
        self.reactor = Reactor(settings)

    def models(self) -> dict[str, ModelSpec]:
        """Cards of all models that answer, by name; those of a training as `niche_model/<name>` and the like."""
        found = {spec.name: spec for spec in list_models()}
        if self.settings.niche_model is not None:
            found |= {f"niche_model/{spec.name}": spec for spec in self.niche_model.specs}
        return found | self.recommender.specs | self.reactor.specs | self.forecaster.specs

    def read_facts(
        self, conn: Connection, creator: Creator, *, only: Set[str] | None = None, products: bool = True
    ) -> CreatorFacts:
        """What the store knows about a creator, as `answer` takes it; `only`: as `facts.read_creator_facts`.

        `products`: with the catalog and what else recommending and reactions read, which `niches` does not need.
        """
        facts = read_creator_facts(
            conn,
            creator,
            fingerprint=self.encoder_fingerprint,
            niche_fingerprint=self.niche_model.encoder.fingerprint,
            only=only,
            templates=self._niche_faces is not None,
        )
        return self.recommender.with_facts(conn, self.reactor.with_facts(conn, facts)) if products else facts

    def answer(
        self,
        facts: CreatorFacts,
        *,
        appearances: Mapping[str, Sequence[Appearance]],
        failures: Mapping[str, Failure],
        now: datetime | None = None,
        only: Set[str] | None = None,
    ) -> tuple[CreatorAnswer, tuple[PostAnalysis, ...]]:
        """The creator's answer and those of its posts.

        Args:
            facts: what the store knows.
            appearances: by post_id; empty without people.
            failures: by path or URL.
            now: counted posts cannot be published later; default: the clock.
            only: post_ids that are answered, the others are what they are compared with. None: all.
        """
        niche, niches = self.niches(facts)
        readings = self.recommender.readings(facts)
        asked = [post for post in facts.posts if only is None or post.post_id in only]
        # Of posts that are only compared with no mood of the scene is read: no forecast of another post asks for it.
        reactions = {post.post_id: self.reactor.react(post, facts) for post in asked}
        rows = self.post_rows(facts, niche, niches, reactions, now=now)
        rows.sort(key=lambda row: row.post_id not in reactions)
        forecasts = {one.post_id: one for one in self.forecaster.forecast(rows, only=len(asked))}
        places = facts.locations
        posts = tuple(
            PostAnalysis(
                post=post,
                creator=facts.creator,
                media=_own_media(post, facts, places),
                niche=niches.get(post.post_id),
                faces=_shown_faces(post, facts),
                recommendation=self.recommender.recommend(post.post_id, post.media, readings, facts),
                reaction=reactions[post.post_id],
                forecast=forecasts.get(post.post_id),
                appearances=tuple(appearances.get(post.post_id, ())),
                failures=_failures(post, facts, failures),
            )
            for post in asked
        )
        return self._creator(facts, niche, readings), posts

    def niches(self, facts: CreatorFacts) -> tuple[NichePrediction | None, dict[str, NichePrediction]]:
        """What the creator is about, `None` where no post has a vector, and what each post is, by post_id."""
        vectors = post_embeddings(frame_vectors(facts))
        niches = self._niches(vectors, facts)
        return self._creator_niche(facts, vectors, niches), niches

    def post_rows(
        self,
        facts: CreatorFacts,
        niche: NichePrediction | None,
        niches: Mapping[str, NichePrediction],
        reactions: Mapping[str, ReactionForecast | None] | None = None,
        *,
        now: datetime | None = None,
    ) -> list[PostFacts]:
        """What forecasts read of each of the creator's posts; `reactions` as they are read here, where at hand.

        now: counted posts cannot be published later; default: the clock.
        """
        if reactions is None:
            reactions = {post.post_id: self.reactor.react(post, facts) for post in facts.posts}
        valence = {post_id: one.valence if one else None for post_id, one in reactions.items()}
        return all_post_facts(facts, Readings(niches, niche, valence), now=now or datetime.now(UTC))

    def explain(
        self,
        facts: CreatorFacts,
        niche: NichePrediction | None,
        posts: Sequence[PostAnalysis],
        *,
        now: datetime | None = None,
    ) -> dict[str, Forecast]:
        """What is said of the forecasts of the creator's newest posts, by post_id; `posts`: all, as answered."""
        niches = {one.post.post_id: one.niche for one in posts if one.niche is not None}
        rows = self.post_rows(facts, niche, niches, {one.post.post_id: one.reaction for one in posts}, now=now)
        newest = sorted(posts, key=_newest_first)[:EXPLAINED_POSTS]
        asked = {one.post.post_id: one.forecast for one in newest if one.forecast is not None}
        rows.sort(key=lambda row: list(asked).index(row.post_id) if row.post_id in asked else len(asked))
        found = self.forecaster.explain(rows, list(asked.values()), creator_id=facts.creator.creator_id)
        return {one.post_id: one for one in found}

    def _niches(self, vectors: Embeddings, facts: CreatorFacts) -> dict[str, NichePrediction]:
        """From the vectors, and where the niche model reads them from the faces; by post_id."""
        posts = {post.post_id: post for post in facts.posts}
        found = predict_posts(
            vectors,
            self._niche,
            faces=face_features([searched_faces(posts[post_id], facts) for post_id in vectors.ids]),
            face_model=self._niche_faces,
            threshold=self.settings.niche_threshold,
        )
        return {one.subject_id: one for one in found}

    def _creator_niche(
        self, facts: CreatorFacts, vectors: Embeddings, niches: Mapping[str, NichePrediction]
    ) -> NichePrediction | None:
        """By attention over the posts' vectors where the niche model has that, else from the posts' answers."""
        creator_id, model = facts.creator.creator_id, self._creator_model
        if not niches:
            return None
        if model is None:
            return predict_creator(creator_id, list(niches.values()))
        if vectors.fingerprint not in model.spec.upstream:  # trained on what the head makes of them
            projected = self._niche.run({"features": vectors.vectors})["projected"]
            vectors = Embeddings(vectors.ids, projected, self._niche.spec.fingerprint)
        return attend_posts(creator_id, vectors, model, measures=attention_measures(facts, vectors.ids))

    def _creator(
        self, facts: CreatorFacts, niche: NichePrediction | None, readings: Mapping[str, ImageReading]
    ) -> CreatorAnswer:
        kinds = [facts.media[sha256].kind for post in facts.posts for sha256 in post.media if sha256 in facts.media]
        media = tuple(dict.fromkeys(sha256 for post in facts.posts for sha256 in post.media))
        creator_id = facts.creator.creator_id
        return CreatorAnswer(
            creator=facts.creator,
            n_posts=len(facts.posts),
            n_images=kinds.count("image"),
            n_videos=kinds.count("video"),
            niche=niche,
            recommendation=self.recommender.recommend(creator_id, media, readings, facts),
            followers=_latest_followers(facts),
            medians=_medians(facts),
        )


def load_tables(settings: Settings) -> tuple[tuple[Product, ...], EmojiTable]:
    """The product catalog of the settings and the emoji table; raises `SettingsError` for one that cannot be read."""
    return load_products(None, settings).products, load_table(settings.emoji_table)


def _own_media(post: Post, facts: CreatorFacts, places: Mapping[tuple[str, str], str]) -> tuple[MediaFile, ...]:
    """The post's media that could be read, each with the place where this post has it."""
    known = [facts.media[sha256] for sha256 in post.media if sha256 in facts.media]
    return tuple(replace(media, path=places.get((post.post_id, media.sha256), media.path)) for media in known)


def _shown_faces(post: Post, facts: CreatorFacts) -> tuple[Faces, ...]:
    """The faces of each media file, without the identity vectors."""
    found = [facts.faces.get(sha256, Faces.none()) for sha256 in post.media if sha256 in facts.media]
    return tuple(replace(faces, template=None) for faces in found)


def _failures(post: Post, facts: CreatorFacts, failures: Mapping[str, Failure]) -> tuple[Failure, ...]:
    places = [item.ref.name for item in facts.post_media.get(post.post_id, ())]
    return tuple(failures[place] for place in places if place in failures)


def _latest_followers(facts: CreatorFacts) -> float | None:
    """Of the latest observation; of equally late ones that of the latest post."""
    known = [
        ((_seconds(snapshot.observed_at), _seconds(post.published_at)), snapshot.followers)
        for post in facts.posts
        if (snapshot := facts.snapshots.get(post.post_id)) and snapshot.followers is not None
    ]
    return max(known, key=lambda row: row[0])[1] if known else None


def _newest_first(one: PostAnalysis) -> tuple[float, str]:
    return -_seconds(one.post.published_at), one.post.post_id


def _seconds(at: datetime | None) -> float:
    """For comparing times; an unknown one is before all others."""
    return at.timestamp() if at else -math.inf


def _medians(facts: CreatorFacts) -> dict[str, float]:
    values: dict[str, list[float]] = defaultdict(list)
    for snapshot in facts.snapshots.values():
        for name, value in snapshot.values.items():
            values[name].append(value)
    return {name: median(values[name]) for name in order_metrics(values)}
