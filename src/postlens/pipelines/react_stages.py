"""The stages whose features reactions read, and the one that looks at every frame in several views."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from postlens.pipelines.face_stages import DetectStage, TrackStage
from postlens.pipelines.stage import MediaBatch, MediaWork, OwnPart, Stage
from postlens.pipelines.stages import all_stages
from postlens.tasks.reactions.model import ReactionModel
from postlens.tasks.reactions.views import VIEWS_VERSION, scene_views
from postlens.types import Embeddings, FloatArray, Image
from postlens.vision.encoder import ENCODER, Encoder
from postlens.vision.faces import FaceDetector
from postlens.vision.zoo import load_spec

# Tracks, since a video's expressions are averaged over them first. Hashes are no part of a reaction: by them faces that
# were forgotten are known again in copies of their media.
REACTION_STAGES = ("encode", "hash", "detect", "expression", "track")


def reaction_stages(*, views: bool = False, model: ReactionModel | None = None, kept: bool = True) -> list[Stage]:
    """The stages whose features reactions read.

    `views`: with that of the augmented scene. `model`: with its own. `kept`: for a store that others go on from; else
    nothing is looked for that only they need.
    """
    every = all_stages(reaction_model=model)
    found = [stage for stage in every if stage.name in REACTION_STAGES or stage.name.startswith("reactions:")]
    if not kept:
        lean = {stage.name: stage for stage in (PlainFacesStage(), VideoTracksStage())}
        found = [lean.get(stage.name, stage) for stage in found if stage.name != "hash"]
    return [*found, ViewsStage()] if views else found


def views_fingerprint() -> str:
    """Names the averaged vectors in the store: the encoder, and what the views are."""
    return hashlib.sha256(f"{load_spec(ENCODER).fingerprint}/views-{VIEWS_VERSION}".encode()).hexdigest()[:16]


class PlainFacesStage(DetectStage):
    """Faces of an image without identity templates; of a video as `detect`, since tracks are linked by them."""

    def __init__(self) -> None:
        super().__init__()
        self.fingerprint = f"{self.fingerprint}-plain"
        self._plain = OwnPart()

    def _searched(self, work: MediaWork) -> MediaWork:
        if work.features.media.kind == "video":
            return super()._searched(work)
        detector, frames = self._plain.get(lambda: FaceDetector(views=())), work.frames
        return work.with_features(faces=detector.detect(frames.images[0], scale=frames.scale))


class VideoTracksStage(TrackStage):
    """Tracks of videos alone: in an image every face is one of its own."""

    def _tracked(self, work: MediaWork) -> MediaWork:
        return super()._tracked(work) if work.features.media.kind == "video" else work


class ViewsStage:
    """Every frame to the mean embedding of its views, kept beside its own embedding."""

    name, version, needs = "views", VIEWS_VERSION, ()

    def __init__(self) -> None:
        self.fingerprint = views_fingerprint()
        self._encoder = OwnPart()

    def setup(self) -> None:
        """Load the encoder."""
        self._encoder.get(Encoder)

    def __call__(self, batch: MediaBatch) -> MediaBatch:
        """The vectors take the place of an own niche encoder's, which no stage of reactions fills."""
        return tuple(self._read(work) for work in batch)

    def _read(self, work: MediaWork) -> MediaWork:
        vectors = embed_views(work.frames.images, self._encoder.get(Encoder))
        ids = tuple(f"{work.sha256}:{i}" for i in range(len(vectors)))
        found = Embeddings(ids, vectors, self.fingerprint)
        return work.with_features(niche_embeddings=found, pts_s=work.frames.pts_s)


def embed_views(images: Sequence[Image], encoder: Encoder) -> FloatArray:
    """Mean embeddings (N, D) of the views of each image; four times the cost of one view."""
    import numpy as np

    means = [encoder.embed(scene_views(image))[0].mean(axis=0) for image in images]
    return np.stack(means).astype(np.float32) if means else np.zeros((0, encoder.spec.dim or 0), np.float32)
