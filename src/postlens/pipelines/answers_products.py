"""Stored facts to recommendations: shipped and trained labels over faces and images, one product of the catalog."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from functools import cached_property
from pathlib import PurePath

import numpy as np
from sqlalchemy import Connection

from postlens.config import Settings
from postlens.errors import NotEnoughDataError
from postlens.media.probe import display_name
from postlens.pipelines.catalog import load_products
from postlens.pipelines.facts import CreatorFacts, places_by_content
from postlens.pipelines.product_facts import AnsweringStage, ProductFacts, answering_stages, read_product_facts
from postlens.store.meta import read_revision
from postlens.tasks.products.catalog import unknown_audience
from postlens.tasks.products.items import catalog_labels, join_labels, shipped_labels
from postlens.tasks.products.model import ProductModel, load_product_models
from postlens.tasks.products.offer import Shelf
from postlens.tasks.products.predict import MODEL as ATTRIBUTE_MODEL
from postlens.tasks.products.ranking import mean_direction
from postlens.tasks.products.readings import ImageReading, attribute_scores, read_image
from postlens.tasks.products.recommend import recommend
from postlens.types import WHOLE, Faces, Failure, FloatArray, ModelSpec, Recommendation
from postlens.vision.encoder import ENCODER
from postlens.vision.zoo import load_spec

STAGE = "products"  # of the failures
Rows = dict[int, dict[str, float]]  # row of a face, or WHOLE, to scores by label


class Recommender:
    """Labels, trained models and catalog, opened once; recommends for the subjects of one store. For one thread."""

    def __init__(self, settings: Settings) -> None:
        """Raises `SettingsError` for a catalog or a product model that cannot be used, `ModelError`."""
        self.settings = settings
        self.models = load_product_models(settings.product_models)
        shipped = shipped_labels(dict(load_spec(ATTRIBUTE_MODEL).thresholds))
        self.labels = join_labels(shipped, *(model.labels for model in self.models))
        owners = {label.name: row for row, model in enumerate(self.models) for label in model.labels}  # the last counts
        self._shipped = [label.name for label in shipped if label.name not in owners]
        self._owned = [{name for name, owner in owners.items() if owner == row} for row in range(len(self.models))]
        self._catalog = load_products(None, settings, labels=catalog_labels(self.labels), vectors=False)
        self._shelf = self._stock()
        self._revision: int | None = None  # of the store that the catalog was read at
        self._read: dict[str, tuple[int, int]] = {}  # creator_id to how many media were not looked at, of how many

    @property
    def specs(self) -> dict[str, ModelSpec]:
        """Cards of the models that it reads the answers of; those of a training as `product_models/<run>/<name>`."""
        shipped = {spec.name: spec for spec in (load_spec(ENCODER), load_spec(ATTRIBUTE_MODEL))}
        return shipped | {
            f"product_models/{one.folder.name}/{net.name}": net for one in self.models for net in one.nets
        }

    @property
    def notes(self) -> tuple[Failure, ...]:
        """What of the catalog could not be used, and how many media have not been looked at with these models."""
        n_unread, n_media = (sum(counts) for counts in zip((0, 0), *self._read.values(), strict=True))
        known = (*self._catalog.notes, *unknown_audience(self._catalog.products, self.settings.audience))
        if not n_unread:
            return known
        error = NotEnoughDataError(
            f"expected all {n_media} media to have been looked at by the models in use, got {n_unread} that were not;"
            " they count for nothing: run `postlens recommend` with the folder or table that they come from, and with"
            " the same --product-model"
        )
        return (*known, Failure.of("media of the store", STAGE, error))

    @property
    def trained(self) -> frozenset[str]:
        """Names of the labels that own models read."""
        return frozenset(name for own in self._owned for name in own)

    def with_facts(self, conn: Connection, facts: CreatorFacts) -> CreatorFacts:
        """The facts, with what else the store knows for recommending in their media; the catalog as it is now."""
        shelf = self.read_shelf(conn)
        products = read_product_facts(
            conn, facts.creator, list(facts.media), shelf=shelf, models=self.models, stages=self._stages
        )
        self._read[facts.creator.creator_id] = (len(products.unread), len(facts.media))
        return replace(facts, products=products)

    @cached_property
    def _stages(self) -> frozenset[AnsweringStage]:
        return answering_stages(self.models)

    def read_shelf(self, conn: Connection) -> Shelf:
        """The products of the store or of the settings, as they are now."""
        revision = read_revision(conn)
        if revision != self._revision:
            self._catalog = load_products(conn, self.settings, labels=catalog_labels(self.labels))
            self._shelf = self._stock()
            self._revision = revision
        return self._shelf

    def _stock(self) -> Shelf:
        own, audience = self._catalog, self.settings.audience
        return Shelf.of(own.products, labels=self.labels, audience=audience, vectors=own.vectors)

    def readings(self, facts: CreatorFacts) -> dict[str, ImageReading]:
        """What each media file of a creator tells, by sha256; those that were not looked at are left out."""
        known = self._known(facts)
        trained = [self._scores(row, facts, known) for row in range(len(self.models))]
        names, found = _names(facts), {}
        for sha256 in facts.media:
            faces = facts.faces.get(sha256, Faces.none())
            if sha256 in known.unread or (len(faces) and faces.attributes is None):
                continue
            scores = self._joined(faces, [one.get(sha256, {}) for one in trained])
            found[sha256] = read_image(
                faces,
                scores.get(WHOLE),
                known.profile.get(sha256, frozenset()),
                face_scores=[scores[row] for row in range(len(faces))],
                name=names[sha256],
                vector=_direction(facts, sha256),
            )
        return found

    def _known(self, facts: CreatorFacts) -> ProductFacts:
        return facts.products or ProductFacts(self._shelf)

    def _joined(self, faces: Faces, trained: Sequence[Rows]) -> Rows:
        """Scores by row: of shipped labels that no trained model has, and of each model those that it owns."""
        joined: Rows = {}
        for row, own in enumerate(attribute_scores(faces) if len(faces) else ()):
            joined[row] = {label: own[label] for label in self._shipped}
        for scores in trained:
            for row, own in scores.items():
                joined[row] = joined.get(row, {}) | own
        return joined

    def _scores(self, number: int, facts: CreatorFacts, known: ProductFacts) -> dict[str, Rows]:
        """What a trained model tells of each media file, of the labels that no later model has."""
        model, owned = self.models[number], self._owned[number]

        def named(rows: Iterable[int], probs: FloatArray) -> Rows:
            return _named(rows, probs, model, owned=owned)

        if model.takes == "pixels":
            found = known.readings.get(model.fingerprint, {})
            return {sha256: named(one.rows, one.probs) for sha256, one in found.items()}
        if model.reads == "face":
            return {sha256: named(rows, model.scores(looks)) for sha256, (rows, looks) in known.looks.items()}
        frames = {sha256: vectors.vectors for sha256, (vectors, _) in facts.embeddings.items()}
        return {sha256: named([WHOLE], _mean(model.scores(own))) for sha256, own in frames.items() if len(own)}

    def recommend(
        self, subject_id: str, media: Sequence[str], readings: Mapping[str, ImageReading], facts: CreatorFacts
    ) -> Recommendation | None:
        """For a subject with these media; `None` when none was looked at, or the attributes could not be read."""
        own = {sha256: readings[sha256] for sha256 in media if sha256 in readings}
        if not own:
            return None
        for sha256, place in places_by_content(facts.locations_of(subject_id)).items():
            if sha256 in own:
                own[sha256] = replace(own[sha256], name=_name(place, sha256))  # as the post names it
        return recommend(
            subject_id,
            own,
            shelf=self._known(facts).shelf,
            policy=self.settings.product_policy,
            order=self.settings.product_order,
        )


def _named(rows: Iterable[int], probs: FloatArray, model: ProductModel, *, owned: Set[str]) -> Rows:
    pairs = zip(rows, probs.astype(float).tolist(), strict=True)
    return {
        int(row): {name: score for name, score in zip(model.names, own, strict=True) if name in owned}
        for row, own in pairs
    }


def _mean(probs: FloatArray) -> FloatArray:
    """Of a video the mean of its frames (1, K): what is shown all along counts more than what one frame looks like."""
    return np.asarray(probs.mean(axis=0, keepdims=True), np.float32)


def _direction(facts: CreatorFacts, sha256: str) -> FloatArray | None:
    """Where the embeddings of a file's frames point; `None` where there are none."""
    return mean_direction(facts.embeddings[sha256][0].vectors) if sha256 in facts.embeddings else None


def _names(facts: CreatorFacts) -> dict[str, str]:
    """File names of media for reasons: the creator's own, the first by name of several."""
    places = places_by_content(facts.locations)
    return {sha256: _name(places.get(sha256, ""), sha256) for sha256 in facts.media}


def _name(place: str, sha256: str) -> str:
    return display_name(PurePath(place).name) or sha256[:12]
