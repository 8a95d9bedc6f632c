"""Frame embeddings and faces of a post's media to one row per post."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from postlens.errors import NotEnoughDataError, ShapeError
from postlens.types import EMOTIONS, Embeddings, Faces, FloatArray

LAYOUT_COLUMNS = (
    "any",
    "one",
    "two",
    "three_or_more",
    "n_of_8",  # faces / 8, at most 1
    "largest",  # sides: square root of the box's area / square root of the frame's
    "second",
    "second_of_largest",
    "sum_of_sides",
    "best_quality",
)
TEMPLATE_DIM = 128  # of `vision.faces`
FACE_DIM = len(LAYOUT_COLUMNS) + TEMPLATE_DIM + len(EMOTIONS)
MIN_WEIGHT = 1e-3  # of a face in its frame's means, beside its quality: frames of none but poor faces have means too
_CROWD = 8  # faces from which on a frame counts as equally full


@dataclass(frozen=True, slots=True)
class MediaFaces:
    """What was found in a media file that was searched for faces."""

    faces: Faces  # with templates (N, 128) and expressions (N, 8), unless it is empty
    size_px: tuple[int, int]  # width and height that the boxes refer to
    n_frames: int = 1  # that were searched

    def __post_init__(self) -> None:
        if self.n_frames < 1 or min(self.size_px) < 1:
            raise ShapeError(f"expected frames of at least 1 x 1 px, got {self.n_frames} of {self.size_px}")
        found = {"template": self.faces.template, "expression": self.faces.expression}
        for name, width in (("template", TEMPLATE_DIM), ("expression", len(EMOTIONS))):
            value = found[name]
            if len(self.faces) and (value is None or value.shape[1] != width):
                got = "none" if value is None else f"{value.shape[1]} columns"
                raise ShapeError(f"{name}: expected {width} columns for every face, got {got}; run that stage first")


def post_embeddings(posts: Mapping[str, Sequence[Embeddings]]) -> Embeddings:
    """One row per post, in the mapping's order; each post is given as the frame embeddings of its media files.

    Every media file counts the same, however many frames it has: a long video in a carousel does not outvote its
    photos. Raises `NotEnoughDataError` for a post without a frame, `ShapeError` when encoders or widths are mixed.
    """
    batches = [batch for media in posts.values() for batch in media]
    prints = {batch.fingerprint for batch in batches}
    if len(prints) > 1:
        raise ShapeError(f"expected vectors of one encoder, got {sorted(prints)}; encode the posts again with one")
    vectors = [_post_vector(post_id, media) for post_id, media in posts.items()]
    if len({len(v) for v in vectors}) > 1:
        raise ShapeError(f"expected vectors of one width, got {sorted({len(v) for v in vectors})}")
    stacked = np.stack(vectors) if vectors else np.zeros((0, 0), np.float32)
    return Embeddings(ids=tuple(posts), vectors=stacked, fingerprint=prints.pop() if prints else "")


def _post_vector(post_id: str, media: Sequence[Embeddings]) -> FloatArray:
    """(D,) mean over media of the mean over frames; summed in float64, so that their order stays below float32."""
    means = [batch.vectors.mean(axis=0, dtype=np.float64) for batch in media if len(batch)]
    if not means:
        raise NotEnoughDataError(f"{post_id}: expected at least one embedded frame, got none; see its media failures")
    return np.asarray(np.mean(means, axis=0), np.float32)


def face_features(posts: Sequence[Sequence[MediaFaces]]) -> FloatArray:
    """(N, 146), one row per post, each given as what was found in its media; NaN where none was searched for faces.

    A frame gives `LAYOUT_COLUMNS`, then the means of its faces' templates and expressions, weighted by quality; zeros
    without a face. Media and frames count as in `post_embeddings`. Neither the order of faces nor that of media
    matters.
    """
    rows = [np.mean([_media_row(media) for media in own], axis=0) if own else _not_searched() for own in posts]
    return np.asarray(rows, np.float32).reshape(len(rows), FACE_DIM)


def _not_searched() -> NDArray[np.float64]:
    return np.full(FACE_DIM, np.nan)


def _media_row(media: MediaFaces) -> NDArray[np.float64]:
    """(146,) mean over the frames that were searched, those without faces included."""
    frames = [_frame_row(media.faces[media.faces.frame == i], media.size_px) for i in np.unique(media.faces.frame)]
    return np.asarray(np.sum(frames, axis=0) / media.n_frames if frames else np.zeros(FACE_DIM))


def _frame_row(faces: Faces, size_px: tuple[int, int]) -> NDArray[np.float64]:
    """(146,) of a frame with at least one face."""
    weight = faces.quality.astype(np.float64) + MIN_WEIGHT
    means = [weight @ np.asarray(column, np.float64) / weight.sum() for column in (faces.template, faces.expression)]
    return np.concatenate([_layout(faces, size_px), *means])


def _layout(faces: Faces, size_px: tuple[int, int]) -> NDArray[np.float64]:
    """(10,) `LAYOUT_COLUMNS`."""
    n, edges = len(faces), faces.xyxy_px.astype(np.float64)
    area = np.prod(np.maximum(edges[:, 2:] - edges[:, :2], 0), axis=1)
    side = np.sort(np.sqrt(area / (size_px[0] * size_px[1])))[::-1]
    second = side[1] if n > 1 else 0.0
    ratio = second / side[0] if side[0] > 0 else 0.0
    count = [1.0, n == 1, n == 2, n >= 3, min(n, _CROWD) / _CROWD]
    return np.array([*count, side[0], second, ratio, side.sum(), faces.quality.max()], np.float64)
