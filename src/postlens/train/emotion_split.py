"""Images of several emotions to training, validation and test parts: those of the data set, else drawn by group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from postlens.errors import SplitError
from postlens.train.emotion_sets import EmotionImages
from postlens.train.splits import Split
from postlens.types import FloatArray, IntArray

SHARES = (0.7, 0.15, 0.15)  # of training, validation, test, where they are drawn
VAL_SHARE = 0.15  # of the training images, where the data set gives a test but nothing to validate on
TRAIN, VAL, TEST = 0, 1, 2
_NUMBERS = {"train": TRAIN, "val": VAL, "test": TEST}

Floats = NDArray[np.float64]


class LeftOut(NamedTuple):
    """Images of which a later part (training, validation, test) knows too much: they are in no part."""

    n_twice: int  # an equal file is in a later part
    n_met: int  # another image of their group (person, account or shoot) is


def split_emotions(images: EmotionImages, *, hashes: Sequence[str], rng: np.random.Generator) -> tuple[Split, LeftOut]:
    """The parts, and how many images were left out of an earlier part since a later one has their file or group.

    Parts that the data set gives are kept. Without any, all three are drawn; without one to validate on, that is drawn
    from training. Groups, and groups that share a file, are never parted by a draw.

    Raises `SplitError` where nothing is left to train or to validate on.
    """
    given = np.array([_NUMBERS.get(part, -1) for part in images.parts])
    part_of = given.copy()
    if (given < 0).all():
        part_of = _drawn(images, hashes, SHARES, rng)
    else:
        part_of[given < 0] = TRAIN
        if not (given == VAL).any():
            rows = np.flatnonzero(part_of == TRAIN)
            part_of[rows] = _drawn(images[rows], [hashes[i] for i in rows.tolist()], (1 - VAL_SHARE, VAL_SHARE), rng)
    twice = _also_elsewhere(part_of, hashes)
    part_of[twice] = -1
    met = _also_elsewhere(part_of, images.groups)
    part_of[met] = -1
    split = Split(*(np.flatnonzero(part_of == part) for part in (TRAIN, VAL, TEST)))
    if not len(split.train) or not len(split.val):
        counts = ", ".join(f"{name} {len(rows)}" for name, rows in split.parts.items())
        raise SplitError(
            f"expected images to train on and others, of other groups, to validate on, got {counts} ({len(twice)} left "
            f"out for an equal file in a later part, {len(met)} for a group that is in one); add images of "
            "further groups, or name the part of each (folders train and val, or a column split)"
        )
    return split, LeftOut(len(twice), len(met))


def _also_elsewhere(part_of: IntArray, names: Sequence[str]) -> IntArray:
    """Rows whose file or group is in a later part too: learnt by heart, they would be scored as known."""
    last: dict[str, int] = {}
    for part, name in zip(part_of.tolist(), names, strict=True):
        last[name] = max(part, last.get(name, part))
    rows = enumerate(zip(part_of.tolist(), names, strict=True))
    return np.array([i for i, (part, name) in rows if 0 <= part < last[name]], np.int64)


def _drawn(images: EmotionImages, hashes: Sequence[str], shares: Sequence[float], rng: np.random.Generator) -> IntArray:
    """(N,) parts of the images, whole groups together."""
    groups = _joined(images.groups, hashes)
    counts = np.zeros((int(groups.max()) + 1, images.truth.shape[1] + 1))
    np.add.at(counts[:, :-1], groups, images.truth == 1)
    np.add.at(counts[:, -1], groups, 1)  # the last column counts images, so that those without an emotion are shared
    return stratify(counts, shares, rng=rng)[groups]


def stratify(counts: FloatArray | Floats, shares: Sequence[float], *, rng: np.random.Generator) -> IntArray:
    """(G,) the part of each group, so that each label of counts (G, K) is shared out as asked.

    Iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011), by groups instead of images: the label with the
    fewest images left first, each group to the part that lacks most of it. A label in one group is trained on.
    """
    part_of = np.full(len(counts), -1)
    wanted = np.asarray(shares)[:, None] * counts.sum(axis=0)
    order = rng.permutation(len(counts))
    while (part_of < 0).any():
        left = counts[part_of < 0].sum(axis=0)
        label = int(np.where(left > 0, left, np.inf).argmin())
        mine = [group for group in order.tolist() if part_of[group] < 0 and counts[group, label] > 0]
        for group in mine:
            part = max(range(len(wanted)), key=lambda k: (wanted[k, label], wanted[k, -1]))
            part_of[group] = part
            wanted[part] -= counts[group]
    return part_of


def _joined(groups: Sequence[str], hashes: Sequence[str]) -> IntArray:
    """(N,) numbers that images have in common where they share a group or, over any chain, a file."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    _, group = np.unique(np.asarray(groups, dtype=object), return_inverse=True)
    _, file = np.unique(np.asarray(hashes), return_inverse=True)
    n_groups, n_files = int(group.max()) + 1, int(file.max()) + 1
    size = n_groups + n_files
    edges = coo_array((np.ones(len(group)), (group, n_groups + file)), shape=(size, size))
    component = connected_components(edges, directed=False)[1][group]
    return np.unique(component, return_inverse=True)[1].astype(np.int64)
