"""Boxes (left, top, right, bottom) to how much they overlap."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from postlens.types import FloatArray


def box_iou(a: NDArray[np.floating], b: NDArray[np.floating]) -> FloatArray:
    """Intersection over union of boxes (N, 4) and (M, 4): (N, M) in [0, 1], 0 for boxes without area."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=2)
    union = _areas(a)[:, None] + _areas(b)[None] - shared
    return np.asarray(shared / np.maximum(union, 1e-9), np.float32)


def _areas(boxes: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.asarray(np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1))
