"""One image to several views of it, whose embeddings are averaged: test-time augmentation of the scene.

Faces need none: expressions are read together with their mirror image anyway.
"""

from __future__ import annotations

import numpy as np

from postlens.errors import ShapeError
from postlens.types import Image

VIEWS_VERSION = "1"  # raised by hand when the views change
# Side of the middle part that a view shows / side of the image. Smaller: the views differ more, and lose more of what
# stands at the border; the encoder itself looks at the centre square.
ZOOMS = (0.875, 0.75)
N_VIEWS = 2 + len(ZOOMS)


def scene_views(image: Image) -> tuple[Image, ...]:
    """The image, its mirror image, and its middle at two zooms: each uint8 (H', W', 3).

    Raises `ShapeError` for an image that is not uint8 (H, W, 3).
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ShapeError(f"an image must be uint8 (H, W, 3), got {image.dtype} {image.shape}")
    return (image, np.ascontiguousarray(image[:, ::-1]), *(_middle(image, zoom) for zoom in ZOOMS))


def _middle(image: Image, zoom: float) -> Image:
    height, width = (max(1, round(side * zoom)) for side in image.shape[:2])
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return np.ascontiguousarray(image[top : top + height, left : left + width])
