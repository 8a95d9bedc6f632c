"""Labels and groups of the training images to what the loss compares with, and to how often an image is drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from postlens.types import FloatArray, IntArray

Floats = NDArray[np.float64]


def row_weights(labels: IntArray, groups: Sequence[str], *, group_damping: float) -> Floats:
    """(N,) weights with mean 1: every label weighs the same in all; within a label, a group of n images n ** (1 - d).

    Accounts with many images would otherwise decide what their label looks like (docs/log/niche.md: damping .5 and .75
    were the best on unseen sources). `group_damping` d: 0, every image of a label the same; 1, every group.
    """
    _, group = np.unique(np.asarray(groups, dtype=object), return_inverse=True)
    _, cell, size = np.unique(labels * (group.max(initial=0) + 1) + group, return_inverse=True, return_counts=True)
    weights = size[cell].astype(np.float64) ** -group_damping
    weights /= np.bincount(labels, weights)[labels]
    return np.asarray(weights * len(labels) / weights.sum())


def soft_targets(labels: IntArray, *, n_classes: int, smoothing: float) -> FloatArray:
    """(N, K) rows that sum to 1: 1 - s at the label and s / K everywhere (Szegedy et al. 2016)."""
    return np.asarray(np.eye(n_classes)[labels] * (1 - smoothing) + smoothing / n_classes, np.float32)
