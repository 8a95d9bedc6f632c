"""Parts of small grey pictures to other sizes, by means over pixels; many boxes at once."""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from postlens.types import FloatArray

Picture = NDArray[np.float32]  # (..., n, n) grey, 0..255
Boxes = NDArray[np.float64]  # (..., 4) of them
Box = tuple[float, float, float, float]  # left, right, top, bottom of a part, 0..1 of the picture

WHOLE: Box = (0.0, 1.0, 0.0, 1.0)
MIN_INSET_PX = 5  # side to which a picture is blurred at most


@lru_cache(maxsize=8192)  # of 7 kB; boxes lie on a grid of steps, so most come again: half of the time is saved
def weights(low: float, high: float, n_out: int, n_in: int) -> FloatArray:
    """Means over the pixels of `n_out` equal parts of [low, high] as a matrix (n_out, n_in); at least a pixel wide."""
    edges = (low + (high - low) * np.arange(n_out + 1) / n_out) * n_in
    middle, half = (edges[1:] + edges[:-1]) / 2, max((high - low) * n_in / n_out, 1.0) / 2
    middle = np.clip(middle, half, n_in - half)
    at = np.arange(n_in)
    cover = np.minimum(middle[:, None] + half, at + 1) - np.maximum(middle[:, None] - half, at)
    found = np.maximum(cover, 0.0)
    return np.asarray(found / found.sum(axis=1, keepdims=True), np.float32)


@cache
def inset_weights(n_detail: int, n_out: int, n_in: int, turned: bool) -> FloatArray:
    """As `weights` of the whole, with no more detail than `n_detail` pixels have; `turned`: from the other end."""
    found = weights(0.0, 1.0, n_out, n_detail) @ weights(0.0, 1.0, n_detail, n_in)
    return np.ascontiguousarray(found[:, ::-1] if turned else found)


def resample(picture: Picture, box: Box, n_x: int, n_y: int) -> Picture:
    """The part of a picture, or of a stack of them, at another size: (..., n, m) to (..., n_y, n_x)."""
    rows = weights(box[2], box[3], n_y, picture.shape[-2])
    columns = weights(box[0], box[1], n_x, picture.shape[-1])
    return np.asarray(rows @ (picture @ columns.T), np.float32)


def as_inset(whole: Picture, box: Box, n_out: int, *, mirrored: bool) -> Picture:
    """The whole picture with no more detail than it would have in the box: a small inset is blurred by its pixels."""
    rows, columns = _inset(box, n_out, whole.shape[-1], mirrored=mirrored)
    return np.asarray(rows @ (whole @ columns.T), np.float32)


def _inset(box: Box, n_out: int, n_in: int, *, mirrored: bool) -> tuple[FloatArray, FloatArray]:
    n_x, n_y = (min(n_in, max(MIN_INSET_PX, round((high - low) * n_in))) for low, high in (box[:2], box[2:]))
    return inset_weights(n_y, n_out, n_in, False), inset_weights(n_x, n_out, n_in, mirrored)


def each_resampled(pictures: Picture, boxes: Boxes, n_out: int) -> Picture:
    """A part of each picture: (K, n, n) and (K, 4) to (K, n_out, n_out)."""
    n_in, parts = pictures.shape[-1], boxes.tolist()
    rows = np.stack([weights(box[2], box[3], n_out, n_in) for box in parts])
    columns = np.stack([weights(box[0], box[1], n_out, n_in) for box in parts])
    return np.asarray(rows @ pictures @ columns.transpose(0, 2, 1), np.float32)


def each_as_inset(pictures: Picture, boxes: Boxes, n_out: int, *, mirrored: NDArray[np.bool_]) -> Picture:
    """`as_inset` of each picture: (K, n, n) and (K, 4) to (K, n_out, n_out)."""
    n_in = pictures.shape[-1]
    both = [
        _inset((*box,), n_out, n_in, mirrored=turned)
        for box, turned in zip(boxes.tolist(), mirrored.tolist(), strict=True)
    ]
    rows, columns = (np.stack(side) for side in zip(*both, strict=True))
    return np.asarray(rows @ pictures @ columns.transpose(0, 2, 1), np.float32)
