"""Small grey pictures to where one lies within the other, and how much of it is the same; many pairs at once.

A copy may be cropped, padded, mirrored, darkened, or covered in part by a sign or words. So one picture, whole, is
looked for in a part of the other: first over sizes and places (`coarse`), then by small steps of the box. What is the
same is counted by windows (`windows`), so that a sign spoils only the windows that it covers; in another photo of the
same scene, windows differ wherever somebody moved. Every step drops the pairs that no copy would leave so unlike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from postlens.tasks.people.coarse import best_places
from postlens.tasks.people.resample import WHOLE, Box, Boxes, Picture, as_inset, each_as_inset, each_resampled, resample
from postlens.tasks.people.windows import FINE_PX, window_scores
from postlens.types import FloatArray, IntArray

KEPT = 2  # placements that are looked at closely; more finds copies whose first is wrong, costs time
MOVES_PER_STEP = 2
STEPS = (1 / 32, 1 / 64, 1 / 128)  # of the picture's side, by which a box is moved
MAX_STRETCH = 0.08  # difference of a box's proportions from the other picture's: cuts are measured in whole pixels
EDGE = 1 / 64  # by which a box may lie outside
BLOCK_LOOKS = 512  # pairs of parts compared at once: 30 MB


class Bars(NamedTuple):
    """Below which pairs are dropped: each loses at most 3 in 1,000 copies, see docs/log/copies.md. -1: none is."""

    coarse: float = -1.0  # correlation of the best place
    likely: float = -1.0  # the same and the cosine of the embeddings together
    first: float = 0.45  # score at a coarse placement; 95 % of other photos are below, 1 % of copies
    moved: tuple[float, ...] = (-1.0, -1.0)  # score after each step size but the last


@dataclass(frozen=True, slots=True)
class Placement:
    """The whole of one picture in a part of the other."""

    b_in_a: bool  # else the whole of `a` is in a part of `b`
    mirrored: bool
    box: Box

    def parts(self, a: Picture, b: Picture, *, side_px: int = FINE_PX) -> tuple[Picture, Picture]:
        """Both pictures (or stacks of them: (..., n, n)) cut to what they share, (..., side_px, side_px)."""
        large, whole = (a, b) if self.b_in_a else (b, a)
        part, full = (
            resample(large, self.box, side_px, side_px),
            as_inset(whole, self.box, side_px, mirrored=self.mirrored),
        )
        return (part, full) if self.b_in_a else (full, part)


class Likeness(NamedTuple):
    """How much of two pictures is the same where they are laid on each other."""

    score: float  # mean correlation of the windows that show something, 0..1; -1: too few of them
    share: float  # of these windows, those that are the same
    placement: Placement


AS_IT_IS = Placement(True, False, WHOLE)
UNLIKE = Likeness(-1.0, 0.0, AS_IT_IS)


@dataclass(frozen=True, slots=True)
class PicturePairs:
    """Pairs of pictures as columns."""

    pictures: Picture  # (N, n, n), each the whole picture pressed into a square
    a: IntArray  # (K,) rows of the pictures
    b: IntArray
    stretch: NDArray[np.float64]  # (K,) width / height of `a` over that of `b`, before they were pressed
    cosine: FloatArray  # (K,) of the embeddings; 1 where there are none

    def __getitem__(self, rows: IntArray) -> PicturePairs:
        return PicturePairs(self.pictures, self.a[rows], self.b[rows], self.stretch[rows], self.cosine[rows])

    def __len__(self) -> int:
        return len(self.a)


@dataclass(slots=True)
class _Looks:
    """Placements that are being looked at, as columns."""

    pair: IntArray
    large: IntArray  # (K,) rows of the pictures
    whole: IntArray
    b_in_a: NDArray[np.bool_]
    mirrored: NDArray[np.bool_]
    box: Boxes
    score: FloatArray
    share: FloatArray

    def __getitem__(self, rows: NDArray[np.bool_]) -> _Looks:
        return _Looks(*(getattr(self, name)[rows] for name in self.__slots__))

    def __len__(self) -> int:
        return len(self.pair)

    def likeness(self, row: int) -> Likeness:
        left, right, top, bottom = self.box[row].tolist()
        placement = Placement(bool(self.b_in_a[row]), bool(self.mirrored[row]), (left, right, top, bottom))
        return Likeness(float(self.score[row]), float(self.share[row]), placement)


def as_they_are(pairs: PicturePairs) -> tuple[FloatArray, FloatArray]:
    """Score and share of each pair, the one laid on the other whole: (K,) each."""
    score, share = np.zeros(len(pairs), np.float32), np.zeros(len(pairs), np.float32)
    fine = resample(pairs.pictures, WHOLE, FINE_PX, FINE_PX) if len(pairs) else pairs.pictures
    for at in range(0, len(pairs), BLOCK_LOOKS):
        some = slice(at, at + BLOCK_LOOKS)
        score[some], share[some] = window_scores(fine[pairs.a[some]], fine[pairs.b[some]])
    return score, share


def likely_placements(pairs: PicturePairs, bars: Bars) -> list[list[Likeness]]:
    """For each pair the placements of a coarse search that stand a first look, moved to where most is the same."""
    if not len(pairs):
        return []
    looks = _seeds(pairs, bars)
    _look(pairs.pictures, looks)
    looks = _refined(pairs.pictures, looks[looks.score >= bars.first], bars)
    found: list[list[Likeness]] = [[] for _ in range(len(pairs))]
    for row, pair in enumerate(looks.pair.tolist()):
        found[pair].append(looks.likeness(row))
    return found


def _seeds(pairs: PicturePairs, bars: Bars) -> _Looks:
    """Placements worth a look: the best of the coarse search, and both as they are and mirrored."""
    places = best_places(pairs.pictures, pairs.a, pairs.b, pairs.stretch)
    best = np.argsort(-places.score, axis=1, kind="stable")[:, :KEPT]
    score = np.take_along_axis(places.score, best, axis=1)
    likely = (score[:, 0] > max(bars.coarse, -1)) & (score[:, 0] + pairs.cosine >= bars.likely)
    pair, rank = np.nonzero((score > -1) & likely[:, None])
    entry = best[pair, rank]
    square = np.flatnonzero(likely & (np.abs(np.log(pairs.stretch)) < MAX_STRETCH))
    n = len(square)
    pair = np.concatenate([pair, square, square])
    b_in_a = np.concatenate([places.b_in_a[entry], np.ones(2 * n, bool)])
    mirrored = np.concatenate([places.mirrored[entry], np.zeros(n, bool), np.ones(n, bool)])
    box = np.concatenate([places.box[pair[: len(entry)], entry], np.tile(WHOLE, (2 * n, 1))])
    large, whole = (
        np.where(b_in_a, *sides) for sides in ((pairs.a[pair], pairs.b[pair]), (pairs.b[pair], pairs.a[pair]))
    )
    blank = np.zeros(len(pair), np.float32)
    return _Looks(pair, large, whole, b_in_a, mirrored, box, blank, blank.copy())


def _look(pictures: Picture, looks: _Looks) -> None:
    """Fill in how much is the same."""
    for at in range(0, len(looks), BLOCK_LOOKS):
        some = slice(at, at + BLOCK_LOOKS)
        parts = each_resampled(pictures[looks.large[some]], looks.box[some], FINE_PX)
        full = each_as_inset(pictures[looks.whole[some]], looks.box[some], FINE_PX, mirrored=looks.mirrored[some])
        looks.score[some], looks.share[some] = window_scores(parts, full)


def _refined(pictures: Picture, looks: _Looks, bars: Bars) -> _Looks:
    """Move and resize the boxes in ever smaller steps while that makes more of the pictures the same."""
    if not len(looks):
        return looks
    fixed = each_as_inset(pictures[looks.whole], looks.box, FINE_PX, mirrored=looks.mirrored)
    proportion = (looks.box[:, 1] - looks.box[:, 0]) / (looks.box[:, 3] - looks.box[:, 2])
    for step, bar in zip(STEPS, (*bars.moved, -1.0), strict=True):
        moving = np.arange(len(looks))
        for _ in range(MOVES_PER_STEP):
            moving = moving[_moved(pictures, looks, moving, fixed=fixed, proportion=proportion, step=step)]
        keep = looks.score >= bar
        looks, fixed, proportion = looks[keep], fixed[keep], proportion[keep]
    return looks


def _moved(
    pictures: Picture, looks: _Looks, rows: IntArray, *, fixed: Picture, proportion: Boxes, step: float
) -> NDArray[np.bool_]:
    """Give the rows the best of the boxes a step away; returns which became better."""
    row, near = _near_boxes(looks.box[rows], step, proportion[rows])
    scores, shares = np.zeros(len(row), np.float32), np.zeros(len(row), np.float32)
    for at in range(0, len(row), BLOCK_LOOKS):
        some = slice(at, at + BLOCK_LOOKS)
        parts = each_resampled(pictures[looks.large[rows[row[some]]]], near[some], FINE_PX)
        scores[some], shares[some] = window_scores(parts, fixed[rows[row[some]]])
    better = np.zeros(len(rows), bool)
    order = np.lexsort((np.arange(len(row)), -scores, row))
    first = order[np.unique(row[order], return_index=True)[1]]
    for one in first[scores[first] > looks.score[rows[row[first]]]].tolist():
        at = rows[row[one]]
        looks.box[at], looks.score[at], looks.share[at] = near[one], scores[one], shares[one]
        better[row[one]] = True
    return better


_MOVES = np.array(
    [
        *([x, x, y, y] for x in (-1, 0, 1) for y in (-1, 0, 1) if x or y),
        *([x, -x, y, -y] for x, y in ((1, 1), (-1, -1), (1, 0), (-1, 0), (0, 1), (0, -1))),
        *([1, 0, 1, 0], [0, 1, 0, 1], [-1, 0, -1, 0], [0, -1, 0, -1]),
    ]
)


def _near_boxes(box: Boxes, step: float, proportion: Boxes) -> tuple[IntArray, Boxes]:
    """The boxes a step away that lie within the picture and keep about their proportions, and whose they are."""
    near = box[:, None] + step * _MOVES
    inside = ((near >= -EDGE) & (near <= 1 + EDGE)).all(axis=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        stretch = np.log((near[..., 1] - near[..., 0]) / (near[..., 3] - near[..., 2]) / proportion[:, None])
    row, move = np.nonzero(inside & (np.abs(stretch) <= MAX_STRETCH))
    return row, near[row, move]
