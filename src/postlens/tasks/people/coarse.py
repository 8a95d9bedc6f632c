"""Many pairs of small grey pictures to the few places where one may lie within the other, a first look.

Normalised cross-correlation (Lewis 1995, "Fast normalized cross-correlation") of one whole picture, at nine sizes and
mirrored, over all places of the other at 16 px. Pairs are handled together: those whose parts have equally many pixels
share one batched matrix product.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from postlens.tasks.people.resample import WHOLE, Boxes, Picture, resample
from postlens.types import FloatArray, IntArray

COARSE_PX = 16  # side for the search; higher finds smaller insets, costs its fourth power
SIZES = 2.0 ** (-np.arange(9) / 8)  # of the part, by its longer share: 1 to 1/2; smaller finds more heavily cut copies
MIN_COARSE_PX = 5  # fewer pixels of a part resemble anything
BLOCK_PAIRS = 128  # pairs at once: their windows stay within a cache of 4 MB

Float64Array = NDArray[np.float64]


class Places(NamedTuple):
    """The best places of K pairs at M sizes, both ways and mirrored or not."""

    score: FloatArray  # (K, M) correlation; -1 where the part would be too small
    b_in_a: NDArray[np.bool_]  # (M,) else `a` lies within `b`
    mirrored: NDArray[np.bool_]  # (M,)
    box: Boxes  # (K, M, 4)


def best_places(pictures: Picture, a: IntArray, b: IntArray, stretch: Float64Array) -> Places:
    """Where the whole of one picture of a pair is most like a part of the other.

    Args:
        pictures: (N, n, n), each the whole picture pressed into a square.
        a, b: rows of the pictures of each pair, (K,).
        stretch: width / height of `a` over that of `b`, (K,).
    """
    fields = resample(pictures, WHOLE, COARSE_PX, COARSE_PX)
    ways = [_one_way(pictures, fields, a, b, stretch), _one_way(pictures, fields, b, a, 1 / stretch)]
    n = 2 * len(SIZES)
    return Places(
        np.concatenate([score for score, _ in ways], axis=1),
        np.repeat([True, False], n),
        np.tile([False, True], n),
        np.concatenate([box for _, box in ways], axis=1),
    )


def _one_way(
    pictures: Picture, fields: Picture, large: IntArray, whole: IntArray, stretch: Float64Array
) -> tuple[FloatArray, Boxes]:
    """Scores (K, 2 * sizes), not mirrored and mirrored by turns, and boxes (K, 2 * sizes, 4)."""
    width = np.minimum(1.0, 1.0 / stretch)[:, None] * SIZES
    height = width * stretch[:, None]
    n_x, n_y = np.rint(width * COARSE_PX).astype(int), np.rint(height * COARSE_PX).astype(int)
    score = np.full((*width.shape, 2), -1.0, np.float32)
    place = np.zeros((*width.shape, 2), np.int64)
    for shape, pair, size in _by_shape(n_x, n_y):
        parts, row = np.unique(whole[pair], return_inverse=True)
        templates = _templates(pictures[parts], *shape)
        for at in range(0, len(pair), BLOCK_PAIRS):
            some = slice(at, at + BLOCK_PAIRS)
            found = _correlated(fields[large[pair[some]]], templates[row[some]], *shape)
            place[pair[some], size[some]], score[pair[some], size[some]] = found
    n_columns = np.maximum(COARSE_PX - n_x + 1, 1)[:, :, None]
    left = np.minimum(place % n_columns / COARSE_PX, 1 - width[:, :, None])
    top = np.minimum(place // n_columns / COARSE_PX, 1 - height[:, :, None])
    box = np.stack([left, left + width[:, :, None], top, top + height[:, :, None]], axis=-1)
    return score.reshape(len(large), -1), box.reshape(len(large), -1, 4)


def _by_shape(n_x: IntArray, n_y: IntArray) -> Iterator[tuple[tuple[int, int], IntArray, IntArray]]:
    """Numbers of pixels of parts, and the pairs and sizes that have them."""
    key = np.where(np.minimum(n_x, n_y) < MIN_COARSE_PX, -1, n_x * 100 + n_y)
    order = np.argsort(key, axis=None, kind="stable")
    values, starts = np.unique(key.ravel()[order], return_index=True)
    for value, cells in zip(values.tolist(), np.split(order, starts[1:]), strict=True):
        if value >= 0:
            pair, size = np.divmod(cells, n_x.shape[1])
            yield divmod(value, 100), pair, size


def _templates(pictures: Picture, n_x: int, n_y: int) -> Picture:
    """Pictures and their mirror images as unit vectors without their mean: (U, n_x * n_y, 2)."""
    parts = resample(pictures, WHOLE, n_x, n_y)
    flat = np.stack([parts, parts[:, :, ::-1]], axis=-1).reshape(len(parts), n_x * n_y, 2)
    flat -= flat.mean(axis=1, keepdims=True)
    return np.asarray(flat / np.sqrt((flat * flat).sum(axis=1, keepdims=True) + n_x * n_y), np.float32)


def _correlated(fields: Picture, templates: Picture, n_x: int, n_y: int) -> tuple[IntArray, FloatArray]:
    """The best place, counted by rows, and its correlation, not mirrored and mirrored: (K, 2) each."""
    n_pixels = n_x * n_y
    windows = sliding_window_view(fields, (n_y, n_x), axis=(1, 2)).reshape(len(fields), -1, n_pixels)
    spread = _box_sums(fields * fields, n_x, n_y) - _box_sums(fields, n_x, n_y) ** 2 / n_pixels
    score = np.matmul(windows, templates) / np.sqrt(np.maximum(spread, 0) + n_pixels)[:, :, None]
    best = score.argmax(axis=1)
    return best, np.take_along_axis(score, best[:, None], axis=1)[:, 0]


def _box_sums(fields: Picture, n_x: int, n_y: int) -> FloatArray:
    """Sums of all boxes of a size: (K, m, m) to (K, places)."""
    at = np.arange(COARSE_PX)
    rows, columns = (
        ((at >= np.arange(COARSE_PX - n + 1)[:, None]) & (at < np.arange(n, COARSE_PX + 1)[:, None])).astype(np.float32)
        for n in (n_y, n_x)
    )
    return np.asarray((rows @ fields @ columns.T).reshape(len(fields), -1), np.float32)
