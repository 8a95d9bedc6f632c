"""The stages in order of need: encode, measure, hash, detect, expression, track, attributes.

Each wraps one part of `vision` or `tasks`; a stage keeps nothing but thread-local models, so one object serves all
worker threads. Versions are raised by hand when the code changes what a stage brings out.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from postlens.media.hashing import hash_frames
from postlens.media.image import encode_jpeg
from postlens.pipelines.stage import MediaBatch, MediaWork, Stage
from postlens.tasks.products.features import face_features
from postlens.tasks.products.predict import MODEL as ATTRIBUTE_MODEL
from postlens.tasks.products.predict import predict_attributes
from postlens.tasks.products.recommend import MIN_QUALITY
from postlens.tasks.reactions.features import EXPRESSION_HEAD, EXPRESSION_NET, read_expressions
from postlens.types import ATTRIBUTES, EMOTIONS, Embeddings, Faces, FloatArray, Image, IntArray
from postlens.vision.cards import read_card
from postlens.vision.encoder import ENCODER, Encoder
from postlens.vision.faces import FaceDetector
from postlens.vision.measures import MEASURES_VERSION, measure_image
from postlens.vision.tracks import link_tracks, summarise_tracks
from postlens.vision.zoo import load_spec, open_model

FACE_PX = 112  # side of a face's thumbnail
FACE_ZOOM = 1.5  # side of the thumbnail's crop / longer side of the box: shows hair and chin
FACE_MODELS = ("face_detector", "face_verifier", "face_mesh", "face_template")

Part = TypeVar("Part")


class OwnPart:
    """A part that every thread makes for itself on first use, such as a model session."""

    def __init__(self) -> None:
        self._thread = threading.local()

    def get(self, make: Callable[[], Part]) -> Part:
        """This thread's part."""
        if not hasattr(self._thread, "part"):
            self._thread.part = make()
        part: Part = self._thread.part
        return part


def joined_fingerprint(*names: str) -> str:
    """One fingerprint of several models, 16 hex digits."""
    return hashlib.sha256("".join(load_spec(name).fingerprint for name in names).encode()).hexdigest()[:16]


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
    """Every frame to its PDQ hash."""

    name, version, needs = "hash", "1", ()
    fingerprint = "pdq"

    def setup(self) -> None:
        """Nothing to load."""

    def __call__(self, batch: MediaBatch) -> MediaBatch:
        """Hashes of all frames."""
        return tuple(work.with_features(hashes=hash_frames(replace(work.frames, images=work.small))) for work in batch)


class DetectStage:
    """Every frame to its faces with landmarks, quality and template."""

    name, version, needs = "detect", "1", ()

    def __init__(self) -> None:
        self.fingerprint = joined_fingerprint(*FACE_MODELS)
        self._detector = OwnPart()

    def setup(self) -> None:
        """Load the face models."""
        self._detector.get(FaceDetector)

    def __call__(self, batch: MediaBatch) -> MediaBatch:
        """Faces of all frames, in the order of the frames."""
        return tuple(work.with_features(faces=self._faces(work)) for work in batch)

    def _faces(self, work: MediaWork) -> Faces:
        detector, frames = self._detector.get(FaceDetector), work.frames
        return join_faces(
            [
                detector.detect(image, scale=frames.scale, frame=i, pts_s=float(frames.pts_s[i]))
                for i, image in enumerate(frames.images)
            ]
        )


class ExpressionStage:
    """Every face to the probabilities of eight expressions."""

    name, version, needs = "expression", "1", ("detect",)

    def __init__(self) -> None:
        self.fingerprint = joined_fingerprint(EXPRESSION_NET, EXPRESSION_HEAD)

    def setup(self) -> None:
        """Load the expression net and its head."""
        open_model(EXPRESSION_NET)
        open_model(EXPRESSION_HEAD)

    def __call__(self, batch: MediaBatch) -> MediaBatch:
        """Expressions of all faces, frame by frame."""
        return tuple(self._read(work) for work in batch)

    def _read(self, work: MediaWork) -> MediaWork:
        faces = work.features.faces or Faces.none()
        probs = np.zeros((len(faces), len(EMOTIONS)), np.float32)
        for frame in np.unique(faces.frame):
            rows = np.flatnonzero(faces.frame == frame)
            probs[rows] = read_expressions(
                work.frames.images[frame],
                faces[rows],
                net=open_model(EXPRESSION_NET),
                head=open_model(EXPRESSION_HEAD),
                scale=work.frames.scale,
            )
        return work.with_features(faces=replace(faces, expression=probs))


class TrackStage:
    """Faces to tracks through the frames, with a thumbnail of each track's best face."""

    name, version, needs = "track", "2", ("detect",)
    fingerprint = "none"

    def setup(self) -> None:
        """Nothing to load."""

    def __call__(self, batch: MediaBatch) -> MediaBatch:
        """Tracks of each file."""
        return tuple(self._tracked(work) for work in batch)

    def _tracked(self, work: MediaWork) -> MediaWork:
        faces = link_tracks(work.features.faces or Faces.none())
        faces = replace(faces, thumbnails=_thumbnails(faces, work))
        return work.with_features(faces=faces, tracks=summarise_tracks(faces, work.sha256))


class AttributeStage:
    """The best face of every track to attributes, which hold for all faces of the track: nobody changes hats in it.

    Faces of too low a quality for a recommendation are not read: NaN.
    """

    name, version, needs = "attributes", "1", ("detect", "track")

    def __init__(self) -> None:
        self.fingerprint = joined_fingerprint(ENCODER, ATTRIBUTE_MODEL)
        self._encoder = OwnPart()

    def setup(self) -> None:
        """Load the encoder and the head."""
        self._encoder.get(Encoder)
        open_model(ATTRIBUTE_MODEL)

    def __call__(self, batch: MediaBatch) -> MediaBatch:
        """Attributes of all faces."""
        return tuple(self._read(work) for work in batch)

    def _read(self, work: MediaWork) -> MediaWork:
        faces, encoder = work.features.faces or Faces.none(), self._encoder.get(Encoder)
        best = best_rows(faces)
        found = {track: self._attributes(work, faces, row, encoder) for track, row in best.items()}
        tracks = _track_numbers(faces)
        rows = [found[track] for track in tracks.tolist()]
        probs = np.stack(rows) if rows else np.zeros((0, len(ATTRIBUTES)), np.float32)
        return work.with_features(faces=replace(faces, attributes=probs))

    def _attributes(self, work: MediaWork, faces: Faces, row: int, encoder: Encoder) -> FloatArray:
        if faces.quality[row] < MIN_QUALITY:
            return np.full(len(ATTRIBUTES), np.nan, np.float32)
        image = work.frames.images[int(faces.frame[row])]
        features = face_features(image, faces[[row]], encoder, scale=work.frames.scale)
        probs: FloatArray = predict_attributes(features, open_model(ATTRIBUTE_MODEL))[0]
        return probs


def best_rows(faces: Faces) -> dict[int, int]:
    """Track number to the row of its face of highest quality, the first of equals."""
    tracks = _track_numbers(faces)
    best: dict[int, int] = {}
    for row in np.argsort(-faces.quality, kind="stable").tolist():
        best.setdefault(int(tracks[row]), row)
    return best


def _track_numbers(faces: Faces) -> IntArray:
    """Track of each face; every face its own where tracks are not known."""
    return np.arange(len(faces)) if faces.track_id is None else faces.track_id


def join_faces(parts: Sequence[Faces]) -> Faces:
    """The faces of several frames as one batch, without columns that some lack; frames without faces add nothing."""
    parts = [part for part in parts if len(part)]
    if not parts:
        return Faces.none()
    columns = {name: [getattr(part, name) for part in parts] for name in Faces.__dataclass_fields__}
    full = {name: own for name, own in columns.items() if all(isinstance(column, np.ndarray) for column in own)}
    joined: dict[str, Any] = {name: np.concatenate(own) for name, own in full.items()}
    return Faces(**joined)


def _thumbnails(faces: Faces, work: MediaWork) -> tuple[bytes, ...]:
    """A JPEG for the best face of each track, empty bytes for the others."""
    chosen = set(best_rows(faces).values())
    return tuple(_face_jpeg(faces, row, work) if row in chosen else b"" for row in range(len(faces)))


def _face_jpeg(faces: Faces, row: int, work: MediaWork) -> bytes:
    from PIL import Image as PillowImage

    image: Image = work.frames.images[int(faces.frame[row])]
    left, top, right, bottom = (faces.xyxy_px[row] * work.frames.scale).tolist()
    half = max(right - left, bottom - top) * FACE_ZOOM / 2
    x, y = (left + right) / 2, (top + bottom) / 2
    square = PillowImage.fromarray(image).crop((int(x - half), int(y - half), int(x + half), int(y + half)))
    return encode_jpeg(np.asarray(square.resize((FACE_PX, FACE_PX), PillowImage.Resampling.BICUBIC)))


def all_stages(niche_encoder: Path | None = None) -> tuple[Stage, ...]:
    """All stages in order of need; making them reads the cards, not the weights.

    niche_encoder: card of a training's own encoder; default: niche reads the vectors of the shipped one.
    """
    return (
        EncodeStage(),
        *([NicheEncodeStage(niche_encoder)] if niche_encoder is not None else []),
        MeasureStage(),
        HashStage(),
        DetectStage(),
        ExpressionStage(),
        TrackStage(),
        AttributeStage(),
    )
