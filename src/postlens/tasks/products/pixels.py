"""Images and faces to the squares that nets of a product model look at, and those to probabilities.

Training and serving both come through here: a square is cut once, and each net takes it at its own size, in its own
order of channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from postlens.tasks.products.features import head_crops
from postlens.types import Faces, FloatArray, Image, ModelSpec
from postlens.vision.encoder import centre_square, normalize

SQUARE_PX = 224  # side of the squares that are cut: as ResNet50 takes them; VGG16's 150 px are made of these
# The whole head from above the hair to below the chin, with the ears. The nets learn themselves where to look, so the
# tighter crop of `features` would only cut away what a label of a user may need.
HEAD_WIDTH = 4.6  # in face scales
BATCH_SIZE = 4  # squares at a time: VGG16 holds about 30 MB of activations for each


class Net(Protocol):
    """An opened model: `vision.session.Session`."""

    @property
    def spec(self) -> ModelSpec:
        """Its card."""
        ...

    def run(self, inputs: Mapping[str, NDArray[Any]], /) -> dict[str, NDArray[Any]]:
        """Outputs by name."""
        ...


def head_squares(image: Image, faces: Faces, *, scale: float = 1.0) -> list[Image]:
    """A square uint8 (224, 224, 3) around the head of each face, levelled; `scale` as `features.head_crops`."""
    return head_crops(image, faces, scale=scale, width=HEAD_WIDTH, size_px=SQUARE_PX)


def image_square(image: Image) -> Image:
    """The centre square of an image, uint8 (224, 224, 3)."""
    return centre_square(image, width_px=SQUARE_PX, height_px=SQUARE_PX)


def net_input(square: Image, spec: ModelSpec) -> FloatArray:
    """A square as the net on the card takes it: (3, H, W) float32; mean and std are in the card's order of channels."""
    _, height, width = spec.input_size
    if square.shape[:2] != (height, width):
        square = centre_square(square, width_px=width, height_px=height)
    return normalize(square[..., ::-1] if spec.channel_order == "BGR" else square, spec)


def read_squares(squares: Sequence[Image], nets: Sequence[Net]) -> FloatArray:
    """Probabilities (N, K) float32 in the order of the nets' labels: the mean over the nets; no square gives (0, K)."""
    if not squares:
        return np.zeros((0, len(nets[0].spec.labels)), np.float32)
    return np.asarray(np.mean([_read(squares, net) for net in nets], axis=0), np.float32)


def _read(squares: Sequence[Image], net: Net) -> FloatArray:
    parts = []
    for start in range(0, len(squares), BATCH_SIZE):
        batch = np.stack([net_input(square, net.spec) for square in squares[start : start + BATCH_SIZE]])
        parts.append(net.run({"image": batch})["probs"])
    return np.concatenate(parts)
