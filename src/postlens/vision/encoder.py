"""RGB images to embeddings: the shared features that every task head reads.

The image is resized and normalised exactly as the encoder's card says; training and serving both come through here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from postlens.errors import ShapeError
from postlens.types import FloatArray, Image, ModelSpec
from postlens.vision.session import Session
from postlens.vision.zoo import open_card, open_model

ENCODER = "efficientnet_lite0"
# Larger batches were slower per image and cost memory (benchmarks/results/vision.csv).
BATCH_SIZE = 2
REDUCING_GAP = 2.0


class Encoder:
    """Holds one session; make one per worker thread."""

    def __init__(self, name: str = ENCODER, *, card: Path | None = None) -> None:
        """The shipped encoder of that name, or the one on the card of a training."""
        self._session: Session = open_model(name) if card is None else open_card(card)

    @property
    def spec(self) -> ModelSpec:
        """The encoder's card."""
        return self._session.spec

    @property
    def fingerprint(self) -> str:
        """Names this encoder in stored vectors."""
        return self.spec.fingerprint

    def embed(self, images: Sequence[Image]) -> tuple[FloatArray, FloatArray]:
        """Features (N, dim) and class logits (N, n_classes), float32; (N, 0) for an encoder without classes.

        Images are uint8 (H, W, 3) RGB of any size; the shipped encoder's features are averages of rectified
        activations, in [0, 6]. Raises `ShapeError` for any other array.
        """
        return self.embed_prepared(np.stack([prepare(image, self.spec) for image in images]) if images else None)

    def embed_prepared(self, batch: FloatArray | None) -> tuple[FloatArray, FloatArray]:
        """As `embed`, for images that went through `prepare` in another thread: (N, 3, H, W) or None for no image."""
        if batch is None:
            return np.zeros((0, self.spec.dim or 0), np.float32), np.zeros((0, 1000), np.float32)
        parts = [
            self._session.run({"image": batch[start : start + BATCH_SIZE]})
            for start in range(0, len(batch), BATCH_SIZE)
        ]
        features = np.concatenate([p["features"] for p in parts])
        if "logits" not in self.spec.outputs:
            return features, np.zeros((len(features), 0), np.float32)
        return features, np.concatenate([p["logits"] for p in parts])


def prepare(image: Image, spec: ModelSpec) -> FloatArray:
    """One image as the model takes it: its centre square, antialiased, (x - mean) / std on 0..255; (3, H, W) float32.

    On the niche photos with sources held out, a linear probe scored .859 on the centre square, .861 on its inner
    7/8, .847 on the whole image squashed and .842 letterboxed (recipes/encoder_crop.py).
    """
    _, height, width = spec.input_size
    return normalize(centre_square(image, width_px=width, height_px=height), spec)


def centre_square(image: Image, *, width_px: int, height_px: int) -> Image:
    """The centre square of an uint8 (H, W, 3) image, resized antialiased (bicubic): uint8 (height_px, width_px, 3).

    Raises `ShapeError` for any other array.
    """
    from PIL import Image as Pil

    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ShapeError(f"an image must be uint8 (H, W, 3), got {image.dtype} {image.shape}")
    square = Pil.fromarray(image).resize(
        (width_px, height_px), Pil.Resampling.BICUBIC, box=square_box(image), reducing_gap=REDUCING_GAP
    )
    return np.asarray(square)


def square_box(image: Image) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the centre square, in pixels."""
    height, width = image.shape[:2]
    side = min(height, width)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def normalize(image: Image, spec: ModelSpec) -> FloatArray:
    """uint8 (H, W, 3) of the right size to float32 (3, H, W) by the card's mean and standard deviation."""
    scale = 1 / np.asarray(spec.std, np.float32)
    # Planes first: arithmetic along rows of pixels is three times faster than along the three channels of one.
    planes = np.ascontiguousarray(image.transpose(2, 0, 1)).astype(np.float32)
    planes *= scale[:, None, None]
    planes -= (np.asarray(spec.mean, np.float32) * scale)[:, None, None]
    return planes
