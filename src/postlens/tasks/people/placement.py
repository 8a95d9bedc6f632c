"""Two small grey pictures to where one lies within the other, and how much of it is the same.

A copy may be cropped, padded, mirrored, darkened, or covered in part by a sign or words. So one picture, whole, is
looked for in a part of the other: first by normalised cross-correlation (Lewis 1995, "Fast normalized
cross-correlation") over sizes and places, then by small steps of the box. What is the same is counted by windows, so
that a sign spoils only the windows that it covers; in another photo of the same scene, windows differ wherever
somebody moved.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from postlens.types import FloatArray

Picture = NDArray[np.float32]  # (n, n) grey, 0..255
COARSE_PX = 16  # side for the first search; higher finds smaller insets, costs its fourth power
SIZES = 2.0 ** (-np.arange(9) / 8)  # of the part, by its longer share: 1 to 1/2; smaller finds more heavily cut copies
MIN_COARSE_PX = 5  # fewer pixels of a part resemble anything
KEPT = 2  # placements that are looked at closely; more finds copies whose first is wrong, costs time
FINE_PX = 36  # side for the comparison; 24 (of sketches of 32) cannot tell portraits of one person apart
WINDOW_PX = 6
STRIDE_PX = 3
NOISE_VAR = 4.0  # grey levels squared: what compression does to flat windows
MIN_VAR = 16.0  # grey levels squared: below, a window shows nothing to compare
MIN_WINDOWS = 16  # with something to compare; fewer prove nothing
SAME_WINDOW = 0.8  # correlation of a window that shows the same; see recipes/people_copies.py
COVERED = 0.05  # off the score where a part is left out as covered: by that much chance gains from the choice of it
MIN_FIRST = 0.45  # score at a coarse placement that is worth moving; 95 % of other photos are below, 1 % of copies
MOVES_PER_STEP = 2
STEPS = (1 / 32, 1 / 64, 1 / 128)  # of the picture's side, by which a box is moved
MAX_STRETCH = 0.08  # difference of a box's proportions from the other picture's: cuts are measured in whole pixels
EDGE = 1 / 64  # by which a box may lie outside


@dataclass(frozen=True, slots=True)
class Placement:
    """The whole of one picture in a part of the other."""

    b_in_a: bool  # else the whole of `a` is in a part of `b`
    mirrored: bool
    box: tuple[float, float, float, float]  # left, right, top, bottom of the part, 0..1 of the larger picture

    def parts(self, a: Picture, b: Picture, *, side_px: int = FINE_PX) -> tuple[Picture, Picture]:
        """Both pictures (or stacks of them: (..., n, n)) cut to what they share, (..., side_px, side_px)."""
        large, whole = (a, b) if self.b_in_a else (b, a)
        whole = whole[..., ::-1] if self.mirrored else whole
        part, full = resample(large, self.box, side_px, side_px), _as_inset(whole, self.box, side_px)
        return (part, full) if self.b_in_a else (full, part)


class Likeness(NamedTuple):
    """How much of two pictures is the same where they are laid on each other."""

    score: float  # mean correlation of the windows that show something, 0..1; -1: too few of them
    share: float  # of these windows, those that are the same
    placement: Placement


WHOLE = (0.0, 1.0, 0.0, 1.0)
AS_IT_IS = Placement(True, False, WHOLE)
UNLIKE = Likeness(-1.0, 0.0, AS_IT_IS)


@lru_cache(maxsize=8192)  # of 7 kB; boxes lie on a grid of steps, so most come again: half of the time is saved
def _weights(low: float, high: float, n_out: int, n_in: int) -> FloatArray:
    """Means over the pixels of `n_out` equal parts of [low, high] as a matrix (n_out, n_in); at least a pixel wide."""
    edges = (low + (high - low) * np.arange(n_out + 1) / n_out) * n_in
    middle, half = (edges[1:] + edges[:-1]) / 2, max((high - low) * n_in / n_out, 1.0) / 2
    middle = np.clip(middle, half, n_in - half)
    at = np.arange(n_in)
    cover = np.minimum(middle[:, None] + half, at + 1) - np.maximum(middle[:, None] - half, at)
    weights = np.maximum(cover, 0.0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def resample(picture: Picture, box: tuple[float, float, float, float], n_x: int, n_y: int) -> Picture:
    """The part of a picture, or of a stack of them, at another size: (..., n, m) to (..., n_y, n_x)."""
    rows = _weights(box[2], box[3], n_y, picture.shape[-2])
    columns = _weights(box[0], box[1], n_x, picture.shape[-1])
    return np.asarray(rows @ picture @ columns.T, np.float32)


def _as_inset(whole: Picture, box: tuple[float, float, float, float], side_px: int) -> Picture:
    """The whole picture with no more detail than it would have in the box: a small inset is blurred by its pixels."""
    n = whole.shape[-1]
    n_x, n_y = (min(n, max(MIN_COARSE_PX, round((high - low) * n))) for low, high in (box[:2], box[2:]))
    return resample(resample(whole, WHOLE, n_x, n_y), WHOLE, side_px, side_px)


def likely_placements(a: Picture, b: Picture, *, aspect_a: float, aspect_b: float) -> list[Likeness]:
    """The placements of a coarse search that stand a first look, each moved to where most is the same.

    Args:
        a, b: (n, n), each the whole picture pressed into a square.
        aspect_a, aspect_b: width / height of the pictures before that.
    """
    found = []
    for seed in seeds(a, b, aspect_a=aspect_a, aspect_b=aspect_b):
        first = likeness_at(a, b, seed)
        if first.score >= MIN_FIRST:
            found.append(refined(a, b, first))
    return found


def likeness_at(a: Picture, b: Picture, placement: Placement) -> Likeness:
    """How much is the same at one placement."""
    part_a, part_b = placement.parts(a, b)
    scores, shares = window_scores(_windows(part_a[None]), _windows(part_b[None]))
    return Likeness(float(scores[0]), float(shares[0]), placement)


def seeds(a: Picture, b: Picture, *, aspect_a: float, aspect_b: float) -> list[Placement]:
    """Placements worth a closer look: the best of the coarse search, and both as they are and mirrored."""
    stretch = aspect_a / aspect_b
    found = [*_coarse(a, b, stretch=stretch, b_in_a=True), *_coarse(b, a, stretch=1 / stretch, b_in_a=False)]
    chosen = [placement for _, placement in sorted(found, key=lambda one: -one[0])[:KEPT]]
    if abs(np.log(stretch)) < MAX_STRETCH:
        chosen += [AS_IT_IS, replace(AS_IT_IS, mirrored=True)]
    return list(dict.fromkeys(chosen))


def _coarse(large: Picture, whole: Picture, *, stretch: float, b_in_a: bool) -> list[tuple[float, Placement]]:
    """The best place and its correlation by size, mirrored or not; `stretch`: height / width of the box."""
    field = resample(large, WHOLE, COARSE_PX, COARSE_PX)
    found = []
    for width in (min(1.0, 1.0 / stretch) * SIZES).tolist():
        height = width * stretch
        n_x, n_y = round(width * COARSE_PX), round(height * COARSE_PX)
        if min(n_x, n_y) < MIN_COARSE_PX:
            break
        for mirrored, (score, column, row) in enumerate(_best_places(field, resample(whole, WHOLE, n_x, n_y))):
            left, top = min(column / COARSE_PX, 1 - width), min(row / COARSE_PX, 1 - height)
            found.append((score, Placement(b_in_a, bool(mirrored), (left, left + width, top, top + height))))
    return found


def _best_places(field: Picture, part: Picture) -> list[tuple[float, float, float]]:
    """Largest normalised cross-correlation of the part, and of its mirror image, in the field; its left and top."""
    windows = sliding_window_view(field, part.shape)
    n_columns = windows.shape[1]
    flat = windows.reshape(-1, part.size)
    centred = part - part.mean()
    spread = np.sqrt(np.maximum(np.einsum("wp,wp->w", flat, flat) - flat.mean(axis=1) ** 2 * part.size, 0) + part.size)
    product = flat @ np.stack([centred.ravel(), centred[:, ::-1].ravel()], axis=1)
    score = product / (spread * np.sqrt((centred * centred).sum() + part.size))[:, None]
    best = score.argmax(axis=0).tolist()
    return [(float(score[at, side]), at % n_columns, at // n_columns) for side, at in enumerate(best)]


def refined(a: Picture, b: Picture, found: Likeness) -> Likeness:
    """Move and resize the box in ever smaller steps while that makes more of the pictures the same."""
    seed = found.placement
    large, whole = (a, b) if seed.b_in_a else (b, a)
    fixed = _windows(_as_inset(whole[:, ::-1] if seed.mirrored else whole, seed.box, FINE_PX)[None])
    box, score, share = np.array(seed.box), found.score, found.share
    proportion = float((box[1] - box[0]) / (box[3] - box[2]))
    for step in STEPS:
        for _ in range(MOVES_PER_STEP):
            near = _moved(box, step, proportion=proportion)
            if not len(near):
                break
            parts = _windows(np.stack([resample(large, (*one,), FINE_PX, FINE_PX) for one in near.tolist()]))
            scores, shares = window_scores(parts, fixed)
            best = int(scores.argmax())
            if scores[best] <= score:
                break
            box, score, share = near[best], float(scores[best]), float(shares[best])
    left, right, top, bottom = box.tolist()
    return Likeness(score, share, replace(seed, box=(left, right, top, bottom)))


_MOVES = np.array(
    [
        *([x, x, y, y] for x in (-1, 0, 1) for y in (-1, 0, 1) if x or y),
        *([x, -x, y, -y] for x, y in ((1, 1), (-1, -1), (1, 0), (-1, 0), (0, 1), (0, -1))),
        *([1, 0, 1, 0], [0, 1, 0, 1], [-1, 0, -1, 0], [0, -1, 0, -1]),
    ]
)


def _moved(box: FloatArray, step: float, *, proportion: float) -> FloatArray:
    """The boxes a step away that lie within the picture and keep about their proportions: (K, 4)."""
    near = box + step * _MOVES
    near = near[((near >= -EDGE) & (near <= 1 + EDGE)).all(axis=1)]
    stretch = np.log((near[:, 1] - near[:, 0]) / (near[:, 3] - near[:, 2]) / proportion)
    return np.asarray(near[np.abs(stretch) <= MAX_STRETCH], np.float32)


def _windows(pictures: Picture) -> Picture:
    """Overlapping windows without their means: (K, m, m) to (K, W, WINDOW_PX ** 2)."""
    found = sliding_window_view(pictures, (WINDOW_PX, WINDOW_PX), axis=(1, 2))[:, ::STRIDE_PX, ::STRIDE_PX]
    flat = found.reshape(len(pictures), -1, WINDOW_PX * WINDOW_PX)
    return np.asarray(flat - flat.mean(axis=2, keepdims=True), np.float32)


def window_scores(a: Picture, b: Picture) -> tuple[FloatArray, FloatArray]:
    """Mean correlation of the windows that show something, and the share that is the same: (K, W, P) to (K,) each.

    Each is the best over what a sign or words may cover, see `_uncovered`.
    """
    var_a, var_b = (a * a).mean(axis=2), (b * b).mean(axis=2)
    same = (a * b).mean(axis=2) / np.sqrt((var_a + NOISE_VAR) * (var_b + NOISE_VAR))
    shown = (np.maximum(var_a, var_b) > MIN_VAR).astype(np.float32)
    masks = _uncovered().T
    n = shown @ masks
    scores = ((np.clip(same, 0, 1) * shown) @ masks) / np.maximum(n, 1)
    shares = (((same > SAME_WINDOW) * shown) @ masks) / np.maximum(n, 1)
    scores[:, 1:] -= COVERED
    scores[n < MIN_WINDOWS] = -1.0
    best = np.arange(len(scores)), scores.argmax(axis=1)
    return scores[best], shares[best]


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
