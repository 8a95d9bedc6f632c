"""An image and its faces to looks, the vectors that heads of attributes read; training and serving come through here.

Each face is cut once, levelled by its landmarks, from the brim of a hat to below the chin, and goes through a net of
the shared encoder's kind that was tuned to such crops (recipes/attributes.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from postlens.errors import ShapeError
from postlens.types import Faces, FloatArray, Image
from postlens.vision import align

LOOK = "face_look"  # the net, by its card
CROP_PX = 160  # its input size: no second resize
# The square in face scales (`align.face_scale`) and its centre below the eyes' midpoint. With sources held out, 2.8 was
# as good as 3.1 and better than 3.4 and 4.2, in which faces are smaller (docs/log/products.md).
CROP_WIDTH, CROP_DOWN = 2.8, 0.35
_MOUTH = 3  # landmark


class Embedder(Protocol):
    """What turns crops into vectors: `vision.encoder.Encoder`."""

    def embed(self, images: Sequence[Image], /) -> tuple[FloatArray, FloatArray]:
        """Features (N, D) and logits of images."""
        ...


def head_crops(
    image: Image, faces: Faces, *, scale: float = 1.0, width: float = CROP_WIDTH, size_px: int = CROP_PX
) -> list[Image]:
    """One crop (size_px, size_px, 3) for each face.

    `image` is uint8 (H, W, 3) and `scale` its size relative to the original, in whose pixels the faces are given.
    Beyond the image's border its edge pixels are repeated. Raises `ShapeError` when the faces lack landmarks.
    """
    if faces.landmarks_px.shape[1] <= _MOUTH:
        raise ShapeError(f"landmarks_px must have shape (N, 6, 2), got {faces.landmarks_px.shape}")
    points = faces.landmarks_px.astype(np.float64) * scale
    matrices = [crop_matrix(face, width=width, size_px=size_px) for face in points]
    return [align.crop_repeating(image, matrix, size_px=size_px) for matrix in matrices]


def face_features(image: Image, faces: Faces, encoder: Embedder, *, scale: float = 1.0) -> FloatArray:
    """Looks (N, D) of the faces of one image, by the net `LOOK`."""
    return encoder.embed(head_crops(image, faces, scale=scale))[0]


def crop_matrix(points: NDArray[np.float64], *, width: float = CROP_WIDTH, size_px: int = CROP_PX) -> align.Matrix:
    """Crop-to-image matrix (2, 3) of the head around the landmarks (6, 2)."""
    side = width * max(align.face_scale(points), 1.0)
    angle = align.level_angle(points[:2])
    down = side / width * CROP_DOWN * np.array([-np.sin(angle), np.cos(angle)])
    return align.square_matrix(points[:2].mean(axis=0) + down, side, angle, size_px=size_px)
