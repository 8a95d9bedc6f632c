"""The faces of one image, and what models tell of it, to the scores that speak for it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

import numpy as np

from postlens.errors import ShapeError
from postlens.types import ATTRIBUTES, Faces, FloatArray

# Below this quality a face is too small, blurred or turned for its attributes to be read. Higher: fewer wrong items,
# more images that count for nothing. Chosen by looking at faces on both sides of it, see docs/log/products.md.
MIN_QUALITY = 0.25

FaceScores = Sequence[Mapping[str, float]]  # by label, for each face of an image


@dataclass(frozen=True, slots=True)
class ImageReading:
    """What is known of one image or video for a recommendation."""

    scores: Mapping[str, float]  # by label, in [0, 1]; a label that could not be read is left out
    has_face: bool  # one of good enough quality
    face: int | None = None  # row of the face that was read
    name: str | None = None  # of its file, for the reason
    vector: FloatArray | None = field(default=None, compare=False)  # (D,) embedding of the image


def read_image(
    faces: Faces,
    image_scores: Mapping[str, float] | None = None,
    preferred_tracks: Set[int] = frozenset(),
    *,
    face_scores: FaceScores | None = None,
    name: str | None = None,
    vector: FloatArray | None = None,
) -> ImageReading:
    """The scores of the image itself and of the one face that speaks for it, see `main_row`.

    Args:
        faces: of the image; of a video, those of all frames.
        image_scores: by label, what was read out of the whole image.
        preferred_tracks: numbers of the tracks that show the profile's person.
        face_scores: what was read out of each face; default: `attribute_scores`. Labels whose score is NaN are dropped.
        name, vector: as in `ImageReading`.

    Raises `ShapeError` when the faces come without attributes and no other scores are given.
    """
    row = main_row(faces, preferred_tracks=preferred_tracks)
    scores = {} if image_scores is None else _known(image_scores)
    if row is None:
        return ImageReading(scores, has_face=False, name=name, vector=vector)
    read = read_row(faces, row)
    found = attribute_scores(faces) if face_scores is None else face_scores
    return ImageReading(scores | _known(found[read]), has_face=True, face=read, name=name, vector=vector)


def attribute_scores(faces: Faces) -> FaceScores:
    """The probabilities of each face by attribute. Raises `ShapeError` when the faces come without attributes."""
    if faces.attributes is None or faces.attributes.shape[1] != len(ATTRIBUTES):
        got = None if faces.attributes is None else faces.attributes.shape
        raise ShapeError(f"attributes must have shape (N, {len(ATTRIBUTES)}), got {got}; run predict_attributes first")
    return [dict(zip(ATTRIBUTES, row, strict=True)) for row in faces.attributes.astype(float).tolist()]


def main_row(faces: Faces, *, min_quality: float = MIN_QUALITY, preferred_tracks: Set[int] = frozenset()) -> int | None:
    """The row of the largest face of good enough quality; `None` when there is none.

    Faces on one of `preferred_tracks`, where there is any such, outrank all others. Ties in size fall to the higher
    score, then to the box further left and up. In a video, all frames count together.
    """
    good = np.flatnonzero(faces.quality >= min_quality)
    own = np.zeros(len(good), bool)
    if faces.track_id is not None:
        own = np.isin(faces.track_id[good], list(preferred_tracks))
    left, top, right, bottom = faces.xyxy_px[good].T
    order = np.lexsort((top, left, -faces.score[good], -(right - left) * (bottom - top), ~own))
    return int(good[order[0]]) if len(good) else None


def read_row(faces: Faces, row: int) -> int:
    """The face that was read for this one: that of highest quality on its track, the first of equals."""
    if faces.track_id is None:
        return row
    rows = np.flatnonzero(faces.track_id == faces.track_id[row])
    return int(rows[np.argmax(faces.quality[rows])])


def _known(scores: Mapping[str, float]) -> dict[str, float]:
    return {name: score for name, score in scores.items() if not math.isnan(score)}
