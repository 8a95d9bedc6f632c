"""What the scene and the faces of an image or video say, each for itself, to eight calibrated probabilities.

The faces are pooled first; then a small logistic model reads both (`reaction_fusion`, trained by recipes/reactions.py
on what `fusion_features` returns).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from postlens.errors import ShapeError
from postlens.tasks.reactions.features import SceneReading
from postlens.types import EMOTIONS, Faces, FloatArray
from postlens.vision.session import Session
from postlens.vision.zoo import open_model

FUSION = "reaction_fusion"  # name in the zoo
FLOOR = 1e-3  # of probabilities below log: a reader that is sure counts as much as one that is 99.9 % sure
K = len(EMOTIONS)
# Columns of the fusion's input.
SCENE, AFFECT, HAS_SCENE = slice(0, K), slice(K, K + 2), K + 2
SHOWN, TRUST, N_FACES = slice(K + 3, 2 * K + 3), 2 * K + 3, 2 * K + 4
N_INPUTS = 2 * K + 5
MIDDLE = (4.0, 3.5)  # of valence and arousal: about OASIS's means; a scene that was not read counts as this


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
    probs = checked_probs(faces.expression, "faces.expression", (len(faces), K))
    quality = np.clip(faces.quality, 0, 1).astype(np.float64)
    sides = np.sqrt(np.clip(faces.xyxy_px[:, 2:] - faces.xyxy_px[:, :2], 0, None).astype(np.float64).prod(axis=1))
    weight = sides * quality
    if not weight.sum() > 0:
        return None
    per_track, track_weight = _by_track(probs, weight, _tracks(faces))
    pooled = np.average(per_track, axis=0, weights=track_weight).astype(np.float32)
    return Shown(pooled, float(quality[weight > 0].max()), int((track_weight > 0).sum()))


def fuse(scene: SceneReading | None, shown: Shown | None, model: Session | None = None) -> FloatArray:
    """Eight probabilities (8,) in the order of EMOTIONS from what was read; several can be high.

    Without a scene the pooled expression itself, which was nearer to the truth of faces alone than the model
    (docs/log/reactions.md). `model` is the opened FUSION by default.
    """
    if scene is None and shown is not None:
        return shown.probs
    row = fusion_features(scene, shown)[None].astype(np.float32)
    return np.asarray((model or open_model(FUSION)).run({"features": row})["probs"][0], np.float32)


def fusion_features(scene: SceneReading | None, shown: Shown | None) -> NDArray[np.float64]:
    """What the fusion reads (N_INPUTS,): zeros stand for a reader that has nothing to say.

    Logits of the scene, valence and arousal around their middle, 1; log-probabilities of the pooled expression around
    their mean, times trust; trust; log(1 + faces), no more than ten counting.
    """
    row = np.zeros(N_INPUTS)
    if scene is not None:
        p = np.clip(scene.probs.astype(np.float64), FLOOR, 1 - FLOOR)
        row[SCENE], row[HAS_SCENE] = np.log(p / (1 - p)), 1.0
        row[AFFECT] = scene.valence - MIDDLE[0], scene.arousal - MIDDLE[1]
    if shown is not None:
        logs = np.log(np.maximum(shown.probs.astype(np.float64), FLOOR))
        row[SHOWN], row[TRUST] = shown.trust * (logs - logs.mean()), shown.trust
        row[N_FACES] = np.log1p(min(shown.n_faces, 10))
    return row


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
