"""What the scene and the faces of an image or video say, each for itself, to eight probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from postlens.errors import ShapeError
from postlens.tasks.reactions.features import SceneReading
from postlens.types import EMOTIONS, Faces, FloatArray

# Share of the faces in the fused logits at full quality; the scene has the rest. Of .1 to .9 the least log loss on the
# 47 OASIS photos with faces, themes held out (docs/log/reactions.md); flat from .3 to .6. Higher trusts expressions
# more where they contradict the scene.
FACE_SHARE = 0.5
FLOOR = 1e-4  # keeps a reader that is sure from vetoing the other: no logit is below log(FLOOR)
EVEN = np.full(len(EMOTIONS), 1 / len(EMOTIONS), np.float32)  # what a scene that was not read says


@dataclass(frozen=True, slots=True)
class Shown:
    """What the faces of an image or video show together."""

    probs: FloatArray  # (8,) in the order of EMOTIONS, sums to 1 where each face's do
    trust: float  # how far to trust it: the best quality among the faces, in (0, 1]
    n_faces: int  # that counted: faces of an image, tracks of a video


def pool_expressions(faces: Faces | None) -> Shown | None:
    """The mean expression of the faces; `None` without faces, expressions or quality.

    A face counts by the side of its box times its quality: a portrait outweighs passers-by, a sharp frontal frame a
    blurred one. Of a video each track is averaged over its frames first, so that a person who is seen for long does
    not outvote the others; tracks of several media files need different numbers. Faces of quality 0 count for nothing.
    Raises `ShapeError` for expressions that are no probabilities (N, 8).
    """
    if faces is None or faces.expression is None or not len(faces):
        return None
    probs = checked_probs(faces.expression, "faces.expression", (len(faces), len(EMOTIONS)))
    quality = np.clip(faces.quality, 0, 1).astype(np.float64)
    sides = np.sqrt(np.clip(faces.xyxy_px[:, 2:] - faces.xyxy_px[:, :2], 0, None).astype(np.float64).prod(axis=1))
    weight = sides * quality
    if not weight.sum() > 0:
        return None
    per_track, track_weight = _by_track(probs, weight, _tracks(faces))
    pooled = np.average(per_track, axis=0, weights=track_weight).astype(np.float32)
    return Shown(pooled, float(quality[weight > 0].max()), int((track_weight > 0).sum()))


def fuse(scene: SceneReading | None, shown: Shown | None) -> FloatArray:
    """Eight probabilities in the order of EMOTIONS from what was read; at least one of the two.

    A logarithmic opinion pool (Genest and Zidek 1986): logits are averaged with weight FACE_SHARE x trust for the
    faces and the rest for the scene.
    """
    said = EVEN if scene is None else scene.probs
    if shown is None:
        return said
    share = 1.0 if scene is None else FACE_SHARE * shown.trust
    logits = (1 - share) * np.log(np.maximum(said, FLOOR)) + share * np.log(np.maximum(shown.probs, FLOOR))
    fused = np.exp(logits - logits.max())
    return np.asarray(fused / fused.sum(), np.float32)


def checked_probs(values: ArrayLike, name: str, shape: tuple[int, ...]) -> FloatArray:
    """The values as float32. Raises `ShapeError` for another shape or values outside [0, 1]."""
    array = np.asarray(values, np.float32)
    if array.shape != shape:
        raise ShapeError(f"{name} must have shape {shape} in the order of EMOTIONS, got {array.shape}")
    if not ((array >= 0) & (array <= 1 + 1e-4)).all():
        raise ShapeError(f"{name} must be probabilities between 0 and 1; run them through their head first")
    return array


def _tracks(faces: Faces) -> NDArray[np.int64]:
    """(N,) number of each face's track; without tracks every face is its own."""
    return np.arange(len(faces)) if faces.track_id is None else np.asarray(faces.track_id, np.int64)


def _by_track(
    probs: FloatArray, weight: NDArray[np.float64], tracks: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weighted mean (T, 8) of each track's faces, and the mean weight (T,) of its faces."""
    _, index, count = np.unique(tracks, return_inverse=True, return_counts=True)
    total = np.bincount(index, weights=weight)
    sums = np.zeros((len(count), probs.shape[1]))
    np.add.at(sums, index, probs * weight[:, None])
    means = np.divide(sums, total[:, None], out=np.zeros_like(sums), where=total[:, None] > 0)
    return means, total / count
