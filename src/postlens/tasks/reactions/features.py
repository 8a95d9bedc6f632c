"""Faces of an image to calibrated expression probabilities; training and serving both come through here.

Each face is cut as two squares levelled by its landmarks and brought to one brightness and contrast. The packaged
expression net reads both and their mirror images, and its mean log-probabilities go through a small head that
calibrates them. The shared encoder is not used: its features brought nothing on sources held out, nor did tuning the
net (docs/log/reactions.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from postlens.errors import ShapeError
from postlens.types import EMOTIONS, Faces, FloatArray, Image, ModelSpec
from postlens.vision import align
from postlens.vision.encoder import normalize

EXPRESSION_NET = "face_expression"  # names in the zoo
EXPRESSION_HEAD = "face_expression_head"
SCENE_HEAD = "scene_emotion"
AFFECT_HEAD = "scene_affect"
RATINGS = (1.0, 7.0)  # the scale of OASIS's valence and arousal

CROP_PX = 112  # the net's own input size
# The best single crop of 20 tried on sources held out (docs/log/reactions.md). Smaller loses the chin of open mouths,
# larger shows more hair than the net was trained with.
CROP_SIDE = 2.8  # face scales (`align.face_scale`)
EYE_ROW = 0.30  # row of the eyes / side
MARGINS = (1.0, 0.92)  # sizes of the squares read / CROP_SIDE: two were better than either (docs/log/reactions.md)
# Mean and standard deviation of the grey values of a crop; the best of four ways tried, .015 more accurate than
# crops as they are (docs/log/reactions.md). Higher contrast cuts off more light and shade, lower shows less of a face.
BRIGHTNESS, CONTRAST = 120.0, 55.0
LEAST_CONTRAST = 10.0  # a flatter crop is not stretched further: it would be noise
GREY = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
MIN_PROB = 1e-3  # floor below log: the net says 0 to six of seven classes far more often than it is right
BATCH_SIZE = 8  # crops per run: bounds memory
_LANDMARKS = 4  # eyes, nose and mouth are needed


class Model(Protocol):
    """An opened model, as `vision.zoo.open_model` returns it."""

    @property
    def spec(self) -> ModelSpec:
        """Its card."""
        ...

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """Outputs by name."""
        ...


def read_expressions(image: Image, faces: Faces, *, net: Model, head: Model, scale: float = 1.0) -> FloatArray:
    """Probabilities (N, 8), in the order of EMOTIONS, of what the faces of one image show.

    `image` is uint8 (H, W, 3) and `scale` its size relative to the original, in whose pixels the faces are given
    (`FrameBatch.scale`). `net` and `head` are the opened EXPRESSION_NET and EXPRESSION_HEAD. Raises `ShapeError` when
    the faces lack landmarks.
    """
    return calibrated(face_features(image, faces, net, scale=scale), head)


def face_features(image: Image, faces: Faces, net: Model, *, scale: float = 1.0) -> FloatArray:
    """Features (N, 7) of the faces of one image, as `read_expressions` takes it; the mean over MARGINS."""
    crops = [expression_crops(image, faces, scale=scale, margin=margin) for margin in MARGINS]
    return _mean_features(crops, net)


def whole_features(image: Image, net: Model) -> FloatArray:
    """Features (1, 7) of an image as if it were a face box; the mean over MARGINS."""
    return _mean_features([[whole_crop(image, margin=margin)] for margin in MARGINS], net)


def calibrated(features: FloatArray, head: Model) -> FloatArray:
    """Features (N, 7) to probabilities (N, 8) in the order of EMOTIONS."""
    return np.asarray(head.run({"features": features})["probs"], np.float32)


def expression_crops(image: Image, faces: Faces, *, scale: float = 1.0, margin: float = 1.0) -> list[Image]:
    """A levelled crop (112, 112, 3) of each face, `margin` times CROP_SIDE wide about the same centre.

    Beyond the image's border its edge pixels are repeated.
    """
    if faces.landmarks_px.shape[1] < _LANDMARKS:
        raise ShapeError(f"landmarks_px must have shape (N, 6, 2), got {faces.landmarks_px.shape}")
    return [
        align.crop_repeating(image, _matrix(points, margin), size_px=CROP_PX)
        for points in faces.landmarks_px.astype(np.float64) * scale
    ]


def whole_crop(image: Image, *, margin: float = 1.0) -> Image:
    """The whole image as if it were a face box: a square of `margin` times its longer side, edge pixels repeated."""
    height, width = image.shape[:2]
    centre = np.array([width / 2, height / 2])
    square = align.square_matrix(centre, margin * max(height, width), 0.0, size_px=CROP_PX)
    return align.crop_repeating(image, square, size_px=CROP_PX)


def evened(crop: Image) -> Image:
    """The crop (H, W, 3) with grey values of mean BRIGHTNESS and standard deviation CONTRAST, cut at 0 and 255."""
    values = crop.astype(np.float32)
    grey = values @ GREY
    gain = CONTRAST / max(float(grey.std()), LEAST_CONTRAST)
    return np.asarray(np.clip((values - grey.mean()) * gain + BRIGHTNESS, 0, 255), np.uint8)


def expression_features(crops: Sequence[Image], net: Model) -> FloatArray:
    """Log-probabilities (N, 7) in the order of the net's labels, each the mean of the crop's and its mirror image's."""
    if not crops:
        return np.zeros((0, len(net.spec.labels)), np.float32)
    batch = np.stack([normalize(crop, net.spec) for crop in crops])
    return np.asarray((_log_probs(batch, net) + _log_probs(batch[..., ::-1], net)) / 2, np.float32)


def _mean_features(sizes: Sequence[Sequence[Image]], net: Model) -> FloatArray:
    """Features (N, 7) of N faces from their crops in several sizes."""
    each = [expression_features([evened(crop) for crop in crops], net) for crops in sizes]
    return np.asarray(np.mean(each, axis=0), np.float32)


def _log_probs(batch: FloatArray, net: Model) -> FloatArray:
    starts = range(0, len(batch), BATCH_SIZE)
    parts = [net.run({"image": np.ascontiguousarray(batch[i : i + BATCH_SIZE])})["probs"] for i in starts]
    return np.asarray(np.log(np.maximum(np.concatenate(parts), MIN_PROB)), np.float32)


def _matrix(points: NDArray[np.float64], margin: float) -> align.Matrix:
    """Crop-to-image matrix (2, 3) of the face with landmarks (6, 2)."""
    side, angle = CROP_SIDE * max(align.face_scale(points), 1.0), align.level_angle(points[:2])
    down = np.array([-np.sin(angle), np.cos(angle)])
    centre = points[:2].mean(axis=0) + down * side * (0.5 - EYE_ROW)
    return align.square_matrix(centre, side * margin, angle, size_px=CROP_PX)


# --- the scene ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SceneReading:
    """What the scene of one image or video conveys."""

    probs: FloatArray  # (8,) in the order of EMOTIONS
    valence: float  # 1 (unpleasant) to 7 (pleasant), as OASIS's raters gave it
    arousal: float  # 1 (calm) to 7 (excited)

    def __post_init__(self) -> None:
        if self.probs.shape != (len(EMOTIONS),) or not ((self.probs >= 0) & (self.probs <= 1 + 1e-4)).all():
            raise ShapeError(f"probs must be probabilities of shape ({len(EMOTIONS)},), got {self.probs!r}")


def read_scene(vectors: FloatArray, scene_head: Model, affect_head: Model) -> SceneReading:
    """The scene of one image or video from the embeddings (N, D) of its frames: the mean of what each conveys.

    `scene_head` and `affect_head` are the opened SCENE_HEAD and AFFECT_HEAD.
    """
    probs = np.asarray(scene_head.run({"features": vectors})["probs"].mean(axis=0), np.float32)
    return SceneReading(probs, *read_affect(vectors, affect_head))


def read_affect(vectors: FloatArray, head: Model) -> tuple[float, float]:
    """Valence and arousal, 1 to 7 as OASIS's raters gave them, from the embeddings (N, D) of one image or video."""
    low, high = RATINGS
    shares = np.asarray(head.run({"features": vectors})["probs"], np.float64).mean(axis=0)
    valence, arousal = (low + (high - low) * shares).tolist()
    return valence, arousal
