"""The stages in order of need: encode, measure, hash, detect, expression, track, attributes, nets of trainings.

Each wraps one part of `vision` or `tasks`; a stage keeps nothing but thread-local models, so one object serves all
worker threads. Versions are raised by hand when the code changes what a stage brings out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from postlens.media.hashing import hash_frames
from postlens.pipelines.face_stages import (
    FACE_MODELS,
    FACE_PX,
    AttributeStage,
    DetectStage,
    ExpressionStage,
    TrackStage,
    best_rows,
)
from postlens.pipelines.product_stage import ProductNetStage
from postlens.pipelines.reaction_stage import ReactionNetStage
from postlens.pipelines.stage import MediaBatch, OwnPart, Stage
from postlens.tasks.products.model import ProductModel
from postlens.tasks.reactions.model import ReactionModel
from postlens.types import Embeddings
from postlens.vision.cards import read_card
from postlens.vision.encoder import ENCODER, Encoder
from postlens.vision.measures import MEASURES_VERSION, measure_image
from postlens.vision.search import join_faces
from postlens.vision.zoo import load_spec

__all__ = [
    "FACE_MODELS",
    "FACE_PX",
    "AttributeStage",
    "DetectStage",
    "EncodeStage",
    "ExpressionStage",
    "HashStage",
    "MeasureStage",
    "NicheEncodeStage",
    "ProductNetStage",
    "ReactionNetStage",
    "TrackStage",
    "all_stages",
    "best_rows",
    "join_faces",
]


class EncodeStage:
    """Every frame to its embedding."""

    name, version, needs = "encode", "1", ()

    def __init__(self) -> None:
        self.fingerprint = load_spec(ENCODER).fingerprint
        self._encoder = OwnPart()

    def setup(self) -> None:
        """Load the encoder."""
        self._encoder.get(Encoder)

    def __call__(self, batch: MediaBatch) -> MediaBatch:
        """All frames of the batch in one call."""
        found = _embedded(batch, self._encoder.get(Encoder))
        return tuple(
            work.with_features(embeddings=own, pts_s=work.frames.pts_s) for work, own in zip(batch, found, strict=True)
        )


class NicheEncodeStage:
    """Every frame to its embedding by the encoder of a training, which answers niche instead of the shipped one.

    The name holds its fingerprint, so that the vectors of several trainings count as done side by side.
    """

    version, needs = "1", ()

    def __init__(self, card: Path) -> None:
        self.fingerprint = read_card(card).fingerprint
        self.name = f"encode:{self.fingerprint}"
        self._card = card
        self._encoder = OwnPart()

    def setup(self) -> None:
        """Load the encoder."""
        self._encoder.get(self._open)

    def _open(self) -> Encoder:
        return Encoder(card=self._card)

    def __call__(self, batch: MediaBatch) -> MediaBatch:
        """All frames of the batch in one call."""
        found = _embedded(batch, self._encoder.get(self._open))
        return tuple(
            work.with_features(niche_embeddings=own, pts_s=work.frames.pts_s)
            for work, own in zip(batch, found, strict=True)
        )


def _embedded(batch: MediaBatch, encoder: Encoder) -> list[Embeddings]:
    """The embeddings of each file's frames."""
    vectors, _ = encoder.embed([image for work in batch for image in work.frames.images])
    ends = np.cumsum([len(work.frames) for work in batch])
    return [
        Embeddings(tuple(f"{work.sha256}:{i}" for i in range(len(own))), own, encoder.fingerprint)
        for work, own in zip(batch, np.split(vectors, ends[:-1]), strict=True)
    ]


class MeasureStage:
    """Simple image measures; of a video, of its middle frame."""

    name, version, needs = "measure", MEASURES_VERSION, ()
    fingerprint = "none"

    def setup(self) -> None:
        """Nothing to load."""

    def __call__(self, batch: MediaBatch) -> MediaBatch:
        """One set of measures for each file."""
        return tuple(work.with_features(measures=measure_image(work.small[len(work.small) // 2])) for work in batch)


class HashStage:
    """Every frame to its PDQ hash and its sketch."""

    name, version, needs = "hash", "2", ()
    fingerprint = "pdq"

    def setup(self) -> None:
        """Nothing to load."""

    def __call__(self, batch: MediaBatch) -> MediaBatch:
        """Hashes and sketches of all frames."""
        return tuple(work.with_features(hashes=hash_frames(replace(work.frames, images=work.small))) for work in batch)


def all_stages(
    niche_encoder: Path | None = None,
    *,
    product_models: Sequence[ProductModel] = (),
    reaction_model: ReactionModel | None = None,
) -> tuple[Stage, ...]:
    """All stages in order of need; making them reads the cards, not the weights.

    niche_encoder: card of a training's own encoder; default: niche reads the vectors of the shipped one.
    product_models: those that take pixels get a stage; the others read stored vectors, and need none.
    reaction_model: gets a stage; default: scene and faces answer reactions.
    """
    by_fingerprint = {model.fingerprint: model for model in product_models if model.takes == "pixels"}
    return (
        EncodeStage(),
        *([NicheEncodeStage(niche_encoder)] if niche_encoder is not None else []),
        MeasureStage(),
        HashStage(),
        DetectStage(),
        ExpressionStage(),
        TrackStage(),
        AttributeStage(),
        *(ProductNetStage(model) for model in by_fingerprint.values()),
        *([ReactionNetStage(reaction_model)] if reaction_model is not None else []),
    )
