"""Two clips' small grey frames to how well one moves as the other does, at the best shift and speed.

Two takes of one scene look as alike as a copy does. What tells them apart is what changes from frame to frame: both
clips are laid on each other (`placement`), each pixel's mean over time is taken off, and what is left is correlated
over pixels and frames alike, at each shift and speed in time. What stands still (a scene, a sign, a bar) adds nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from postlens.types import FloatArray

Frames = NDArray[np.float32]  # (T, P) grey levels of pixels
MAX_QUERIES = 16  # frames of the shorter clip that are looked for; more is surer and slower
SPEEDS = (1.0, 1.25, 0.8, 1.5, 2 / 3, 2.0, 0.5)  # tried besides the one at which both clips are equally long
SHIFTS_PER_STEP = 4  # shifts tried between two frames; more finds fast motion, costs time
MAX_SHIFTS = 120  # of one speed
MIN_INSIDE = 0.75  # of the frames looked for that lie within the other clip; lower lets loose ends match by chance
MIN_FRAMES = 5  # that lie within; fewer follow any path by chance
MIN_MOTION = 0.4  # grey levels, root mean square over pixels and frames: below, only noise of compression changes


class Moves(NamedTuple):
    """How well two clips move alike."""

    score: float  # correlation, -1..1; -1 where nothing can be said
    motion: float  # root mean square change of the one that moves less, in grey levels
    speed: float
    shift_s: float


STILL = Moves(-1.0, 0.0, 1.0, 0.0)


@dataclass(frozen=True, slots=True)
class Timings:
    """Every shift and speed at which the frames of the shorter clip are looked for in the longer one."""

    queries: NDArray[np.int64]  # (Q,) frames of the shorter clip
    weights: Frames  # (H, Q, T) of the longer clip's frames; all 0 outside it
    speed: FloatArray  # (H,)
    shift_s: FloatArray  # (H,)

    @classmethod
    def of(cls, long_s: FloatArray, short_s: FloatArray) -> Timings:
        """All timings of two clips by the times of their frames, at least two in each."""
        rows = np.unique(np.linspace(0, len(short_s) - 1, min(len(short_s), MAX_QUERIES)).round().astype(np.int64))
        asked_s = np.asarray(short_s[rows] - short_s[0], np.float64)
        step_s, slack_s = float(np.median(np.diff(long_s))), float(np.median(np.diff(long_s))) / 2
        speed, shift_s = _timings(long_s, asked_s[-1], step_s=step_s)
        at_s = shift_s[:, None] + speed[:, None] * asked_s
        inside = (at_s >= long_s[0] - slack_s) & (at_s <= long_s[-1] + slack_s)
        enough = inside.sum(axis=1) >= max(MIN_FRAMES, MIN_INSIDE * len(rows))
        place = np.interp(at_s[enough], long_s, np.arange(len(long_s)))
        weights = np.maximum(0.0, 1.0 - np.abs(place[:, :, None] - np.arange(len(long_s)))) * inside[enough][:, :, None]
        return cls(rows, np.asarray(weights, np.float32), speed[enough], shift_s[enough])

    def moves(self, long: Frames, short: Frames) -> Moves:
        """The best of all timings for the pixels (T, P) and (S, P) of both clips."""
        if not len(self.speed):
            return STILL
        short = short[self.queries]
        cross, own_long, own_short = (_gram(a, b) for a, b in ((long, short), (long, long), (short, short)))
        inside = self.weights.sum(axis=2)  # (H, Q) of 0 and 1
        n, used = inside.sum(axis=1), self.weights.sum(axis=1)  # (H,), (H, T)
        both = np.einsum("hqt,tq->h", self.weights, cross) - ((used @ cross) * inside).sum(axis=1) / n
        at_long = np.einsum("hqt,hqt->h", self.weights @ own_long, self.weights)
        var_long = (at_long - ((used @ own_long) * used).sum(axis=1) / n) / n
        var_short = (inside @ own_short.diagonal() - ((inside @ own_short) * inside).sum(axis=1) / n) / n
        least = np.minimum(var_long, var_short)
        score = np.where(least >= MIN_MOTION**2, both / n / np.sqrt(np.maximum(var_long * var_short, 1e-6)), -1.0)
        best = int(score.argmax())
        motion = float(np.sqrt(max(float(least[best]), 0.0)))
        return Moves(float(score[best]), motion, float(self.speed[best]), float(self.shift_s[best]))


def _timings(long_s: FloatArray, length_s: float, *, step_s: float) -> tuple[FloatArray, FloatArray]:
    span_s = float(long_s[-1] - long_s[0])
    equal = span_s / max(length_s, 1e-6)
    speeds = [*SPEEDS, equal] if SPEEDS[-1] <= equal <= 1 / SPEEDS[-1] else list(SPEEDS)
    speed, shift_s = [], []
    for one in speeds:
        free_s = span_s - length_s * one
        loose_s = (1 - MIN_INSIDE) * length_s * one
        low, high = min(0.0, free_s) - loose_s, max(0.0, free_s) + loose_s
        shifts = np.linspace(low, high, min(MAX_SHIFTS, int((high - low) / step_s * SHIFTS_PER_STEP) + 2))
        speed += [one] * len(shifts)
        shift_s += (long_s[0] + shifts).tolist()
    return np.array(speed), np.array(shift_s)


def _gram(a: Frames, b: Frames) -> Frames:
    """Mean products over pixels, of grey levels from a common middle: (T, P) and (S, P) to (T, S)."""
    return np.asarray((a - 128.0) @ (b - 128.0).T / a.shape[1], np.float32)
