"""Pictures laid on each other to how much of them is the same, counted by windows that a sign may cover."""

from __future__ import annotations

from functools import cache

import numpy as np

from postlens.tasks.people.resample import Picture
from postlens.types import FloatArray

FINE_PX = 36  # side for the comparison; 24 (of sketches of 32) cannot tell portraits of one person apart
WINDOW_PX = 6
STRIDE_PX = 3
NOISE_VAR = 4.0  # grey levels squared: what compression does to flat windows
MIN_VAR = 16.0  # grey levels squared: below, a window shows nothing to compare
MIN_WINDOWS = 16  # with something to compare; fewer prove nothing
SAME_WINDOW = 0.8  # correlation of a window that shows the same; see recipes/people_copies.py
COVERED = 0.05  # off the score where a part is left out as covered: by that much chance gains from the choice of it
MIDDLE = 128.0  # taken off grey levels, so that products of float32 keep their small digits


def window_scores(a: Picture, b: Picture) -> tuple[FloatArray, FloatArray]:
    """Mean correlation of the windows that show something, and the share that is the same: (K, m, m) to (K,) each.

    Each is the best over what a sign or words may cover, see `_uncovered`. Every pair has products of its own: in one
    product for all, the last digits of a pair would depend on how many others there are.
    """
    a, b = a - MIDDLE, b - MIDDLE
    mean_a, mean_b = _means(a), _means(b)
    var_a, var_b = (np.maximum(_means(one * one) - mean * mean, 0) for one, mean in ((a, mean_a), (b, mean_b)))
    same = (_means(a * b) - mean_a * mean_b) / np.sqrt((var_a + NOISE_VAR) * (var_b + NOISE_VAR))
    shown = (np.maximum(var_a, var_b) > MIN_VAR).astype(np.float32)
    masks = _uncovered().T
    n = shown @ masks
    scores = ((np.clip(same, 0, 1) * shown)[:, None] @ masks)[:, 0] / np.maximum(n, 1)
    shares = (((same > SAME_WINDOW) * shown) @ masks) / np.maximum(n, 1)
    scores[:, 1:] -= COVERED
    scores[n < MIN_WINDOWS] = -1.0
    best = np.arange(len(scores)), scores.argmax(axis=1)
    return scores[best], shares[best]


def _means(pictures: Picture) -> FloatArray:
    """Means of overlapping windows: (K, m, m) to (K, W)."""
    pool = _pool()
    return np.asarray((pool @ (pictures @ pool.T)).reshape(len(pictures), -1), np.float32)


@cache
def _pool() -> FloatArray:
    start = np.arange(0, FINE_PX - WINDOW_PX + 1, STRIDE_PX)[:, None]
    at = np.arange(FINE_PX)
    return (((at >= start) & (at < start + WINDOW_PX)) / WINDOW_PX).astype(np.float32)


@cache
def _uncovered() -> Picture:
    """Windows that are left when nothing, a band above or below, or a corner is covered: (7, W) of 0 and 1."""
    side = (FINE_PX - WINDOW_PX) // STRIDE_PX + 1
    band, corner = side // 4 + 1, side // 2
    masks = np.ones((7, side, side), np.float32)
    masks[1, :band], masks[2, -band:] = 0, 0
    masks[3, :corner, :corner], masks[4, :corner, -corner:] = 0, 0
    masks[5, -corner:, :corner], masks[6, -corner:, -corner:] = 0, 0
    return masks.reshape(7, -1)
