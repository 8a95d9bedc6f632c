"""Times of key frames to a decoding plan: which groups of pictures to open, and which frames to take from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

# A key frame stands for a wanted time up to this share of the period away. Lower spaces the frames more evenly, higher
# decodes less; at one half every wanted time with any key frame of its own costs one frame's decoding.
KEY_TOLERANCE: Final = 0.5


class KeyFrame(NamedTuple):
    """A key frame: running number of its packet among the stream's packets, and its time."""

    packet: int
    time_s: float


class Run(NamedTuple):
    """Frames to take from one group of pictures: decoding starts at its key frame and ends with the last time."""

    key: KeyFrame
    times_s: tuple[float, ...]  # ascending


def wanted_times(start_s: float, end_s: float, *, rate_hz: float, max_frames: int, min_frames: int = 1) -> list[float]:
    """Times `1 / rate_hz` apart from the start.

    Evenly further apart where that would be more than `max_frames`, closer where it would be fewer than `min_frames`.
    """
    duration_s = max(end_s - start_s, 0.0)
    n_at_rate = max(1, int(np.ceil(duration_s * rate_hz - 1e-6)))
    n = min(max(n_at_rate, min_frames if duration_s > 0 else 1), max_frames)
    step_s = 1 / rate_hz if n == n_at_rate else duration_s / n
    return [start_s + k * step_s for k in range(n)]


def plan_runs(keys: Sequence[KeyFrame], times_s: Sequence[float]) -> list[Run]:
    """Key frames first: each wanted time takes the nearest key frame of its period, or else is decoded up to.

    Every wanted time from the first key frame on is met by exactly one frame. Keys and times ascend.
    """
    step_s = times_s[1] - times_s[0] if len(times_s) > 1 else np.inf
    chosen = _nearest_keys(keys, times_s, tolerance_s=step_s * KEY_TOLERANCE)
    wants: dict[int, list[float]] = {}
    key_times = [key.time_s for key in keys]
    for slot, time_s in enumerate(times_s):
        if slot in chosen:
            wants.setdefault(chosen[slot], []).append(keys[chosen[slot]].time_s)
        elif (group := int(np.searchsorted(key_times, time_s, side="right")) - 1) >= 0:
            wants.setdefault(group, []).append(time_s)
    return [Run(keys[group], tuple(sorted(wants[group]))) for group in sorted(wants)]


def _nearest_keys(keys: Sequence[KeyFrame], times_s: Sequence[float], *, tolerance_s: float) -> dict[int, int]:
    """Wanted time -> nearest key frame (both by number); each key frame serves only the time it is nearest to."""
    nearest: dict[int, int] = {}
    times = np.asarray(times_s)
    for number, key in enumerate(keys):
        slot = int(np.abs(times - key.time_s).argmin())
        distance_s = abs(times_s[slot] - key.time_s)
        rival = nearest.get(slot)
        if distance_s <= tolerance_s and (rival is None or distance_s < abs(times_s[slot] - keys[rival].time_s)):
            nearest[slot] = number
    return nearest
