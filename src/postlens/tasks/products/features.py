"""An image and its faces to the features of the attributes head; training and serving both come through here.

Each face is cut three times, levelled by its landmarks: from the brim of a hat to the mouth, from the eyes to the chin,
and mouth and chin alone. The crops of all faces go through the shared encoder in one batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from postlens.errors import ShapeError
from postlens.types import Faces, FloatArray, Image
from postlens.vision import align

CROP_PX = 224  # the encoder's own input size: no second resize


@dataclass(frozen=True, slots=True, kw_only=True)
class CropShape:
    """A levelled rectangle in face scales (`align.face_scale`), resized to a square."""

    name: str
    anchor: int  # landmark pair it hangs on: EYES or MOUTH
    down: float  # of its centre below the anchor
    width: float
    height: float


EYES, MOUTH = 0, 3  # the eyes' midpoint (landmarks 0 and 1), the mouth (landmark 3)
# Found by trying eleven rectangles with sources held out (docs/log/products.md). The first ends at the brim on purpose:
# the whole head (3.8 scales) found fewer hats on unseen sources (AUC .925 against .967 on LFW). The eyes lie at the
# upper edge of the second: without brows, hair and hat it shows the rims of glasses best.
CROPS = (
    CropShape(name="upper", anchor=EYES, down=-0.05, width=2.6, height=2.6),
    CropShape(name="lower", anchor=MOUTH, down=-0.25, width=2.2, height=2.2),
    CropShape(name="chin", anchor=MOUTH, down=0.1, width=2.2, height=1.5),
)


class Embedder(Protocol):
    """What turns crops into vectors: `vision.encoder.Encoder`."""

    def embed(self, images: Sequence[Image], /) -> tuple[FloatArray, FloatArray]:
        """Features (N, D) and logits of images."""
        ...


def head_inputs(image: Image, faces: Faces, *, scale: float = 1.0, crops: Sequence[CropShape] = CROPS) -> list[Image]:
    """The crops (224, 224, 3) of all faces, face by face in the order of `crops`: len(crops) * N images.

    `image` is uint8 (H, W, 3) and `scale` its size relative to the original, in whose pixels the faces are given.
    Beyond the image's border its edge pixels are repeated. Raises `ShapeError` when the faces lack landmarks.
    """
    if faces.landmarks_px.shape[1] <= MOUTH:
        raise ShapeError(f"landmarks_px must have shape (N, 6, 2), got {faces.landmarks_px.shape}")
    points = faces.landmarks_px.astype(np.float64) * scale
    return [align.crop_repeating(image, _matrix(face, crop), size_px=CROP_PX) for face in points for crop in crops]


def face_features(image: Image, faces: Faces, encoder: Embedder, *, scale: float = 1.0) -> FloatArray:
    """Features (N, len(CROPS) * D) of the faces of one image, as the attributes head takes them."""
    vectors, _ = encoder.embed(head_inputs(image, faces, scale=scale))
    return stack_crops(vectors)


def stack_crops(vectors: FloatArray, *, n_crops: int = len(CROPS)) -> FloatArray:
    """Vectors (n_crops * N, D), face by face, to features (N, n_crops * D). Raises `ShapeError` for other lengths."""
    if vectors.ndim != 2 or len(vectors) % n_crops:
        raise ShapeError(f"vectors must have shape ({n_crops} * N, D), got {vectors.shape}")
    return np.ascontiguousarray(vectors.reshape(len(vectors) // n_crops, n_crops * vectors.shape[1]))


def _matrix(points: NDArray[np.float64], crop: CropShape) -> align.Matrix:
    """Crop-to-image matrix (2, 3) of a crop of the face with landmarks (6, 2)."""
    scale = max(align.face_scale(points), 1.0)
    matrix = align.square_matrix(np.zeros(2), crop.width * scale, align.level_angle(points[:2]), size_px=CROP_PX)
    across, down = matrix[:, 0], matrix[:, 1] * crop.height / crop.width
    anchor = points[:2].mean(axis=0) if crop.anchor == EYES else points[crop.anchor]
    centre = anchor + down * CROP_PX / crop.height * crop.down
    return np.column_stack([across, down, centre - (across + down) * CROP_PX / 2])
