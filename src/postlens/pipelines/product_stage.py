"""Media to what the nets of a product model read out of its pixels: a stage for each such model."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from postlens.pipelines.face_stages import FACE_MODELS, DetectStage, TrackStage, best_rows, joined_fingerprint
from postlens.pipelines.stage import MediaBatch, MediaWork
from postlens.tasks.products.model import ProductModel
from postlens.tasks.products.pixels import head_squares, image_square, read_squares
from postlens.tasks.products.readings import MIN_QUALITY
from postlens.types import WHOLE, Faces, FloatArray, Readings
from postlens.vision.session import Session
from postlens.vision.zoo import open_card

# Frames of a video that a net of whole images looks at, spread evenly; their mean counts. More: a thing that is seen
# for a moment is met more often, and weighs less; each costs 0.15 s on one core with the two nets of `two_networks`.
MOST_FRAMES = 8


class ProductNetStage:
    """What a product model over pixels says of the best face of every track, or of the image as a whole.

    Faces of too low a quality for a recommendation are not read. The name holds the model's fingerprint, so that
    several models count as done side by side.
    """

    version = "1"

    def __init__(self, model: ProductModel) -> None:
        self.name = f"products:{model.fingerprint}"
        self.needs: tuple[str, ...] = ("detect", "track") if model.reads == "face" else ()
        self.fingerprint = _with_faces(model.fingerprint) if model.reads == "face" else model.fingerprint
        self._model = model

    def setup(self) -> None:
        """Load the nets."""
        self._nets()

    def __call__(self, batch: MediaBatch) -> MediaBatch:
        """One set of readings more for each file."""
        read = self._faces if self._model.reads == "face" else self._whole
        return tuple(_with_readings(work, read(work)) for work in batch)

    def _nets(self) -> list[Session]:
        return [open_card(card) for card in self._model.cards]

    def _faces(self, work: MediaWork) -> Readings:
        faces = work.features.faces or Faces.none()
        rows = sorted(row for row in best_rows(faces).values() if faces.quality[row] >= MIN_QUALITY)
        squares = [
            head_squares(work.image_of(int(faces.frame[row])), faces[[row]], scale=work.frames.scale)[0] for row in rows
        ]
        return self._readings(rows, read_squares(squares, self._nets()))

    def _whole(self, work: MediaWork) -> Readings:
        n_frames = len(work.frames)
        shown = np.unique(np.linspace(0, n_frames - 1, min(n_frames, MOST_FRAMES)).round().astype(int))
        probs = read_squares([image_square(work.frames.images[i]) for i in shown], self._nets())
        return self._readings([WHOLE], probs.mean(axis=0, keepdims=True))

    def _readings(self, rows: list[int], probs: FloatArray) -> Readings:
        return Readings(self._model.fingerprint, np.array(rows, np.int64), probs)


def _with_faces(fingerprint: str) -> str:
    """With what finds the faces: found anew by others, they are read anew, also where the model was not in use then."""
    parts = [fingerprint, joined_fingerprint(*FACE_MODELS), DetectStage.version, TrackStage.version]
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:16]


def _with_readings(work: MediaWork, found: Readings) -> MediaWork:
    features = work.features
    return replace(work, features=replace(features, readings=(*features.readings, found)))
