"""Faces of one media file to where they are in a copy of it: by place and time, or by time alone.

A copy that keeps the whole frame (another size, quality or container, a cut in time) has a face where the original has
it. One that moves the frame (mirrored, cropped, with borders or a logo) is not mapped: only the time is known. Times
follow from the lengths of both clips and from frames with near hashes; where several fit, all of them count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from postlens.tasks.people.hashes import MAX_BITS, MIN_QUALITY, Words, hamming, mirrored, trusted_words
from postlens.types import FloatArray, FrameHashes, IntArray

# Correlation of the sketches of two frames that show the same, whole. A re-encode is above .99. Higher: compressed or
# lit copies count as moved, and more than the one face is taken. Lower: slight crops count as whole.
MIN_WHOLE = 0.97
MAX_ASPECT = 1.02  # ratio of the aspects of two whole frames: sizes are rounded
MIN_AGREED = 0.5  # share of the pairs of near frames with one shift that makes a cut; higher: cuts count as sped up
WITHIN_S = 0.5  # half the distance of frames at the default rate of 1 Hz; more where a clip's frames are farther apart


@dataclass(frozen=True, slots=True)
class Clip:
    """What is known of a media file's frames; a photo lasts 0 s."""

    length_s: float
    aspect: float  # width / height
    hashes: FrameHashes | None

    @property
    def within_s(self) -> float:
        """How far in time a frame may be from the one that stands for it."""
        times = np.zeros(0) if self.hashes is None else self.hashes.pts_s
        return max(WITHIN_S, float(np.diff(times).max() / 2) if len(times) > 1 else 0.0)


class Moments(NamedTuple):
    """When faces of the original may be seen in the copy; several for one face."""

    row: IntArray  # (K,) of the face
    at_s: FloatArray  # (K,) time in the copy
    within_s: FloatArray  # (K,) before and after it

    def near(self, start_s: FloatArray, end_s: FloatArray) -> NDArray[np.bool_]:
        """(M, K) whether each of M spans of the copy touches a moment."""
        low, high = self.at_s - self.within_s, self.at_s + self.within_s
        near: NDArray[np.bool_] = (start_s[:, None] <= high[None]) & (end_s[:, None] >= low[None])
        return near


def keeps_frame(original: Clip, copy: Clip) -> bool:
    """Whether the copy shows the whole frames of the original, not mirrored; `False` where that is not known."""
    a, b = _sketches(original), _sketches(copy)
    if not (len(a) and len(b)) or not 1 / MAX_ASPECT <= original.aspect / copy.aspect <= MAX_ASPECT:
        return False
    upright, turned = (_best(a, side) for side in (b, b[:, :, ::-1]))
    return upright >= MIN_WHOLE and upright >= turned


def _sketches(clip: Clip) -> FloatArray:
    found = None if clip.hashes is None else clip.hashes.sketch
    return np.zeros((0, 1, 1), np.float32) if found is None else found.astype(np.float32)


def _best(a: FloatArray, b: FloatArray) -> float:
    """Median correlation of the frames of the shorter clip with the one most like them in the other."""
    correlation = _standard(a) @ _standard(b).T
    return float(np.median(correlation.max(axis=0 if len(b) <= len(a) else 1)))


def _standard(pictures: FloatArray) -> FloatArray:
    rows = pictures.reshape(len(pictures), -1)
    rows = rows - rows.mean(axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6), np.float32)


def moments_of(pts_s: FloatArray, original: Clip, copy: Clip) -> Moments:
    """When faces of the original, seen at `pts_s` (N,), may be seen in the copy.

    Clips of one length have equal times. Otherwise frames with near hashes, mirrored or not, tell the times, together
    with the shift that most of them have; where they do not agree on one, the copy may be faster or slower, and the
    relative time counts. Where no frame is near, every moment of the copy does.
    """
    within_s = max(original.within_s, copy.within_s)
    if abs(original.length_s - copy.length_s) <= WITHIN_S:
        return _affine(pts_s, 1.0, 0.0, within_s)
    a, b = _near_frames(original.hashes, copy.hashes)
    if not len(a):
        return _affine(pts_s, 0.0, 0.0, np.inf)
    seen, pair = np.nonzero(np.abs(pts_s[:, None] - a[None]) <= within_s)
    found = [
        Moments(seen, b[pair], np.full(len(seen), within_s, np.float32)),
        _affine(pts_s, *_line(a, b, original, copy), within_s),
    ]
    return Moments(*(np.concatenate(column) for column in zip(*found, strict=True)))


def _line(a: FloatArray, b: FloatArray, original: Clip, copy: Clip) -> tuple[float, float]:
    """Speed and shift from frames at `a` in the original and `b` in the copy: a cut where most have one shift."""
    shift_s = float(np.median(b - a))
    if np.mean(np.abs(b - a - shift_s) <= WITHIN_S) >= MIN_AGREED:
        return 1.0, shift_s
    return (copy.length_s / original.length_s if original.length_s > 0 else 1.0), 0.0


def _affine(pts_s: FloatArray, speed: float, shift_s: float, within_s: float) -> Moments:
    at_s = np.asarray(pts_s * speed + shift_s, np.float32)
    return Moments(np.arange(len(pts_s)), at_s, np.full(len(pts_s), within_s, np.float32))


def _near_frames(original: FrameHashes | None, copy: FrameHashes | None) -> tuple[FloatArray, FloatArray]:
    """Times of frames of both that are near each other by their hashes: (K,) each."""
    a, b = trusted_words(original), trusted_words(copy)
    near: NDArray[np.bool_] = np.minimum(hamming(a, b), hamming(a, mirrored(b))) <= MAX_BITS
    rows, columns = np.nonzero(near)
    return _trusted_times(original, a)[rows], _trusted_times(copy, b)[columns]


def _trusted_times(hashes: FrameHashes | None, words: Words) -> FloatArray:
    return np.zeros(len(words), np.float32) if hashes is None else hashes.pts_s[hashes.quality >= MIN_QUALITY]
