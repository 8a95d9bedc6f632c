"""Images with several labels to folds by group: no person, shoot or near-copy is in two."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from postlens.errors import NotEnoughDataError, SplitError
from postlens.train.products_table import ProductImages
from postlens.types import IntArray

N_FOLDS = 5
# Images with a label, and without it, below which a head and its threshold would rest on chance.
MIN_IMAGES = 5
# PDQ's own limits (Facebook 2019): hashes up to 31 bits apart are of one picture, those below quality 50 say nothing.
COPY_BITS, HASH_QUALITY = 31, 50
_PAIRS = 8_000_000  # compared at once: 32 MB
_DRAWS = 50  # divisions drawn, the most even of which is kept

Bits = NDArray[np.uint8]


def join_groups(groups: Sequence[str], bits: Bits, quality: IntArray) -> IntArray:
    """(N,) numbers of groups: those given ("" is none), joined where pictures are nearly the same.

    bits (N, 32) uint8 and quality (N,) as `media.hashing.pdq_hash` gives them.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    names = [name or f"\0{i}" for i, name in enumerate(groups)]
    _, given = np.unique(np.asarray(names, dtype=object), return_inverse=True)
    rows, columns = near_pairs(bits, quality)
    n = int(given.max()) + 1
    edges = coo_array((np.ones(len(rows)), (given[rows], given[columns])), shape=(n, n))
    return np.asarray(connected_components(edges, directed=False)[1][given], np.int64)


def near_pairs(bits: Bits, quality: IntArray) -> tuple[IntArray, IntArray]:
    """Rows (P,), (P,) of pictures whose hashes are at most COPY_BITS apart."""
    good = np.flatnonzero(quality >= HASH_QUALITY)
    signs = np.unpackbits(bits[good], axis=1).astype(np.float32) * 2 - 1
    alike, step = signs.shape[1] - 2 * COPY_BITS, max(1, _PAIRS // max(1, len(signs)))
    pairs = [
        np.argwhere(signs[start : start + step] @ signs.T >= alike) + np.array([start, 0])
        for start in range(0, len(signs), step)
    ]
    found = np.concatenate(pairs) if pairs else np.zeros((0, 2), np.int64)
    found = found[found[:, 0] < found[:, 1]]
    return good[found[:, 0]], good[found[:, 1]]


def check_enough(images: ProductImages, groups: IntArray) -> int:
    """The most folds that the labels allow, 2 or more; images held out do not count.

    Raises:
        NotEnoughDataError: a label with too few images with or without it; all such are named.
        SplitError: all images with a label, or all without it, are of one group.
    """
    own = np.flatnonzero(~images.held_out)
    truth, group = images.truth[own], groups[own]
    few, single, most = [], [], len(own)
    for k, label in enumerate(images.labels):
        for value, words in ((1, f"with {label}"), (0, f"without {label}")):
            rows = truth[:, k] == value
            n_groups = len(np.unique(group[rows]))
            few += [f"{int(rows.sum())} {words}"] if rows.sum() < MIN_IMAGES else []
            single += [words] if n_groups < 2 else []
            most = min(most, n_groups)
    if few:
        raise NotEnoughDataError(
            f"expected at least {MIN_IMAGES} images with each label and {MIN_IMAGES} without it, got {', '.join(few)}; "
            "add some, for images without any label in a folder `none`, or leave the label out"
        )
    if single:
        raise SplitError(
            f"expected images of two groups (persons, sub-folders or shoots) or more, got only one {', '.join(single)};"
            " a head could not be told from one that knows the group: add images of others, or leave the label out"
        )
    return most


def fold_of(images: ProductImages, groups: IntArray, *, n_folds: int, rng: np.random.Generator) -> IntArray:
    """(N,) fold of each image, 0..n-1; -1 for those held out. Groups are whole.

    Greedy as scikit-learn's StratifiedGroupKFold, for several labels: groups, the scarcest label's and the largest
    first, go where the labels' shares stay most even. Fewer folds where a label is in fewer groups.

    Raises as `check_enough`; `SplitError` also where no division puts every label into two folds.
    """
    n = min(n_folds, check_enough(images, groups))
    own = np.flatnonzero(~images.held_out)
    _, group = np.unique(groups[own], return_inverse=True)
    sides = np.concatenate([images.truth[own] == 1, images.truth[own] == 0], axis=1).astype(np.float64)
    counts = np.zeros((int(group.max()) + 1, sides.shape[1]))
    np.add.at(counts, group, sides)
    shares = counts / counts.sum(axis=0)
    drawn = [_draw(shares, n, rng) for _ in range(_DRAWS)]
    usable = [(uneven, folds) for folds in drawn if (uneven := _unevenness(shares, folds, n)) is not None]
    if not usable:
        raise SplitError(
            f"expected images with and without each label in two of {n} folds, but whole groups do not allow it; "
            "add groups, or leave a label out"
        )
    folds = np.full(len(images), -1, np.int64)
    folds[own] = min(usable, key=lambda pair: pair[0])[1][group]
    return folds


def _draw(shares: NDArray[np.float64], n: int, rng: np.random.Generator) -> IntArray:
    have = np.zeros((n, shares.shape[1]))
    folds = np.zeros(len(shares), np.int64)
    sizes = shares.max(axis=1) * rng.uniform(0.7, 1.3, len(shares))  # so that draws differ
    for group in np.argsort(-sizes, kind="stable"):
        cost = ((have + shares[group]) ** 2 - have**2).sum(axis=1)
        folds[group] = cost.argmin()
        have[folds[group]] += shares[group]
    return folds


def _unevenness(shares: NDArray[np.float64], folds: IntArray, n: int) -> float | None:
    """Spread of the labels' shares over the folds; None where all of one side of a label is in one fold."""
    have = np.stack([shares[folds == fold].sum(axis=0) for fold in range(n)])
    return None if (have.max(axis=0) > 1 - 1e-9).any() else float(have.std(axis=0).sum())
